"""How well declining tells questions without an answer from those with one, in mixes of one to one.

Of two shares, r of the unanswerable that are declined and q of the answerable that are, precision is r / (r + q), recall r, and
F1 2r / (1 + r + q): as if there were as many of the one as of the other, whatever the counts.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from evals.bootstrap import Figure, Statistic, estimate, ratio

SEED = 1
FIGURES = ("f1", "precision", "recall", "answered")
Row = dict[str, Any]


class Unit(NamedTuple):
    """What is drawn together: whether the question with an answer was declined, and the one without. None: there is none."""

    answerable: bool | None
    unanswerable: bool | None


def of_removed(rows: Iterable[Row]) -> list[Unit]:
    """Questions as they were asked, each with itself asked without its documents, where that was kept."""
    kept = [row for row in rows if row.get("answered") is not None and is_kept(row)]
    return [Unit(not row["answered"], not row["removed"]["answered"]) for row in kept]


def is_kept(row: Row) -> bool:
    """Whether the question was asked without its documents, and none of the others seems to answer it."""
    removed = row.get("removed") or {}
    return bool(removed.get("kept")) and removed.get("answered") is not None


def of_near_misses(rows: Iterable[Row]) -> list[Unit]:
    """The near misses, and as many answerable questions, drawn by ``SEED``; all of them where there are fewer."""
    return [Unit(None, not row["answered"]) if is_near(row) else Unit(not row["answered"], None) for row in mixed(rows)]


def mixed(rows: Iterable[Row]) -> list[Row]:
    """The rows that ``of_near_misses`` is made of. Which are drawn does not depend on the order of the rows."""
    asked = sorted((row for row in rows if row.get("answered") is not None), key=lambda row: str(row["id"]))
    near, answerable = [row for row in asked if is_near(row)], [row for row in asked if row.get("answerable")]
    if len(answerable) > len(near):
        answerable = random.Random(SEED).sample(answerable, len(near))
    return [*near, *answerable]


def is_near(row: Row) -> bool:
    """Whether it is an unanswerable question on what the documents tell of; ``miss`` says so, and one without it is not known to be."""
    return row.get("answerable") is False and row.get("miss") not in (None, "far")


def declining(rows: Iterable[Row]) -> dict[str, Figure | None] | None:
    """``FIGURES`` of declining without the right documents; None where nothing was asked so."""
    return _figures(of_removed(rows))


def near_misses(rows: Iterable[Row]) -> dict[str, Figure | None] | None:
    """``FIGURES`` of declining near misses; None where there are none, or nothing to tell them from."""
    return _figures(of_near_misses(rows))


def _figures(units: Sequence[Unit]) -> dict[str, Figure | None] | None:
    counts = counts_of(units)
    if not counts["answered"] or not counts["recall"]:
        return None
    return {name: estimate(of, len(units), counts[name]) for name, of in statistics(units).items()}


def counts_of(units: Sequence[Unit]) -> dict[str, int]:
    """The questions that each of ``FIGURES`` rests on."""
    declined = sum(bool(unit.answerable) + bool(unit.unanswerable) for unit in units)
    with_answer, without = (sum(unit[side] is not None for unit in units) for side in (0, 1))
    return {"f1": with_answer + without, "precision": declined, "recall": without, "answered": with_answer}


def statistics(units: Sequence[Unit]) -> dict[str, Statistic]:
    """``FIGURES`` as functions of the draws; some are undefined where all drawn are of one side, or none is declined."""
    q, r = (ratio([bool(unit[side]) for unit in units], [unit[side] is not None for unit in units]) for side in (0, 1))
    return {
        "f1": lambda weights: 2 * r(weights) / (1 + r(weights) + q(weights)),
        "precision": lambda weights: r(weights) / (r(weights) + q(weights)),
        "recall": r,
        "answered": lambda weights: 1 - q(weights),
    }
