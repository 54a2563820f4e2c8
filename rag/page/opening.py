"""Opening an assistant in the background, so that the page is there before it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Literal

from rag.page.contract import AssistantLike


class Opening:
    """An assistant that is being opened. ``result`` waits for it; ``retry`` opens again after a failure."""

    def __init__(self, opener: Callable[[], AssistantLike]) -> None:
        self._opener = opener
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="geungeo-open")
        self._lock = Lock()
        self._future: Future[AssistantLike] = self._executor.submit(opener)

    @classmethod
    def ready(cls, assistant: AssistantLike) -> Opening:
        """An assistant that is open already."""
        opening = cls(lambda: assistant)
        opening.result()
        return opening

    @property
    def state(self) -> Literal["opening", "ready", "failed"]:
        """How far it is, without waiting."""
        future = self._future
        if not future.done():
            return "opening"
        return "ready" if future.exception() is None else "failed"

    def result(self) -> AssistantLike:
        """The assistant, once it is open. Raises what opening raised."""
        return self._future.result()

    def retry(self) -> None:
        """Open again if opening has failed; otherwise do nothing."""
        with self._lock:
            if self.state == "failed":
                self._future = self._executor.submit(self._opener)
