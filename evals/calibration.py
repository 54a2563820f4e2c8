"""Whether confidence is what it says: of answers given with confidence .8, are four in five right?

An answer is right when its first citation, or the nearest sentence of a declined question, overlaps the evidence; to an
unanswerable question none is, nor to one asked without its documents (``evals.again``). Answers are cut by rising confidence into
ten bins of as many each, or one more; those of equal confidence are spread evenly. The expected calibration error (Naeini, Cooper
& Hauskrecht 2015; bins of equal mass: Nguyen & O'Connor 2015) is the mean over all answers of the distance between a bin's mean
confidence and its share of right ones. Chance alone makes it larger than 0, and a resample's larger than its own: the fewer
answers, the higher it stands, and its interval higher still.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evals.bootstrap import Floats, Statistic, estimate, rounded
from evals.declining import is_kept
from evals.measures import would_err

BINS = 10
Row = dict[str, Any]


def calibration(rows: Sequence[Row]) -> dict[str, Any] | None:
    """{"ece": figure, "points": [{"confidence", "right", "count"}]}, a point a bin that holds any; None where nothing is known.

    A question and itself asked without its documents are drawn together. ``n`` counts both.
    """
    confidences, right, _ = _answers(rows)
    if not len(right):
        return None
    return {"ece": estimate(ece_statistic(rows), len(rows), len(right)), "points": _points(confidences, right)}


def _answers(rows: Sequence[Row]) -> tuple[Floats, Floats, npt.NDArray[np.intp]]:
    """Confidence, whether right, and the number of the row, (answers,) each."""
    found: list[tuple[float, bool, int]] = []
    for at, row in enumerate(rows):
        if row.get("answered") is not None and row.get("confidence") is not None and row.get("right") is not None:
            found.append((row["confidence"], not would_err(row), at))
        if is_kept(row) and row["removed"].get("confidence") is not None:
            found.append((row["removed"]["confidence"], False, at))
    confidences, right, at_row = (list(each) for each in zip(*found, strict=True)) if found else ([], [], [])
    return np.array(confidences, np.float64), np.array(right, np.float64), np.array(at_row, np.intp)


def ece_statistic(rows: Sequence[Row]) -> Statistic:
    """The expected calibration error as a function of the draws of rows."""
    confidences, right, at_row = _answers(rows)
    error = _error(confidences, right)
    return lambda weights: np.array([error(each[at_row]) for each in weights], np.float64)


def expected_calibration_error(confidences: Floats, right: Floats) -> float:
    """Of answers with these confidences, (n,), 0..1, of which these are right, (n,), 0 or 1; nan of none."""
    return _error(confidences, right)(np.ones(len(right)))


def _error(confidences: Floats, right: Floats) -> Callable[[Floats], float]:
    """The error as a function of how often each answer counts, (n,)."""
    order, ends = _rising(confidences)
    surplus = (confidences - right)[order]

    def error(weights: Floats) -> float:
        drawn = weights[order]
        masses = np.append(0, np.cumsum(drawn)[ends])
        total = masses[-1]
        if not total:
            return float("nan")
        sums = np.interp(_cuts(total), masses, np.append(0, np.cumsum(drawn * surplus)[ends]))
        return float(np.abs(np.diff(sums)).sum() / total)

    return error


def _points(confidences: Floats, right: Floats) -> list[dict[str, float]]:
    order, ends = _rising(confidences)
    masses, cuts = np.append(0, ends + 1), _cuts(len(right))
    counts = np.diff(cuts)
    sums = [np.diff(np.interp(cuts, masses, np.append(0, np.cumsum(of[order])[ends]))) for of in (confidences, right)]
    return [
        {"confidence": rounded(confidence / count), "right": rounded(share / count), "count": int(count)}
        for confidence, share, count in zip(*sums, counts, strict=True)
        if count
    ]


def _rising(confidences: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The answers by rising confidence, and where in that order each run of equal confidences ends."""
    order = np.argsort(confidences, kind="stable")
    return order, np.flatnonzero(np.append(np.diff(confidences[order]) != 0, True))


def _cuts(total: float) -> Floats:
    """Where the bins of so many answers begin and end, (BINS + 1,): whole numbers."""
    return np.asarray(np.arange(BINS + 1) * total // BINS, np.float64)
