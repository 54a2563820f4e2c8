"""Whether confidence is what it says, worked out by hand."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from evals.calibration import calibration, ece_statistic, expected_calibration_error

Row = dict[str, Any]


def answered(number: int, confidence: float, right: bool) -> Row:
    return {"id": str(number), "answerable": True, "answered": True, "confidence": confidence, "right": right}


def ece(rows: list[Row]) -> tuple[float, float]:
    """Value and count."""
    found = calibration(rows)
    assert found is not None
    return found["ece"]["value"], found["ece"]["n"]


def test_ten_answers_are_ten_bins() -> None:
    """The five least sure are wrong, the others right: each pair is .05, .15, .25, .35, .45 off."""
    rows = [answered(n, 0.05 + n / 10, n >= 5) for n in (3, 9, 0, 7, 1, 8, 2, 6, 5, 4)]
    found = calibration(rows)
    assert found is not None
    assert (found["ece"]["value"], found["ece"]["n"]) == (0.25, 10)
    assert found["points"] == [
        {"confidence": round(0.05 + n / 10, 4), "right": float(n >= 5), "count": 1} for n in range(10)
    ]


def test_within_a_bin_errors_cancel() -> None:
    """Bins of two, at .2 and .6 on average .4, one of them right: .1 off. All other bins are exact."""
    rows = [answered(0, 0.2, False), answered(1, 0.6, True), *(answered(n, 1.0, True) for n in range(2, 20))]
    found = calibration(rows)
    assert found is not None
    assert found["points"][0] == {"confidence": 0.4, "right": 0.5, "count": 2}
    assert found["points"][1:] == [{"confidence": 1.0, "right": 1.0, "count": 2}] * 9
    assert found["ece"]["value"] == 0.01  # .1 of two in twenty


def test_equal_confidences_are_spread_evenly() -> None:
    """Three of four are right at .75, in whichever order they come."""
    rows = [answered(n, 0.75, n > 1) for n in range(8)]
    for some in (rows, rows[::-1]):
        found = calibration(some)
        assert found is not None
        assert found["ece"]["value"] == 0
        assert {(point["confidence"], point["right"]) for point in found["points"]} == {(0.75, 0.75)}
        assert sum(point["count"] for point in found["points"]) == 8  # an empty bin is no point


def test_bins_differ_by_one_at_most() -> None:
    found = calibration([answered(n, n / 100, True) for n in range(27)])
    assert found is not None
    counts = [point["count"] for point in found["points"]]
    assert sum(counts) == 27 and set(counts) == {2, 3}
    assert found["ece"]["value"] == 0.87  # 1 - .13, the mean of 0 to .26


def test_it_is_the_plain_definition() -> None:
    chance = random.Random(5)
    pairs = sorted((chance.random(), chance.random() < 0.6) for _ in range(70))
    bins = [pairs[at : at + 7] for at in range(0, 70, 7)]
    gaps = [abs(sum(c for c, _ in some) - sum(right for _, right in some)) / 7 for some in bins]
    rows = [answered(n, *pair) for n, pair in enumerate(pairs)]
    chance.shuffle(rows)
    assert ece(rows)[0] == pytest.approx(sum(gaps) / 10, abs=6e-5)
    drawn = np.array([[2.0] * 70, [float(n < 10) for n in range(70)]])  # all twice, and ten of them alone
    confidences, right = np.array([row["confidence"] for row in rows]), np.array([float(row["right"]) for row in rows])
    assert expected_calibration_error(confidences, right) == pytest.approx(sum(gaps) / 10)
    twice, some = ece_statistic(rows)(drawn)
    assert twice == pytest.approx(sum(gaps) / 10)
    assert some == pytest.approx(sum(abs(row["confidence"] - row["right"]) for row in rows[:10]) / 10)


def test_who_is_right() -> None:
    """.9 right, .2 would have been right, .3 and .4 wrong, whatever was done or found: (.1 + .8 + .3 + .4) / 4."""
    evidence = {"evidence": True}
    rows: list[Row] = [
        answered(1, 0.9, True),
        {"id": "2", "answerable": True, "answered": False, "confidence": 0.2, "right": False, "nearest": evidence},
        {"id": "3", "answerable": False, "answered": False, "confidence": 0.3, "right": True, "nearest": evidence},
        {"id": "4", "answerable": False, "answered": True, "confidence": 0.4, "right": False},
        {"id": "5", "answerable": True, "answered": True, "confidence": 0.5, "right": None},  # not judged
        {"id": "6", "answerable": True, "answered": True, "confidence": None, "right": True},
        {"id": "7", "answerable": True},
    ]
    assert ece(rows) == (0.4, 4)


def test_what_was_asked_without_its_documents_is_never_right() -> None:
    kept = {"kept": True, "answered": True, "confidence": 0.4}
    assert ece([answered(1, 0.9, True) | {"removed": kept}]) == (0.25, 2)  # (.1 + .4) / 2
    for left in ({"kept": False, "answered": None, "confidence": None}, None, kept | {"kept": False}):
        assert ece([answered(1, 0.9, True) | {"removed": left}]) == (0.1, 1)


def test_the_two_are_drawn_together() -> None:
    """Each question is .1 off and its other self .1: so is every resample."""
    removed = {"kept": True, "answered": False, "confidence": 0.1}
    rows = [answered(n, 0.9, True) | {"removed": removed} for n in range(30)]
    found = calibration(rows)
    assert found is not None
    assert found["ece"] == {"value": 0.1, "low": 0.1, "high": 0.1, "n": 60}


def test_the_interval_is_drawn() -> None:
    found = calibration([answered(n, n / 60, n % 3 > 0) for n in range(60)])
    assert found is not None
    assert 0 < found["ece"]["low"] < found["ece"]["high"] < 1
    assert calibration([]) is calibration([{"id": "1", "answerable": True}]) is None


def test_a_resample_without_an_answer_is_undefined() -> None:
    rows: list[Row] = [answered(1, 0.9, True), {"id": "2", "answerable": True}]
    assert np.isnan(ece_statistic(rows)(np.array([[0.0, 2.0]]))).all()
    assert ece(rows) == (0.1, 1)
