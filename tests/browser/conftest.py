"""A Chromium, and the page served in this process around an assistant of the test's own."""

from __future__ import annotations

import gc
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_assistant import FakeAssistant, samples

FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(autouse=True)
def _collect() -> Iterator[None]:
    """Gradio leaves event loops and sockets open; let them be found here, where tests/browser ignores it."""
    yield
    gc.collect()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Warnings of Gradio's own (pandas options, open loops) are not ours to fix."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A running Chromium, driven by Playwright."""
    path = os.environ.get("GEUNGEO_CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("chromium is not installed (apt install chromium, or set GEUNGEO_CHROMIUM)")
    playwright = pytest.importorskip("playwright.sync_api").sync_playwright().start()
    browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
    yield browser
    browser.close()
    playwright.stop()


def _serve(assistant: Any) -> tuple[Any, str]:
    from rag.page import PageSettings, blocks

    settings = PageSettings(examples=("건립에 쓴 돈은 모두 얼마인가요?", "What are the opening hours?"), max_file_mb=1)
    page = blocks.build_page(assistant, settings=settings)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return page, blocks.serve(page, "127.0.0.1", port, settings)


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """The URL of a page over the sample documents, which its tests only read."""
    page, url = _serve(FakeAssistant(samples()))
    yield url
    page.close(verbose=False)


@pytest.fixture
def serve() -> Iterator[Callable[[Any], str]]:
    """Serve a page around an assistant (or an ``Opening``) for one test; gives its URL."""
    pages: list[Any] = []

    def start(assistant: Any) -> str:
        page, url = _serve(assistant)
        pages.append(page)
        return url

    yield start
    for page in pages:
        page.close(verbose=False)


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open a URL in a fresh browser profile. Afterwards: no script error, no console error, no foreign request.

    ``losing=True`` is for a test that takes the server away, which Chromium writes to the console.
    """
    contexts: list[Any] = []
    faults: list[str] = []

    def go(url: str, width: int = 1440, height: int = 900, losing: bool = False, **options: Any) -> Any:
        options = {"locale": "ko-KR", "reduced_motion": "reduce", **options}
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        _listen(page, url, [] if losing else faults)
        page.goto(url)
        page.wait_for_selector("html[data-ready]")
        return page

    yield go
    for context in contexts:
        context.close()
    assert faults == []


def _listen(page: Any, own: str, faults: list[str]) -> None:
    """Note everything that a sound page never does."""

    def dialog(opened: Any) -> None:
        faults.append(f"dialog: {opened.message}")
        opened.dismiss()

    def console(line: Any) -> None:
        if line.type == "error":
            faults.append(f"console: {line.text}")

    def request(sent: Any) -> None:
        if not sent.url.startswith((own, "data:", "blob:")):
            faults.append(f"foreign request: {sent.url}")

    def response(answer: Any) -> None:
        if answer.status >= 400:
            faults.append(f"{answer.status} {answer.url}")

    page.on("pageerror", lambda error: faults.append(f"script error: {error}"))
    for event, listener in [("dialog", dialog), ("console", console), ("request", request), ("response", response)]:
        page.on(event, listener)
