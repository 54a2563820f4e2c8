"""The in-memory indexes and their files, kept in step with the store.

The store is the truth. FAISS and BM25 hold what it holds at one generation, and ``derived/`` holds a copy of them, so that
opening a large library does not mean making them again. The copy carries a manifest; when it is missing, damaged, of
another model or of another generation, they are made from the stored vectors and morphemes, never embedded again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from rag.dense import FaissIndex
from rag.interfaces import Keys
from rag.lexical import LexicalIndex
from rag.store import Store

logger = logging.getLogger(__name__)

FORMAT = 2  # of the derived files
LEFTOVER_AGE = 3600.0  # seconds after which half-written derived files are nobody's work in progress


class Indexes:
    """``dense`` and ``lexical`` over all passages of a store. Hold ``lock`` from ``refresh`` until they have been used."""

    def __init__(self, store: Store, model: str, dimension: int) -> None:
        self._store = store
        self._model = model
        self._dimension = dimension
        self._generation = -1
        self.lock = threading.RLock()
        self._empty()

    def _empty(self) -> None:
        self.dense = FaissIndex(self._dimension)
        self.lexical = LexicalIndex.build(np.zeros(0, np.int64), [])

    def refresh(self) -> None:
        """Bring the indexes to the store's generation: from the derived files if they are of it, else key by key."""
        with self.lock:
            with self._store.snapshot():
                generation = self._store.generation()
                if generation == self._generation or (self._generation < 0 and self._load_derived(generation)):
                    return
                self._follow(self._store.keys())
                self._generation = generation
            self._save_derived()

    def rebuild(self) -> None:
        """Make the derived indexes anew from the stored vectors and morphemes."""
        with self.lock:
            self._empty()
            with self._store.snapshot():
                self._generation = self._store.generation()
                self._follow(self._store.keys())
            self._save_derived()

    def problems(self) -> list[str]:
        """What in the derived indexes does not agree with the store, in English, a line each."""
        with self.lock, self._store.snapshot():
            self.refresh()
            keys = self._store.keys()
            found = []
            if not np.array_equal(self.dense.keys(), keys):
                found.append(f"FAISS holds {len(self.dense)} passages, the library {len(keys)}")
            if not np.array_equal(self.lexical.keys(), keys):
                found.append(f"BM25 holds {len(self.lexical)} passages, the library {len(keys)}")
            for passage in self._store.passages(keys[:: max(1, len(keys) // 100)].tolist()):
                if not np.isclose(self.dense.scores(passage.vector, np.array([passage.key]))[0], 1.0, atol=1e-3):
                    found.append(f"FAISS holds another vector for passage {passage.key}")
            return found

    def _follow(self, keys: Keys) -> None:
        """Passages never change and their keys are never used again: what differs in keys is all that differs."""
        held = self.dense.keys()
        gone, new = np.setdiff1d(held, keys), np.setdiff1d(keys, held)
        if len(gone):
            self.dense.remove(gone)
        for at in range(0, len(new), 10_000):
            some = new[at : at + 10_000]
            self.dense.add(some, self._store.vectors(some.tolist()))
        if not np.array_equal(self.lexical.keys(), keys):
            rows = list(self._store.morphemes())
            self.lexical = LexicalIndex.build(np.array([k for k, _ in rows], np.int64), [forms for _, forms in rows])

    # Files: derived/{manifest.json, dense.faiss, lexical/}

    @property
    def _derived(self) -> Path:
        return self._store.folder / "derived"

    def _load_derived(self, generation: int) -> bool:
        """Take the derived files if they are sound and of this generation. Says whether it did."""
        try:
            manifest = json.loads((self._derived / "manifest.json").read_text("utf-8"))
            if (manifest["format"], manifest["model"], manifest["generation"]) != (FORMAT, self._model, generation):
                return False
            if _checksum(self._derived) != manifest["checksum"]:
                logger.warning("derived files of %s are damaged and are made again", self._store.folder)
                return False
            dense, lexical = (
                FaissIndex.load(self._derived / "dense.faiss"),
                LexicalIndex.load(self._derived / "lexical"),
            )
        except FileNotFoundError:
            return False
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("derived files of %s are made again: %s", self._store.folder, error)
            return False
        if dense.dimension != self._dimension:
            return False
        self.dense, self.lexical, self._generation = dense, lexical, generation
        return True

    def _save_derived(self) -> None:
        """Write beside, then swap: a crash leaves the old files, the new ones, or none, and all three are fine."""
        try:
            for left in self._store.folder.glob(".derived-*"):  # by a process that was killed
                if time.time() - left.stat().st_mtime > LEFTOVER_AGE:
                    shutil.rmtree(left, ignore_errors=True)
            fresh = Path(tempfile.mkdtemp(prefix=".derived-", dir=self._store.folder))
            try:
                (fresh / "lexical").mkdir()
                (fresh / "dense.faiss").write_bytes(self.dense.to_bytes())
                self.lexical.save(fresh / "lexical")
                manifest = {
                    "format": FORMAT,
                    "model": self._model,
                    "dimension": self._dimension,
                    "generation": self._generation,
                    "count": len(self.dense),
                    "checksum": _checksum(fresh),
                }
                (fresh / "manifest.json").write_text(json.dumps(manifest, indent=1), "utf-8")
                old = fresh.with_name(fresh.name + "-old")
                if self._derived.exists():
                    self._derived.replace(old)
                fresh.replace(self._derived)
                shutil.rmtree(old, ignore_errors=True)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
        except OSError as error:  # a full disk or a read-only folder: searching goes on from memory
            logger.warning("derived files of %s were not written: %s", self._store.folder, error)


def _checksum(folder: Path) -> str:
    """SHA-256 over the names and bytes of all files but the manifest."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "manifest.json":
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
