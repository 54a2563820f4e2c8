"""What rows are worth: measures of one question, their figures over many with an interval, and the objects of a result.

Figures are those of ``evals.bootstrap``. Rows are described in ``docs/evals.md``. One that lacks a value (None, or no such key) is
left out of the figure that needs it.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evals.bootstrap import Figure, Floats, Statistic, estimate, figure, ratio, rounded

POINTS = 200  # of a risk-coverage curve that is kept
OUTCOMES = ("right", "not_retrieved", "not_read", "wrongly_declined", "rightly_declined", "wrongly_answered")
READING = ("em", "f1")
TOGETHER = "together"  # all languages but Korean
MEANS = ("em", "f1", "citation_precision", "citation_recall", "list_f1")  # values of a row whose figure is their mean

Row = dict[str, Any]

# What KorQuAD 1.0 takes for a gap between words. Not among them, and so part of an answer: “ ” 「 」 『 』 （ ） ·
_GAPS = str.maketrans(dict.fromkeys("'\"‘’《》〈〉<>()", " "))
_PUNCTUATION = str.maketrans("", "", string.punctuation)
# 네 before another word is more often "four" than "yes": 네 차례 열렸다.
_YES = re.compile(r"\W*(?:예|네(?!\s+(?!맞|그렇|그래)\w)|맞습니다|맞아요|그렇습니다|그래요|yes)\b", re.IGNORECASE)
_NO = re.compile(r"\W*(?:아니요|아니오|아뇨|아닙니다|아니에요|(?:그렇지|맞지)\s+않\w*|no)\b", re.IGNORECASE)


def normalize_answer(text: str) -> str:
    """The text as KorQuAD 1.0 compares it (Lim, Kim & Lee 2019; its evaluate-v1.0.py, after that of SQuAD 1.1).

    Straight quotes, ‘ ’, 《 》, 〈 〉, < > and ( ) become spaces, letters lower case, other ASCII punctuation goes without
    leaving a gap, and white space becomes single spaces. Particles, hanja, other marks and the Unicode form stay as they are.
    """
    return " ".join(text.translate(_GAPS).lower().translate(_PUNCTUATION).split())


def exact_match(prediction: str, answers: Iterable[str]) -> int:
    """1 if the prediction is one of the answers when both are normalised, else 0; KorQuAD 1.0.

    Two texts that both normalise to nothing match. ValueError without answers.
    """
    return max(int(normalize_answer(prediction) == normalize_answer(answer)) for answer in answers)


def f1(prediction: str, answers: Iterable[str]) -> float:
    """F1 over characters, spaces apart and repetitions counted, 0..1, for the answer it is best for; KorQuAD 1.0.

    0 where nothing is shared, so also for two texts that normalise to nothing. ValueError without answers.
    """
    said, *gold = (Counter(normalize_answer(text).replace(" ", "")) for text in (prediction, *answers))
    # Harmonic mean of shared / length of the one and shared / length of the other. An empty Counter shares nothing.
    return max(2 * (said & other).total() / ((said + other).total() or 1) for other in gold)


def list_scores(pieces: Sequence[str], items: Sequence[Sequence[str]]) -> tuple[float, float]:
    """Precision, the share of pieces that hold an item, and recall, the share of items that stand in a piece; 0..1.

    An item stands in a piece when one of its acceptable spans does, character for character. Without pieces both are 0.
    ``items`` is not empty.
    """
    holding = sum(any(span in piece for item in items for span in item) for piece in pieces)
    found = sum(any(span in piece for span in item for piece in pieces) for item in items)
    return holding / len(pieces) if pieces else 0.0, found / len(items)


def list_f1(pieces: Sequence[str], items: Sequence[Sequence[str]]) -> float:
    """The harmonic mean of the precision and recall of ``list_scores``; 0 when no item is found."""
    precision, recall = list_scores(pieces, items)
    return 2 * precision * recall / (precision + recall) if recall else 0.0


def verdict(text: str) -> str | None:
    """What the first word of an answer says, "yes" or "no", in any Unicode form; None when it is neither."""
    composed = unicodedata.normalize("NFC", text)
    if _YES.match(composed):
        return "yes"
    return "no" if _NO.match(composed) else None


def balanced_accuracy(right: Sequence[float], expected: Sequence[str]) -> float:
    """The mean of the recall on each class there is, 0..1 (Brodersen et al. 2010); ``right`` is 0 or 1, not empty."""
    return float(_balanced(right, expected)(np.ones((1, len(right))))[0])


def overlaps(a_start: int, a_end: int, b_start: int, b_end: int) -> bool:
    """Whether two half-open spans of one document share a character."""
    return max(a_start, b_start) < min(a_end, b_end)


def citation_precision(evidence: Sequence[bool]) -> float | None:
    """The share of citations that overlap evidence, one flag a citation; None without a citation."""
    return sum(evidence) / len(evidence) if evidence else None


def citation_recall(covered: Sequence[bool], *, all_needed: bool) -> float | None:
    """The share of evidence entries that a citation overlaps, or whether any is; one flag an entry, None without one."""
    if not covered:
        return None
    return sum(covered) / len(covered) if all_needed else float(any(covered))


def outcome(answerable: bool, answered: bool, retrieved: bool, right: bool) -> str:
    """Which of ``OUTCOMES`` a question came to, named for the first step that failed.

    ``retrieved``: evidence was among the passages read. A question declined without it is not_retrieved.
    """
    if not answerable:
        return "wrongly_answered" if answered else "rightly_declined"
    if right:
        return "right"
    if not retrieved:
        return "not_retrieved"
    return "not_read" if answered else "wrongly_declined"


def arms(rows: Sequence[Row], names: Iterable[str]) -> dict[str, dict[str, Figure | None]]:
    """The retrieval measures of each arm. Rows without a gold document, or without the arm, are left out."""
    return {name: _arm([row for row in rows if name in row["ranks"]], name) for name in names}


def _arm(rows: Sequence[Row], name: str) -> dict[str, Figure | None]:
    document = [row["ranks"][name]["document"] for row in rows]
    passage = [row["ranks"][name]["passage"] for row in rows if row.get("evidence_known", True)]
    return {
        **{f"hit@{k}": figure(rank in range(1, k + 1) for rank in document) for k in (1, 5)},
        **{f"passage_hit@{k}": figure(rank in range(1, k + 1) for rank in passage) for k in (1, 5)},
        "mrr@10": figure(1 / rank if rank in range(1, 11) else 0.0 for rank in document),
        "passage_mrr@10": figure(1 / rank if rank in range(1, 11) else 0.0 for rank in passage),
        "ndcg@10": figure(row["ranks"][name].get("ndcg@10") for row in rows),
    }


def answers(rows: Sequence[Row]) -> dict[str, Any] | None:
    """The "answers" object of a result; None when nothing was answered, only searched for."""
    asked = _asked(rows)
    if not asked:
        return None
    paired = [row for row in asked if row["language"] != "ko" and row.get("pair")]
    foreign = {TOGETHER: paired} if paired else {}
    foreign |= {of: [r for r in paired if r["language"] == of] for of in dict.fromkeys(r["language"] for r in paired)}
    typed = [row for row in asked if row["typed"] and row.get("pair")]
    return {
        **_means(asked, MEANS),
        "verbatim": _verbatim(asked),
        "yesno": _yesno(asked),
        "followup": figure(row.get("right") for row in asked if row["kind"] == "followup"),
        "abstention": abstention(asked),
        "typing": _against(typed, asked, ("clean", "typed")) if typed else None,
        "crosslingual": {of: _against(variants, asked, ("korean", "value")) for of, variants in foreign.items()},
    }


def _asked(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.get("answered") is not None]


def _means(rows: Sequence[Row], names: Iterable[str]) -> dict[str, Figure | None]:
    return {name: figure(row.get(name) for row in rows) for name in names}


def _verbatim(rows: Iterable[Row]) -> Figure | None:
    """The share of quotes, the nearest sentences of declined questions among them, that stand in their document so."""
    quotes = [[*(row["citations"] or []), *filter(None, [row.get("nearest")])] for row in rows]
    counts = [(sum(quote["verbatim"] for quote in shown), len(shown)) for shown in quotes if shown]
    exact, shown = np.array(counts, np.float64).reshape(-1, 2).T
    return estimate(ratio(exact, shown), len(counts), len(counts))


def _yesno(rows: Iterable[Row]) -> Figure | None:
    """Balanced accuracy of the rows whose expected verdict is known: it goes where texts are left out."""
    known = [row for row in rows if row.get("yesno") is not None and (row.get("expected") or {}).get("yesno")]
    right, expected = [row["yesno"] for row in known], [row["expected"]["yesno"] for row in known]
    return estimate(_balanced(right, expected), len(known), len(known))


def abstention(rows: Sequence[Row]) -> dict[str, Figure | None]:
    """How well declining tells questions without an answer: precision, recall and F1 of "declined", and ``aurc``.

    Precision is None where nothing was declined; recall and F1 are then 0. Without unanswerable rows all three are None.
    """
    asked = _asked(rows)
    declined = np.array([not row["answered"] for row in asked], np.float64)
    unanswerable = np.array([not row["answerable"] for row in asked], np.float64)
    both, n = declined * unanswerable, len(asked)
    if not unanswerable.any():
        return {"precision": None, "recall": None, "f1": None, "aurc": aurc(asked)}
    return {
        "precision": estimate(ratio(both, declined), n, int(declined.sum())),
        "recall": estimate(ratio(both, unanswerable), n, int(unanswerable.sum())),
        "f1": estimate(ratio(2 * both, declined + unanswerable), n, n),
        "aurc": aurc(asked),
    }


def risk_coverage(rows: Sequence[Row]) -> list[dict[str, float]]:
    """The risk-coverage curve (Geifman & El-Yaniv 2017), by rising coverage; at most ``POINTS`` points, ends included.

    A point is the share of questions with at least this confidence and, of those, the share that would be answered wrongly.
    """
    confidences, errors = _judged(rows)
    if not len(errors):
        return []
    order, ends = _by_confidence(confidences)
    risks = np.cumsum(errors[order])[ends] / (ends + 1)
    points = zip((ends + 1) / len(errors), risks, confidences[order][ends], strict=True)
    curve = [dict(zip(("coverage", "risk", "confidence"), map(rounded, point), strict=True)) for point in points]
    return [curve[at] for at in np.unique(np.linspace(0, len(curve) - 1, POINTS).round().astype(int))]


def aurc(rows: Sequence[Row]) -> Figure | None:
    """The area under the whole risk-coverage curve: its mean over coverages 1/n, 2/n .. 1; lower is better.

    All coverages within a tie have the risk at the tie's end, so a tie weighs as many questions as it holds.
    """
    confidences, errors = _judged(rows)
    return estimate(_area(confidences, errors), len(errors), len(errors))


def _judged(rows: Sequence[Row]) -> tuple[Floats, Floats]:
    """Confidence and whether an answer would be wrong, (rows,) each, of the rows for which both are known."""
    known = [row for row in _asked(rows) if row.get("confidence") is not None and row.get("right") is not None]
    confidences = np.array([row["confidence"] for row in known], np.float64)
    return confidences, np.array([would_err(row) for row in known], np.float64)


def would_err(row: Row) -> bool:
    """Whether the row is an error once it is answered; a declined one is judged by its nearest sentence."""
    answers = row["right"] if row["answered"] else (row.get("nearest") or {}).get("evidence")
    return not (row["answerable"] and answers)


def _against(variants: Sequence[Row], rows: Sequence[Row], names: tuple[str, str]) -> dict[str, Any]:
    """Of the pairs judged: the share right of plain questions, that of their variants, the second over the first; F1 the same."""
    return _kept(variants, rows, names, "right") | {"f1": _kept(variants, rows, names, "f1")}


def _kept(
    variants: Iterable[Row], rows: Iterable[Row], names: tuple[str, str], measure: str
) -> dict[str, Figure | None]:
    values = {row["id"]: row.get(measure) for row in rows}
    both = [(values.get(row.get("pair")), values[row["id"]]) for row in variants]
    plain, variant = np.array([pair for pair in both if None not in pair], np.float64).reshape(-1, 2).T
    kept = estimate(ratio(variant, plain), len(plain), len(plain))
    return {names[0]: figure(plain), names[1]: figure(variant), "ratio": kept}


def reading(rows: Iterable[Row]) -> dict[str, Figure | None] | None:
    """Exact match and F1 of the words given when only the question's own documents were asked; None where none were."""
    read = [row["reading"] for row in rows if row.get("reading")]
    return _means(read, READING) if read else None


def groups(rows: Sequence[Row], arm_names: Sequence[str]) -> dict[str, dict[str, Row]]:
    """The "groups" object: rows told apart by kind, by language and by source, in the order they first come."""
    found: dict[str, dict[str, Row]] = {}
    for key in ("kind", "language", "source"):
        names = dict.fromkeys(row[key] for row in rows if row.get(key) is not None)
        found[key] = {name: _group([row for row in rows if row.get(key) == name], arm_names) for name in names}
    return found


def _group(rows: Sequence[Row], arm_names: Sequence[str]) -> Row:
    asked = _asked(rows)
    judged = [row for row in asked if row["answerable"]] or asked  # declining is another skill, and not every group's
    answered = _means(asked, MEANS) | {"right": figure(row.get("right") for row in judged), "yesno": _yesno(asked)}
    found = {"questions": len(rows), "arms": arms(rows, arm_names), "answers": answered if asked else None}
    return found | {"reading": reading(rows)}


def outcomes(rows: Iterable[Row]) -> dict[str, int]:
    """How many rows came to each of ``OUTCOMES``."""
    counts = Counter(row.get("outcome") for row in rows)
    return {name: counts[name] for name in OUTCOMES}


def _balanced(right: Sequence[float], expected: Sequence[str]) -> Statistic:
    """Balanced accuracy over the classes that were drawn."""
    scores = np.array(right, np.float64)
    members = [(np.array(expected) == name).astype(np.float64) for name in sorted(set(expected))]
    recalls = [ratio(scores * of, of) for of in members]
    return lambda weights: np.asarray(np.nanmean([recall(weights) for recall in recalls], axis=0), np.float64)


def _area(confidences: Floats, errors: Floats) -> Statistic:
    """The area under the risk-coverage curve."""
    order, ends = _by_confidence(confidences)

    def statistic(weights: Floats) -> Floats:
        covered = np.cumsum(weights[:, order], axis=1)[:, ends]
        wrong = np.cumsum((weights * errors)[:, order], axis=1)[:, ends]
        risks = wrong / np.maximum(covered, 1)  # before the first row drawn nothing is covered, and nothing wrong
        held = np.diff(covered, axis=1, prepend=0.0)
        return np.asarray((held * risks).sum(axis=1) / covered[:, -1], np.float64)

    return statistic


def _by_confidence(confidences: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows by falling confidence, and where in that order each run of equal confidences ends."""
    order = np.argsort(-confidences, kind="stable")
    return order, np.flatnonzero(np.append(np.diff(confidences[order]) != 0, True))


def yesno_statistic(right: Sequence[float], expected: Sequence[str]) -> Statistic:
    """Balanced accuracy as a function of the draws; not empty."""
    return _balanced(right, expected)


def aurc_statistic(rows: Sequence[Row]) -> Statistic:
    """``aurc`` as a function of the draws, of rows that all have a confidence and are judged."""
    return _area(*_judged(rows))
