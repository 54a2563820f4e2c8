"""How far indexing has come, how fast it goes and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable

from rag.types import Progress

OnProgress = Callable[[Progress], None]


class Pace:
    """Tells ``on_progress`` of passages as they are embedded. The way to go is counted in characters of text.

    It may turn out longer or shorter while one goes it: files are read one after the other, and some need nothing. What is told never
    goes back.
    """

    def __init__(self, on_progress: OnProgress | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._on_progress = on_progress
        self._clock = clock
        self._expected = 0  # characters, what is done among them
        self._done = 0
        self._passages = 0
        self._busy = 0.0  # seconds; reading files and loading models are no part of it
        self._since = 0.0
        self._shown = (0, 1)  # done and total as they were last told

    def expect(self, characters: int) -> None:
        """So many more are to be embedded than was thought; negative for fewer."""
        self._expected += characters

    def begin(self, title: str) -> None:
        """Embedding begins, or goes on after something else."""
        self._since = self._clock()
        self._tell(title)

    def advance(self, passages: int, characters: int, title: str) -> None:
        """So many are done. ``title`` is that of the document they are of."""
        now = self._clock()
        self._busy += now - self._since
        self._since = now
        self._passages += passages
        self._done += characters
        self._tell(title)

    def _tell(self, title: str) -> None:
        if self._on_progress is None:
            return
        total = max(self._expected, self._done)
        if (
            self._done * self._shown[1] < self._shown[0] * total
        ):  # longer than was thought: better to stand than to go back
            total = self._done * self._shown[1] // self._shown[0]
        self._shown = (self._done, max(total, 1))
        known = self._done > 0 and self._busy > 0
        left = max(self._expected - self._done, 0)
        self._on_progress(
            Progress(
                "embed",
                self._done,
                total,
                title,
                per_s=self._passages / self._busy if known else None,
                left_s=self._busy * left / self._done if known else None,
            )
        )
