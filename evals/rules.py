"""What the gate asks of a result.

- It is of the set: asked with its limit, distractors and seed, in all arms, and holding the questions of its gold file, none missing.
- Its floors and ceilings: each names a figure of the result, dots leading through it; one that has no value fails.
- Every quote is verbatim.
- Fusion does no harm: over all questions, and over those of each source with at least ``SOURCE`` of them, the interval of
  the difference in MRR@10 between hybrid and the better of dense and BM25 reaches no lower than ``-HARM``. It is that of documents, but
  of passages where the library holds one document. A result that cannot be judged so fails.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from evals.bootstrap import paired_bootstrap
from evals.datasets import DatasetError, sampled
from evals.differences import Result, Row, row_values, value_at
from evals.readers import read_gold
from rag.errors import one_line

if TYPE_CHECKING:
    from evals.gate import Gate, SetSpec

ARMS = ("dense", "bm25", "hybrid", "full")
FUSED = ("dense", "bm25")
HARM = 0.01  # of MRR@10: what fusion may lose on data like ours by chance alone
SOURCE = 50  # questions; an interval over fewer tells little
NAMED = 3  # questions named in a line
ABSENT = "없음 / none"


def failures(gate: Gate, name: str, result: Result) -> list[str]:
    """What keeps the result of a set from passing, a line each: set, measure, value, what is wanted. Empty: it passes."""
    rows = result.get("rows") or []
    found = _of_another_run(gate.sets[name], name, result, rows)
    if not rows:
        return [*found, _line(name, "rows", "0", "1 이상", "at least 1")]
    found += out_of_bounds(gate, name, result)
    return [*found, *_not_verbatim(name, result, rows), *_unranked(name, rows), *_harm(name, result, rows)]


def out_of_bounds(gate: Gate, name: str, result: Result) -> list[str]:
    """The floors and ceilings of a set or a pool that its figures do not keep to, a line each."""
    found = []
    for measure, floor in gate.floors.get(name, {}).items():
        value = value_at(result, measure)
        if value is None or value < floor:
            found.append(_line(name, measure, _shown(value), f"{floor:g} 이상", f"at least {floor:g}"))
    for measure, ceiling in gate.ceilings.get(name, {}).items():
        value = value_at(result, measure)
        if value is None or value > ceiling:
            found.append(_line(name, measure, _shown(value), f"{ceiling:g} 이하", f"at most {ceiling:g}"))
    return found


def _of_another_run(spec: SetSpec, name: str, result: Result, rows: Sequence[Row]) -> list[str]:
    """Where a result is not of the set as it is described, or holds other questions."""
    about = _about(result)
    found = []
    for key, wanted in (("limit", spec.limit), ("distractors", spec.distractors), ("seed", spec.seed)):
        if key not in about or type(about[key]) is not type(wanted) or about[key] != wanted:
            expected = "null" if wanted is None else str(wanted)
            value = ("null" if about[key] is None else str(about[key])) if key in about else ABSENT
            found.append(_line(name, f"about.{key}", one_line(value), expected, expected))
    arms = about["arms"] if isinstance(about.get("arms"), list) else []
    if not set(ARMS) <= {arm for arm in arms if isinstance(arm, str)}:
        shown = one_line(", ".join(map(str, arms))) or ABSENT
        found.append(_line(name, "about.arms", shown, ", ".join(ARMS), ", ".join(ARMS)))
    if type(result.get("questions")) is not int or result["questions"] != len(rows):
        shown = one_line(str(result.get("questions", ABSENT)))
        found.append(_line(name, "questions", shown, f"rows의 수 {len(rows)}", f"{len(rows)}, the number of rows"))
    return [*found, *_other_questions(spec, name, rows)]


def _other_questions(spec: SetSpec, name: str, rows: Sequence[Row]) -> list[str]:
    if spec.gold is None:
        return []
    try:
        gold = read_gold(spec.gold)
    except DatasetError as error:
        return [one_line(f"{name}: {error}")]
    wanted = sampled(gold, spec.limit, spec.seed) if spec.limit is not None else gold
    ids = dict.fromkeys(question.id for question in wanted.questions)
    held = dict.fromkeys(row["id"] for row in rows)
    where = one_line(spec.gold.name)
    return [
        *_none_of(name, f"{where}에 있으나 결과에 없는 질문 / questions missing", [id for id in ids if id not in held]),
        *_none_of(name, f"{where}에 없는 질문 / questions of another set", [id for id in held if id not in ids]),
    ]


def _not_verbatim(name: str, result: Result, rows: Sequence[Row]) -> list[str]:
    wrong = [row["id"] for row in rows if not all(quote.get("verbatim") is True for quote in _quotes(row))]
    if wrong:
        return _none_of(name, "원문과 다른 인용이 있는 질문 / questions with a quote not verbatim", wrong)
    value = value_at(result, "answers.verbatim")
    if value is not None and value < 1:
        return [_line(name, "answers.verbatim", _shown(value), "1", "1")]
    return []


def _quotes(row: Row) -> list[dict[str, Any]]:
    return [*(row.get("citations") or []), *([row["nearest"]] if row.get("nearest") else [])]


def _unranked(name: str, rows: Sequence[Row]) -> list[str]:
    """The questions with a document that an arm does not rank: figures over the others say less than they seem to."""
    of_document = [row for row in rows if row.get("document") is not None or row.get("ranks")]
    wrong = [row["id"] for row in of_document if not set(ARMS) <= set(row.get("ranks") or {})]
    return _none_of(name, "순위가 빠진 질문 / questions that an arm does not rank", wrong)


def _harm(name: str, result: Result, rows: Sequence[Row]) -> list[str]:
    """Where hybrid is worse than the better of the arms it is fused from."""
    measure = "passage_mrr@10" if _about(result).get("documents") == 1 else "mrr@10"
    named = {arm: f"{arm}.{measure}" for arm in ("hybrid", *FUSED)}
    judged = [(row.get("source"), values) for row in rows if set(named.values()) <= set(values := row_values(row))]
    if not judged:
        return [
            _line(name, f"{measure} hybrid", ABSENT, "hybrid, dense, bm25의 순위", "ranks by hybrid, dense and bm25")
        ]
    sources = dict.fromkeys(source for source, _ in judged if source is not None)
    parts = [(f" ({one_line(of)})", [values for source, values in judged if source == of]) for of in sources]
    found = []
    whole = ("", [values for _, values in judged])
    for part, some in [whole, *((part, some) for part, some in parts if len(some) >= SOURCE)]:
        scores = {arm: [values[key] for values in some] for arm, key in named.items()}
        better = max(FUSED, key=lambda arm: fmean(scores[arm]))
        figure = paired_bootstrap(scores["hybrid"], scores[better])
        if figure["low"] < -HARM:
            shown = f"{figure['value']:+.4f} [{figure['low']:+.4f}, {figure['high']:+.4f}]"
            wanted = f"하한 {-HARM:g} 이상", f"a lower bound of at least {-HARM:g}"
            found.append(_line(name, f"{measure} hybrid - {better}{part}", shown, *wanted))
    return found


def _about(result: Result) -> Mapping[str, Any]:
    about = result.get("about")
    return about if isinstance(about, Mapping) else {}


def _none_of(name: str, what: str, ids: Collection[str]) -> list[str]:
    """A line where there are any."""
    if not ids:
        return []
    first = ", ".join(list(ids)[:NAMED])
    shown = one_line(f"{len(ids)} ({first}{', …' if len(ids) > NAMED else ''})")
    return [_line(name, what, shown, "0", "0")]


def _shown(value: float | None) -> str:
    return ABSENT if value is None else f"{value:g}"


def _line(name: str, measure: str, value: str, korean: str, english: str) -> str:
    return f"{one_line(name)}: {measure}: {value} (기준 {korean} / wanted {english})"
