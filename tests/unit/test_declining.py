"""Declining in mixes of one to one, worked out by hand: without the right documents, near misses, several sets together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evals import pool
from evals.declining import declining, mixed, near_misses
from evals.result import pooled
from tests.unit.test_measures import values

Row = dict[str, Any]


def asked(id: str, answered: bool, twin: bool | None = None, *, kept: bool = True) -> Row:
    """An answerable question, and whether it was answered without its documents."""
    removed = None if twin is None else {"kept": kept, "answered": twin if kept else None, "confidence": 0.5}
    return {"id": id, "answerable": True, "miss": None, "answered": answered, "removed": removed}


def lacking(id: str, answered: bool, miss: str | None = "near") -> Row:
    return {"id": id, "answerable": False, "miss": miss, "answered": answered}


ANSWERED, DECLINED = True, False


def test_without_the_right_documents() -> None:
    rows = [
        asked("1", ANSWERED, DECLINED), asked("2", ANSWERED, DECLINED), asked("3", DECLINED, DECLINED),
        asked("4", DECLINED, ANSWERED),
        # What was not kept, not asked so, or not asked at all counts on neither side.
        asked("5", DECLINED, ANSWERED, kept=False), asked("6", DECLINED), {"id": "7", "removed": {"kept": True, "answered": True}},
        lacking("8", ANSWERED),
    ]  # fmt: skip
    found = declining(rows)
    assert found is not None
    # Five are declined, three of them rightly; four ought to be. F1: 2 * 3 / (5 + 4).
    assert values(found) == {"f1": (0.6667, 8), "precision": (0.6, 5), "recall": (0.75, 4), "answered": (0.5, 4)}
    assert declining(rows[4:]) is declining([]) is None


def test_a_question_and_itself_without_its_documents_are_drawn_together() -> None:
    """One of the two is always declined, so as many are declined as ought to be: precision is recall in every resample."""
    rows = [asked(str(n), answered=n % 3 > 0, twin=n % 3 == 0) for n in range(60)]
    found = declining(rows)
    assert found is not None
    figures = [{name: figure[name] for name in ("value", "low", "high")} for figure in found.values() if figure]
    assert figures == [figures[0]] * 4 and figures[0]["low"] < figures[0]["value"] == 0.6667 < figures[0]["high"]


def test_what_is_never_declined() -> None:
    found = declining([asked("1", ANSWERED, ANSWERED), asked("2", ANSWERED, ANSWERED)])
    assert found is not None
    assert values(found) == {"f1": (0, 4), "precision": None, "recall": (0, 2), "answered": (1, 2)}


def test_near_misses_among_as_many_others() -> None:
    rows = [lacking("n1", DECLINED), lacking("n2", ANSWERED), *(asked(f"a{n}", ANSWERED) for n in range(6))]
    far = [lacking("f1", DECLINED, "far"), lacking("f2", DECLINED, None)]  # the second says nothing of its sort
    found = near_misses([*rows, *far, {"id": "only searched for", "answerable": True}])
    assert found is not None
    # One of two is declined, and nothing else: F1 2 * 1 / (1 + 2).
    assert values(found) == {"f1": (0.6667, 4), "precision": (1, 1), "recall": (0.5, 2), "answered": (1, 2)}
    assert near_misses(rows[:2]) is near_misses(rows[2:]) is near_misses(far) is None


def test_any_sort_but_far_is_near() -> None:
    found = near_misses([lacking("1", DECLINED, "other date"), lacking("2", DECLINED), asked("3", ANSWERED)])
    assert found is not None
    assert values(found)["recall"] == (1, 2)


def test_which_are_drawn_is_always_the_same() -> None:
    rows = [*(lacking(f"n{n}", DECLINED) for n in range(5)), *(asked(f"a{n}", ANSWERED) for n in range(40))]
    drawn = [row["id"] for row in mixed(rows)]
    assert drawn[:5] == ["n0", "n1", "n2", "n3", "n4"] and len(set(drawn)) == 10
    assert [row["id"] for row in mixed(rows[::-1])] == drawn
    assert sorted(drawn[5:]) != ["a0", "a1", "a10", "a11", "a12"]  # not the first of them


@pytest.mark.parametrize(
    ("declined", "f1", "precision"),
    [
        ([False, True], 0.6667, 0.6),  # r 3/4, q 1/2: 1.5 / 2.25, .75 / 1.25
        ([True], 0.5455, 0.4286),  # r 3/4, q 1: 1.5 / 2.75, .75 / 1.75
    ],
)
def test_where_there_are_fewer_others_they_weigh_as_much(declined: list[bool], f1: float, precision: float) -> None:
    near = [lacking(f"n{n}", answered=n == 0) for n in range(4)]
    found = near_misses([*near, *(asked(f"a{n}", not each) for n, each in enumerate(declined))])
    assert found is not None
    assert values(found)["f1"] == (f1, 4 + len(declined))
    assert values(found)["precision"] == (precision, 3 + sum(declined))


def result(dataset: str, *rows: Row) -> dict[str, Any]:
    return {"dataset": dataset, "arms": {}, "rows": list(rows)}


ONE = result("one", lacking("1", DECLINED), lacking("2", ANSWERED), asked("3", ANSWERED), asked("4", ANSWERED))
TWO = result("two", lacking("1", DECLINED), lacking("2", DECLINED), asked("3", DECLINED), asked("4", ANSWERED))


def test_several_sets_together() -> None:
    """Ids that two sets share are those of two questions. Three of four near misses are declined, and one of four others."""
    found = pooled([ONE, TWO])
    assert values(found["near_misses"]) == {
        "f1": (0.75, 8), "precision": (0.75, 4), "recall": (0.75, 4), "answered": (0.75, 4),
    }  # fmt: skip
    assert (found["reading"], found["declining"], found["calibration"]) == (None, None, None)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / f"{each['dataset']}.json" for each in (ONE, TWO)]
    for path, each in zip(paths, (ONE, TWO), strict=True):
        path.write_text(json.dumps(each), "utf-8")
    assert pool.main([str(path) for path in paths]) == 0
    first, f1, *others = capsys.readouterr().out.splitlines()
    assert first == "one, two: 질문 8개 / questions"
    assert f1.startswith("  near misses f1         0.750 (") and len(others) == 3
    assert pool.main([str(paths[0]), str(tmp_path / "none.json")]) == 1
    shown = capsys.readouterr()
    assert shown.out == "" and "none.json" in shown.err and shown.err.count("\n") == 1
    with pytest.raises(SystemExit) as caught:
        pool.main([])
    assert caught.value.code == 2
