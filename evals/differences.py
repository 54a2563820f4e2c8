"""Every measure of two results of one set, before and after, and the interval of the difference.

All is worked out of the rows that both hold, by the paired bootstrap: in each resample the same questions are drawn for both. A measure
of single questions rests on those that have it in both; a share of other things (quotes, declined questions) on all that were asked in
both. The names lead to the figures of a result (``docs/evals.md``) without "arms.", "answers." and "groups.", so "hybrid.mrr@10",
"abstention.aurc", "kind.span.right", "declining.f1".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evals import declining
from evals.bootstrap import Statistic, difference, ratio
from evals.calibration import ece_statistic
from evals.measures import READING, TOGETHER, aurc_statistic, yesno_statistic

Row = dict[str, Any]
Result = dict[str, Any]
Pair = tuple[Row, Row]  # a question before and after
Values = Sequence[tuple[float, float]]  # before and after, one pair a question

RANKING = {
    "hit@1": "문서 1위", "hit@5": "문서 5위 안", "passage_hit@1": "대목 1위", "passage_hit@5": "대목 5위 안",
    "mrr@10": "문서 역순위", "passage_mrr@10": "대목 역순위", "ndcg@10": "문서 순위 이득",
}  # fmt: skip
ANSWERING = {  # of one question
    "em": "답 일치", "f1": "답 F1", "list_f1": "목록 F1",
    "citation_precision": "인용 정밀도", "citation_recall": "인용 재현율", "right": "맞음",
}  # fmt: skip
OVERALL = {  # of all
    "yesno": "예·아니요", "followup": "이어 물은 질문", "verbatim": "원문 그대로",
    "abstention.precision": "거절 정밀도", "abstention.recall": "거절 재현율", "abstention.f1": "거절 F1",
    "abstention.aurc": "틀릴 넓이 (작을수록 좋음)", "typing.clean": "반듯한 질문", "typing.typed": "친 듯한 질문",
    "typing.ratio": "친 듯함 / 반듯함", "typing.f1.clean": "반듯한 질문의 F1", "typing.f1.typed": "친 듯한 질문의 F1",
    "typing.f1.ratio": "F1, 친 듯함 / 반듯함",
}  # fmt: skip
APART = {  # beside the answers
    "reading.em": "자기 문서에서 답 일치", "reading.f1": "자기 문서에서 답 F1",
    "declining.f1": "문서를 뺀 거절 F1", "declining.precision": "문서를 뺀 거절 정밀도", "declining.recall": "문서를 뺀 거절 재현율",
    "declining.answered": "그 질문들에 답한 비율",
    "near_misses.f1": "비슷하나 답 없는 거절 F1", "near_misses.precision": "비슷하나 답 없는 거절 정밀도",
    "near_misses.recall": "비슷하나 답 없는 거절 재현율", "near_misses.answered": "견준 질문에 답한 비율",
    "calibration.ece": "확신의 어긋남 (작을수록 좋음)",
}  # fmt: skip
_LANGUAGES = {  # of crosslingual
    "korean": "한국어 짝", "value": "다른 말", "ratio": "다른 말 / 한국어",
    "f1.korean": "한국어 짝의 F1", "f1.value": "다른 말의 F1", "f1.ratio": "F1, 다른 말 / 한국어",
}  # fmt: skip
_GROUPS = {  # what is compared of each group beside ``right``
    "kind": (), "language": ("hybrid.hit@1", "hybrid.mrr@10"),
    "source": ("hybrid.hit@1", "hybrid.mrr@10", "reading.em", "reading.f1"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure, resting on ``n`` questions that are in both results: both values, and ``value`` = after - before."""

    measure: str
    before: float
    after: float
    value: float
    low: float
    high: float
    n: int

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def label(measure: str) -> str:
    """What a measure is called in Korean; nothing where only its name is known."""
    names = _LANGUAGES if measure.startswith("crosslingual.") else ANSWERING | OVERALL | APART | RANKING
    parts = measure.split(".")
    return next((names[name] for at in range(len(parts)) if (name := ".".join(parts[at:])) in names), "")


def value_at(result: Result, measure: str) -> float | None:
    """The value that a dotted name leads to: of a figure, or a plain number. None where there is none."""
    found: Any = result
    for step in measure.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    if isinstance(found, Mapping):
        found = found.get("value")
    return float(found) if is_number(found) else None


def is_number(value: Any) -> bool:
    """Whether it is a finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def row_values(row: Row) -> dict[str, float]:
    """What a row says of each measure that applies to it: "hybrid.hit@1" and so on of the arms, "em" and so on."""
    values: dict[str, float] = {}
    for arm, ranks in (row.get("ranks") or {}).items():
        document, passage = ranks.get("document"), ranks.get("passage")
        values |= _of_rank(f"{arm}.", document)
        if row.get("evidence_known", True):
            values |= _of_rank(f"{arm}.passage_", passage)
        if ranks.get("ndcg@10") is not None:
            values[f"{arm}.ndcg@10"] = float(ranks["ndcg@10"])
    read = row.get("reading") or {}
    values |= {f"reading.{name}": float(read[name]) for name in READING if read.get(name) is not None}
    return values | {name: float(row[name]) for name in ANSWERING if row.get(name) is not None}


def _of_rank(prefix: str, rank: int | None) -> dict[str, float]:
    hits = {f"{prefix}hit@{k}": float(rank is not None and rank <= k) for k in (1, 5)}
    return hits | {f"{prefix}mrr@10": 1 / rank if rank is not None and rank <= 10 else 0.0}


def differences(pairs: Sequence[Pair], arms: Sequence[str]) -> list[Difference]:
    """All measures that the pairs have, of the arms, of the answers and of groups."""
    found = [
        *_of_questions(pairs, [f"{arm}.{measure}" for arm in arms for measure in RANKING]),
        *_of_questions(pairs, (*ANSWERING, *(f"reading.{name}" for name in READING))),
        _yesno(pairs),
        _mean("followup", [pair for pair in pairs if all(row.get("kind") == "followup" for row in pair)], "right"),
        *_of_asked([pair for pair in pairs if all(_is_asked(row) for row in pair)]),
        *_of_declining(pairs),
        *_of_variants(pairs),
        *_of_groups(pairs, arms),
    ]
    return [each for each in found if each is not None]


def _difference(measure: str, before: Statistic, after: Statistic, rows: int, n: int) -> Difference | None:
    figure = difference(before, after, rows, n)
    if figure is None:
        return None
    once = np.ones((1, rows))
    values = float(before(once)[0]), float(after(once)[0])
    return Difference(measure, *values, figure["value"], figure["low"], figure["high"], n)


def _ratio(measure: str, parts: Values, wholes: Values, n: int) -> Difference | None:
    before, after = (ratio([each[side] for each in parts], [each[side] for each in wholes]) for side in (0, 1))
    return _difference(measure, before, after, len(parts), n)


def _of_values(measure: str, values: Values) -> Difference | None:
    return _ratio(measure, values, [(1, 1)] * len(values), len(values))


def _of_questions(pairs: Sequence[Pair], names: Iterable[str]) -> Iterator[Difference | None]:
    values = [(row_values(a), row_values(b)) for a, b in pairs]
    for name in names:
        yield _of_values(name, [(a[name], b[name]) for a, b in values if name in a and name in b])


def _mean(measure: str, pairs: Iterable[Pair], name: str) -> Difference | None:
    """The means of a value of the rows, over those that have it in both."""
    values = [(a.get(name), b.get(name)) for a, b in pairs]
    return _of_values(measure, [(float(a), float(b)) for a, b in values if a is not None and b is not None])


def _yesno(pairs: Iterable[Pair]) -> Difference | None:
    """Balanced accuracy. The expected verdict is that of either row: it may have been left out with the texts."""
    known: list[tuple[Pair, str]] = []
    for pair in pairs:
        verdicts = {verdict for row in pair if (verdict := (row.get("expected") or {}).get("yesno")) is not None}
        if len(verdicts) == 1 and all(row.get("yesno") is not None for row in pair):
            known.append((pair, verdicts.pop()))
    if not known:
        return None
    expected = [verdict for _, verdict in known]
    before, after = (yesno_statistic([pair[side]["yesno"] for pair, _ in known], expected) for side in (0, 1))
    return _difference("yesno", before, after, len(known), len(known))


def _is_asked(row: Row) -> bool:
    return row.get("answered") is not None and row.get("answerable") is not None


def _of_asked(pairs: Sequence[Pair]) -> Iterator[Difference | None]:
    """What tells of quotes and of declining; all rows were asked."""
    quotes = [(_quotes(a), _quotes(b)) for a, b in pairs]
    quotes = [(a, b) for a, b in quotes if a[1] or b[1]]
    yield _ratio("verbatim", [(a[0], b[0]) for a, b in quotes], [(a[1], b[1]) for a, b in quotes], len(quotes))
    declined = [(float(not a["answered"]), float(not b["answered"])) for a, b in pairs]
    lacking = [(float(not a["answerable"]), float(not b["answerable"])) for a, b in pairs]
    if any(any(each) for each in lacking):  # else every declined question is wrongly so, which says nothing new
        rightly = [(a * x, b * y) for (a, b), (x, y) in zip(declined, lacking, strict=True)]
        yield _ratio("abstention.precision", rightly, declined, sum(any(each) for each in declined))
        yield _ratio("abstention.recall", rightly, lacking, sum(any(each) for each in lacking))
        twice = [(2 * a, 2 * b) for a, b in rightly]
        either = [(a + x, b + y) for (a, b), (x, y) in zip(declined, lacking, strict=True)]
        yield _ratio("abstention.f1", twice, either, len(pairs))
    known = [pair for pair in pairs if _is_judged(pair)]
    if known:
        before, after = (aurc_statistic([pair[side] for pair in known]) for side in (0, 1))
        yield _difference("abstention.aurc", before, after, len(known), len(known))


def _of_declining(pairs: Sequence[Pair]) -> Iterator[Difference | None]:
    """Without the right documents, of questions kept in both; near misses, with the same others drawn; and confidence."""
    pairs = [pair for pair in pairs if all(_is_asked(row) for row in pair)]
    kept = [pair for pair in pairs if all(declining.is_kept(row) for row in pair)]
    yield from _of_units("declining", *(declining.of_removed(side) for side in zip(*kept, strict=True)))
    same = [pair for pair in pairs if len({(row["answerable"], row.get("miss")) for row in pair}) == 1]
    units = (declining.of_near_misses(side) for side in zip(*same, strict=True))  # of the same ids: drawn alike
    yield from _of_units("near_misses", *units)
    known = [_same_asks(pair) for pair in pairs if _is_judged(pair)]
    if known:
        before, after = (ece_statistic(side) for side in zip(*known, strict=True))
        yield _difference("calibration.ece", before, after, len(known), len(known))


def _of_units(name: str, *sides: Sequence[declining.Unit]) -> Iterator[Difference | None]:
    """All figures of declining; the n of a figure is the larger of the two where they differ, as what was declined does."""
    counts = [declining.counts_of(side) for side in sides]
    if not counts or not counts[0]["recall"] or not counts[0]["answered"]:
        return
    before, after = (declining.statistics(side) for side in sides)
    for figure in declining.FIGURES:
        yield _difference(
            f"{name}.{figure}", before[figure], after[figure], len(sides[0]), max(count[figure] for count in counts)
        )


def _is_judged(pair: Pair) -> bool:
    return not any(row.get(name) is None for row in pair for name in ("confidence", "right"))


def _same_asks(pair: Pair) -> Pair:
    """The pair, without the asks that left documents out unless both have theirs."""
    if all(declining.is_kept(row) for row in pair):
        return pair
    a, b = ({**row, "removed": None} for row in pair)
    return a, b


def _quotes(row: Row) -> tuple[int, int]:
    """How many quotes of a row are verbatim, the nearest sentence among them, and how many there are."""
    shown = [*(row.get("citations") or []), *([row["nearest"]] if row.get("nearest") else [])]
    return sum(quote.get("verbatim") is True for quote in shown), len(shown)


def _of_variants(pairs: Sequence[Pair]) -> Iterator[Difference | None]:
    """Questions as people type them, and in other languages, against the plain ones they are paired with."""
    plain = {a["id"]: (a, b) for a, b in pairs}
    variants = [(plain[a["pair"]], (a, b)) for a, b in pairs if a.get("pair") in plain and a["pair"] == b.get("pair")]
    typed = [each for each in variants if all(row.get("typed") for row in each[1])]
    yield from _against("typing", typed, ("clean", "typed"))
    others = [each for each in variants if all(row.get("language", "ko") != "ko" for row in each[1])]
    yield from _against(f"crosslingual.{TOGETHER}", others, ("korean", "value"))
    for language in _names(pairs, "language"):
        if language != "ko":
            foreign = [each for each in variants if all(row.get("language") == language for row in each[1])]
            yield from _against(f"crosslingual.{language}", foreign, ("korean", "value"))


def _against(name: str, variants: Sequence[tuple[Pair, Pair]], names: tuple[str, str]) -> Iterator[Difference | None]:
    """As ``measures.answers`` has it, a question and its variant drawn together."""
    for measure, prefix in (("right", name), ("f1", f"{name}.f1")):
        found = [[row.get(measure) for row in (*plain, *variant)] for plain, variant in variants]
        known = [[float(value) for value in each if value is not None] for each in found if None not in each]
        plains, others = [(each[0], each[1]) for each in known], [(each[2], each[3]) for each in known]
        yield _of_values(f"{prefix}.{names[0]}", plains)
        yield _of_values(f"{prefix}.{names[1]}", others)
        yield _ratio(f"{prefix}.ratio", others, plains, len(known))


def _of_groups(pairs: Sequence[Pair], arms: Sequence[str]) -> Iterator[Difference | None]:
    """What a set holds of several kinds; a group that is all of it says nothing new."""
    for key, ranking in _GROUPS.items():
        for name in _names(pairs, key):
            some = [pair for pair in pairs if all(row.get(key) == name for row in pair)]
            if len(some) == len(pairs):
                continue
            judged = [pair for pair in some if all(row.get("answerable") for row in pair)] or some  # as measures.groups
            yield _mean(f"{key}.{name}.right", judged, "right")
            values = [(row_values(a), row_values(b)) for a, b in some]
            for measure in (each for each in ranking if each.partition(".")[0] in (*arms, "reading")):
                known = [(a[measure], b[measure]) for a, b in values if measure in a and measure in b]
                yield _of_values(f"{key}.{name}.{measure}", known)


def _names(pairs: Iterable[Pair], key: str) -> list[str]:
    return list(dict.fromkeys(name for a, b in pairs if (name := a.get(key)) is not None and name == b.get(key)))
