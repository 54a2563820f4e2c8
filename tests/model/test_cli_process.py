"""``python -m rag`` as a person runs it: a process of its own, the real model, the sample article, no network needed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.model

ROOT = Path(__file__).resolve().parents[2]


def rag(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GEUNGEO_")}
    environment |= {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "rag", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(ROOT / "seeds", folder / "seeds")
    return folder


def test_first_question_fills_the_library_and_is_answered(folder: Path) -> None:
    result = rag(folder, "ask", "제1차 차세대 핵심·신흥기술 대화는 어디에서 열렸나요?", "--json")
    assert result.returncode == 0, result.stderr
    assert all(line.startswith(("모델을", "문서를", "저장하는")) for line in result.stderr.splitlines()), result.stderr
    assert result.stdout.count("\n") == 1
    answer = json.loads(result.stdout)
    assert answer["answered"]
    assert "용산" in answer["answer"]  # the sentence below, or the heading that says it first
    held = "9일 용산 대통령실에서 ‘제1차 차세대 핵심·신흥기술 대화’를 개최했다."
    assert any(citation["quote"].endswith(held) for citation in answer["citations"])
    shown = json.loads(rag(folder, "show", answer["citations"][0]["document"], "--json").stdout)
    for citation in answer["citations"]:
        assert shown["text"][citation["start"] : citation["end"]] == citation["quote"]


def test_later_question_is_silent_on_stderr(folder: Path) -> None:
    result = rag(folder, "search", "바이오 분야 지원 금액", "-k", "3", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    hits = json.loads(result.stdout)["hits"]
    assert len(hits) == 3
    assert "최소 1000만 달러를 지원" in hits[0]["text"]


def test_mistakes_take_no_model_and_one_line(folder: Path) -> None:
    for arguments in (("ask", ""), ("ask", "하늘은?", "--index", "nowhere"), ("show", "nobody"), ("add", "없는.txt")):
        result = rag(folder, *arguments)
        assert (result.returncode, result.stderr.count("\n")) == (1, 1), result.stderr
    assert rag(folder).returncode == 2


def test_answering_loads_neither_torch_nor_what_only_indexing_needs(folder: Path) -> None:
    """They take longer to import than all that an answer needs."""
    script = (
        "import sys; from rag import Assistant; assistant = Assistant.open('index'); assistant.ask('바이오 분야 지원은?');"
        "print(*sorted({'torch', 'sentence_transformers', 'transformers', 'langchain_text_splitters'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    rag(folder, "list")
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr
