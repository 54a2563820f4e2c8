"""Starting the page: ports, desktop, the guard before the app, opening in the background. No Gradio."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from rag.errors import LibraryBusyError
from rag.page import launcher
from rag.page.guard import POLICY, Guard, hostname
from rag.page.opening import Opening


def test_taken_port_gives_the_next_free_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = launcher.free_port("127.0.0.1", port)
        assert found is not None and port < found < port + launcher.PORTS_TO_TRY
    assert launcher.free_port("127.0.0.1", port) == port
    assert launcher.free_port("192.0.2.1", port) is None  # an address of nobody


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "w"}, True),
        ("darwin", {}, True),
        ("win32", {}, True),
    ],
)
def test_browser_opens_only_on_a_desktop(platform: str, environment: dict[str, str], expected: bool) -> None:
    assert launcher.has_desktop(platform, environment) is expected


def test_no_free_port_ends_with_a_line_in_both_languages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(launcher, "free_port", lambda host, first: None)
    assert launcher.main(["--no-browser", "--port", "7860"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "하나도 열 수 없습니다" in told.err and "No free port from 7860" in told.err


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("localhost:7860", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]:7860", "::1"),
        ("EVIL.example", "evil.example"),
    ],
)
def test_hostname_of_a_header(header: str, host: str) -> None:
    assert hostname(header) == host


def request(path: str, host: str, bound: str = "127.0.0.1") -> tuple[int, dict[bytes, bytes]]:
    """Status and headers of a request through the guard; the app behind it answers 200."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("the guard reads no body")

    scope = {"type": "http", "path": path, "headers": [(b"host", host.encode())]}
    asyncio.run(Guard(app, bound)(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"])


def test_guard_lets_this_computer_in_and_keeps_everything_else_out() -> None:
    status, headers = request("/", "localhost:7860")
    assert (status, headers[b"x"], headers[b"content-security-policy"]) == (200, b"y", POLICY.encode())
    assert request("/", "evil.example:7860")[0] == 421
    assert request("/", "evil.example", bound="0.0.0.0")[0] == 200  # served to a network on purpose
    assert request("/gradio_api/info", "localhost")[0] == 404
    assert request("/gradio_api/queue/join", "localhost")[0] == 200
    assert "http:" not in POLICY and "https:" not in POLICY and "*" not in POLICY


def test_opening_runs_in_the_background_and_can_be_retried() -> None:
    gate = threading.Event()
    tries: list[int] = []
    assistant: Any = object()

    def opener() -> Any:
        gate.wait(10)
        tries.append(1)
        if len(tries) == 1:
            raise LibraryBusyError(path="index")
        return assistant

    opening = Opening(opener)
    assert [opening.state] == ["opening"]
    gate.set()
    with pytest.raises(LibraryBusyError):
        opening.result()
    assert [opening.state] == ["failed"]
    opening.retry()
    assert opening.result() is assistant
    assert [opening.state] == ["ready"]
    opening.retry()
    assert len(tries) == 2
