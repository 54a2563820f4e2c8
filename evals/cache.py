"""Vectors kept between runs, so that a text is embedded once a model and not once a run.

The vectors of a text are the same whichever run asked for them first, so a run from the cache gives the figures of one
without. Latency is never measured through it: see ``evals.run``.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from evals.datasets import DatasetError, both
from rag.interfaces import Embedder, Vectors

FOLDER = Path(__file__).resolve().parent.parent / ".cache" / "evals"
TABLE = "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID"
AT_ONCE = 256  # texts between two commits: an interrupted run loses no more


def cache_folder() -> Path:
    """``GEUNGEO_EVAL_CACHE``, or ``.cache/evals`` in the project. May be deleted at any time."""
    return Path(os.environ.get("GEUNGEO_EVAL_CACHE") or FOLDER)


class CachedEmbedder:
    """An ``Embedder`` that asks another one only for what it has not embedded before."""

    def __init__(self, embedder: Embedder, folder: Path | None = None, *, variant: str = "") -> None:
        """``variant`` tells apart what gives other vectors under one name, such as other prompts.

        Raises:
            DatasetError: the file cannot be used. So do the methods.

        """
        self.embedder = embedder
        self.name = embedder.name
        self.dimension = embedder.dimension
        self._label = "\x00".join((self.name, variant)) if variant else self.name
        self._queries = True
        folder = folder or cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "vectors.db"
        with self._translated():
            self._database = sqlite3.connect(self._path, check_same_thread=False, timeout=60)
            try:
                self._database.execute(TABLE)
            except sqlite3.Error:
                self._database.close()
                raise

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @contextmanager
    def off_for_queries(self) -> Iterator[None]:
        """Questions are embedded anew, for as long as this lasts: for measuring how long that takes."""
        self._queries = False
        try:
            yield
        finally:
            self._queries = True

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """As the embedder's own."""
        if not self._queries:
            return self.embedder.embed_queries(texts)
        return self._embed("query", texts, self.embedder.embed_queries)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """As the embedder's own."""
        return self._embed("passage", texts, self.embedder.embed_passages)

    def _embed(self, kind: str, texts: Sequence[str], embed: Callable[[Sequence[str]], Vectors]) -> Vectors:
        keys = [self._key(kind, text) for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if self._read(key) is None}
        waiting = list(missing.items())
        for at in range(0, len(waiting), AT_ONCE):
            some = waiting[at : at + AT_ONCE]
            vectors = embed([text for _, text in some])
            rows = [(key, vector.tobytes()) for (key, _), vector in zip(some, vectors, strict=True)]
            with self._translated(), self._database:
                self._database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
        found = [self._read(key) for key in keys]
        return np.array(found, np.float32).reshape(len(texts), self.dimension)

    def _key(self, kind: str, text: str) -> bytes:
        return hashlib.sha256("\x00".join((self._label, str(self.dimension), kind, text)).encode()).digest()

    def _read(self, key: bytes) -> Vectors | None:
        with self._translated():
            row = self._database.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
        return np.frombuffer(row[0], np.float32) if row else None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            detail = f"the cache cannot be used; it may be deleted ({error})"
            raise DatasetError(both(self._path, "캐시를 쓸 수 없습니다. 지워도 됩니다", detail)) from error
