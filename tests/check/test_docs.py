"""The README keeps its word: every command is in it, its code runs, its links lead somewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evals.datasets import located
from evals.readers import read_gold
from rag.cli import main

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.en.md")
PAGES = [
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/*.md", "evals/*.md", "evals/results/*.md")
    for path in ROOT.glob(pattern)
]


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def snippets(readme: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text_of(readme), re.M | re.S)


@pytest.mark.parametrize("readme", READMES)
def test_every_command_is_documented(readme: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^    (\w+) ", capsys.readouterr().out, re.M)
    assert {"ask", "search", "add", "list", "show", "remove", "verify", "rebuild"} <= set(commands)
    assert [command for command in commands if f"rag {command}" not in text_of(readme)] == []


@pytest.mark.model
def test_code_runs(tmp_path: Path) -> None:
    """How another program embeds the library, with nothing beside it but the sample documents."""
    assert all(snippets(readme) for readme in READMES)
    shutil.copytree(ROOT / "seeds", tmp_path / "seeds")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GEUNGEO_")}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    for code in {code for readme in READMES for code in snippets(readme)}:
        result = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, f"{code}\n{result.stderr}"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text_of(page))
    local = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in local if not ((ROOT / page).parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_targets_of_make_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", text_of("Makefile"), re.M))
    assert set(re.findall(r"`make ([a-z]+)", text_of(page))) <= targets


@pytest.mark.parametrize("page", ["evals/README.md", "evals/README.en.md"])
def test_the_example_of_a_gold_set_can_be_read(page: str, tmp_path: Path) -> None:
    (block,) = re.findall(r"^ *```json\n(.*?)^ *```", text_of(page), re.M | re.S)
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(line.strip() for line in block.splitlines()), "utf-8")
    questions = read_gold(path).questions
    assert [question.kind for question in questions] == ["span", "yesno", "unanswerable"]
    text = "\n".join(entry for question in questions for entry in question.evidence)
    for question in questions:
        assert bool(located(question, dict.fromkeys(question.documents, text)).every_place) == question.answerable
