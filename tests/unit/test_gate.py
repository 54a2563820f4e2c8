"""The gate: each rule made to fail and to pass, descriptions that are wrong, sets that are run and sets left out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from evals.datasets import DatasetError, sampled
from evals.differences import value_at
from evals.gate import GATE, ROOT, Gate, GateError, SetSpec, load, main
from evals.readers import read_gold
from evals.rules import failures

Row = dict[str, Any]
Result = dict[str, Any]
GOOD = {"quote": "글", "verbatim": True}
BAD = {"quote": "글", "verbatim": False}


ARMS = ["dense", "bm25", "hybrid", "full"]


def make_row(number: int, dense: int | None = 1, bm25: int | None = 1, hybrid: int | None = 1, **values: Any) -> Row:
    """A row with the rank of its document in each arm."""
    ranks = {"dense": dense, "bm25": bm25, "hybrid": hybrid, "full": None}
    return {"id": f"n-{number}", "ranks": {arm: {"document": rank} for arm, rank in ranks.items()}, **values}


def make_result(rows: Sequence[Row] = (), **figures: float | None) -> Result:
    """A result whose answers have these figures, and a good row where none are given."""
    answers = {
        name: None if value is None else {"value": value, "low": 0, "high": 1, "n": 9}
        for name, value in figures.items()
    }
    kept = list(rows) or [make_row(1)]
    about = {"limit": None, "distractors": None, "seed": 1, "arms": ARMS, "documents": 9}
    return {
        "dataset": "news", "questions": len(kept), "about": about, "arms": {}, "answers": answers or None, "rows": kept,
    }  # fmt: skip


NEWS = Gate({"news": SetSpec()})  # nothing but what is asked of every result


def floor(measure: str, value: float) -> Gate:
    return Gate({"news": SetSpec()}, floors={"news": {measure: value}})


def ceiling(measure: str, value: float) -> Gate:
    return Gate({"news": SetSpec()}, ceilings={"news": {measure: value}})


def write_gold(path: Path, *ids: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps({"id": id, "question": "뭐야?"}) + "\n" for id in ids), "utf-8")
    return path


def write_gate(folder: Path, text: str) -> Path:
    path = folder / "gate.toml"
    path.write_text(text, "utf-8")
    return path


def write_result(folder: Path, result: Result, name: str = "result.json") -> str:
    path = folder / name
    path.write_text(json.dumps(result, ensure_ascii=False), "utf-8")
    return str(path)


# Floors and ceilings


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        ("answers.f1", 0.25),
        ("groups.source.klue_mrc.arms.hybrid.hit@1", 0.5),
        ("latency_ms.p50", 7.0),
        ("answers.none", None),
        ("answers.em", None),
        ("answers.f1.low.value", None),
        ("flag", None),
        ("dataset", None),
        ("nan.figure", None),
        ("", None),
    ],
)
def test_what_a_dotted_name_leads_to(measure: str, value: float | None) -> None:
    result = {
        "dataset": "news",
        "answers": {"f1": {"value": 0.25, "low": 0.1, "high": 0.4, "n": 3}, "none": None},
        "groups": {"source": {"klue_mrc": {"arms": {"hybrid": {"hit@1": {"value": 0.5}}}}}},
        "latency_ms": {"p50": 7},
        "flag": True,
        "nan": {"figure": {"value": float("nan")}},
    }
    assert value_at(result, measure) == value


@pytest.mark.parametrize(("value", "passes"), [(0.61, True), (0.6, True), (0.59, False), (0, False)])
def test_a_floor(value: float, passes: bool) -> None:
    found = failures(floor("answers.f1", 0.6), "news", make_result(f1=value))
    expected = [f"news: answers.f1: {value} (기준 0.6 이상 / wanted at least 0.6)"]
    assert found == ([] if passes else expected)


@pytest.mark.parametrize(("value", "passes"), [(0.39, True), (0.4, True), (0.41, False), (1, False)])
def test_a_ceiling(value: float, passes: bool) -> None:
    found = failures(ceiling("answers.aurc", 0.4), "news", make_result(aurc=value))
    expected = [f"news: answers.aurc: {value} (기준 0.4 이하 / wanted at most 0.4)"]
    assert found == ([] if passes else expected)


@pytest.mark.parametrize("bound", [floor, ceiling])
@pytest.mark.parametrize("result", [make_result(f1=None), make_result(em=0.5), make_result()])
def test_a_figure_without_a_value_fails(bound: Callable[[str, float], Gate], result: Result) -> None:
    (line,) = failures(bound("answers.f1", 0.0), "news", result)
    assert line.startswith("news: answers.f1: 없음 / none (기준 0 ")


def test_bounds_hold_for_their_own_set() -> None:
    gate = Gate({"news": SetSpec(), "law": SetSpec()}, floors={"law": {"answers.f1": 0.9}})
    assert failures(gate, "news", make_result(f1=0.1)) == []
    assert len(failures(gate, "law", make_result(f1=0.1))) == 1


def test_every_failure_has_its_line() -> None:
    gate = Gate({"news": SetSpec()}, {"news": {"answers.f1": 0.5, "answers.em": 0.5}}, {"news": {"answers.aurc": 0.1}})
    found = failures(gate, "news", make_result([make_row(1, citations=[BAD])], f1=0.4, em=0.6, aurc=0.2))
    assert [line.split(": ")[1] for line in found[:2]] == ["answers.f1", "answers.aurc"]
    assert len(found) == 3


def test_a_result_without_rows_does_not_pass() -> None:
    assert failures(NEWS, "news", make_result() | {"questions": 0, "rows": []}) == [
        "news: rows: 0 (기준 1 이상 / wanted at least 1)"
    ]


@pytest.mark.parametrize(
    "measure",
    ["reading.em", "groups.source.klue_mrc.reading.f1", "declining.answered", "near_misses.f1", "calibration.ece",
     "answers.crosslingual.together.ratio", "answers.crosslingual.en.f1.ratio", "answers.typing.f1.ratio"],
)  # fmt: skip
def test_figures_beside_the_answers_have_bounds_too(measure: str) -> None:
    result = make_result()
    for gate in (floor(measure, 0.5), ceiling(measure, 0.7)):
        (line,) = failures(gate, "news", result)  # as an old result has none
        assert line.startswith(f"news: {measure}: 없음 / none ")
    *steps, last = measure.split(".")
    branch: Any = result
    for step in steps:
        branch[step] = branch.get(step) or {}
        branch = branch[step]
    branch[last] = {"value": 0.6, "low": 0.5, "high": 0.7, "n": 9}
    assert failures(floor(measure, 0.6), "news", result) == failures(ceiling(measure, 0.6), "news", result) == []
    assert (
        len(failures(floor(measure, 0.61), "news", result))
        == len(failures(ceiling(measure, 0.59), "news", result))
        == 1
    )


# Quotes


@pytest.mark.parametrize(
    ("values", "passes"),
    [
        ({}, True),
        ({"citations": [], "nearest": None}, True),
        ({"citations": None}, True),
        ({"citations": [GOOD, GOOD], "nearest": GOOD}, True),
        ({"citations": [GOOD, BAD]}, False),
        ({"citations": [], "nearest": BAD}, False),
        ({"citations": [{"quote": "글"}]}, False),  # not shown to be verbatim
        ({"citations": [{"quote": "글", "verbatim": None}]}, False),
    ],
)
def test_quotes_are_verbatim(values: Row, passes: bool) -> None:
    rows = [make_row(1, citations=[GOOD]), make_row(2, **values)]
    found = failures(NEWS, "news", make_result(rows, verbatim=1.0))
    said = "news: 원문과 다른 인용이 있는 질문 / questions with a quote not verbatim: 1 (n-2) (기준 0 / wanted 0)"
    assert found == ([] if passes else [said])


def test_only_the_first_questions_are_named() -> None:
    (line,) = failures(NEWS, "news", make_result([make_row(number, citations=[BAD]) for number in range(1, 6)]))
    assert "5 (n-1, n-2, n-3, …)" in line


@pytest.mark.parametrize(("value", "passes"), [(1.0, True), (None, True), (0.999, False)])
def test_the_verbatim_figure_is_one(value: float | None, passes: bool) -> None:
    found = failures(NEWS, "news", make_result(verbatim=value))
    assert found == ([] if passes else ["news: answers.verbatim: 0.999 (기준 1 / wanted 1)"])


# Fusion


def test_fusion_that_loses_everywhere_fails() -> None:
    """All documents fall from first to second: 1/2 - 1 in each resample, so in both ends of the interval."""
    (line,) = failures(NEWS, "news", make_result([make_row(number, 1, 3, 2) for number in range(10)]))
    assert line == (
        "news: mrr@10 hybrid - dense: -0.5000 [-0.5000, -0.5000] (기준 하한 -0.01 이상 / wanted a lower bound of at least -0.01)"
    )


def test_fusion_is_held_against_the_better_arm() -> None:
    """dense .5, BM25 1 and hybrid .5: as good as dense is not enough."""
    (line,) = failures(NEWS, "news", make_result([make_row(number, 2, 1, 2) for number in range(10)]))
    assert "hybrid - bm25: -0.5000" in line


@pytest.mark.parametrize(
    "ranks",
    [
        (2, 3, 1),  # better than both
        (1, 2, 1),  # as good as the better one
        (None, None, None),
        (12, 30, 50),  # beyond ten all are the same
    ],
)
def test_fusion_that_does_no_harm_passes(ranks: tuple[int | None, int | None, int | None]) -> None:
    assert failures(NEWS, "news", make_result([make_row(number, *ranks) for number in range(10)])) == []


@pytest.mark.parametrize(("lost", "passes"), [(20, True), (40, False)])
def test_fusion_may_lose_a_hundredth(lost: int, passes: bool) -> None:
    """Tenth instead of ninth costs 1/90. To lose .01, nine of ten draws must fall on questions that lose it.

    That all do is certain when all 40 lose; when half do, less than one resample in a million comes to it.
    """
    rows = [make_row(number, 9, None, 10 if number < lost else 9) for number in range(40)]
    found = failures(NEWS, "news", make_result(rows))
    assert [line.split(": ")[2] for line in found] == (
        [] if passes else ["-0.0111 [-0.0111, -0.0111] (기준 하한 -0.01 이상 / wanted a lower bound of at least -0.01)"]
    )


def test_a_loss_that_could_be_chance_fails_too_when_it_could_be_large() -> None:
    """One of two questions lost, one gained: 0 on average, but a quarter of all resamples holds the lost one alone."""
    (line,) = failures(NEWS, "news", make_result([make_row(1, 1, None, None), make_row(2, None, None, 1)]))
    assert "hybrid - dense: +0.0000 [-1.0000, +1.0000]" in line


def sources(**counts: int) -> list[Row]:
    """Questions on which fusion loses in "bad" sources and gains in others."""
    rows: list[Row] = []
    for source, count in counts.items():
        ranks = (1, 1, 2) if source.startswith("bad") else (2, 2, 1)
        rows += [make_row(len(rows) + number, *ranks, source=source) for number in range(count)]
    return rows


@pytest.mark.parametrize(("count", "passes"), [(49, True), (50, False)])
def test_a_source_is_judged_by_itself_from_fifty_questions_on(count: int, passes: bool) -> None:
    """Over all, the loss of the smaller source is outweighed: (500 - 50) x .5 gained."""
    found = failures(NEWS, "news", make_result(sources(good=500, bad=count)))
    assert [line.split(": ")[1] for line in found] == ([] if passes else ["mrr@10 hybrid - dense (bad)"])


def test_all_questions_are_judged_also_where_no_source_is() -> None:
    found = failures(NEWS, "news", make_result([*sources(good=49), *(make_row(1000 + n, 1, 1, 2) for n in range(100))]))
    assert [line.split(": ")[1] for line in found] == ["mrr@10 hybrid - dense"]


def test_where_there_is_one_document_passages_are_judged() -> None:
    """Its document is always the first one found, whatever fusion does to the passages."""

    def row(number: int, dense: int | None, hybrid: int | None, **values: Any) -> Row:
        passages = {"dense": dense, "bm25": None, "hybrid": hybrid, "full": None}
        return {"id": str(number), "ranks": {a: {"document": 1, "passage": p} for a, p in passages.items()}, **values}

    result = make_result([row(number, 1, 2) for number in range(10)])
    assert failures(NEWS, "news", result) == []
    result["about"]["documents"] = 1
    (line,) = failures(NEWS, "news", result)
    assert line.startswith("news: passage_mrr@10 hybrid - dense: -0.5000 [-0.5000, -0.5000] ")
    # beyond ten, and where the evidence is unknown, a passage counts for nothing
    result["rows"] = [row(number, 11, 12) for number in range(9)] + [row(9, 1, 2, evidence_known=False)]
    assert failures(NEWS, "news", result) == []
    result["rows"] = [row(number, 10, 11) for number in range(10)]
    (line,) = failures(NEWS, "news", result)
    assert "passage_mrr@10 hybrid - dense: -0.1000" in line


NOT_JUDGED = (
    "news: mrr@10 hybrid: 없음 / none (기준 hybrid, dense, bm25의 순위 / wanted ranks by hybrid, dense and bm25)"
)


@pytest.mark.parametrize("lacking", ARMS)
def test_a_question_that_an_arm_does_not_rank_fails(lacking: str) -> None:
    rows = [make_row(1), make_row(2), {"id": "declined", "ranks": {}, "document": None}]
    assert failures(NEWS, "news", make_result(rows)) == []
    del rows[1]["ranks"][lacking]
    said = "news: 순위가 빠진 질문 / questions that an arm does not rank: 1 (n-2) (기준 0 / wanted 0)"
    assert failures(NEWS, "news", make_result(rows)) == [said]
    del rows[0]["ranks"][lacking]
    found = failures(NEWS, "news", make_result(rows))
    assert "2 (n-1, n-2)" in found[0]
    assert found[1:] == ([] if lacking == "full" else [NOT_JUDGED])


@pytest.mark.parametrize("ranks", [None, {}])
def test_a_question_with_a_document_and_without_ranks_fails(ranks: object) -> None:
    found = failures(NEWS, "news", make_result([make_row(1), {"id": "2", "ranks": ranks, "document": "d"}]))
    assert found == ["news: 순위가 빠진 질문 / questions that an arm does not rank: 1 (2) (기준 0 / wanted 0)"]
    assert failures(NEWS, "news", make_result([{"id": "2", "ranks": ranks}])) == [NOT_JUDGED]


# Whether the result is of the set


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [("limit", None, 20), ("limit", 5, 20), ("distractors", 100, 200), ("distractors", 200.0, 200), ("seed", 2, 1),
     ("seed", True, 1), ("limit", 20, None), ("distractors", 0, None)],
)  # fmt: skip
def test_a_result_asked_otherwise_fails(key: str, value: object, wanted: int | None) -> None:
    gate = Gate({"news": SetSpec(**{key: wanted})})  # type: ignore[arg-type]
    result = make_result()
    result["about"][key] = wanted
    assert failures(gate, "news", result) == []
    result["about"][key] = value
    shown = ["null" if each is None else str(each) for each in (value, wanted)]
    assert failures(gate, "news", result) == [
        f"news: about.{key}: {shown[0]} (기준 {shown[1]} / wanted {shown[1]})",
    ]
    del result["about"][key]
    (line,) = failures(gate, "news", result)
    assert line.startswith(f"news: about.{key}: 없음 / none ")


@pytest.mark.parametrize("about", [None, [], {}])
def test_a_result_that_does_not_say_how_it_was_asked_fails(about: object) -> None:
    found = failures(NEWS, "news", make_result() | {"about": about})
    assert [line.split(": ")[1] for line in found] == ["about.limit", "about.distractors", "about.seed", "about.arms"]


@pytest.mark.parametrize("arms", [["dense", "bm25", "hybrid"], ["full"], [], None, "dense,bm25,hybrid,full", [1, []]])
def test_a_result_that_was_not_asked_in_all_arms_fails(arms: object) -> None:
    result = make_result()
    result["about"]["arms"] = arms
    (line,) = failures(NEWS, "news", result)
    assert line.startswith("news: about.arms: ")
    assert line.endswith("(기준 dense, bm25, hybrid, full / wanted dense, bm25, hybrid, full)")


@pytest.mark.parametrize("questions", [2, 0, None, "1", True])
def test_a_result_that_has_lost_rows_fails(questions: object) -> None:
    found = failures(NEWS, "news", make_result() | {"questions": questions})
    assert found == [f"news: questions: {questions} (기준 rows의 수 1 / wanted 1, the number of rows)"]


def test_the_questions_are_those_of_the_gold_file(tmp_path: Path) -> None:
    gate = Gate({"news": SetSpec(gold=write_gold(tmp_path / "a.jsonl", "n-1", "n-2"))})
    assert failures(gate, "news", make_result([make_row(2), make_row(1)])) == []
    missing = "news: a.jsonl에 있으나 결과에 없는 질문 / questions missing: 1 (n-2) (기준 0 / wanted 0)"
    other = "news: a.jsonl에 없는 질문 / questions of another set: 1 (n-3) (기준 0 / wanted 0)"
    assert failures(gate, "news", make_result([make_row(1)])) == [missing]
    assert failures(gate, "news", make_result([make_row(1), make_row(2), make_row(3)])) == [other]
    assert failures(gate, "news", make_result([make_row(1), make_row(3)])) == [missing, other]


def test_of_a_limited_set_the_questions_drawn_are_wanted(tmp_path: Path) -> None:
    ids = [f"n-{number}" for number in range(1, 21)]
    gold = write_gold(tmp_path / "a.jsonl", *ids)
    drawn = sampled(read_gold(gold), 5, 3).questions
    gate = Gate({"news": SetSpec(gold=gold, limit=5, seed=3)})
    result = make_result([make_row(int(question.id[2:])) for question in drawn])
    result["about"] |= {"limit": 5, "seed": 3}
    assert failures(gate, "news", result) == []
    result["rows"] = [make_row(number) for number in range(1, 6)]  # as many, but not those
    assert [line.split(": ")[1].split(" / ")[1] for line in failures(gate, "news", result)] == [
        "questions missing", "questions of another set",
    ]  # fmt: skip


def test_a_gold_file_that_cannot_be_read_fails(tmp_path: Path) -> None:
    (line,) = failures(Gate({"news": SetSpec(gold=tmp_path / "none.jsonl")}), "news", make_result())
    assert line.startswith("news: ")
    assert "none.jsonl" in line


# The description


def test_a_description(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEUNGEO_DATA", str(tmp_path))
    path = write_gate(
        tmp_path,
        """
        [sets.news]
        gold = "evals/gold/news.jsonl"
        corpus = ["$GEUNGEO_DATA/news/wikinews.jsonl", "seeds"]
        credit = "Wikinews, CC BY 2.5"
        [sets.mrc]
        squad = "$GEUNGEO_DATA/mrc/dev.jsonl"
        distractors = 350
        limit = 10
        seed = 2
        texts = false
        tier = "long"
        [sets.beir]
        beir = "/somewhere/else"
        [floors.mrc]
        "groups.source.klue_mrc.arms.hybrid.hit@1" = 0.95
        [ceilings.mrc]
        "answers.abstention.aurc" = 1
        [pools.both]
        sets = ["news", "mrc"]
        [floors.both]
        "near_misses.f1" = 0.7
        """,
    )
    corpus = (tmp_path / "news" / "wikinews.jsonl", ROOT / "seeds")
    assert load(path) == Gate(
        {
            "news": SetSpec(gold=ROOT / "evals/gold/news.jsonl", corpus=corpus, credit="Wikinews, CC BY 2.5"),
            "mrc": SetSpec(
                squad=tmp_path / "mrc" / "dev.jsonl", distractors=350, limit=10, seed=2, texts=False, tier="long"
            ),
            "beir": SetSpec(beir=Path("/somewhere/else")),
        },
        floors={"mrc": {"groups.source.klue_mrc.arms.hybrid.hit@1": 0.95}, "both": {"near_misses.f1": 0.7}},
        ceilings={"mrc": {"answers.abstention.aurc": 1.0}},
        pools={"both": ("news", "mrc")},
    )
    assert SetSpec().seed == 1


def test_the_description_that_is_shipped() -> None:
    gate = load(GATE)
    assert set(gate.floors) | set(gate.ceilings) <= set(gate.sets) | set(gate.pools)
    golds = [spec.gold for spec in gate.sets.values() if spec.gold is not None]
    assert golds
    assert [gold for gold in golds if not gold.is_file()] == []
    assert {spec.tier for spec in gate.sets.values()} == {"short", "gold", "long"}


GOLD = '[sets.news]\ngold = "a.jsonl"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[sets", "not TOML"),
        ("sets = 1", "gate.toml: sets: .* not a table"),
        ("[set.news]", "모르는 항목 set / "),
        ("[sets]\nnews = 1", "sets.news: .* not a table"),
        (GOLD + "colour = 1", r"sets.news: 모르는 항목 colour / unknown; .*'corpus'"),
        ("[sets.news]", "one of gold, squad and beir"),
        (GOLD + 'squad = "b"', "one of gold, squad and beir"),
        (GOLD + 'corpus = "b"', "sets.news.corpus: .* not a list"),
        (GOLD + "corpus = [1]", "sets.news.corpus: .* not a path"),
        ("[sets.news]\ngold = 1", "sets.news.gold: .* not a path"),
        ('[sets.news]\ngold = ""', "sets.news.gold: .* not a path"),
        ('[sets.news]\ngold = "$HOME/a"', "only .GEUNGEO_DATA"),
        ('[sets.news]\ngold = "a/$GEUNGEO_DATA/b"', "only .GEUNGEO_DATA"),
        (GOLD + "limit = 0", "sets.news.limit: .* cannot be used"),
        (GOLD + "limit = true", "sets.news.limit: .* cannot be used"),
        (GOLD + "distractors = -1", "sets.news.distractors: .* cannot be used"),
        (GOLD + "seed = 1.5", "sets.news.seed: .* cannot be used"),
        (GOLD + "credit = 1", "sets.news.credit: .* cannot be used"),
        (GOLD + "texts = 1", "sets.news.texts: .* cannot be used"),
        (GOLD + 'tier = "medium"', "sets.news.tier: .*medium.* cannot be used"),
        (GOLD + '[floors.new]\n"answers.f1" = 1', "floors.new: .* no such set"),
        (GOLD + "[floors.news]\nanswers.f1 = 1", "floors.news.answers: .* quotes"),
        (GOLD + '[ceilings.news]\n"answers.f1" = "1"', "ceilings.news.answers.f1: .* not a number"),
        (GOLD + "[pools.all]", "pools.all.sets: .* not a list"),
        (GOLD + "[pools.all]\nsets = []", "pools.all.sets: .* not a list"),
        (GOLD + 'pools = "news"', "unknown"),  # of the set above it
        (GOLD + '[pools.all]\nsets = ["law"]', "pools.all.sets: .* not a list of the names of sets"),
        (GOLD + "[pools.all]\nsets = [[]]", "pools.all.sets: .* not a list of the names of sets"),
        (GOLD + '[pools.all]\nsets = ["news"]\nset = 1', "모르는 항목 set / "),
        (GOLD + '[pools.news]\nsets = ["news"]', "pools.news: .* the name of a set"),
        (GOLD + '[floors.news]\n"answers.f1" = true', "floors.news.answers.f1: .* not a number"),
        (GOLD + '[floors.news]\n"answers.f1" = nan', "floors.news.answers.f1: .* not a number"),
    ],
)
def test_descriptions_that_are_wrong(text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_gate(tmp_path, text)
    with pytest.raises(GateError, match=said):
        load(path)
    assert main(["a.json", "--gate", str(path)]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("gate.toml: ")
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_descriptions_that_cannot_be_read(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(GateError, match=r"gate\.toml: .*[가-힣].* / "):
        load(path)


# The command


GATE_OF_NEWS = '[sets.news]\nsquad = "a.jsonl"\n[floors.news]\n"answers.f1" = 0.5\n'


def test_finished_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gate = ["--gate", str(write_gate(tmp_path, GATE_OF_NEWS))]
    good = write_result(tmp_path, make_result(f1=0.5), "good.json")
    bad = write_result(tmp_path, make_result(f1=0.4), "bad.json")
    other = write_result(tmp_path, make_result(f1=0.5) | {"dataset": "dev"}, "other.json")
    damaged = tmp_path / "damaged.json"
    damaged.write_text("{", "utf-8")

    assert main([good, *gate]) == 0
    assert capsys.readouterr().out == "news: 통과 / passed\n"
    assert main([bad, good, *gate]) == 1
    failed = "news: answers.f1: 0.4 (기준 0.5 이상 / wanted at least 0.5)"
    assert capsys.readouterr().out.splitlines() == [failed, "news: 통과 / passed"]
    assert main([other, *gate]) == 1
    assert capsys.readouterr().out == "dev: 기준에 없는 집합입니다 / the gate has no such set\n"
    assert main([str(damaged), str(tmp_path / "none.json"), good, *gate]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert ["damaged.json" in lines[0], "none.json" in lines[1], lines[2:]] == [True, True, ["news: 통과 / passed"]]


POOL = (
    '[sets.a]\nsquad = "a"\n[sets.b]\nsquad = "b"\n[sets.c]\nsquad = "c"\n[pools.both]\nsets = ["a", "b"]\n'
    '[pools.free]\nsets = ["c"]\n[floors.both]\n"near_misses.f1" = 0.75\n[ceilings.both]\n"near_misses.answered" = 0.9\n'
)


def near_result(name: str, *answered: bool) -> Result:
    """Near misses that were answered or not, and as many questions that were answered."""
    rows = [make_row(n, answerable=False, miss="near", answered=each) for n, each in enumerate(answered)]
    rows += [make_row(10 + n, answerable=True, answered=n > 0) for n in range(len(answered))]
    return make_result(rows) | {"dataset": name}


def test_sets_are_judged_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of both together three of four near misses are declined, and two of four others: 1.5 / 2.25."""
    gate = ["--gate", str(write_gate(tmp_path, POOL))]
    a = write_result(tmp_path, near_result("a", False, True), "a.json")
    b = write_result(tmp_path, near_result("b", False, False), "b.json")
    c = write_result(tmp_path, near_result("c", True), "c.json")
    assert main([a, b, c, *gate]) == 1
    passed = [f"{name}: 통과 / passed" for name in ("a", "b", "c")]
    missed = "both: near_misses.f1: 0.6667 (기준 0.75 이상 / wanted at least 0.75)"
    assert capsys.readouterr().out.splitlines() == [*passed, missed]
    assert main([a, c, *gate]) == 0
    left = "both: 결과가 없어 뺐습니다: b / left out, there is no result of: b"
    assert capsys.readouterr().out.splitlines() == [passed[0], passed[2], left]
    assert main([c, *gate]) == 0
    assert capsys.readouterr().out.splitlines() == [passed[2]]
    better = ["--gate", str(write_gate(tmp_path, POOL.replace("0.75", "0.66")))]
    assert main([a, b, *better]) == 0
    assert capsys.readouterr().out.splitlines() == [*passed[:2], "both: 통과 / passed"]


@pytest.mark.parametrize(
    "argv",
    [[], ["a.json", "--run"], ["a.json", "--tier", "short"], ["a.json", "--results", "r"], ["--run", "--tier", "x"]],
)
def test_wrong_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(argv)
    assert raised.value.code == 2
    assert "usage" in capsys.readouterr().err


class Runs:
    """Stands in for evals.run: gives the F1 named for a set, or raises what is named for it."""

    def __init__(self, **f1: float | Exception) -> None:
        self.f1 = f1
        self.asked: list[tuple[str, SetSpec, Path | None]] = []

    def run_set(self, name: str, spec: SetSpec, *, results: Path | None) -> Result:
        self.asked.append((name, spec, results))
        value = self.f1[name]
        if isinstance(value, Exception):
            raise value
        return make_result(f1=value)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the gate over three sets, of which the files named are there."""
    monkeypatch.setenv("GEUNGEO_DATA", str(tmp_path / "data"))
    for name in ("a.jsonl", "data/b.jsonl"):
        write_gold(tmp_path / name, "n-1")
    sets = {
        "a": (f"{tmp_path}/a.jsonl", "short"),
        "b": ("$GEUNGEO_DATA/b.jsonl", "short"),
        "c": (f"{tmp_path}/c", "long"),
    }
    tables = [f'[sets.{name}]\ngold = "{gold}"\ntier = "{tier}"\n' for name, (gold, tier) in sets.items()]
    tables += [f'[floors.{name}]\n"answers.f1" = 0.5\n' for name in sets]
    path = write_gate(tmp_path, "".join(tables))

    def run(runs: Runs, *argv: str) -> int:
        module = ModuleType("evals.run")
        module.run_set = runs.run_set  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "evals.run", module)
        return main(["--run", "--gate", str(path), *argv])

    return run


def test_the_sets_of_a_tier_are_run(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = Runs(a=0.5, b=0.6)
    assert run(runs, "--results", str(tmp_path / "results")) == 0
    assert capsys.readouterr().out.splitlines() == ["a: 통과 / passed", "b: 통과 / passed"]
    assert runs.asked == [
        ("a", SetSpec(gold=tmp_path / "a.jsonl"), tmp_path / "results"),
        ("b", SetSpec(gold=tmp_path / "data" / "b.jsonl"), tmp_path / "results"),
    ]


def test_sets_that_are_run_are_judged_together(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "gate.toml"
    path.write_text(
        path.read_text("utf-8") + '[pools.both]\nsets = ["a", "b"]\n[floors.both]\n"near_misses.f1" = 0\n', "utf-8"
    )
    assert run(Runs(a=0.5, b=0.6)) == 1
    failed = "both: near_misses.f1: 없음 / none (기준 0 이상 / wanted at least 0)"  # neither has a near miss
    assert capsys.readouterr().out.splitlines() == ["a: 통과 / passed", "b: 통과 / passed", failed]


def test_one_set_that_fails_fails_all(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Runs(a=0.4, b=0.6)) == 1
    failed = "a: answers.f1: 0.4 (기준 0.5 이상 / wanted at least 0.5)"
    assert capsys.readouterr().out.splitlines() == [failed, "b: 통과 / passed"]


def test_a_set_that_cannot_be_run_fails(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Runs(a=DatasetError("a.jsonl:3: 깨졌습니다 / damaged"), b=0.6)) == 1
    assert capsys.readouterr().out.splitlines() == ["a: a.jsonl:3: 깨졌습니다 / damaged", "b: 통과 / passed"]


def test_a_folder_that_cannot_be_written_fails_in_one_line(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    error = NotADirectoryError(20, "Not a directory", "/dev/null/x")
    runs = Runs(a=error, b=0.6)
    assert run(runs, "--results", "/dev/null/x") == 1
    said = "a: /dev/null/x: 읽거나 쓸 수 없습니다 / cannot be read or written (Not a directory)"
    assert capsys.readouterr().out.splitlines() == [said, "b: 통과 / passed"]
    assert [name for name, _, _ in runs.asked] == ["a", "b"]
    assert run(Runs(a=0.5, b=OSError("no\nspace"))) == 1
    passed, failed = capsys.readouterr().out.splitlines()
    assert (passed, failed.startswith("b: no")) == ("a: 통과 / passed", True)


def test_what_a_run_gives_is_judged_as_any_result(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_gold(tmp_path / "a.jsonl", "n-1", "n-2")
    assert run(Runs(a=0.5, b=0.6)) == 1
    assert "questions missing: 1 (n-2)" in capsys.readouterr().out.splitlines()[0]


def test_a_set_without_its_data_is_left_out(
    run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = Runs(a=0.5, b=0.6)
    assert run(runs, "--tier", "long") == 0
    left = "c: 자료가 없어 뺐습니다 / left out, its data is not there: c"
    assert capsys.readouterr().out.splitlines() == ["a: 통과 / passed", "b: 통과 / passed", left]

    monkeypatch.delenv("GEUNGEO_DATA")
    runs = Runs(a=0.5)
    assert run(runs) == 0
    left = "b: 자료가 없어 뺐습니다 / left out, its data is not there: b.jsonl ($GEUNGEO_DATA: 없음 / not set)"
    assert capsys.readouterr().out.splitlines() == ["a: 통과 / passed", left]
    assert [name for name, _, _ in runs.asked] == ["a"]


def test_where_no_set_can_be_run_nothing_passes(
    run: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jsonl").unlink()
    monkeypatch.delenv("GEUNGEO_DATA")
    runs = Runs()
    assert run(runs, "--tier", "long") == 1
    assert capsys.readouterr().out.splitlines()[-1] == "돌릴 수 있는 집합이 없습니다 / there was no set to run"
    assert runs.asked == []


def test_data_that_is_missing(tmp_path: Path) -> None:
    here, gone = tmp_path / "here", tmp_path / "gone"
    here.mkdir()
    assert SetSpec(beir=here, corpus=(here,)).missing == ()
    assert SetSpec(beir=here, corpus=(here, gone)).missing == (gone,)
    assert SetSpec(gold=gone).missing == (gone,)
