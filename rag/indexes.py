"""The in-memory indexes and their files, kept in step with the store.

The store is the truth. FAISS and BM25 hold what it holds at one generation; ``derived/`` holds files of them, so that opening a
large library means mapping them, not making them. The store can tell what has come and gone since a generation it was once at, so
a document more is a few kilobytes more. What belongs to another model or to a library that went another way, or is damaged, is
made anew from the stored vectors and morphemes, never embedded again.

Files are never changed once written. The manifest names those that count and is replaced at one stroke, so a crash leaves the old
index or the new one, and another process that has the old files open may go on reading them.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from rag.dense import FaissIndex
from rag.interfaces import Keys
from rag.lexical import LexicalIndex
from rag.store import Store

logger = logging.getLogger(__name__)

FORMAT = 3  # of the derived files
MANIFEST = "manifest.json"
LEFTOVER_AGE = 3600.0  # seconds after which files that no manifest names are nobody's work in progress
CHECKED_AT_OPEN = (
    16 << 20
)  # bytes; larger files are checked by ``problems`` only, or opening a large library would read all of it
BLOCK = 10_000  # passages whose vectors are read at once


class Indexes:
    """``dense`` and ``lexical`` over all passages of a store. Use them inside of ``current``."""

    def __init__(self, store: Store, model: str, dimension: int) -> None:
        self._store = store
        self._model = model
        self._dimension = dimension
        self._lock = threading.RLock()
        self._empty()

    def _empty(self) -> None:
        self._generation = -1
        self._files: dict[str, dict[str, Any]] = {}  # of the manifest last written or read: name -> bytes, sha256
        self.dense = FaissIndex(self._dimension, self._store.vectors)
        self.lexical = LexicalIndex()

    @contextmanager
    def current(self) -> Iterator[None]:
        """For as long as this lasts the indexes hold what the store holds, whatever others write, and no other thread uses them."""
        with self._lock, self._store.snapshot():
            self.refresh()
            yield

    def refresh(self) -> None:
        """Bring the indexes to the store's generation, and their files with them."""
        with self._lock, self._store.snapshot():
            generation = self._store.generation()
            if generation == self._generation:
                return
            if self._generation < 0 and self._load_derived() and self._generation == generation:
                return
            self._follow()
            self._generation = generation
            self._save_derived()

    def rebuild(self) -> None:
        """Make the derived indexes anew from the stored vectors and morphemes."""
        with self._lock, self._store.snapshot():
            self._empty()
            self._follow()
            self._generation = self._store.generation()
            self._save_derived()

    def problems(self) -> list[str]:
        """What in the derived indexes does not agree with the store, in English, a line each."""
        with self.current():
            keys = self._store.keys()
            found = [
                f"{name} is damaged" for name, file in self._files.items() if not _is_sound(self._derived, name, file)
            ]
            if not np.array_equal(self.dense.keys(), keys):
                found.append(f"FAISS holds {len(self.dense)} passages, the library {len(keys)}")
            if not np.array_equal(self.lexical.keys(), keys):
                found.append(f"BM25 holds {len(self.lexical)} passages, the library {len(keys)}")
            for passage in self._store.passages(keys[:: max(1, len(keys) // 100)].tolist()):
                if not np.isclose(self.dense.scores(passage.vector, np.array([passage.key]))[0], 1.0, atol=1e-3):
                    found.append(f"FAISS holds another vector for passage {passage.key}")
            return found

    def _follow(self) -> None:
        """Passages never change and their keys are never used again: what came and went is all that differs."""
        changes = self._store.changes_since(self._generation) if self._generation >= 0 else None
        if changes is None:
            self._empty()
            self._add(self._store.keys())
            return
        if len(changes.gone):
            self.dense.remove(changes.gone)
            self.lexical.remove(changes.gone)
        self._add(changes.come)

    def _add(self, keys: Keys) -> None:
        for at in range(0, len(keys), BLOCK):
            some = keys[at : at + BLOCK]
            self.dense.add(some, self._store.vectors(some.tolist()))
        self.lexical.add(keys, self._store.morphemes(keys.tolist()))

    # Files: derived/manifest.json and those it names

    @property
    def _derived(self) -> Path:
        return self._store.folder / "derived"

    def _load_derived(self) -> bool:
        """Take the derived files if they are sound and of a generation that this library was at. Says whether it did."""
        try:
            manifest = json.loads((self._derived / MANIFEST).read_text("utf-8"))
            if (manifest["format"], manifest["model"], manifest["dimension"]) != (FORMAT, self._model, self._dimension):
                return False
            files, generation = dict(manifest["files"]), int(manifest["generation"])
            if self._store.changes_since(generation) is None:
                return False
            if not all(_is_sound(self._derived, name, file, CHECKED_AT_OPEN) for name, file in files.items()):
                logger.warning("derived files of %s are damaged and are made again", self._store.folder)
                return False
            dense = FaissIndex.load(self._derived, manifest["dense"], self._store.vectors)
            lexical = LexicalIndex.load(self._derived, manifest["lexical"])
        except FileNotFoundError:
            return False
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            logger.warning("derived files of %s are made again: %s", self._store.folder, error)
            return False
        if dense.dimension != self._dimension or not len(dense) == len(lexical) == manifest.get("count"):
            return False
        self.dense, self.lexical, self._generation, self._files = dense, lexical, generation, files
        return True

    def _save_derived(self) -> None:
        """Write the files that are new, then the manifest, then forget the files that only the last one named."""
        derived = self._derived
        try:
            derived.mkdir(exist_ok=True)
            dense, lexical = self.dense.save(derived), self.lexical.save(derived)
            files = {name: self._files.get(name) or _described(derived / name) for name in (*dense, *lexical)}
            manifest = {
                "format": FORMAT,
                "model": self._model,
                "dimension": self._dimension,
                "generation": self._generation,
                "count": len(self.dense),
                "dense": dense,
                "lexical": lexical,
                "files": files,
            }
            fresh = derived / f".manifest-{secrets.token_hex(8)}"
            fresh.write_text(json.dumps(manifest, indent=1), "utf-8")
            fresh.replace(derived / MANIFEST)
        except OSError as error:  # a full disk or a read-only folder: searching goes on from memory
            logger.warning("derived files of %s were not written: %s", self._store.folder, error)
            return
        _forget(derived, self._files.keys() - files.keys(), files.keys() | {MANIFEST})
        self._files = files


def _described(path: Path) -> dict[str, Any]:
    """Size and checksum of a file that has just been written, and now is on the disk for certain."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _is_sound(folder: Path, name: str, file: dict[str, Any], most: int | None = None) -> bool:
    """Whether the file is as the manifest says; of one larger than ``most`` bytes only its size is looked at."""
    path = folder / name
    if Path(name).name != name or not path.is_file() or path.stat().st_size != file["bytes"]:
        return False
    if most is not None and file["bytes"] > most:
        return True
    with path.open("rb") as opened:
        return bool(hashlib.file_digest(opened, "sha256").hexdigest() == file["sha256"])


def _forget(folder: Path, outdated: set[str], named: set[str]) -> None:
    """Remove files that no manifest names: those the last one did, and old ones, which a killed process or version left."""
    for path in folder.iterdir():
        with suppress(OSError):  # mapped by another process, on a system that minds; the next one removes it
            old = path.name not in named and time.time() - path.stat().st_mtime > LEFTOVER_AGE
            if path.name in outdated or old:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
