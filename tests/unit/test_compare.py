"""Two results against each other: differences worked out by hand, questions gained and lost, files that are no results."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from evals.compare import Comparison, ResultError, as_text, columns, compare, main, read_result, row_values, table
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
        "dense.mrr@10": 1 / 5, "dense.ndcg@10": 0.39,
        "bm25.hit@1": 0, "bm25.hit@5": 0, "bm25.passage_hit@1": 0, "bm25.passage_hit@5": 0, "bm25.mrr@10": 1 / 6,
        "em": 0, "f1": 0.5, "right": 1,
    }  # fmt: skip


@pytest.mark.parametrize(("rank", "reciprocal"), [(1, 1), (2, 1 / 2), (10, 1 / 10), (11, 0), (50, 0), (None, 0)])
def test_reciprocal_ranks_end_at_ten(rank: int | None, reciprocal: float) -> None:
    assert row_values(make_row("1", rank=rank))["hybrid.mrr@10"] == reciprocal


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
    names = ("question", "ranks", "citations", "nearest", "source", "outcome", "right", "em", "f1", "yesno")
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
