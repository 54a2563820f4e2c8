"""How long an answer takes, warm and from cold, against the plain way.

    python -m benchmarks.ask [--json] [--rounds 5]

The plain way of embedding a question is sentence-transformers with the same weights in float32, all of them unpacked; the
plain cold start is ``import sentence_transformers`` alone. Both are measured in the same run, by turns, so that a busy or a
slow machine changes both sides; the plain embeddings once more one after the other (``alone``), since by turns the answers
push them out of the caches. Memory is that of a fresh process that has answered every question once, with the reader and without it;
``reader_load_s`` is what opening the weights of the reader takes where all else is loaded.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
QUESTIONS = [
    "이번 회의에서 두 나라가 합의한 것은?",
    "예산은 얼마나 늘어나나요?",
    "회의에 참석한 사람은 누구야?",
    "다음 모임은 언제 열리나요?",
    "공동 연구를 맡은 기관은 어디인가요?",
    "What did the two countries agree on?",
    "배터리 분야에서 하기로 한 일",
    "김치찌개 맛있게 끓이는 법 알려줘",
]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5, help="times every question is asked")
    parser.add_argument("--memory", metavar="INDEX", help=argparse.SUPPRESS)  # the fresh process of rss_mb,
    parser.add_argument("--unread", action="store_true", help=argparse.SUPPRESS)  # without the reader
    options = parser.parse_args()
    if options.memory:
        sys.stdout.write(json.dumps(memory(Path(options.memory), reads=not options.unread)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "index"
        fill(index)
        result = warm(index, options.rounds) | cold(index) | fresh_memory(index)
    show(result, as_json=options.json)
    return 0


def show(result: Mapping[str, object], *, as_json: bool) -> None:
    """A line of JSON, or a line a figure."""
    if as_json:
        sys.stdout.write(json.dumps(result) + "\n")
        return
    for name, value in result.items():
        sys.stdout.write(f"{name:20} {value}\n")


def fill(index: Path) -> None:
    """A library of the seed documents."""
    command = [sys.executable, "-m", "rag", "add", str(ROOT / "seeds"), "--index", str(index), "--json"]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def warm(index: Path, rounds: int) -> dict[str, object]:
    """Answers of a running assistant beside plain embeddings of the same questions, milliseconds."""
    import torch  # noqa: F401  # the plain way, before this library's ways with threads are set

    from rag import Assistant
    from rag.sentence_models import load_plain
    from rag.settings import QUERY_PROMPT
    from rag.weights import find_weights, open_weights

    assistant = Assistant.open(index)
    plain = load_plain(open_weights(find_weights()))

    def embed(question: str) -> object:
        return plain.encode([question], prompt=QUERY_PROMPT, normalize_embeddings=True, show_progress_bar=False)

    answers: list[float] = []
    embeddings: list[float] = []
    stages: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        for question in QUESTIONS:
            answer, took = timed(lambda q=question: assistant.ask(q))  # type: ignore[misc]
            _, plainly = timed(lambda q=question: embed(q))  # type: ignore[misc]
            if number == 0:  # the first round warms both up
                continue
            answers.append(took)
            embeddings.append(plainly)
            for stage, ms in answer.timings_ms.items():
                stages.setdefault(stage, []).append(ms)
    alone = [timed(lambda q=question: embed(q))[1] for _ in range(rounds) for question in QUESTIONS]  # type: ignore[misc]
    p50, p95 = statistics.median(answers), statistics.quantiles(answers, n=20)[-1]
    by_turns, by_itself = statistics.median(embeddings), statistics.median(alone)
    return {
        "p50_ms": round(p50, 1),
        "p95_ms": round(p95, 1),
        "stages_ms": {stage: round(statistics.median(times), 2) for stage, times in stages.items()},
        "plain_embed_ms": round(by_turns, 1),
        "p50_ratio": round(p50 / by_turns, 2),
        "plain_embed_alone_ms": round(by_itself, 1),
        "p50_ratio_alone": round(p50 / by_itself, 2),
        "p95_ratio_alone": round(p95 / by_itself, 2),
    }


def cold(index: Path) -> dict[str, object]:
    """``rag ask`` from nothing beside ``import sentence_transformers``, seconds, medians of three by turns."""
    ask = [sys.executable, "-m", "rag", "ask", QUESTIONS[0], "--index", str(index), "--json"]
    plain = [sys.executable, "-c", "import sentence_transformers"]
    asked, imported = [], []
    for _ in range(3):
        asked.append(timed(lambda: subprocess.run(ask, check=True, cwd=ROOT, capture_output=True))[1] / 1000)
        imported.append(timed(lambda: subprocess.run(plain, check=True, cwd=ROOT, capture_output=True))[1] / 1000)
    cold_s, import_s = statistics.median(asked), statistics.median(imported)
    return {"cold_s": round(cold_s, 2), "import_s": round(import_s, 2), "cold_ratio": round(cold_s / import_s, 2)}


def fresh_memory(index: Path) -> dict[str, object]:
    """Peak resident memory of a process that answers, MB, and what the reader has in it."""
    command = [sys.executable, "-m", "benchmarks.ask", "--memory", str(index)]
    read, unread = (
        json.loads(subprocess.run(some, check=True, cwd=ROOT, capture_output=True, text=True).stdout)
        for some in (command, [*command, "--unread"])
    )
    return {**read, "reader_mb": read["rss_mb"] - unread["rss_mb"]}


def memory(index: Path, *, reads: bool = True) -> dict[str, float]:
    """The peak of this process after answering every question once, and the seconds that opening the reader takes."""
    from rag import Assistant
    from rag.embedding import open_embedder
    from rag.reader import open_reader
    from rag.settings import Settings

    embedder = open_embedder(Settings())
    embedder.embed_queries([QUESTIONS[0]])
    tokenizer = getattr(embedder, "tokenizer", None)
    reader, took = timed(lambda: open_reader(Settings(), tokenizer)) if reads else (None, 0.0)
    with Assistant.open(index, embedder=embedder, reader=reader) as assistant:
        for question in QUESTIONS:
            assistant.ask(question)
    return {"rss_mb": peak_mb(), **({"reader_load_s": round(took / 1000, 2)} if reads else {})}


def resident_mb() -> float:
    """Resident memory of this process now, MB; where the system does not say, the peak."""
    status = Path("/proc/self/status")
    if not status.exists():
        return peak_mb()
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
    return round(int(line.split()[1]) / 1024)


def peak_mb() -> float:
    """Peak resident memory of this process, MB. On Linux not from getrusage, which counts the parent's at the fork."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return round(int(line.split()[1]) / 1024)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024**2 if sys.platform == "darwin" else 1024))


def timed(call: Callable[[], T]) -> tuple[T, float]:
    """The call's value and its milliseconds."""
    started = time.perf_counter()
    value = call()
    return value, (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    raise SystemExit(main())
