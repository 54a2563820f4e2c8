"""Fixtures that several tiers share. What takes seconds to load is loaded once a session."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from rag.morphology import Morphology

if TYPE_CHECKING:
    from rag.embedding import BundledEmbedder

# The same examples in every run, and no time limit an example: machines are shared.
settings.register_profile("geungeo", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("geungeo")


@pytest.fixture(scope="session")
def morphology() -> Morphology:
    """The real analyser; it loads in about two seconds."""
    analyser = Morphology()
    analyser.load()
    return analyser


@pytest.fixture(scope="session")
def embedder() -> BundledEmbedder:
    """The real bundled model; for tests marked ``model`` only."""
    from rag.embedding import BundledEmbedder
    from rag.weights import find_weights, open_weights

    return BundledEmbedder(open_weights(find_weights()))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: Playwright leaves an event loop running in this thread, which other tests must not meet."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """In CI every tool is there, so a test that skips there has stopped testing."""
    skipped = len(terminalreporter.stats.get("skipped", []))
    session = terminalreporter._session
    if skipped and session is not None and os.environ.get("CI"):
        terminalreporter.write_line(f"{skipped} skipped in CI, where nothing may skip", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
