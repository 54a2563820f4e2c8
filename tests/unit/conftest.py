"""Libraries in a temporary folder, with word counts for a model and one shared analyser."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from rag import Assistant, Embedder, Settings
from rag.fakes import WordEmbedder
from rag.morphology import Morphology


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GEUNGEO_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def open_library(tmp_path: Path, morphology: Morphology) -> Iterator[Callable[..., Assistant]]:
    """Opens the library ``index`` in ``tmp_path``, each time anew, as another process would; closed after the test."""
    with ExitStack() as stack:

        def open_library(*, embedder: Embedder | None = None, settings: Settings | None = None) -> Assistant:
            assistant = Assistant.open(
                tmp_path / "index",
                embedder=embedder or WordEmbedder(),
                settings=settings or Settings(),
                morphology=morphology,
            )
            return stack.enter_context(assistant)

        yield open_library
