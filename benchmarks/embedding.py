"""How fast, how large and how exact the encoder is, against the plain way.

    GEUNGEO_DATA=... python -m benchmarks.embedding [--json] [--questions 500]

``memory_ratio`` is of what stays resident when all is embedded.

The plain way is sentence-transformers with torch, the same weights in float32 and batches of 32. Each side is a process of its
own, and they run one after the other. Both embed the same: questions of mrc/train and the passages, of 300 characters, that
their paragraphs are cut into. The limit is the rate at which this machine multiplies large matrices of 8-bit integers.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.ask import ROOT, peak_mb, resident_mb, show
from rag.settings import PASSAGE_PROMPT, QUERY_PROMPT

BATCH = 32
CHARACTERS = 300
COMPARED = 500  # passages whose vectors are compared


@dataclass(frozen=True)
class Sample:
    """Questions, passages, and which passages hold the answer of each question."""

    questions: list[str]
    passages: list[str]
    right: list[list[int]]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--side", choices=("plain", "ours"), help=argparse.SUPPRESS)  # a process of its own
    parser.add_argument("--vectors", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sample = load_sample(options.questions)
    if options.side:
        sys.stdout.write(json.dumps(measure_side(options.side, sample, options.vectors)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        sides = {side: run_side(side, options.questions, Path(folder)) for side in ("plain", "ours")}
        vectors = {side: dict(np.load(Path(folder) / f"{side}.npz")) for side in sides}
    result = compare(sides["plain"], sides["ours"], vectors["plain"], vectors["ours"], sample)
    show(result, as_json=options.json)
    return 0


def load_sample(count: int) -> Sample:
    """``count`` questions of mrc/train, always the same."""
    if "GEUNGEO_DATA" not in os.environ:
        raise SystemExit("set GEUNGEO_DATA to the folder that holds mrc/train.jsonl")
    lines = (Path(os.environ["GEUNGEO_DATA"]) / "mrc" / "train.jsonl").read_text("utf-8").splitlines()
    rows = random.Random(7).sample([json.loads(line) for line in lines], count)
    starts: dict[str, int] = {}
    passages: list[str] = []
    for context in dict.fromkeys(row["context"] for row in rows):
        starts[context] = len(passages)
        passages += [context[at : at + CHARACTERS] for at in range(0, len(context), CHARACTERS)]
    right = []
    for row in rows:
        first = starts[row["context"]]
        spans = [(a["answer_start"], a["answer_start"] + len(a["text"])) for a in row["answers"]]
        right.append(sorted({first + at // CHARACTERS for start, end in spans for at in (start, end - 1)}))
    return Sample([row["question"] for row in rows], passages, right)


def run_side(side: str, questions: int, folder: Path) -> dict[str, float]:
    """One side in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.embedding", "--side", side, "--questions", str(questions)]
    done = subprocess.run(
        [*command, "--vectors", str(folder / f"{side}.npz")],
        check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return dict(json.loads(done.stdout))


def measure_side(side: str, sample: Sample, out: Path) -> dict[str, float]:
    """Load, embed, and keep the vectors; seconds and MB."""
    if side == "plain":
        import torch  # noqa: F401  # before this library's ways with threads are set

    from rag.weights import find_weights, open_weights

    weights = open_weights(find_weights())
    started = time.perf_counter()
    if side == "ours":
        from rag.embedding import BundledEmbedder

        embedder = BundledEmbedder(weights)
        embed = {"passages": embedder.embed_passages, "questions": embedder.embed_queries}
    else:
        from rag.sentence_models import load_plain

        model = load_plain(weights)

        def plain(prompt: str) -> Any:
            return lambda texts: model.encode(
                texts, prompt=prompt, batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
            )

        embed = {"passages": plain(PASSAGE_PROMPT), "questions": plain(QUERY_PROMPT)}
    load_s = time.perf_counter() - started
    embed["passages"](sample.passages[:BATCH])  # warms up
    started = time.perf_counter()
    passages = embed["passages"](sample.passages)
    passages_s = time.perf_counter() - started
    times, questions = [], []
    for question in sample.questions:
        started = time.perf_counter()
        questions.append(embed["questions"]([question])[0])
        times.append(time.perf_counter() - started)
    np.savez(out, passages=passages, questions=np.stack(questions))
    # What stays when the work is done, not the peak: unpacking the weights at load takes more for a moment.
    figures = {
        "passages_s": passages_s, "question_s": statistics.median(times), "load_s": load_s,
        "rss_mb": resident_mb(), "peak_mb": peak_mb(),
    }  # fmt: skip
    if side == "ours":
        return figures
    lengths = [len(row) for row in model[0].tokenizer.encode_batch([PASSAGE_PROMPT + p for p in sample.passages])]
    counts = {"tokens": sum(lengths), "operations": sum(map(operations, lengths))}
    return figures | counts | {"limit_per_s": limit()}


def operations(tokens: int, hidden: int = 384, wide: int = 1536, layers: int = 12) -> float:
    """Multiplications and additions of the encoder for a text: its matrices, and attention's two products."""
    matrices = 4 * hidden * hidden + 2 * hidden * wide
    return 2.0 * tokens * layers * (matrices + 2 * tokens * hidden)


def limit() -> float:
    """Operations a second of a large product of 8-bit integers, the best of several."""
    import torch

    a = torch.randint(-128, 127, (4096, 1536), dtype=torch.int8)
    b = torch.randint(-128, 127, (1536, 1536), dtype=torch.int8)
    best = float("inf")
    for _ in range(10):
        started = time.perf_counter()
        torch._int_mm(a, b)  # type: ignore[no-untyped-call,unused-ignore]
        best = min(best, time.perf_counter() - started)
    return 2 * 4096 * 1536 * 1536 / best


def compare(
    plain: dict[str, float], ours: dict[str, float],
    plain_vectors: dict[str, npt.NDArray[np.float32]], our_vectors: dict[str, npt.NDArray[np.float32]], sample: Sample,
) -> dict[str, float]:  # fmt: skip
    """The ratios, and what they are ratios of."""
    cosines = (plain_vectors["passages"] * our_vectors["passages"]).sum(axis=1)[:COMPARED]
    hits = {
        name: hit1(vectors["questions"], vectors["passages"], sample.right)
        for name, vectors in (("plain", plain_vectors), ("ours", our_vectors))
    }
    return {
        "throughput_ratio": round(plain["passages_s"] / ours["passages_s"], 2),
        "latency_ratio": round(ours["question_s"] / plain["question_s"], 3),
        "memory_ratio": round(ours["rss_mb"] / plain["rss_mb"], 3),
        "cosine_mean": round(float(cosines.mean()), 5),
        "cosine_min": round(float(cosines.min()), 5),
        "passage_hit1_loss": round(100 * (hits["plain"] - hits["ours"]), 2),
        "tokens_per_s": round(plain["tokens"] / ours["passages_s"]),
        "limit_share": round(plain["operations"] / ours["passages_s"] / plain["limit_per_s"], 3),
        "plain_tokens_per_s": round(plain["tokens"] / plain["passages_s"]),
        "plain_hit1": round(100 * hits["plain"], 2),
        "question_ms": round(1000 * ours["question_s"], 2),
        "plain_question_ms": round(1000 * plain["question_s"], 2),
        "load_s": round(ours["load_s"], 2),
        "plain_load_s": round(plain["load_s"], 2),
        "rss_mb": ours["rss_mb"],
        "plain_rss_mb": plain["rss_mb"],
        "peak_mb": ours["peak_mb"],
        "plain_peak_mb": plain["peak_mb"],
        "limit_gops": round(plain["limit_per_s"] / 1e9),
        "passages": len(sample.passages),
        "questions": len(sample.questions),
    }


def hit1(questions: npt.NDArray[np.float32], passages: npt.NDArray[np.float32], right: list[list[int]]) -> float:
    """The share of questions whose nearest passage holds the answer."""
    nearest = (questions @ passages.T).argmax(axis=1)
    return sum(int(found) in good for found, good in zip(nearest, right, strict=True)) / len(right)


if __name__ == "__main__":
    raise SystemExit(main())
