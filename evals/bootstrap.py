"""Figures and their intervals, of one result or of the difference between two.

A figure is ``{"value", "low", "high", "n"}``: a statistic, the 95% percentile interval of its bootstrap (Efron & Tibshirani
1993, chapter 13; 1,000 resamples, one seed), and the count of questions it rests on; None where there is nothing to measure.
Questions are resampled whole, the two of a pair together, and resamples in which a statistic is undefined left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

RESAMPLES = 1_000
SEED = 1
INTERVAL = (2.5, 97.5)  # percentiles
BLOCK = 100  # resamples worked on at once: bounds memory at 100 x rows x 8 bytes
DECIMALS = 4

Figure = dict[str, float]
Floats = npt.NDArray[np.float64]
Statistic = Callable[[Floats], Floats]  # times each row was drawn, (resamples, rows) -> (resamples,); nan: undefined


def figure(values: Iterable[float | None]) -> Figure | None:
    """The mean of the values, one a question; those that are None are left out."""
    known = np.array([value for value in values if value is not None], np.float64)
    return estimate(ratio(known, np.ones(len(known))), len(known), len(known))


def paired_bootstrap(a: Sequence[float], b: Sequence[float]) -> Figure:
    """The mean of a - b over the same questions in the same order; an interval without 0 tells the two apart.

    ValueError without questions, or when the two differ in length.
    """
    difference = figure(x - y for x, y in zip(a, b, strict=True))
    if difference is None:
        raise ValueError("there are no pairs")
    return difference


def difference(before: Statistic, after: Statistic, rows: int, n: int) -> Figure | None:
    """The second less the first with its interval: the same rows are drawn for both. None where one is undefined."""
    return estimate(lambda weights: after(weights) - before(weights), rows, n)


def estimate(statistic: Statistic, rows: int, n: int) -> Figure | None:
    """The statistic over all rows with its interval, resting on ``n`` of them; None where it is undefined."""
    if not rows:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        value = statistic(np.ones((1, rows)))[0]
        blocks = (_drawn(rows)[at : at + BLOCK].astype(np.float64) for at in range(0, RESAMPLES, BLOCK))
        samples = np.concatenate([statistic(block) for block in blocks])
    if not np.isfinite(value):
        return None
    low, high = np.percentile(samples[np.isfinite(samples)], INTERVAL)
    return {"value": rounded(value), "low": rounded(low), "high": rounded(high), "n": n}


@lru_cache(maxsize=4)
def _drawn(rows: int) -> npt.NDArray[np.uint8]:
    """How often each row was drawn in each resample, (RESAMPLES, rows): the same for every figure over as many rows."""
    generator = np.random.default_rng(SEED)
    resamples = (generator.integers(0, rows, rows) for _ in range(RESAMPLES))
    return np.stack([np.bincount(drawn, minlength=rows).astype(np.uint8) for drawn in resamples])  # none comes near 255


def ratio(parts: Sequence[float] | Floats, wholes: Sequence[float] | Floats) -> Statistic:
    """Sum over sum, one value a row of each; a mean where all wholes are 1. Undefined where the wholes sum to 0."""
    of, to = np.asarray(parts, np.float64), np.asarray(wholes, np.float64)
    return lambda weights: (weights @ of) / (weights @ to)


def rounded(value: float) -> float:
    """As figures are kept."""
    return round(float(value), DECIMALS) + 0.0  # no -0.0
