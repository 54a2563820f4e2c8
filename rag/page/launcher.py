"""Starting the page from a terminal: flags, a free port, the URL line, and a browser where there is a desktop."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import webbrowser
from collections.abc import Mapping, Sequence
from pathlib import Path

from rag.page.contract import AssistantLike
from rag.page.opening import Opening
from rag.types import Progress

PORTS_TO_TRY = 100


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the page until interrupted. Returns the exit status."""
    arguments = _parser().parse_args(argv)
    port = free_port(arguments.host, arguments.port)
    if port is None:
        say(
            f"{arguments.host} 주소에서 {arguments.port}번부터 {PORTS_TO_TRY}개의 포트를 하나도 열 수 없습니다. "
            "--host와 --port를 확인해 주세요. "
            f"/ No free port from {arguments.port} on {arguments.host}. Check --host and --port."
        )
        return 1
    if port != arguments.port:
        say(
            f"포트 {arguments.port}번은 이미 쓰이고 있어 {port}번을 씁니다. "
            f"/ Port {arguments.port} is in use; using {port}."
        )
    if arguments.host not in ("127.0.0.1", "localhost", "::1"):
        say(
            "주의: 같은 네트워크의 다른 사람도 이 문서들을 볼 수 있습니다. "
            "/ Note: others on the network can reach these documents."
        )
    _bypass_proxies()
    opening = Opening(lambda: open_assistant(arguments.index))
    from rag.page import blocks  # Gradio takes seconds to import; the assistant opens meanwhile

    page = blocks.build_page(opening, language=arguments.lang)
    url = blocks.serve(page, arguments.host, port)
    say(f"근거가 준비되었습니다: {url} (끝내기: Ctrl+C) / Geungeo is at {url} (Ctrl+C to stop)")
    if not arguments.no_browser and has_desktop(sys.platform, os.environ):
        webbrowser.open(url)
    page.block_thread()  # returns after Ctrl+C
    return 0


def open_assistant(index: str) -> AssistantLike:
    """The assistant over the library in ``index``. Takes seconds; called in a background thread."""
    from rag.assistant import Assistant, seeds_of

    assistant = Assistant.open(index)
    seeds = seeds_of(Path(index))
    if seeds is not None:
        assistant.ensure_seeded(seeds, on_progress=_say_progress)
    assistant.load()
    return assistant


def _say_progress(progress: Progress) -> None:
    """The first run indexes the sample documents: what takes so long should be said, a line a stage."""
    if progress.stage == "embed":
        say(f"▸ 문서를 색인합니다 {progress.percent}% / indexing")
    elif progress.stage == "model" and not progress.done:
        say("▸ 모델을 불러옵니다 / loading the model")


def say(line: str) -> None:
    """A line for the person who started the program."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def free_port(host: str, first: int) -> int | None:
    """The first port from ``first`` on that nobody listens on, or None if there is none among the next 100."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(first, min(first + PORTS_TO_TRY, 65536)):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if sys.platform != "win32":  # there it would allow two programs on one port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    return None


def has_desktop(platform: str, environment: Mapping[str, str]) -> bool:
    """Whether opening a browser makes sense here."""
    if platform in ("darwin", "win32"):
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def _bypass_proxies() -> None:
    """Gradio calls itself once at start; a company proxy set in the environment must not get in between."""
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in os.environ.get(name, "").split(",") if host]
        os.environ[name] = ",".join([*hosts, "127.0.0.1", "localhost"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="app.py", description="근거: 문서에 적힌 말로만 답하는 대화 화면 / Geungeo: the chat page"
    )
    parser.add_argument("--index", default="index", metavar="DIR", help="색인 폴더 / the library's folder (index)")
    parser.add_argument("--host", default="127.0.0.1", help="주소 / address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=7860, help="포트 / port (7860)")
    parser.add_argument("--lang", choices=("ko", "en"), default="ko", help="처음 언어 / first language (ko)")
    parser.add_argument("--no-browser", action="store_true", help="브라우저를 열지 않음 / do not open a browser")
    return parser
