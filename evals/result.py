"""A result of ``evals.run``: put together from rows, summed up for a terminal, read back from its file."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evals import measures
from evals.calibration import calibration
from evals.datasets import both
from evals.declining import declining, near_misses
from evals.differences import ANSWERING, is_number
from evals.words import OUTCOMES
from rag.errors import one_line

APART = ("reading", "declining", "near_misses", "calibration")  # figures beside those of arms and answers
Row = dict[str, Any]
Result = dict[str, Any]


class ResultError(Exception):
    """Results that cannot be read or compared; the message is one line, Korean and English."""


def assemble(name: str, about: Result, rows: list[Row], arms: Sequence[str], peak_memory_mb: float) -> Result:
    """Every figure of the rows, and the rows; the keys are explained in docs/evals.md. ``arms`` are those that rank passages."""
    asked = "full" in arms
    times = [row["timings_ms"] for row in rows] if asked else []
    stages = sorted({stage for row in times for stage in row} - {"total"})
    total = [row["total"] for row in times]
    thresholds = {row["threshold"] for row in rows} if asked else set()
    return {
        "dataset": name,
        "questions": len(rows),
        "about": about,
        "arms": measures.arms(rows, arms),
        "answers": measures.answers(rows) if asked else None,
        **apart(rows),
        "groups": measures.groups(rows, arms),
        "outcomes": measures.outcomes(rows) if asked else None,
        "threshold": next(iter(thresholds)) if len(thresholds) == 1 else None,  # each row has its own
        "risk_coverage": measures.risk_coverage(rows) if asked else [],
        "latency_ms": _percentiles(total) if asked else None,
        "stages_ms": {stage: _percentiles([row.get(stage, 0.0) for row in times]) for stage in stages},
        "questions_per_second": round(1000 * len(total) / sum(total), 2) if asked else None,
        "peak_memory_mb": round(peak_memory_mb, 1),
        "rows": rows,
    }


def apart(rows: Sequence[Row]) -> Result:
    """The figures ``APART`` of these rows, each None where the rows do not tell of it."""
    return {
        "reading": measures.reading(rows),
        "declining": declining(rows),
        "near_misses": near_misses(rows),
        "calibration": calibration(rows),
    }


def pooled(results: Sequence[Result]) -> Result:
    """The figures ``APART`` of the questions of several sets together."""
    return apart([{**row, "id": f"{result['dataset']}:{row['id']}"} for result in results for row in result["rows"]])


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    p50, p95 = np.percentile(values, [50, 95]).tolist()
    return {"p50": round(p50, 2), "p95": round(p95, 2)}


def summary(result: Result) -> str:
    """The main figures as lines for a terminal."""
    questions, documents = result["questions"], result["about"]["documents"]
    lines = [f"{result['dataset']}: 질문 {questions}개 / questions, 문서 {documents}개 / documents"]
    for arm, figures in result["arms"].items():
        lines.append(f"  {arm:8}" + "".join(f"{name} {_shown(figure)}  " for name, figure in figures.items()))
    answers = result["answers"] or {}
    for name in [name for name in answers if name not in ("typing", "crosslingual", "abstention")]:
        lines.append(f"  {name:21}{_shown(answers[name])}")
    for name, figure in answers.get("abstention", {}).items():
        lines.append(f"  abstention {name:10}{_shown(figure)}")
    lines += summary_apart(result)
    if result["latency_ms"]:
        lines.append(f"  {'latency ms':21}p50 {result['latency_ms']['p50']}, p95 {result['latency_ms']['p95']}")
    return "\n".join(lines) + "\n"


def summary_apart(result: Result) -> list[str]:
    """The figures ``APART``, those there are."""
    found = [
        (name, key, figure) for name in APART for key, figure in (result.get(name) or {}).items() if key != "points"
    ]
    return [f"  {name.replace('_', ' ') + ' ' + key:23}{_shown(figure)}" for name, key, figure in found]


def _shown(figure: dict[str, float] | None) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f}-{figure['high']:.3f})" if figure else "-"


def read_result(path: Path) -> Result:
    """The result in a file that ``evals.run --json`` wrote.

    Raises:
        ResultError: the file cannot be read, holds something else, or is damaged.

    """
    where = one_line(path)
    try:
        result = json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise ResultError(both(where, "읽을 수 없습니다", f"cannot be read ({error.strerror or error})")) from error
    except (ValueError, RecursionError) as error:
        raise ResultError(both(where, "깨졌거나 JSON이 아닙니다", f"damaged, or not JSON ({error})")) from error
    forms = (("dataset", str), ("arms", dict), ("rows", list))
    if not isinstance(result, dict) or not all(isinstance(result.get(name), form) for name, form in forms):
        raise ResultError(both(where, "평가 결과가 아닙니다", "not a result of evals.run"))
    seen: set[str] = set()
    for number, row in enumerate(result["rows"], 1):
        if (flaw := _flaw(row, seen)) is not None:
            korean = f"{number}번째 질문의 {flaw} 값이 깨졌습니다"
            raise ResultError(both(where, korean, f"{flaw} of row {number} is damaged"))
        seen.add(row["id"])
    return result


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1  # true and false are 1 and 0; NaN is neither


def _is_rank(value: Any) -> bool:
    return type(value) is int and value >= 1  # true is an int too


def _are_ranks(value: Any) -> bool:
    forms = {"document": _is_rank, "passage": _is_rank, "ndcg@10": _is_share}
    return isinstance(value, dict) and all(
        isinstance(ranks, dict) and all(ranks.get(name) is None or form(ranks[name]) for name, form in forms.items())
        for ranks in value.values()
    )


def _is_reading(value: Any) -> bool:
    return isinstance(value, dict) and all(
        value.get(name) is None or _is_share(value[name]) for name in measures.READING
    )


def _is_removed(value: Any) -> bool:
    forms = {
        "kept": lambda kept: isinstance(kept, bool),
        "answered": lambda said: isinstance(said, bool),
        "confidence": is_number,
    }
    return isinstance(value, dict) and all(value.get(name) is None or form(value[name]) for name, form in forms.items())


# What is read of a row, here and by the gate. Each may be null or left out.
_FORMS: dict[str, Callable[[Any], bool]] = {
    "ranks": _are_ranks,
    "citations": lambda value: isinstance(value, list) and all(isinstance(citation, dict) for citation in value),
    "nearest": lambda value: isinstance(value, dict),
    "outcome": lambda value: isinstance(value, str) and value in OUTCOMES,
    "expected": lambda value: isinstance(value, dict) and value.get("yesno") in (None, "yes", "no"),
    "confidence": is_number,
    "reading": _is_reading,
    "removed": _is_removed,
    **dict.fromkeys(
        ("question", "kind", "language", "source", "pair", "document", "miss", "certainty", "reason"),
        lambda value: isinstance(value, str),
    ),
    **dict.fromkeys(("answered", "answerable", "typed", "evidence_known"), lambda value: isinstance(value, bool)),
    **dict.fromkeys((*ANSWERING, "yesno"), _is_share),
}


def _flaw(row: Any, seen: set[str]) -> str | None:
    """The name of what is wrong with a row."""
    if not isinstance(row, dict) or not isinstance(row.get("id"), str) or row["id"] in seen:
        return "id"
    return next((name for name, form in _FORMS.items() if row.get(name) is not None and not form(row[name])), None)
