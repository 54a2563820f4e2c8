"""Two results against each other: differences worked out by hand, questions gained and lost, files that are no results."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from evals import bootstrap, measures
from evals.compare import Comparison, Value, as_text, columns, compare, main, table
from evals.declining import FIGURES
from evals.differences import Difference, label, row_values, value_at
from evals.result import APART, ResultError, apart, read_result
from evals.words import OUTCOMES

Row = dict[str, Any]


def make_row(id: str, *, arm: str = "hybrid", rank: int | None = None, **values: Any) -> Row:
    """A row with the rank of its document in one arm."""
    return {"id": id, "question": f"질문 {id}", "ranks": {arm: {"document": rank, "passage": rank}}, **values}


def make_result(*rows: Row, dataset: str = "news") -> dict[str, Any]:
    return {"dataset": dataset, "questions": len(rows), "about": {}, "arms": {}, "answers": None, "rows": list(rows)}


def figures(comparison: Comparison) -> dict[str, tuple[float, float, float, int]]:
    """Measure -> before, after, difference, count."""
    return {d.measure: (d.before, d.after, d.value, d.n) for d in comparison.differences}


def ids(comparison: Comparison) -> dict[str, list[str]]:
    return {group: [change.id for change in changes] for group, changes in comparison.changes.items()}


def write(path: Path, result: object) -> Path:
    path.write_text(json.dumps(result, ensure_ascii=False), "utf-8")
    return path


def test_the_values_of_a_row() -> None:
    ranks = {"dense": {"document": 5, "passage": 6, "ndcg@10": 0.39}, "bm25": {"document": 6, "passage": None}}
    row = {"id": "1", "ranks": ranks, "em": 0, "f1": 0.5, "list_f1": None, "right": True}
    assert row_values(row) == {
        "dense.hit@1": 0, "dense.hit@5": 1, "dense.passage_hit@1": 0, "dense.passage_hit@5": 0,
        "dense.mrr@10": 1 / 5, "dense.passage_mrr@10": 1 / 6, "dense.ndcg@10": 0.39,
        "bm25.hit@1": 0, "bm25.hit@5": 0, "bm25.passage_hit@1": 0, "bm25.passage_hit@5": 0, "bm25.mrr@10": 1 / 6,
        "bm25.passage_mrr@10": 0,
        "em": 0, "f1": 0.5, "right": 1,
    }  # fmt: skip


@pytest.mark.parametrize(("rank", "reciprocal"), [(1, 1), (2, 1 / 2), (10, 1 / 10), (11, 0), (50, 0), (None, 0)])
def test_reciprocal_ranks_end_at_ten(rank: int | None, reciprocal: float) -> None:
    values = row_values(
        {"ranks": {"hybrid": {"document": rank, "passage": 3}, "full": {"document": 3, "passage": rank}}}
    )
    assert values["hybrid.mrr@10"] == values["full.passage_mrr@10"] == reciprocal


def test_where_the_evidence_is_unknown_no_passage_counts() -> None:
    values = row_values(make_row("1", rank=1, evidence_known=False))
    assert set(values) == {"hybrid.hit@1", "hybrid.hit@5", "hybrid.mrr@10"}


def test_the_difference_by_hand() -> None:
    before = make_result(*(make_row(id, rank=rank) for id, rank in {"a": 1, "b": 2, "c": None, "d": 4}.items()))
    after = make_result(*(make_row(id, rank=rank) for id, rank in {"d": None, "c": 2, "b": 1, "a": 1}.items()))
    found = figures(compare(before, after))
    assert found["hybrid.mrr@10"] == ((1 + 0.5 + 0 + 0.25) / 4, (1 + 1 + 0.5 + 0) / 4, 0.75 / 4, 4)
    assert found["hybrid.hit@1"] == (1 / 4, 2 / 4, 1 / 4, 4)
    assert found["hybrid.hit@5"] == (3 / 4, 3 / 4, 0, 4)


def test_the_interval_by_hand() -> None:
    """Of two questions one is gained: a quarter of all resamples has none of it and a quarter it alone."""
    before = make_result(make_row("a", f1=0.0), make_row("b", f1=0.0))
    after = make_result(make_row("a", f1=0.0), make_row("b", f1=1.0))
    (difference,) = [d for d in compare(before, after).differences if d.measure == "f1"]
    assert (difference.value, difference.low, difference.high, difference.n) == (0.5, 0, 1, 2)
    assert not difference.is_clear


@pytest.mark.parametrize(("ranks", "value"), [((2, 1), 0.5), ((1, 2), -0.5)])
def test_what_moves_alike_everywhere_is_clear(ranks: tuple[int, int], value: float) -> None:
    results = [make_result(*(make_row(str(number), rank=rank) for number in range(20))) for rank in ranks]
    found = {d.measure: d for d in compare(*results).differences}
    mrr = found["hybrid.mrr@10"]
    assert (mrr.value, mrr.low, mrr.high, mrr.is_clear) == (value, value, value, True)
    assert not found["hybrid.hit@5"].is_clear
    cells = [re.split(r"\s{2,}", line) for line in as_text(compare(*results)).splitlines()]
    means = [f"{1 / rank:.3f}" for rank in ranks]
    interval = [f"{value:+.3f}", f"[{value:+.3f}, {value:+.3f}]"]
    assert ["hybrid.mrr@10", "문서 역순위", *means, *interval, "20", "*"] in cells
    assert ["hybrid.hit@5", "문서 5위 안", "1.000", "1.000", "+0.000", "[+0.000, +0.000]", "20"] in cells


def moved(before: list[Row], after: list[Row]) -> dict[str, Difference]:
    return {each.measure: each for each in compare(make_result(*before), make_result(*after)).differences}


def asked(id: str, answered: bool, *, answerable: bool = True, **values: Any) -> Row:
    return {"id": id, "kind": "span", "answered": answered, "answerable": answerable, **values}


def test_yes_and_no_weigh_alike() -> None:
    """Three of yes and one of no: the one counts for half. Whichever row tells the expected verdict."""
    verdicts = ["yes", "yes", "yes", "no"]
    before = [{"id": str(n), "yesno": 1, "expected": {"yesno": verdict}} for n, verdict in enumerate(verdicts)]
    after = [{"id": str(n), "yesno": int(n < 3), "expected": {}} for n in range(4)]
    for a, b, value in ((before, after, -0.5), (after, before, 0.5)):
        found = moved(a, b)["yesno"]
        assert (found.before + found.after, found.value, found.n) == (1.5, value, 4)
    unknown = [{**row, "expected": None} for row in before]
    assert "yesno" not in moved(after, unknown)
    assert "yesno" not in moved([{**row, "expected": {"yesno": "no"}} for row in before[:1]], before)


def test_abstention_by_hand() -> None:
    """Before, one of four is declined, rightly; after, three, of which two rightly."""
    lacking = {"a": True, "b": True, "c": False, "d": False}
    declined = {"a"}, {"a", "b", "c"}
    before, after = ([asked(id, id not in of, answerable=not no) for id, no in lacking.items()] for of in declined)
    found = moved(before, after)
    shown = {name: (each.before, each.after, each.n) for name, each in found.items() if name.startswith("abstention")}
    assert shown == {
        "abstention.precision": (1, pytest.approx(2 / 3), 3),  # declined in either
        "abstention.recall": (0.5, 1, 2),
        "abstention.f1": (pytest.approx(2 / 3), 0.8, 4),
    }
    # Drawing a and b alone recall moves by 0 or by 1, and never otherwise than up.
    assert (found["abstention.recall"].low, found["abstention.recall"].high) == (0, 1)


def test_where_nothing_was_declined_precision_is_undefined_and_shown_so() -> None:
    rows = [asked("a", True, answerable=False), asked("b", True)]
    before, after = make_result(*rows), make_result(asked("a", False, answerable=False), rows[1])
    before["answers"] = {"abstention": {"precision": None, "recall": {"value": 0.0}}}
    after["answers"] = {"abstention": {"precision": {"value": 1.0}, "recall": {"value": 1.0}}}
    comparison = compare(before, after)
    assert figures(comparison)["abstention.recall"] == (0, 1, 1, 1)
    assert comparison.values == (Value("abstention.precision", None, 1.0),)
    assert all(not name.startswith("abstention") for name in moved([rows[1]], [rows[1]]))


def test_the_area_under_the_curve_by_hand() -> None:
    """The wrong one of two first: risks 1 and 1/2; last: 0 and 1/2."""
    sides = (0.9, 0.5), (0.5, 0.9)
    before, after = (
        [asked("a", True, right=False, confidence=wrong), asked("b", True, right=True, confidence=right)]
        for wrong, right in sides
    )
    found = moved(before, after)["abstention.aurc"]
    assert (found.before, found.after, found.value, found.n) == (0.75, 0.25, -0.5, 2)
    # Both drawn once, -1/2; one twice, 0: never more, and never less.
    assert (found.low, found.high) == (-0.5, 0)
    assert "abstention.aurc" not in moved(before, [{**row, "confidence": None} for row in after])


def test_verbatim_is_a_share_of_quotes() -> None:
    good, bad = {"verbatim": True}, {"verbatim": False}
    before = [asked("a", True, citations=[good, bad, bad]), asked("b", False, nearest=good), asked("c", False)]
    after = [asked("a", True, citations=[good]), asked("b", False, nearest=good), asked("c", False)]
    found = moved(before, after)["verbatim"]
    assert (found.before, found.after, found.value, found.n) == (0.5, 1, 0.5, 2)


def removed(answered: bool, confidence: float = 0.5, *, kept: bool = True) -> Row:
    return {"kept": kept, "answered": answered if kept else None, "confidence": confidence if kept else None}


def test_reading_by_hand() -> None:
    before = [
        asked("a", True, source="x", reading={"em": 0, "f1": 0.5}),
        asked("b", True, source="y", reading={"em": 0, "f1": 0.5}),
    ]
    after = [asked("a", True, source="x", reading={"em": 1, "f1": 1.0}), asked("b", True, source="y")]
    found = moved(before, after)
    shown = {name: (d.before, d.after, d.n) for name, d in found.items() if "reading" in name}
    assert shown == {
        "reading.em": (0, 1, 1), "reading.f1": (0.5, 1, 1), "source.x.reading.em": (0, 1, 1), "source.x.reading.f1": (0.5, 1, 1),
    }  # fmt: skip


def test_declining_without_the_documents_by_hand() -> None:
    """Of a and b alone, which are kept in both: one then both without are declined, and b with its document both times."""
    first, last = removed(True), removed(True, kept=False)
    before = [
        asked("a", True, removed=first),
        asked("b", False, removed=removed(False)),
        asked("c", True, removed=first),
    ]
    after = [asked("a", True, removed=removed(False)), before[1], asked("c", True, removed=last)]
    found = moved(before, after)
    shown = {name: (d.before, d.after, d.n) for name, d in found.items() if name.startswith("declining")}
    assert shown == {
        "declining.f1": (pytest.approx(0.5), pytest.approx(0.8), 4),  # 2 * 1 / (2 + 2), 2 * 2 / (3 + 2)
        "declining.precision": (0.5, pytest.approx(2 / 3), 3),
        "declining.recall": (0.5, 1, 2), "declining.answered": (0.5, 0.5, 2),
    }  # fmt: skip


def test_near_misses_by_hand() -> None:
    """The same answerable questions are drawn for both results, whatever the order of their rows."""
    near = [asked(f"n{n}", True, answerable=False, miss="near") for n in range(2)]
    others = [asked(f"a{n}", n % 2 == 0) for n in range(20)]
    after = [row | {"answered": False} for row in near]
    found = moved([*near, *others], [*others[::-1], *after])
    assert (found["near_misses.recall"].before, found["near_misses.recall"].after) == (0, 1)
    answered = found["near_misses.answered"]
    assert (answered.value, answered.low, answered.high, answered.n) == (0, 0, 0, 2)
    assert not any(name.startswith("near_misses") for name in moved(near, after))  # nothing to tell them from


def test_calibration_by_hand() -> None:
    """An answer .1 then .4 off; what was left out in one result only counts in neither."""
    known: Row = {"right": True, "removed": removed(False, 0.5)}
    before = [asked("a", True, confidence=0.9, **known)]
    after = [asked("a", True, confidence=0.6, **known | {"removed": removed(False, kept=False)})]
    found = moved(before, after)["calibration.ece"]
    assert [found.before, found.after, found.n] == pytest.approx([0.1, 0.4, 1])
    after[0]["removed"] = removed(False, 0.1)
    found = moved(before, after)["calibration.ece"]  # (.1 + .5) / 2, (.4 + .1) / 2
    assert [found.before, found.after] == pytest.approx([0.3, 0.25])


def test_a_result_of_before_these_measures_can_be_compared(tmp_path: Path) -> None:
    """Such as those of evals/results once were: no key for them, and nothing in the rows."""
    new = measured(whole_rows(5))
    old = {**new, "rows": [{k: v for k, v in row.items() if k not in ("reading", "removed")} for row in new["rows"]]}
    for name in APART:
        del old[name]
    for by in old["groups"].values():
        by |= {name: {k: v for k, v in group.items() if k != "reading"} for name, group in by.items()}
    assert read_result(write(tmp_path / "old.json", old)) == old
    comparison = compare(old, new)
    names = {each.measure for each in comparison.differences}
    # Confidence and declined near misses are told by old rows as well.
    assert {"near_misses.f1", "calibration.ece"} <= names
    assert not any(name.startswith(("reading", "declining")) for name in names)
    shown = {value.measure: value.before for value in comparison.values}
    assert shown == dict.fromkeys([*(f"declining.{name}" for name in FIGURES), "reading.em", "reading.f1"])


def test_follow_ups() -> None:
    def rows(right: bool) -> list[Row]:
        return [{"id": "a", "kind": "followup", "right": right}, {"id": "b", "kind": "span", "right": True}]

    found = moved(rows(False), rows(True))["followup"]
    assert (found.before, found.after, found.value, found.n) == (0, 1, 1, 1)


def test_variants_against_the_plain_questions() -> None:
    def rows(typed: bool, english: bool, plain: bool) -> list[Row]:
        return [
            {"id": "a", "right": plain, "language": "ko"},
            {"id": "b", "right": True, "language": "ko"},
            {"id": "a typed", "pair": "a", "typed": True, "right": typed, "language": "ko"},
            {"id": "b typed", "pair": "b", "typed": True, "right": True, "language": "ko"},
            {"id": "b english", "pair": "b", "right": english, "language": "en"},
            {"id": "orphan", "pair": "gone", "typed": True, "right": True, "language": "en"},
        ]

    found = moved(rows(False, True, True), rows(True, False, True))
    shown = {name: (d.before, d.after, d.n) for name, d in found.items() if name.startswith(("typing", "cross"))}
    assert shown == {
        "typing.clean": (1, 1, 2), "typing.typed": (0.5, 1, 2), "typing.ratio": (0.5, 1, 2),
        "crosslingual.together.korean": (1, 1, 1), "crosslingual.together.value": (1, 0, 1), "crosslingual.together.ratio": (1, 0, 1),
        "crosslingual.en.korean": (1, 1, 1), "crosslingual.en.value": (1, 0, 1), "crosslingual.en.ratio": (1, 0, 1),
    }  # fmt: skip
    found = moved(rows(True, True, False), rows(True, True, True))
    assert (found["typing.ratio"].before, found["typing.ratio"].after) == (2, 1)  # two typed of one plain


def test_groups() -> None:
    def rows(right: bool, rank: int) -> list[Row]:
        common: Row = {"language": "ko", "answerable": True}
        return [
            make_row("1", rank=rank, kind="span", source="one", right=right, **common),
            make_row("2", rank=1, kind="list", source="two", right=True, **common),
            make_row("3", rank=1, kind="list", source="two", right=False, **common | {"answerable": False}),
        ]

    found = moved(rows(False, 2), rows(True, 1))
    shown = {name: (d.before, d.after, d.n) for name, d in found.items() if name.startswith(("kind", "lang", "source"))}
    assert shown == {
        "kind.span.right": (0, 1, 1), "kind.list.right": (1, 1, 1),  # of the answerable ones
        "source.one.right": (0, 1, 1), "source.one.hybrid.hit@1": (0, 1, 1), "source.one.hybrid.mrr@10": (0.5, 1, 1),
        "source.two.right": (1, 1, 1), "source.two.hybrid.hit@1": (1, 1, 2), "source.two.hybrid.mrr@10": (1, 1, 2),
    }  # fmt: skip  # all are Korean: no group


ARMS = ("dense", "bm25", "hybrid", "full")


def whole_rows(seed: int) -> list[Row]:
    """Rows with everything that a run writes, by chance."""
    chance = random.Random(seed)
    rows: list[Row] = []
    for number in range(80):
        kind = ("span", "yesno", "list", "followup", "unanswerable")[number % 5]
        pair = str(number - 20) if 20 <= number < 40 and kind != "unanswerable" else None
        answered, quote = chance.random() < 0.7, {"verbatim": chance.random() < 0.9, "evidence": chance.random() < 0.5}
        ranks = {
            arm: {"document": chance.randint(1, 12), "passage": chance.randint(1, 12), "ndcg@10": chance.random()}
            for arm in ARMS
        }
        rows.append(
            {
                "id": str(number), "kind": kind, "language": "en" if pair and number < 30 else "ko",
                "source": ("one", "two")[number % 2], "answerable": kind != "unanswerable", "pair": pair,
                "miss": (None if kind != "unanswerable" else ("near", "near", "far")[number % 3]),
                "reading": {"em": chance.randint(0, 1), "f1": chance.random()} if kind == "span" else None,
                "removed": {"kept": number % 3 > 0, "answered": chance.random() < 0.5, "confidence": chance.random()}
                if kind == "span" else None,
                "typed": bool(pair) and number >= 30, "ranks": ranks if kind != "unanswerable" else {},
                "answered": answered, "confidence": round(chance.random(), 1), "right": chance.random() < 0.6,
                "citations": [quote] * answered, "nearest": None if answered else quote,
                "em": chance.randint(0, 1), "f1": chance.random(), "citation_recall": chance.random(),
                "citation_precision": chance.random() if answered else None,
                "list_f1": chance.random() if kind == "list" else None,
                "yesno": chance.randint(0, 1) if kind == "yesno" else None,
                "expected": {"yesno": ("yes", "no")[number % 3 % 2]} if kind == "yesno" else {},
            }
        )  # fmt: skip
    return rows


def measured(rows: list[Row]) -> dict[str, Any]:
    shown = {
        "arms": measures.arms(rows, ARMS),
        "answers": measures.answers(rows),
        "groups": measures.groups(rows, ARMS),
        **apart(rows),
    }
    return make_result(*rows) | shown


def figure_names(found: Any, prefix: str = "") -> set[str]:
    """The dotted names of all figures in it."""
    if not isinstance(found, dict):
        return set()
    if "n" in found:
        return {prefix}
    return {name for key, value in found.items() for name in figure_names(value, f"{prefix}.{key}" if prefix else key)}


def test_every_figure_of_a_result_is_compared() -> None:
    """By the same names, and each result's own value is the figure it has in its file."""
    rows = whole_rows(1), whole_rows(2)
    for after in rows[1]:  # so that the measures of answered questions rest on the same ones in both
        (before,) = [row for row in rows[0] if row["id"] == after["id"]]
        after["citation_precision"] = None if before["citation_precision"] is None else 0.5
    results = measured(rows[0]), measured(rows[1])
    comparison = compare(*results)
    found = {each.measure: each for each in comparison.differences}
    assert comparison.values == ()
    wanted = figure_names(results[0]["arms"]) | figure_names(results[0]["answers"])
    wanted |= {name for key in APART for name in figure_names(results[0][key], key)}
    wanted |= {f"kind.{kind}.right" for kind in results[0]["groups"]["kind"]}
    wanted |= {
        f"{key}.{name}.{measure}"
        for key in ("language", "source")
        for name in results[0]["groups"][key]
        for measure in ("right", "hybrid.hit@1", "hybrid.mrr@10")
    }
    wanted |= {f"source.{name}.reading.{measure}" for name in ("one", "two") for measure in ("em", "f1")}
    assert len(wanted) > 80
    assert set(found) == wanted | {"right"}
    for name in wanted:
        first, _, rest = name.partition(".")
        path = f"answers.{name}"
        if first in ARMS:
            path = f"arms.{name}"
        elif first in APART:
            path = name
        elif first in ("kind", "language", "source"):
            group, _, measure = rest.partition(".")
            part = {"right": "answers.", "reading.em": "", "reading.f1": ""}.get(measure, "arms.")
            path = f"groups.{first}.{group}.{part}{measure}"
        values = value_at(results[0], path), value_at(results[1], path)
        assert (found[name].before, found[name].after) == pytest.approx(values, abs=6e-5), name
        assert found[name].low <= found[name].value <= found[name].high
        assert label(name), name
    assert compare(*results) == comparison  # deterministic


def test_the_same_rows_are_drawn_for_both_results() -> None:
    """So a result against itself has no doubt at all, and one that is worse throughout next to none."""
    result = measured(whole_rows(3))
    for each in compare(result, result).differences:
        assert (each.value, each.low, each.high) == (0, 0, 0), each.measure
    there, back = (
        compare(*results) for results in ((result, measured(whole_rows(4))), (measured(whole_rows(4)), result))
    )
    for a, b in zip(there.differences, back.differences, strict=True):
        assert (a.value, a.low, a.high) == pytest.approx((-b.value, -b.high, -b.low), abs=1e-4), a.measure


def test_the_difference_of_statistics() -> None:
    half, whole = bootstrap.ratio([1, 0], [1, 1]), bootstrap.ratio([1, 1], [1, 1])
    assert bootstrap.difference(half, whole, 2, 7) == {"value": 0.5, "low": 0, "high": 1, "n": 7}
    assert bootstrap.difference(half, half, 2, 2) == {"value": 0, "low": 0, "high": 0, "n": 2}
    undefined = bootstrap.ratio([0, 0], [0, 0])
    assert bootstrap.difference(half, undefined, 2, 2) is None
    assert bootstrap.difference(undefined, half, 2, 2) is None
    assert bootstrap.difference(half, half, 0, 0) is None


def test_times_and_memory_are_shown_without_an_interval() -> None:
    before, after = make_result(make_row("a", rank=1)), make_result(make_row("a", rank=1))
    before |= {"latency_ms": {"p50": 60.54, "p95": 176.0}, "peak_memory_mb": 1520.0}
    after |= {"latency_ms": {"p50": 50.5, "p95": None}, "peak_memory_mb": True}
    comparison = compare(before, after)
    assert comparison.values == (
        Value("latency_ms.p50", 60.54, 50.5), Value("latency_ms.p95", 176.0, None), Value("peak_memory_mb", 1520.0, None),
    )  # fmt: skip
    cells = [re.split(r"\s{2,}", line) for line in as_text(comparison).splitlines()]
    assert ["latency_ms.p50", "시간 ms, 중앙값", "60.54", "→", "50.5"] in cells
    assert ["latency_ms.p95", "시간 ms, 95%", "176", "→", "-"] in cells
    assert comparison.to_dict()["values"][0] == {"measure": "latency_ms.p50", "before": 60.54, "after": 50.5}
    assert "파일마다" not in as_text(compare(make_result(make_row("a")), make_result(make_row("a"))))


def test_figures_that_rows_do_not_tell_of_are_shown_as_the_files_have_them() -> None:
    """Without texts an expected verdict may be unknown; a damaged figure is none."""
    results = [make_result({"id": "a", "yesno": 1}) for _ in range(2)]
    for result, value in zip(results, (0.5, 0.75), strict=True):
        result["answers"] = {"yesno": {"value": value}, "em": "?", "crosslingual": {"en": {"ratio": {"value": value}}}}
    assert compare(*results).values == (Value("yesno", 0.5, 0.75), Value("crosslingual.en.ratio", 0.5, 0.75))


def test_a_measure_rests_on_the_questions_that_have_it_in_both() -> None:
    before = make_result(
        make_row("a", f1=0.5, em=1), make_row("b", f1=None), make_row("c", f1=1.0), make_row("x", f1=1.0)
    )
    after = make_result(make_row("a", f1=1.0), make_row("b", f1=1.0), make_row("c", f1=1.0), make_row("y", f1=0.0))
    comparison = compare(before, after)
    assert figures(comparison)["f1"] == (0.75, 1.0, 0.25, 2)  # a and c
    assert "em" not in figures(comparison)
    assert (comparison.questions, comparison.only_before, comparison.only_after) == (3, 1, 1)


def test_only_arms_that_both_hold() -> None:
    ranks = {"dense": {"document": 1}, "hybrid": {"document": 1}}
    comparison = compare(make_result({"id": "a", "ranks": ranks}), make_result(make_row("a", arm="dense", rank=3)))
    assert {measure.split(".")[0] for measure in figures(comparison)} == {"dense"}
    assert comparison.arm == "dense"
    assert comparison.changes["lost"][0].ranks == (1, 3)


def test_the_last_arm_is_the_one_whose_ranks_are_shown() -> None:
    ranks = {arm: {"document": rank} for rank, arm in enumerate(("full", "bm25", "hybrid", "dense"), 1)}
    result = make_result({"id": "a", "ranks": ranks})
    assert compare(result, result).arm == "full"


@pytest.mark.parametrize(
    ("before", "after", "group"),
    [
        ({"outcome": "not_read", "right": False}, {"outcome": "right", "right": True}, "gained"),
        ({"outcome": "rightly_declined", "right": True}, {"outcome": "wrongly_answered", "right": False}, "lost"),
        ({"outcome": "not_retrieved", "right": False}, {"outcome": "not_read", "right": False}, "gained"),
        ({"outcome": "wrongly_declined", "right": False}, {"outcome": "not_retrieved", "right": False}, "lost"),
        ({"outcome": "wrongly_declined", "right": False}, {"outcome": "not_read", "right": False}, "otherwise"),
        ({"rank": 2}, {"rank": 1}, "gained"),
        ({"rank": 1}, {"rank": None}, "lost"),
        # What is nearer to the reader decides: it is right now, although the document fell.
        ({"rank": 1, "right": False}, {"rank": 2, "right": True}, "gained"),
        ({"rank": 3}, {"rank": 2}, None),
        ({"outcome": "right", "right": True, "rank": 1}, {"outcome": "right", "right": True, "rank": 1}, None),
        # One result knows less than the other: nothing is gained or lost by that.
        ({"rank": 1}, {"rank": 1, "outcome": "right", "right": True}, None),
    ],
)
def test_where_a_question_belongs(before: Row, after: Row, group: str | None) -> None:
    expected: dict[str, list[str]] = {"gained": [], "lost": [], "otherwise": []}
    if group is not None:
        expected[group] = ["a"]
    same = make_row("b", rank=1, outcome="right", right=True)
    results = [make_result(make_row("a", **row), same) for row in (before, after)]
    assert ids(compare(*results)) == expected


def test_what_weighs_most_is_listed_first() -> None:
    before = make_result(
        make_row("rank", rank=2, right=False),
        make_row("retrieved", rank=1, outcome="not_retrieved", right=False),
        make_row("right", rank=1, outcome="not_read", right=False),
        make_row("right too", rank=1, outcome="not_read", right=False),
    )
    after = make_result(
        make_row("right too", rank=1, outcome="right", right=True),
        make_row("right", rank=1, outcome="right", right=True),
        make_row("retrieved", rank=1, outcome="not_read", right=False),
        make_row("rank", rank=1, right=False),
    )
    assert ids(compare(before, after))["gained"] == ["right", "right too", "retrieved", "rank"]


def test_a_question_without_a_gold_document_has_no_rank() -> None:
    rows: list[Row] = [{"id": "a", "ranks": {}, "right": right, "outcome": None} for right in (False, True)]
    (change,) = compare(make_result(rows[0]), make_result(rows[1])).changes["gained"]
    assert (change.question, change.ranks, change.outcomes) == (None, None, (None, None))


@pytest.mark.parametrize(
    ("text", "expected"), [("", 0), ("ab", 2), ("가a", 3), ("漢字", 4), ("Ａ", 2), ("ｱ", 1), ("e\u0301", 1)]
)
def test_columns(text: str, expected: int) -> None:
    assert columns(text) == expected


def test_a_table_stands_in_columns() -> None:
    assert table([["가나", "1", "x"], ["abc", "22", ""]], right={1}) == ["가나   1  x", "abc   22"]


def test_the_text() -> None:
    before = make_result(
        make_row("a", rank=1, outcome="right", right=True),
        make_row("b", rank=3, outcome="not_read", right=False, question="가" * 40),
        make_row("c", rank=1, outcome="not_read", right=False, question="\x1b[31m빨강"),
    )
    after = make_result(
        make_row("a", rank=None, outcome="not_retrieved", right=False),
        make_row("b", rank=1, outcome="right", right=True),
        make_row("c", rank=1, outcome="right", right=True),
    )
    right = f"{OUTCOMES['right'].ko} right"
    shown = as_text(compare(before, after))
    lines = shown.splitlines()
    assert lines[0] == "news: 함께 있는 질문 / questions in both 3 (A에만 / only in A 0, B에만 / only in B 0)"
    gained, lost = lines.index("나아진 질문 / gained: 2"), lines.index("나빠진 질문 / lost: 1")
    assert "다르게 틀린 질문 / wrong otherwise: 0" in lines
    cells = re.split(r"\s{2,}", lines[gained + 2].strip())
    assert cells == ["b", f"{OUTCOMES['not_read'].ko} not_read → {right}", "3 → 1", "가" * 29 + "…"]  # 59 of 60 columns
    cells = re.split(r"\s{2,}", lines[lost + 2].strip())
    assert cells == ["a", f"{right} → {OUTCOMES['not_retrieved'].ko} not_retrieved", "1 → -", "질문 a"]
    assert "\x1b" not in shown
    last = zip(lines[gained + 1 : gained + 4], ("질문 /", "가가", "�[31m"), strict=True)
    assert len({columns(line[: line.index(word)]) for line, word in last}) == 1


def test_the_text_says_how_many_more_there_are() -> None:
    results = [make_result(*(make_row(str(number), rank=rank) for number in range(5))) for rank in (1, 2)]
    lines = as_text(compare(*results), limit=3).splitlines()
    at = lines.index("나빠진 질문 / lost: 5")
    assert [line.split()[0] for line in lines[at + 2 : at + 5]] == ["0", "1", "2"]
    assert lines[at + 5] == "  … 2개 더 / more (--limit)"


def test_from_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = make_result(make_row("1", rank=1), make_row("2", rank=1))
    b = make_result(make_row("1", rank=2), make_row("2", rank=2))
    a["about"] = {"model": "m", "commit": "abc1234", "date": "2026-11-22", "documents": 644, "passages": 1893}
    paths = [str(write(tmp_path / name, result)) for name, result in (("a.json", a), ("b.json", b))]
    assert main(paths) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.startswith(
        "A: a.json  m, abc1234, 2026-11-22, 문서 / documents 644, 대목 / passages 1893\nB: b.json"
    )

    assert main([*paths, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    mrr = {"measure": "hybrid.mrr@10", "before": 1.0, "after": 0.5, "value": -0.5, "low": -0.5, "high": -0.5, "n": 2}
    assert mrr | {"clear": True} in found["differences"]
    assert found["changes"]["lost"] == [
        {"id": id, "question": f"질문 {id}", "outcomes": [None, None], "ranks": [1, 2]} for id in ("1", "2")
    ]

    assert main([*paths, "--json", "--limit", "1"]) == 0
    assert [change["id"] for change in json.loads(capsys.readouterr().out)["changes"]["lost"]] == ["1"]


def fails_in_one_line(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(argv) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert re.search(r"[가-힣]+.* / .*[a-z]", line)  # Korean first, English beside it
    return line


def bad_row(**values: Any) -> bytes:
    return json.dumps(make_result(make_row("1"), make_row("2", **values))).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        (b"", "not JSON"),
        (b'{"dataset": "news", "rows": [', "not JSON"),
        (b'{"dataset": "\xff"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a result"),
        (b'{"dataset": "news", "arms": {}}', "not a result"),
        (b'{"dataset": "news", "arms": {}, "rows": {}}', "not a result"),
        (b'{"dataset": "news", "arms": {}, "rows": [1]}', "id of row 1"),
        (b'{"dataset": "news", "arms": {}, "rows": [{"id": 1}]}', "id of row 1"),
        (b'{"dataset": "news", "arms": {}, "rows": [{"id": "1"}, {"id": "1"}]}', "id of row 2"),
        (bad_row(rank=0), "ranks of row 2"),
        (bad_row(rank=True), "ranks of row 2"),
        (bad_row(rank="1"), "ranks of row 2"),
        (bad_row(ranks=[]), "ranks of row 2"),
        (bad_row(ranks={"dense": None}), "ranks of row 2"),
        (bad_row(f1=1.5), "f1 of row 2"),
        (bad_row(f1=float("nan")), "f1 of row 2"),
        (bad_row(right="yes"), "right of row 2"),
        (bad_row(outcome=1), "outcome of row 2"),
        (bad_row(outcome="wrong"), "outcome of row 2"),
        (bad_row(question=["?"]), "question of row 2"),
        (bad_row(citations=["?"]), "citations of row 2"),
        (bad_row(nearest="?"), "nearest of row 2"),
        (bad_row(kind=["span"]), "kind of row 2"),
        (bad_row(language=1), "language of row 2"),
        (bad_row(pair=1), "pair of row 2"),
        (bad_row(answered="yes"), "answered of row 2"),
        (bad_row(answerable=1), "answerable of row 2"),
        (bad_row(confidence=True), "confidence of row 2"),
        (bad_row(confidence=float("inf")), "confidence of row 2"),
        (bad_row(expected=["yes"]), "expected of row 2"),
        (bad_row(expected={"yesno": ["yes"]}), "expected of row 2"),
        (bad_row(miss=1), "miss of row 2"),
        (bad_row(reading=[]), "reading of row 2"),
        (bad_row(reading={"f1": 2}), "reading of row 2"),
        (bad_row(removed=True), "removed of row 2"),
        (bad_row(removed={"kept": 1}), "removed of row 2"),
        (bad_row(removed={"kept": True, "confidence": "1"}), "removed of row 2"),
    ],
)
def test_files_that_are_no_results(
    content: bytes | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = write(tmp_path / "good.json", make_result(make_row("1"))), tmp_path / "bad.json"
    if content is not None:
        bad.write_bytes(content)
    for paths in ([good, bad], [bad, good]):
        line = fails_in_one_line([str(path) for path in paths], capsys)
        assert "bad.json" in line
        assert said in line


def test_a_folder_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="cannot be read"):
        read_result(tmp_path)


def test_values_may_be_null(tmp_path: Path) -> None:
    names = (
        "question",
        "ranks",
        "citations",
        "nearest",
        "source",
        "outcome",
        "right",
        "em",
        "f1",
        "yesno",
        "kind",
        "pair",
        "language",
        "answered",
        "answerable",
        "typed",
        "confidence",
        "expected",
        "evidence_known",
        "miss",
        "reading",
        "removed",
    )
    result = make_result({"id": "1", **dict.fromkeys(names)})
    assert read_result(write(tmp_path / "a.json", result)) == result
    assert compare(result, result).differences == ()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (make_result(make_row("1"), dataset="law"), "news, law"),
        (make_result(make_row("2")), "no question in common"),
        (make_result(), "no question in common"),
    ],
)
def test_results_that_cannot_be_compared(
    other: dict[str, Any], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [write(tmp_path / "a.json", make_result(make_row("1"))), write(tmp_path / "b.json", other)]
    assert said in fails_in_one_line([str(path) for path in paths], capsys)


@pytest.mark.parametrize(
    "argv", [[], ["a.json"], ["a", "b", "c"], ["a", "b", "--limit", "-1"], ["a", "b", "--limit", "x"]]
)
def test_wrong_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(argv)
    assert raised.value.code == 2
    assert "usage" in capsys.readouterr().err
