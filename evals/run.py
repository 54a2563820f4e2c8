"""Ask the gold questions on the seed article of what is shipped, and say how it did.

    python -m evals.run [--json]

Evidence is found by a citation that covers at least half of a sentence named as evidence. Figures: questions whose evidence is
the first citation, and among the first three; answerable questions declined; far-off and near-miss questions declined;
quotes that differ from the text they cite.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rag import Answer, Assistant, Citation, Document

ROOT = Path(__file__).resolve().parent.parent
GOLD = ROOT / "evals" / "gold" / "seed.jsonl"
Row = dict[str, Any]


def read_gold(path: Path = GOLD) -> list[Row]:
    """The questions, one a line."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def covers(citation: Citation, evidence: str, text: str) -> bool:
    """Whether the citation holds at least half of one place where the evidence stands in the text."""
    at = text.find(evidence)
    while at >= 0:
        if min(citation.end, at + len(evidence)) - max(citation.start, at) >= len(evidence) / 2:
            return True
        at = text.find(evidence, at + 1)
    return False


def rank_of_evidence(row: Row, answer: Answer, document: Document) -> int | None:
    """The 1-based place of the first citation that covers evidence, or None."""
    for rank, citation in enumerate(answer.citations, 1):
        if any(covers(citation, evidence, document.text) for evidence in row["evidence"]):
            return rank
    return None


def figures(rows: Iterable[Row], answers: dict[str, Answer], document: Document) -> dict[str, int]:
    """The counts this module's docstring names."""
    rows = list(rows)
    spans = [row for row in rows if row["kind"] == "span"]
    ranks = [rank_of_evidence(row, answers[row["id"]], document) for row in spans]
    quotes = [c for a in answers.values() for c in (*a.citations, *([a.nearest] if a.nearest else []))]
    declined = {row["id"] for row in rows if not answers[row["id"]].answered}
    return {
        "questions": len(spans),
        "evidence_first": sum(rank == 1 for rank in ranks),
        "evidence_in_three": sum(rank is not None for rank in ranks),
        "lost": sum(row["id"] in declined for row in spans),
        "far": sum(row.get("miss") == "far" for row in rows),
        "far_declined": sum(row["id"] in declined for row in rows if row.get("miss") == "far"),
        "near": sum(row.get("miss") == "near" for row in rows),
        "near_declined": sum(row["id"] in declined for row in rows if row.get("miss") == "near"),
        "quotes": len(quotes),
        "quotes_not_verbatim": sum(document.text[c.start : c.end] != c.quote for c in quotes),
    }


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = read_gold()
    with tempfile.TemporaryDirectory() as folder, Assistant.open(folder) as assistant:
        assistant.ensure_seeded(ROOT / "seeds")
        (info,) = assistant.documents()
        document = assistant.document(info.id)
        answers = {row["id"]: assistant.ask(row["question"]) for row in rows}
    result = figures(rows, answers, document)
    shown = json.dumps(result) if options.json else "\n".join(f"{name:20} {value}" for name, value in result.items())
    sys.stdout.write(shown + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
