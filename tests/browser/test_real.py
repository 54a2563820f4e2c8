"""The whole product: app.py over the seed article with the real model, in Chromium, cut off from every network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rag import Assistant

pytestmark = [pytest.mark.browser, pytest.mark.model]

ROOT = Path(__file__).resolve().parents[2]
SENTENCE = "바이오 분야에서는 과기정통부, 미국 국립과학재단 간 바이오경제 분야 연구협력을 위해 최소 1000만 달러를 지원하기로 했다."


def test_the_app_answers_with_no_network_at_all(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or not sys.platform.startswith("linux"):
        pytest.skip("needs Linux network namespaces (unshare, from util-linux)")
    if shutil.which("chromium") is None and not os.environ.get("GEUNGEO_CHROMIUM"):
        pytest.skip("chromium is not installed (apt install chromium, or set GEUNGEO_CHROMIUM)")
    with Assistant.open(tmp_path / "index") as assistant:
        assistant.ensure_seeded(ROOT / "seeds")
    script = [sys.executable, str(Path(__file__).parent / "offline.py")]
    arguments = [str(tmp_path / "index"), "바이오 분야 지원 금액은?", str(tmp_path)]
    privileges = [] if os.geteuid() == 0 else ["--map-root-user"]
    done = subprocess.run(
        [unshare, "--net", *privileges, "--", *script, *arguments], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["cut_off"]
    assert seen["state"] == "answered"
    assert "1000만 달러" in seen["answer"] and seen["answer"] in SENTENCE
    assert seen["marked"] == SENTENCE
    assert seen["faults"] == []
    assert "Traceback" not in seen["stderr"]
