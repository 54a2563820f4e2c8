"""How searching, opening and adding behave as a library grows to a million passages.

    GEUNGEO_DATA=... python -m benchmarks.scale [--json] [--sizes 1000,50000,1000000] [--folder DIR]

A few thousand passages of the law guide are split and embedded. The others are made of two of these each: the first sentences of
one, the last of the other, and a vector between theirs with some noise, so that morphemes are as frequent and vectors as crowded
as in real text without embedding a million times. Every library is built through the store and opened by a process of its own.
Files have just been written, so they are in the system's cache; ``--folder`` keeps the libraries for another look.

For each size: median and 95th percentile of a search for ten passages, milliseconds; the part of it that embeds the question;
recall of the ten nearest vectors against exact search; seconds to open, to add a document of a page (median and worst of twenty), and
to build the indexes;
memory of the process after all that, of which mapped files can be taken back by the system at any time.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.ask import ROOT, peak_mb
from rag.types import Document, IndexedPassage, Passage, Sentence

REAL = 4_000  # passages embedded
PER_DOCUMENT = 10
NOISE = 0.15  # length of what is added to a vector of length 1
WARMING = 20  # questions asked before the clock runs
COMPARED = 100  # questions whose recall is measured
ADDED = 20
MODEL = ("multilingual-e5-small", 384)
PAGE = "새로 들어온 안내문이다. 구청은 3월 2일부터 신청을 받는다. 지원 금액은 한 사람에 20만 원이다. " * 12


def main() -> int:
    """Build, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sizes", default="1000,50000,1000000")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)  # a process of its own
    options = parser.parse_args()
    if options.measure:
        sys.stdout.write(json.dumps(measure(options.measure)))
        return 0
    sizes = [int(size) for size in options.sizes.split(",")]
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        folder = options.folder or Path(temporary)
        real = real_passages()
        result = {}
        for size in sizes:
            library = folder / f"library-{size}"
            if not (library / "build.json").exists():  # there is none, or it was left half done
                shutil.rmtree(library, ignore_errors=True)
                say(f"building {size:,}")
                build(library, real, size)
            say(f"measuring {size:,}")
            result[str(size)] = run_measure(library)
    first, *_ = result.values()
    for numbers in result.values():
        numbers["p50_ratio"] = round(numbers["p50_ms"] / first["p50_ms"], 2)
    if options.json:
        sys.stdout.write(json.dumps(result) + "\n")
    else:
        for name, numbers in result.items():
            sys.stdout.write(f"{int(name):>9,}  {'  '.join(f'{k} {v}' for k, v in numbers.items())}\n")
    return 0


def say(line: str) -> None:
    """Tell whoever waits."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def law() -> Iterator[Document]:
    """The sections of the law guide."""
    if "GEUNGEO_DATA" not in os.environ:
        raise SystemExit("set GEUNGEO_DATA to the folder that holds law/easylaw.jsonl.gz")
    with gzip.open(Path(os.environ["GEUNGEO_DATA"]) / "law" / "easylaw.jsonl.gz", "rt", encoding="utf-8") as file:
        for number, line in enumerate(file):
            row = json.loads(line)
            yield Document(f"law-{number}", row["section"], row["text"], "", "law", str(number))


def real_passages() -> list[IndexedPassage]:
    """Passages of the law guide with their vectors."""
    from rag.embedding import open_embedder
    from rag.indexing import index_documents
    from rag.morphology import Morphology
    from rag.settings import Settings

    indexed = index_documents(law(), Morphology(), open_embedder(Settings()), chunk_size=300, sentence_vectors=False)
    found: list[IndexedPassage] = []
    for _, passages in indexed:
        found += passages
        if len(found) >= REAL:
            break
    return found[:REAL]


def build(library: Path, real: Sequence[IndexedPassage], size: int) -> None:
    """A library of ``size`` passages, and beside it their vectors for exact search."""
    from rag.indexes import Indexes
    from rag.store import NewDocument, Store

    random = np.random.default_rng(size)
    store = Store.open(library, create=True)
    batch: list[NewDocument] = []
    for number in range(0, size, PER_DOCUMENT):
        batch.append(NewDocument(*mixed_document(number, min(PER_DOCUMENT, size - number), real, random)))
        if len(batch) == 200:
            store.write(batch, model=MODEL)
            batch = []
    if batch:
        store.write(batch, model=MODEL)
    started = time.perf_counter()
    Indexes(store, *MODEL).refresh()
    took = time.perf_counter() - started
    keys = store.keys()
    vectors = np.lib.format.open_memmap(library / "vectors.npy", "w+", np.float32, (size, MODEL[1]))
    for at in range(0, size, 10_000):
        vectors[at : at + 10_000] = store.vectors(keys[at : at + 10_000].tolist())
    np.save(library / "keys.npy", keys)
    (library / "build.json").write_text(json.dumps({"build_s": round(took, 1)}))
    store.close()


def mixed_document(
    number: int, count: int, real: Sequence[IndexedPassage], random: np.random.Generator
) -> tuple[Document, bytes, list[IndexedPassage]]:
    """A document of ``count`` passages, its bytes and its passages."""
    id, text = f"d{number}", ""
    passages = []
    for one, other in random.integers(len(real), size=(count, 2)).tolist():
        text += "\n" if text else ""
        start, sentences = len(text), []
        for said, forms in mixed_sentences(real[one], real[other]):
            sentences.append(Sentence(len(text), len(text) + len(said), forms))
            text += said + " "
        text = text[:-1]
        weight = random.uniform(0.55, 0.85)
        noise = random.standard_normal(MODEL[1]) * (NOISE / MODEL[1] ** 0.5)
        vector = weight * real[one].vector + (1 - weight) * real[other].vector + noise
        vector = (vector / np.linalg.norm(vector)).astype(np.float32)
        own = np.tile(vector, (len(sentences), 1)).astype(np.float16)
        passages.append(IndexedPassage(Passage(id, start, len(text), text[start:]), tuple(sentences), vector, own))
    return Document(id, f"문서 {number}", text, id, "scale", id), text.encode(), passages


def mixed_sentences(one: IndexedPassage, other: IndexedPassage) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The first half of one's sentences and the last half of the other's, with their morphemes."""
    for passage, some in (
        (one, one.sentences[: (len(one.sentences) + 1) // 2]),
        (other, other.sentences[len(other.sentences) // 2 :]),
    ):
        for sentence in some:
            at = passage.passage.start
            yield passage.passage.text[sentence.start - at : sentence.end - at], sentence.morphemes


def run_measure(library: Path) -> dict[str, float]:
    """``measure`` in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.scale", "--measure", str(library)]
    done = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout))


def measure(library: Path) -> dict[str, float]:
    """All figures of one library."""
    from rag import Assistant
    from rag.embedding import open_embedder
    from rag.morphology import Morphology
    from rag.settings import Settings

    embedder, morphology = open_embedder(Settings()), Morphology()
    morphology.load()
    before = memory()
    started = time.perf_counter()
    assistant = Assistant.open(library, embedder=embedder, morphology=morphology, create=False)
    assistant.load()
    assert assistant._retriever
    assistant._retriever.indexes.refresh()
    open_s = time.perf_counter() - started
    questions = [json.loads(line)["question"] for line in (ROOT / "evals/tune/law.jsonl").read_text().splitlines()]
    for question in questions[:WARMING]:
        assistant.search(question)
    questions = questions[WARMING:]
    times = []
    for question in questions:
        started = time.perf_counter()
        assistant.search(question, 10)
        times.append(1000 * (time.perf_counter() - started))
    started = time.perf_counter()
    vectors = [embedder.embed_queries([question])[0] for question in questions[:COMPARED]]
    embed_ms = 1000 * (time.perf_counter() - started) / COMPARED
    after = memory()
    result = {
        "p50_ms": round(statistics.median(times), 1),
        "p95_ms": round(statistics.quantiles(times, n=20)[-1], 1),
        "embed_ms": round(embed_ms, 1),
        "recall_at_10": round(recall(library, assistant, np.stack(vectors)), 4),
        "open_s": round(open_s, 3),
        "add_one_s": round(statistics.median(added := add_times(library, assistant)), 3),
        "add_worst_s": round(max(added), 3),
        **json.loads((library / "build.json").read_text()),
        "own_mb": round(after["RssAnon"] - before["RssAnon"]),
        "mapped_mb": round(after["RssFile"] - before["RssFile"]),
        "peak_mb": peak_mb(),
        "library_mb": round(sum(f.stat().st_size for f in library.rglob("*") if f.suffix != ".npy") / 2**20),
    }
    assistant.close()
    return result


def add_times(library: Path, assistant: object) -> list[float]:
    """Seconds to add each of some documents of a page, searchable at once, and to remove it again."""
    from rag import Assistant

    assert isinstance(assistant, Assistant)
    times = []
    for number in range(ADDED):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "안내.txt"
            file.write_text(f"{number}번째 안내\n\n{PAGE}", "utf-8")
            started = time.perf_counter()
            (id,) = assistant.add(file).added
            times.append(time.perf_counter() - started)
        found = {hit.passage.document for hit in assistant.search("새로 들어온 안내문의 신청 기간과 지원 금액", 10)}
        if id not in found:
            raise SystemExit(f"{library}: what was just added is not found")
        assistant.remove(id)
    return times


def recall(library: Path, assistant: object, questions: npt.NDArray[np.float32], k: int = 10) -> float:
    """The share of the exactly nearest ``k`` that the index finds."""
    from rag import Assistant

    assert isinstance(assistant, Assistant) and assistant._retriever
    vectors, keys = np.load(library / "vectors.npy", mmap_mode="r"), np.load(library / "keys.npy")
    best: list[list[tuple[float, int]]] = [[] for _ in questions]
    for at in range(0, len(keys), 50_000):
        scores = questions @ vectors[at : at + 50_000].T
        for row, some in enumerate(scores):
            top = np.argpartition(-some, min(k, len(some) - 1))[:k]
            best[row] = sorted([*best[row], *((float(some[i]), int(keys[at + i])) for i in top)])[-k:]
    found = 0
    with assistant._retriever.indexes.current():
        for question, exact in zip(questions, best, strict=True):
            nearest, _ = assistant._retriever.indexes.dense.search(question, k)
            found += len(set(nearest.tolist()) & {key for _, key in exact})
    return found / (len(questions) * k)


def memory() -> dict[str, float]:
    """Resident memory of this process, MB: its own (RssAnon), and files it has mapped (RssFile)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return {"RssAnon": 0.0, "RssFile": 0.0}
    rows = dict(line.split(":", 1) for line in status.read_text().splitlines() if line.startswith("Rss"))
    return {name: int(rows[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile")}


if __name__ == "__main__":
    raise SystemExit(main())
