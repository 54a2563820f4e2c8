"""The in-memory indexes and their files, kept in step with the store.

The store is the truth. FAISS and BM25 hold what it holds at one generation; ``derived/`` holds files of them, so that opening a
large library means mapping them, not making them. The store can tell what has come and gone since a generation it was once at, so
a document more is a few kilobytes more. What belongs to another model or to a library that went another way, or is damaged, is
made anew from the stored vectors and morphemes, never embedded again.

Files are never changed once written. The manifest names those that count and is replaced at one stroke, so a crash leaves the old
index or the new one, and another process that has the old files open may go on reading them. Of two processes that write at once
one is first, and the other takes up its files at the next change.
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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rag.dense import FaissIndex
from rag.errors import LibraryCorruptError, LibraryError
from rag.interfaces import Keys, Vectors
from rag.lexical import LexicalIndex
from rag.store import Store

logger = logging.getLogger(__name__)

FORMAT = 3  # of the derived files
MANIFEST = "manifest.json"
LEFTOVER_AGE = 3600.0  # seconds after which files that no manifest names are nobody's work in progress
CHECKED_AT_OPEN = 16 << 20  # bytes; larger files only ``problems`` reads through, or opening a large library would
BLOCK = 10_000  # passages whose vectors are read at once
SAMPLE = 100  # vectors that ``problems`` compares
MOST_APART = 0.1  # distance of a unit vector from what quantising leaves of it; other passages are three times as far
NONE_YET = -1  # no store is ever at this generation


class Indexes:
    """``dense`` and ``lexical`` over all passages of a store. Use them inside of ``current``.

    Whoever holds the store's lock must not wait for this one's: ``current`` takes this, then the store's.
    """

    def __init__(self, store: Store, model: str, dimension: int) -> None:
        self._store = store
        self._model = model
        self._dimension = dimension
        self._derived = store.folder / "derived"
        self._lock = threading.RLock()
        self._manifest: _Manifest | None = None  # the last one that was read, be its files sound or not, or written
        self._files: dict[str, dict[str, Any]] = {}  # as in a manifest; of the files last read or written
        self._empty()

    def _empty(self) -> None:
        self._generation = NONE_YET
        self._is_saved = False  # or could not be
        self.dense = FaissIndex(self._dimension, self._lend)
        self.lexical = LexicalIndex()

    @contextmanager
    def current(self) -> Iterator[None]:
        """For as long as this lasts the indexes hold what the store holds, whatever others write, and no other thread uses them."""
        with self._lock:
            if self._generation == NONE_YET:
                self._load()  # before the snapshot: a manifest may be newer than that, but not than what comes after it
            with self._store.snapshot():
                self._update()
                yield
            self._save()  # after it, as others may then write and read meanwhile

    def refresh(self) -> None:
        """Bring the indexes to the store's generation, and their files with them."""
        with self.current():
            pass

    def rebuild(self) -> None:
        """Make the derived indexes anew from the stored vectors and morphemes."""
        with self._lock:
            self._manifest = self._read_manifest()  # sound or not, it is replaced
            with self._store.snapshot():
                self._empty()
                self._follow(self._store.generation())
            self._save()

    def problems(self) -> list[str]:
        """What in the derived indexes does not agree with the store, in English, a line each."""
        self.refresh()  # files found damaged are then made again, and no problem
        with self.current():
            keys = self._store.keys()
            found = [f"{name} is damaged" for name in self._damaged()]
            if not np.array_equal(self.dense.keys(), keys):
                found.append(f"FAISS holds {len(self.dense)} passages, the library {len(keys)}")
            if not np.array_equal(self.lexical.keys(), keys):
                found.append(f"BM25 holds {len(self.lexical)} passages, the library {len(keys)}")
            sample = np.intersect1d(keys[:: max(1, len(keys) // SAMPLE)], self.dense.keys())
            apart = self.dense.reconstruct(sample) - self._lend(sample)
            others = sample[np.linalg.norm(apart, axis=1) > MOST_APART]
            return found + [f"FAISS holds another vector for passage {key}" for key in others.tolist()]

    def _damaged(self) -> list[str]:
        """Files that are not as the manifest says. None when another process has just replaced it: they may be gone."""
        files = self._manifest.files if self._manifest else {}
        found = [name for name, file in files.items() if not _is_sound(self._derived / name, file)]
        return found if self._read_manifest() == self._manifest else []

    # Following the store

    def _update(self) -> None:
        generation = self._store.generation()
        if generation == self._generation:
            return
        if self._generation != NONE_YET:
            self._load()  # what another process has written already need not be written again
        if generation != self._generation:
            self._follow(generation)

    def _follow(self, generation: int) -> None:
        """Passages never change and their keys are never used again: what came and went is all that differs."""
        changes = self._store.changes_since(self._generation)
        try:
            if changes is None:
                self._empty()
                self._add(self._store.keys())
            else:
                if len(changes.gone):
                    self.dense.remove(changes.gone)
                    self.lexical.remove(changes.gone)
                self._add(changes.come)
        except BaseException:
            self._empty()  # half of it may have been done
            self._manifest = None  # its files may be read again
            raise
        self._generation, self._is_saved = generation, False

    def _add(self, keys: Keys) -> None:
        for at in range(0, len(keys), BLOCK):
            some = keys[at : at + BLOCK]
            self.dense.add(some, self._lend(some))
        self.lexical.add(keys, self._store.morphemes(keys.tolist()))

    def _lend(self, keys: Keys) -> Vectors:
        """The true vectors of passages that the store holds as far as its generation tells."""
        try:
            return self._store.vectors(keys.tolist())
        except KeyError as error:
            raise LibraryCorruptError(path=self._store.folder, detail=f"passage {error} is missing") from error

    # Files: derived/manifest.json and those it names

    def _load(self) -> None:
        """Take the derived files if they are sound, not ours, and of a generation that the library was at, no earlier than ours."""
        manifest = self._read_manifest()
        while manifest is not None and self._is_useful(manifest):
            try:
                self._take(manifest)
                return
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                self._manifest, manifest = manifest, self._read_manifest()
                if manifest == self._manifest:  # else another process has replaced it, and removed files of the old one
                    logger.warning("derived files of %s are made again: %s", self._store.folder, error)

    def _read_manifest(self) -> _Manifest | None:
        """None when there is none that this version understands."""
        try:
            return _Manifest.parse((self._derived / MANIFEST).read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            logger.warning("manifest of the derived files of %s: %s", self._store.folder, error)
            return None

    def _is_useful(self, manifest: _Manifest) -> bool:
        return (
            manifest != self._manifest  # which is ours, or of no use
            and (manifest.model, manifest.dimension) == (self._model, self._dimension)
            and manifest.generation >= self._generation
            and self._store.was_at(manifest.generation)
        )

    def _take(self, manifest: _Manifest) -> None:
        """OSError, ValueError, KeyError, TypeError or AttributeError for files that are missing or damaged."""
        for name, file in manifest.files.items():
            if self._files.get(name) != file and not _is_sound(self._derived / name, file, CHECKED_AT_OPEN):
                raise ValueError(f"{name} is damaged")
        dense = FaissIndex.load(self._derived, manifest.dense, self._lend)
        lexical = LexicalIndex.load(self._derived, manifest.lexical)
        if dense.dimension != self._dimension or not len(dense) == len(lexical) == manifest.count:
            raise ValueError(f"{len(dense)} and {len(lexical)} passages are held, not {manifest.count}")
        self.dense, self.lexical = dense, lexical
        self._generation, self._is_saved = manifest.generation, True
        self._manifest, self._files = manifest, manifest.files

    def _save(self) -> None:
        if self._is_saved:
            return
        self._is_saved = True  # if not, at the next change again: not at every search, on a disk that stays full
        try:
            self._derived.mkdir(exist_ok=True)
            written = self._write()  # much, perhaps, and others may write to the library meanwhile
            with self._store.exclusive():  # a lock that all who write here know
                self._publish(self._write(), written)
        except (OSError, ValueError, LibraryError) as error:  # a full disk, a read-only folder: searching goes on
            logger.warning("derived files of %s were not written: %s", self._store.folder, error)

    def _write(self) -> _Manifest:
        """Write the files that are new, or that another process has removed."""
        dense, lexical = list(self.dense.save(self._derived)), list(self.lexical.save(self._derived))
        self._files = {name: self._files.get(name) or _described(self._derived / name) for name in (*dense, *lexical)}
        return _Manifest(self._model, self._dimension, self._generation, len(self.dense), dense, lexical, self._files)

    def _publish(self, manifest: _Manifest, written: _Manifest) -> None:
        """Replace the manifest unless another process was quicker, and remove the files of those that do not count now.

        ``written`` is as ``manifest`` would be, had no other process removed files since.
        """
        before = self._read_manifest()
        counts = before if before is not None and self._is_useful(before) else manifest
        if counts is manifest:
            _replace(self._derived / MANIFEST, manifest.text())
            self._manifest = manifest
        outdated = {*written.files, *manifest.files, *(before.files if before else ())} - counts.files.keys()
        _clear(self._derived, outdated, {*counts.files, MANIFEST})


@dataclass(frozen=True, slots=True)
class _Manifest:
    """What the derived files are and hold."""

    model: str
    dimension: int
    generation: int
    count: int  # of passages
    dense: list[str]  # names of files
    lexical: list[str]
    files: dict[str, dict[str, Any]]  # all of them, with "bytes" and "sha256"

    @classmethod
    def parse(cls, text: str) -> _Manifest | None:
        """None for one of another version. ValueError for what is none, or names files elsewhere than in its folder."""
        match json.loads(text):
            case {"format": version} if version != FORMAT:
                return None
            case {
                "model": str(model), "dimension": int(dimension), "generation": int(generation), "count": int(count),
                "dense": [*dense], "lexical": [*lexical], "files": dict(files),
            } if _are_described([*dense, *lexical], files) and 0 <= generation < 1 << 63:  # fmt: skip
                return cls(model, dimension, generation, count, dense, lexical, files)
        raise ValueError("not a manifest")

    def text(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1)


def _are_described(names: list[Any], files: dict[str, Any]) -> bool:
    """Whether the names are those of the described files, and none points out of its folder."""
    return (
        all(isinstance(name, str) and Path(name).name == name for name in names)
        and files.keys() == set(names)
        and all(isinstance(file, dict) and file.keys() == {"bytes", "sha256"} for file in files.values())
    )


def _described(path: Path) -> dict[str, Any]:
    """Size and checksum of a file that has just been written, and now is on the disk for certain."""
    with path.open("r+b") as file:  # Windows lets only those who may write say so
        os.fsync(file.fileno())
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _is_sound(path: Path, file: dict[str, Any], most: int | None = None) -> bool:
    """Whether the file is as the manifest says; of one larger than ``most`` bytes only its size is looked at."""
    try:
        with path.open("rb") as opened:
            if os.fstat(opened.fileno()).st_size != file["bytes"]:
                return False
            if most is not None and file["bytes"] > most:
                return True
            return bool(hashlib.file_digest(opened, "sha256").hexdigest() == file["sha256"])
    except OSError:
        return False


def _replace(path: Path, text: str) -> None:
    """Put a file in the place of one there, at one stroke."""
    fresh = path.with_name(f".{path.stem}-{secrets.token_hex(8)}")
    try:
        with fresh.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # or after a power cut the name may stand for an empty file
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def _clear(folder: Path, outdated: set[str], named: set[str]) -> None:
    """Remove the outdated files, and old ones that no manifest names, which a killed process or an earlier version left."""
    for path in (*folder.iterdir(), *folder.parent.glob(".derived-*")):  # these only by versions before format 3
        with suppress(OSError):  # mapped by another process, on a system that minds; the next one removes it
            is_old = time.time() - path.stat().st_mtime > LEFTOVER_AGE
            if path.name in outdated or (is_old and path.name not in named):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
