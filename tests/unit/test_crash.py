"""A process that adds documents is killed, again and again; what it leaves is whole, and adding again completes it.

So is what processes leave that add at once.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from rag import Assistant

LINES = 300  # in one file that is written in several transactions
ADDING = """
import sys
from collections.abc import Sequence
from pathlib import Path

from rag import Assistant
from rag.fakes import WordEmbedder
from rag.morphology import AnalysedSentence, Morpheme, Morphology


class Lines(Morphology):  # a line is a sentence and a morpheme; the analyser would take two seconds to load
    def load(self): pass
    def sentences(self, texts):
        for text in texts:
            yield [AnalysedSentence(0, len(text), (Morpheme(text[:8], "NNG", 0, 8),))]


assistant = Assistant.open(sys.argv[1], embedder=WordEmbedder(), morphology=Lines())
files = sorted(Path(sys.argv[2]).iterdir())
for at in range(0, len(files), 4):  # after each call the derived files are written
    print(at, flush=True)
    assistant.add(files[at : at + 4], on_progress=lambda p: print(at, p.stage, p.done, flush=True))
print("done", flush=True)
"""


def make_documents(folder: Path, count: int, first: int = 0) -> set[str]:
    """Small files of several passages each, and one of many lines. Returns the texts."""
    folder.mkdir()
    texts = set()
    for n in range(first, first + count):
        text = "\n".join(f"{n}번 문서의 {m}번째 줄은 이렇게 적혀 있다." for m in range(30))
        (folder / f"{n:03}.txt").write_text(text, "utf-8")
        texts.add(text)
    lines = [{"id": f"line{n}", "title": "줄", "text": f"{n}번 줄의 글은 이것뿐이다."} for n in range(LINES)]
    (folder / f"{count // 2:03}.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    return texts | {line["text"] for line in lines}


def begin_adding(library: Path, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", ADDING, str(library), str(folder)], stdout=subprocess.PIPE)


def add_and_be_killed(library: Path, folder: Path, chance: random.Random) -> bool:
    """Add in a process of its own and kill it somewhere. Says whether that was before it was done."""
    process = begin_adding(library, folder)
    assert process.stdout is not None
    with process, process.stdout as told:
        last = next((line for line in told if b"embed" in line), b"")  # here new work begins
        last += b"".join(islice(told, chance.randrange(20)))
        time.sleep(chance.random() * 0.01)
        process.send_signal(signal.SIGKILL)
        rest = told.read()
    return b"done" not in last + rest and process.returncode == -signal.SIGKILL


def without_space(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("kills", [5, pytest.param(30, marks=pytest.mark.soak)])
def test_what_a_killed_process_leaves_is_whole(
    tmp_path: Path, open_library: Callable[..., Assistant], kills: int
) -> None:
    chance = random.Random(kills)
    texts = make_documents(tmp_path / "docs", 8 * kills)
    midway = 0
    count = 0
    for _ in range(kills):
        midway += add_and_be_killed(tmp_path / "index", tmp_path / "docs", chance)
        with open_library() as assistant:
            assert assistant.verify() == []
            pieces: dict[str, str] = defaultdict(str)
            for passage in assistant._store.passages(assistant._store.keys().tolist()):
                pieces[passage.passage.document] += passage.passage.text
            documents = [assistant.document(info.id) for info in assistant.documents()]
            for document in documents:
                assert document.text in texts
                assert without_space(pieces[document.id]) == without_space(document.text)
            assert len(documents) >= count
            count = len(documents)
    assert midway >= kills // 2
    assert count > 0

    with open_library() as assistant:
        report = assistant.add(tmp_path / "docs")
        assert (len(report.unchanged), len(report.added), report.failed) == (count, len(texts) - count, ())
        assert {assistant.document(info.id).text for info in assistant.documents()} == texts
        assert assistant.verify() == []


def test_what_processes_leave_that_add_at_once_is_whole(tmp_path: Path, open_library: Callable[..., Assistant]) -> None:
    folders = [tmp_path / name for name in ("docs", "more", "most")]
    texts = set[str]().union(*(make_documents(folder, 20, 20 * n) for n, folder in enumerate(folders)))
    processes = [begin_adding(tmp_path / "index", folder) for folder in folders]
    assert [b"done" in process.communicate()[0] for process in processes] == [True] * 3
    with open_library() as assistant:
        assert {assistant.document(info.id).text for info in assistant.documents()} == texts
        assert assistant.verify() == []
    derived = tmp_path / "index" / "derived"
    named = json.loads((derived / "manifest.json").read_text("utf-8"))["files"]
    assert {path.name for path in derived.iterdir()} == {"manifest.json", *named}
