"""Measure what could be set otherwise, on what may be tuned on: mrc/train and the questions in ``tune/``.

    python -m evals.sweep [--questions 600] [--only fusion,words,chunk,read]

Prints a table in Markdown, one line a setting: of the right document and passage how often first, and of the answer's evidence how
often in the first citation and in any. evals/results/choices.md keeps what came of it, and why.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from evals.corpus import collect
from evals.datasets import Dataset, sampled
from evals.readers import read_gold, read_squad
from evals.run import Models, Options, evaluate
from rag import Settings

ROOT = Path(__file__).resolve().parent.parent
DISTRACTORS = 0


@dataclass(frozen=True, slots=True)
class Variant:
    """One setting: constants of the library by their dotted names, and the size of a passage."""

    family: str
    label: str
    changes: tuple[tuple[str, float], ...] = ()
    chunk_size: int = Settings().chunk_size


def variants() -> Iterator[Variant]:
    """What is tried, beside what is shipped."""
    yield Variant("shipped", "shipped")
    for weight in (0.0, 0.08, 0.10, 0.15, 0.20, 0.30):
        yield Variant("fusion", f"words weigh {weight:.2f}", (("rag.retrieval.LEXICAL_WEIGHT", weight),))
    for k1, b in ((1.5, 0.75), (1.2, 0.75), (0.6, 0.3)):
        yield Variant("words", f"BM25 k1 {k1}, b {b}", (("rag.lexical.K1", k1), ("rag.lexical.B", b)))
    for size in (200, 450, 700):
        yield Variant("chunk", f"{size} characters", chunk_size=size)
    for read in (3, 5, 12):
        yield Variant("read", f"{read} passages read", (("rag.assistant.PASSAGES_READ", read),))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=600)
    parser.add_argument("--only", default="fusion,words,chunk,read")
    options = parser.parse_args()
    data = os.environ.get("GEUNGEO_DATA")
    if not data:
        parser.error("set GEUNGEO_DATA to the folder that holds mrc/train.jsonl and law/easylaw.jsonl.gz")
    mrc = sampled(read_squad(Path(data) / "mrc" / "train.jsonl"), options.questions, 1)
    needed = {document for question in mrc.questions for document in question.documents}
    mrc = replace(mrc, records=tuple(record for record in mrc.records if record["id"] in needed))
    law = collect(
        read_gold(ROOT / "evals" / "tune" / "law.jsonl"),
        [Path(data) / "law" / "easylaw.jsonl.gz"], [], others=DISTRACTORS, seed=1,
    )  # fmt: skip
    models = Models(Settings())
    sys.stdout.write(
        "| setting | set | document first | MRR | passage first | cited first | cited |\n|---|---|---|---|---|---|---|\n"
    )
    for variant in variants():
        if variant.family in ("shipped", *options.only.split(",")):
            for dataset in (mrc, law):
                for line in measured(variant, dataset, models):
                    sys.stdout.write(line + "\n")
                    sys.stdout.flush()
    return 0


def measured(variant: Variant, dataset: Dataset, models: Models) -> Iterator[str]:
    """Lines of the table, one a source of questions."""
    models.settings = replace(models.settings, chunk_size=variant.chunk_size)
    with ExitStack() as stack:
        for name, value in variant.changes:
            stack.enter_context(patch(name, value))
        result = evaluate(dataset, models, Options(arms=("hybrid", "full")))
    groups: dict[str, Any] = result["groups"]["source"] or {dataset.name: result | {"answers": result["answers"]}}
    for source, group in groups.items():
        rows = [row for row in result["rows"] if row["answerable"] and (row["source"] or dataset.name) == source]
        hybrid = group["arms"]["hybrid"]
        first = sum(bool(row["right"]) for row in rows) / len(rows)
        cited = sum(row["citation_recall"] or 0.0 for row in rows) / len(rows)
        figures = [hybrid["hit@1"], hybrid["mrr@10"], hybrid["passage_hit@1"]]
        shown = [*(figure["value"] for figure in figures), first, cited]
        yield f"| {variant.label} | {source} | " + " | ".join(f"{value:.3f}" for value in shown) + " |"


if __name__ == "__main__":
    raise SystemExit(main())
