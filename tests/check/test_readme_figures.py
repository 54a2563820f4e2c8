"""The READMEs show what evals/results/ holds: the table is made here from the results and looked for there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "evals" / "results"
Row = dict[str, Any]
COLUMNS = (  # Korean, English, result, source of its questions
    ("기사 한 편", "one article", "seed", None),
    ("뉴스 644편", "644 news articles", "news", None),
    ("법령 354항목", "354 law sections", "law", None),
    ("KLUE", "KLUE", "mrc", "klue_mrc"),
    ("TyDi", "TyDi", "mrc", "tydi_goldp"),
)


def first(arm: str, of: str) -> Callable[[list[Row]], float | None]:
    """The share of rows whose right document or passage is first in the arm."""

    def share(rows: list[Row]) -> float | None:
        ranked = [row["ranks"][arm][of] for row in rows if arm in row["ranks"]]
        return float(sum(rank == 1 for rank in ranked) / len(ranked))

    return share


def mean(name: str, *, answerable: bool) -> Callable[[list[Row]], float | None]:
    """The mean of a measure over the answerable rows, or over the others."""

    def average(rows: list[Row]) -> float | None:
        values = [float(row[name]) for row in rows if row["answerable"] == answerable and row[name] is not None]
        return sum(values) / len(values) if values else None

    return average


def lost(rows: list[Row]) -> float | None:
    """The share of answerable rows that were declined."""
    answerable = [row for row in rows if row["answerable"]]
    return sum(not row["answered"] for row in answerable) / len(answerable)


def verbatim(rows: list[Row]) -> float | None:
    """The share of quotes that stand in their document so."""
    quotes: list[bool] = [
        c["verbatim"] for row in rows for c in [*row["citations"], *([row["nearest"]] if row["nearest"] else [])]
    ]
    return sum(quotes) / len(quotes)


LINES: tuple[tuple[str, str, Callable[[list[Row]], float | None]], ...] = (
    ("정답 문서를 맨 먼저 찾음: 뜻만 (dense)", "right document first: dense alone", first("dense", "document")),
    ("정답 문서를 맨 먼저 찾음: 낱말만 (BM25)", "right document first: BM25 alone", first("bm25", "document")),
    ("정답 문서를 맨 먼저 찾음: 합침", "right document first: fused", first("hybrid", "document")),
    ("**정답 문서를 맨 먼저 찾음: 읽고 나서**", "**right document first: after reading**", first("full", "document")),
    ("정답 대목을 맨 먼저 찾음: 합침", "right passage first: fused", first("hybrid", "passage")),
    ("정답 대목을 맨 먼저 찾음: 읽고 나서", "right passage first: after reading", first("full", "passage")),
    ("정답과 똑같은 말 (EM)", "exactly the answer (EM)", mean("em", answerable=True)),
    ("정답과 겹친 글자 (F1)", "characters shared with it (F1)", mean("f1", answerable=True)),
    ("첫 인용이 근거", "first citation is evidence", mean("right", answerable=True)),
    ("인용 셋 안에 근거", "evidence among three citations", mean("citation_recall", answerable=True)),
    ("답이 있는데 없다고 함", "wrongly declined", lost),
    ("답이 없는 질문을 없다고 함", "rightly declined", mean("right", answerable=False)),
    ("원문과 글자까지 같은 인용", "verbatim quotes", verbatim),
)


def table(english: bool) -> list[str]:
    """The lines of the table, in Markdown."""
    chosen = []
    for _, _, name, source in COLUMNS:
        rows = json.loads((RESULTS / f"{name}.json").read_text("utf-8"))["rows"]
        chosen.append([row for row in rows if source is None or row["source"] == source])
    heads = [english_name if english else korean_name for korean_name, english_name, _, _ in COLUMNS]
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    counts = [str(len(rows)) for rows in chosen]
    lines.append(f"| {'questions' if english else '질문'} | " + " | ".join(counts) + " |")
    for korean, also, measure in LINES:
        values = [measure(rows) for rows in chosen]
        shown = " | ".join("–" if value is None else f"{value:.1%}" for value in values)
        lines.append(f"| {also if english else korean} | {shown} |")
    return lines


@pytest.mark.parametrize(("readme", "english"), [("README.md", False), ("README.en.md", True)])
def test_the_table_is_that_of_the_results(readme: str, english: bool) -> None:
    assert "\n".join(table(english)) in (ROOT / readme).read_text("utf-8")


@pytest.mark.parametrize("name", ["seed", "news", "law", "mrc"])
def test_results_are_of_a_commit_and_hold_no_text_of_the_data(name: str) -> None:
    result = json.loads((RESULTS / f"{name}.json").read_text("utf-8"))
    assert result["about"]["commit"] and not result["about"]["commit"].endswith("+")
    assert (RESULTS / f"{name}.html").is_file()
    if name != "seed":
        quotes = [quote for row in result["rows"] for quote in (*row["citations"], row["nearest"]) if quote]
        assert quotes and {quote["quote"] for quote in quotes} == {""}
