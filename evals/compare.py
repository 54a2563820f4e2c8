"""Two results of one set, question by question: which figures moved, and which questions with them.

    python -m evals.compare A.json B.json [--json] [--limit N]

A difference is B less A, over the questions that are in both files, with its 95% interval by the paired bootstrap; it is
marked where the interval leaves out 0 (``evals.differences``). Times, memory, and what the rows do not tell of both are shown
as the files have them, without an interval.

A question is gained or lost by the first of these that differs: whether it is right, whether its evidence was read,
whether its document comes first in the last arm that both files hold. In this order they are listed. One that only fails
otherwise is listed apart.
"""

from __future__ import annotations

import argparse
import json
import sys
import unicodedata
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evals.datasets import both
from evals.differences import (
    ANSWERING,
    APART,
    OVERALL,
    Difference,
    Pair,
    Row,
    differences,
    label,
    value_at,
)
from evals.result import Result, ResultError, read_result
from evals.words import OUTCOMES
from rag.errors import one_line

ARMS = ("dense", "bm25", "hybrid", "full")  # the later, the nearer to what is answered from
SHOWN = 20  # questions of a group, where nothing else is said
QUESTION_COLUMNS = 60

_PLAIN = {"latency_ms.p50": "시간 ms, 중앙값", "latency_ms.p95": "시간 ms, 95%", "peak_memory_mb": "가장 큰 메모리 MB"}
_GROUPS = {
    "gained": "나아진 질문 / gained", "lost": "나빠진 질문 / lost", "otherwise": "다르게 틀린 질문 / wrong otherwise",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Value:
    """What the files say of a measure, each of all its questions; None where one says nothing."""

    measure: str
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class Change:
    """One question, before and after. ``ranks`` are 1-based, None where the document was not found."""

    id: str
    question: str | None
    outcomes: tuple[str | None, str | None]
    ranks: tuple[int | None, int | None] | None  # None: one of the rows has no rank to give


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two results of one set have to tell each other."""

    dataset: str
    questions: int  # in both
    only_before: int
    only_after: int
    arm: str | None  # whose ranks the changes show
    differences: tuple[Difference, ...]
    values: tuple[Value, ...]  # of what has no difference with an interval
    changes: Mapping[str, tuple[Change, ...]]  # "gained", "lost", "otherwise"

    def to_dict(self, limit: int | None = None) -> dict[str, Any]:
        """For other programs; with ``limit`` only so many questions of each group."""
        shown = asdict(self)
        shown["differences"] = [{**asdict(each), "clear": each.is_clear} for each in self.differences]
        shown["changes"] = {group: changes[:limit] for group, changes in shown["changes"].items()}
        return shown


def compare(before: Result, after: Result) -> Comparison:
    """What changed from one result to another.

    Raises:
        ResultError: they are of other sets, or have no question in common.

    """
    names = one_line(before["dataset"]), one_line(after["dataset"])
    if before["dataset"] != after["dataset"]:
        raise ResultError(both(", ".join(names), "서로 다른 평가 집합입니다", "results of different sets"))
    rows = {row["id"]: row for row in after["rows"]}
    pairs = [(row, rows[row["id"]]) for row in before["rows"] if row["id"] in rows]
    if not pairs:
        raise ResultError(both(names[0], "함께 있는 질문이 없습니다", "the results have no question in common"))
    arms = _arms(pairs)
    arm = arms[-1] if arms else None
    found = differences(pairs, arms)
    changed = sorted((where[0], at, where[1]) for at, pair in enumerate(pairs) if (where := _group(pair, arm)))
    return Comparison(
        dataset=names[0],
        questions=len(pairs),
        only_before=len(before["rows"]) - len(pairs),
        only_after=len(after["rows"]) - len(pairs),
        arm=arm,
        differences=tuple(found),
        values=tuple(_values(before, after, {each.measure for each in found})),
        changes={name: tuple(_change(pairs[at], arm) for _, at, group in changed if group == name) for name in _GROUPS},
    )


def _arms(pairs: Sequence[Pair]) -> list[str]:
    """The arms that both results hold, in their order."""
    held = [{arm for pair in pairs for arm in pair[side].get("ranks") or {}} for side in (0, 1)]
    return [arm for arm in ARMS if arm in held[0] & held[1]]


def _values(before: Result, after: Result, compared: Container[str]) -> list[Value]:
    """Times and memory, and the figures of answers that could not be compared, such as one that is undefined in one result."""
    languages = {name: None for result in (before, after) for name in _languages(result)}
    answers = [*ANSWERING, *OVERALL]
    kept = ("korean", "value", "ratio")
    answers += [f"crosslingual.{of}.{name}" for of in languages for name in (*kept, *(f"f1.{each}" for each in kept))]
    paths = {name: f"answers.{name}" for name in answers} | {name: name for name in (*APART, *_PLAIN)}
    left = {name: path for name, path in paths.items() if name not in compared}
    found = [Value(name, value_at(before, path), value_at(after, path)) for name, path in left.items()]
    return [each for each in found if (each.before, each.after) != (None, None)]


def _languages(result: Result) -> list[str]:
    answers = result.get("answers")
    languages = answers.get("crosslingual") if isinstance(answers, dict) else None
    return list(languages) if isinstance(languages, dict) else []


def _ranks(row: Row, arm: str | None) -> Any:
    return (row.get("ranks") or {}).get(arm)


def _group(pair: Pair, arm: str | None) -> tuple[int, str] | None:
    """How much a change weighs, 0 the most, and where it belongs. What only one result knows is no change."""
    outcomes = [row.get("outcome") for row in pair]
    ranks = [_ranks(row, arm) for row in pair]
    signs = (
        [row.get("right") for row in pair],
        [None if outcome is None else outcome != "not_retrieved" for outcome in outcomes],
        [None if found is None else found.get("document") == 1 for found in ranks],
    )
    for weight, (before, after) in enumerate(signs):
        if None not in (before, after) and before != after:
            return weight, "gained" if after else "lost"
    return (len(signs), "otherwise") if None not in outcomes and outcomes[0] != outcomes[1] else None


def _change(pair: Pair, arm: str | None) -> Change:
    a, b = pair
    found = _ranks(a, arm), _ranks(b, arm)
    ranks = None if None in found else (found[0].get("document"), found[1].get("document"))
    return Change(a["id"], a.get("question") or b.get("question"), (a.get("outcome"), b.get("outcome")), ranks)


def columns(text: str) -> int:
    """Columns that a terminal gives to a text: Hangul syllables and ideographs take two, combining marks none."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)


def table(rows: Sequence[Sequence[str]], right: Container[int] = ()) -> list[str]:
    """Lines with the cells under one another; those of the columns in ``right`` end together."""
    widths = [max(columns(row[at]) for row in rows) for at in range(len(rows[0]))]

    def padded(at: int, cell: str) -> str:
        space = " " * (widths[at] - columns(cell))
        return space + cell if at in right else cell + space

    return ["  ".join(padded(at, cell) for at, cell in enumerate(row)).rstrip() for row in rows]


def as_text(comparison: Comparison, limit: int = SHOWN) -> str:
    """The comparison for a terminal, with at most ``limit`` questions of each group."""
    rows = [["잣대 / measure", "", "A", "B", "B-A", "95% 구간 / interval", "수 / n", ""]]
    for each in comparison.differences:
        figures = [f"{each.before:.3f}", f"{each.after:.3f}", f"{each.value:+.3f}"]
        interval = f"[{each.low:+.3f}, {each.high:+.3f}]"
        rows.append(
            [one_line(each.measure), label(each.measure), *figures, interval, str(each.n), "*" if each.is_clear else ""]
        )
    lines = [
        f"{comparison.dataset}: 함께 있는 질문 / questions in both {comparison.questions}"
        f" (A에만 / only in A {comparison.only_before}, B에만 / only in B {comparison.only_after})",
        "",
        *table(rows, right=range(2, 7)),
        "* 구간에 0이 없음 / the interval leaves out 0",
        *_plain(comparison.values),
    ]
    for group, changes in comparison.changes.items():
        lines += ["", f"{_GROUPS[group]}: {len(changes)}", *_listed(changes[:limit], comparison.arm)]
        if len(changes) > limit:
            lines.append(f"  … {len(changes) - limit}개 더 / more (--limit)")
    return "\n".join(lines)


def _plain(values: Sequence[Value]) -> list[str]:
    rows = [["구간 없이, 파일마다 / of each file, no interval", "", "A", "", "B"]]
    for each in values:
        before, after = ("-" if value is None else f"{value:g}" for value in (each.before, each.after))
        name = _PLAIN.get(each.measure) or label(each.measure)
        rows.append([one_line(each.measure), name, before, "→", after])
    return ["", *table(rows, right={2, 4})] if values else []


def _listed(changes: Sequence[Change], arm: str | None) -> list[str]:
    rows = [["id", "결과 / outcome", f"문서 순위 / rank ({arm or '-'})", "질문 / question"]]
    for change in changes:
        outcomes = [f"{OUTCOMES[name].ko} {name}" if name in OUTCOMES else "-" for name in change.outcomes]
        ranks = [str(rank or "-") for rank in change.ranks or ()]
        question = one_line(change.question or "")
        rows.append([one_line(change.id), " → ".join(outcomes), " → ".join(ranks), _cut(question)])
    return [f"  {line}" for line in table(rows)] if changes else []


def _cut(text: str) -> str:
    shown = text
    while columns(shown) > QUESTION_COLUMNS:
        shown = shown.removesuffix("…")[:-1] + "…"
    return shown


def _about(name: str, path: Path, result: Result) -> str:
    """What a result rests on: figures over other documents are not to be compared."""
    about = result["about"] if isinstance(result.get("about"), dict) else {}
    said = [str(about.get(key, "-")) for key in ("model", "commit", "date")]
    said += [f"문서 / documents {about.get('documents', '-')}", f"대목 / passages {about.get('passages', '-')}"]
    return one_line(f"{name}: {path.name}  {', '.join(said)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Compare two files. Returns the exit status: 1 where they cannot be compared, 2 for wrong usage."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show a character must not be a reason to fail
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    description = "두 평가 결과를 견줍니다 / compare two results of one set"
    parser = argparse.ArgumentParser(prog="python -m evals.compare", description=description)
    parser.add_argument("before", type=Path, metavar="A.json", help="앞의 결과 / the result before")
    parser.add_argument("after", type=Path, metavar="B.json", help="뒤의 결과 / the result after")
    parser.add_argument("--json", action="store_true", help="결과를 JSON으로 / print the comparison as JSON")
    parser.add_argument("--limit", type=int, metavar="N", help="묶음마다 보일 질문 수 / questions shown of each group")
    options = parser.parse_args(argv)
    if options.limit is not None and options.limit < 0:
        parser.error("--limit: 0 이상이어야 합니다 / must be 0 or more")
    try:
        before, after = read_result(options.before), read_result(options.after)
        comparison = compare(before, after)
    except ResultError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if options.json:
        shown = json.dumps(comparison.to_dict(options.limit), ensure_ascii=False)
    else:
        about = [_about("A", options.before, before), _about("B", options.after, after)]
        shown = "\n".join([*about, as_text(comparison, SHOWN if options.limit is None else options.limit)])
    sys.stdout.write(shown + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
