"""``main`` with a taken port: it says so, takes the next one, and prints the URL when it answers. No browser needed."""

from __future__ import annotations

import socket
import urllib.request
from typing import Any

import pytest
from fake_assistant import FakeAssistant, samples

from rag.page import launcher

pytestmark = pytest.mark.browser


def test_main_serves_on_the_next_port_and_reaches_nobody_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import gradio

    answered: list[str] = []
    reached: set[str] = set()
    connect = socket.socket.connect

    def noted(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            reached.add(address[0])
        connect(self, address)

    def visit_once(page: gradio.Blocks) -> None:
        with urllib.request.urlopen(str(page.local_url), timeout=10) as response:
            answered.append(response.read().decode())
        page.close(verbose=False)

    monkeypatch.setattr(socket.socket, "connect", noted)
    monkeypatch.setattr(gradio.Blocks, "block_thread", visit_once)
    monkeypatch.setattr(launcher, "open_assistant", lambda index: FakeAssistant(samples()))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert launcher.main(["--port", str(port), "--no-browser", "--lang", "en"]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert f"포트 {port}번은 이미 쓰이고" in told.err and f"Port {port} is in use" in told.err
    assert "근거가 준비되었습니다: http://127.0.0.1:" in told.err
    assert reached <= {"127.0.0.1"}
    assert "gradio_config" in answered[0]
    assert "fonts.googleapis" not in answered[0] and "cdnjs" not in answered[0]
