"""Run by test_real.py in a network namespace of its own: bring loopback up, start the app, ask in Chromium, print JSON.

Nothing but this computer can be reached from here, so whatever the app needs from elsewhere would fail.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1  # linux/sockios.h, linux/if.h


def main(index: str, question: str, shots: str) -> int:
    bring_loopback_up()
    result: dict[str, Any] = {"cut_off": is_cut_off()}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(ROOT / "app.py"), "--index", index, "--port", str(port), "--no-browser"]
    app = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{port}/"
        wait_for(url)
        result |= visit(url, question, Path(shots))
    finally:
        app.terminate()
        result["stderr"] = app.communicate(timeout=30)[1]
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    return 0


def bring_loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP) + b"\0" * 14)


def is_cut_off() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1, RFC 5737: routed nowhere, but routed where there is a network
        except OSError:
            return True
    return False


def wait_for(url: str) -> None:
    for _ in range(240):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.25)
    raise TimeoutError(url)


def visit(url: str, question: str, shots: Path) -> dict[str, Any]:
    from playwright.sync_api import sync_playwright

    faults: list[str] = []
    with sync_playwright() as playwright:
        path = os.environ.get("GEUNGEO_CHROMIUM") or shutil.which("chromium")
        flags = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        page = browser.new_page(viewport={"width": 1440, "height": 900}, locale="ko-KR", reduced_motion="reduce")
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: faults.append(f"script: {error}"))
        page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
        page.on(
            "request", lambda sent: None if sent.url.startswith((url, "data:", "blob:")) else faults.append(sent.url)
        )
        page.goto(url)
        page.wait_for_selector("html[data-ready]")
        page.fill("#question-box", question)
        page.press("#question-box", "Enter")
        page.wait_for_selector('.turn[data-turn="0"]:not([data-state="waiting"])')
        turn = page.locator('.turn[data-turn="0"]')
        page.wait_for_selector("#cited")
        page.screenshot(path=shots / "wide-light.png")
        result = {
            "state": turn.get_attribute("data-state"),
            "answer": turn.locator(".answer").inner_text(),
            "marked": page.locator("#cited").text_content(),
        }
        page.set_viewport_size({"width": 360, "height": 740})
        page.emulate_media(color_scheme="dark")
        page.screenshot(path=shots / "narrow-dark.png")
        browser.close()
    return {**result, "faults": faults}


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
