"""Measures worked out by hand.

Exact match and F1 are those of KorQuAD 1.0: F1 = 2 * shared / (characters of the one + characters of the other), where
quotes, 《》 〈〉 <> () are spaces, spaces do not count, and all other ASCII punctuation is not there. Intervals are checked where
they can be known: where every resample has the same value, where two figures must be drawn alike, and against the normal
approximation.
"""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals import bootstrap, measures
from evals.bootstrap import figure, paired_bootstrap
from evals.measures import Row, exact_match, f1, normalize_answer

NFD = unicodedata.normalize("NFD", "한강")  # six conjoining jamo
THUMB = "\U0001f44d\U0001f3fd"  # a thumb and its skin tone: two code points
WON = "1000만 달러"  # 7 characters

# prediction, answers, exact match, characters shared with the best answer, of the prediction, of that answer
ANSWERS: list[tuple[str, list[str], int, int, int, int]] = [
    # particles, spaces, order
    (WON, [WON], 1, 7, 7, 7),
    ("1000만 달러를", [WON], 0, 7, 8, 7),  # the particle stays: 14/15
    ("윤 대통령은", ["윤 대통령"], 0, 4, 5, 4),
    ("1000만달러", [WON], 0, 7, 7, 7),  # F1 knows no spaces, exact match does
    ("달러 1000만", [WON], 0, 7, 7, 7),  # nor does it know order
    ("  서울\n 특별시\t", ["서울 특별시"], 1, 5, 5, 5),
    ("서울\u3000특별시", ["서울 특별시"], 1, 5, 5, 5),  # ideographic space
    ("서울\u00a0특별시", ["서울 특별시"], 1, 5, 5, 5),  # no-break space
    ("서울\u200b특별시", ["서울특별시"], 0, 5, 6, 5),  # a zero-width space is no space: a character of its own
    # quotes and brackets
    ("《무정》", ["무정"], 1, 2, 2, 2),
    ("〈아리랑〉", ["<아리랑>"], 1, 3, 3, 3),
    ("‘한강’", ["'한강'"], 1, 2, 2, 2),
    ('"한강"', ["한강"], 1, 2, 2, 2),
    ("“한강”", ["한강"], 0, 2, 4, 2),  # curly double quotes are not in the script
    ("“한강”", ["‘한강’"], 0, 2, 4, 2),
    ("「기생충」", ["기생충"], 0, 3, 5, 3),  # nor corner brackets
    ("아리랑(1926)", ["아리랑 1926"], 1, 7, 7, 7),  # a bracket leaves a gap
    ("아리랑(1926)", ["아리랑1926"], 0, 7, 7, 7),
    ("O'Neill", ["ONeill"], 0, 6, 6, 6),  # so does an apostrophe
    ("O’Neill", ["O'Neill"], 1, 6, 6, 6),
    # other punctuation
    ("1,000만 달러", [WON], 1, 7, 7, 7),
    ("10.5%", ["105"], 1, 3, 3, 3),  # a point that goes makes another number: so it is defined
    ("50%", ["50퍼센트"], 0, 2, 2, 5),
    ("AI-반도체", ["AI반도체"], 1, 5, 5, 5),  # a hyphen leaves no gap
    ("9~10일", ["910일"], 1, 4, 4, 4),
    ("9∼10일", ["9~10일"], 0, 4, 5, 4),  # U+223C stays, the ASCII tilde goes
    ("−3도", ["-3도"], 0, 2, 3, 2),  # U+2212 stays, the hyphen-minus goes
    ("$100", ["100"], 1, 3, 3, 3),
    ("₩100", ["100"], 0, 3, 4, 3),
    ("3·1운동", ["3.1운동"], 0, 4, 5, 4),  # the middle dot stays
    ("3·1운동", ["3ㆍ1운동"], 0, 4, 5, 5),  # U+00B7 is not U+318D
    # letters
    ("KBS", ["kbs"], 1, 3, 3, 3),
    ("the Blue House", ["Blue House"], 0, 9, 12, 9),  # unlike SQuAD's, this script keeps articles
    ("大韓民國", ["대한민국"], 0, 0, 4, 4),
    ("대한민국(大韓民國)", ["대한민국"], 0, 4, 8, 4),
    ("하하하", ["하하"], 0, 2, 3, 2),  # repetitions count
    ("하하", ["하하하하"], 0, 2, 2, 4),
    ("9일", ["19일"], 0, 2, 2, 3),
    ("2023년 12월 9일", ["12월 9일"], 0, 5, 10, 5),
    (NFD, ["한강"], 0, 0, 6, 2),  # nothing is composed
    ("１０", ["10"], 0, 0, 2, 2),  # fullwidth digits are other characters,
    ("ＫＢＳ", ["ｋｂｓ"], 1, 3, 3, 3),  # fullwidth letters have lower case,
    ("（주）", ["주"], 0, 1, 3, 1),  # and fullwidth brackets stay
    ("만세👍", ["만세"], 0, 2, 3, 2),
    (f"만세{THUMB}", ["만세"], 0, 2, 4, 2),
    # nothing
    ("", ["한강"], 0, 0, 0, 2),
    ("?!", ["한강"], 0, 0, 0, 2),
    ("…", ["한강"], 0, 0, 1, 2),
    ("", [""], 1, 0, 0, 0),  # both nothing: an exact match with an F1 of 0
    (".", ["()"], 1, 0, 0, 0),
    # several answers
    ("서울", ["서울특별시", "서울"], 1, 2, 2, 2),
    ("서울시", ["서울특별시", "서울"], 0, 2, 3, 2),  # max(2 * 3 / 8, 2 * 2 / 5) is 4/5
    ("", ["한강", ""], 1, 0, 0, 0),
]


@pytest.mark.parametrize(("prediction", "answers", "exact", "shared", "said", "gold"), ANSWERS)
def test_exact_match_and_f1(prediction: str, answers: list[str], exact: int, shared: int, said: int, gold: int) -> None:
    assert exact_match(prediction, answers) == exact
    assert f1(prediction, answers) == pytest.approx(2 * shared / (said + gold) if shared else 0)


def test_normalized() -> None:
    assert normalize_answer(" 《토지》는 (박경리)의 \n ‘Novel’, 1.5% ") == "토지 는 박경리 의 novel 15"


TEXTS = st.text(st.sampled_from("가나 다AaB1.,·《》()'’\u3000\u1112") | st.characters(), max_size=12)


@given(TEXTS, TEXTS)
def test_f1_is_symmetric_and_a_share(a: str, b: str) -> None:
    assert 0 <= f1(a, [b]) <= 1
    assert f1(a, [b]) == f1(b, [a])
    assert exact_match(a, [b]) == exact_match(b, [a])


@given(TEXTS, st.lists(TEXTS, max_size=3))
def test_a_text_matches_itself_and_more_answers_never_cost(text: str, others: list[str]) -> None:
    assert exact_match(text, [*others, text]) == 1
    assert f1(text, [*others, text]) == (1 if normalize_answer(text) or any(f1(text, [o]) for o in others) else 0)
    assert f1(text, [*others, "가"]) >= f1(text, ["가"])


@given(TEXTS)
def test_normalizing_again_changes_nothing(text: str) -> None:
    assert normalize_answer(normalize_answer(text)) == normalize_answer(text)


@pytest.mark.parametrize("measure", [exact_match, f1])
def test_without_answers_there_is_no_measure(measure: Any) -> None:
    with pytest.raises(ValueError, match="max"):
        measure("서울", [])


CITIES = [["서울", "서울시"], ["부산"], ["광주"], ["제주"]]


@pytest.mark.parametrize(
    ("pieces", "precision", "recall", "f"),
    [
        (["서울과 부산", "제주"], 1, 3 / 4, 6 / 7),  # 2 * 1 * .75 / 1.75
        (["서울시", "대구", "인천"], 1 / 3, 1 / 4, 2 / 7),  # 2 / 12 over 7 / 12; two spans of an item are one item
        (["부산", "부산", "부산"], 1, 1 / 4, 2 / 5),  # found once, however often: 2 * .25 / 1.25
        (["서울, 부산, 광주, 제주"], 1, 1, 1),
        (["대구"], 0, 0, 0),
        ([], 0, 0, 0),
    ],
)
def test_list(pieces: list[str], precision: float, recall: float, f: float) -> None:
    assert measures.list_scores(pieces, CITIES) == (precision, recall)
    assert measures.list_f1(pieces, CITIES) == pytest.approx(f)


@pytest.mark.parametrize(
    ("expected", "texts"),
    [
        ("yes", ["예", "예. 9일에 열렸다.", "네, 그렇습니다.", "네 맞습니다", " “맞습니다.”", "YES", "Yes, it did.", "그렇습니다"]),
        ("yes", [unicodedata.normalize("NFD", "예, 열렸다.")]),
        ("no", ["아니요", "아니오.", "아닙니다, 8일이다.", "아뇨", "No.", "no - on the 8th", "그렇지 않습니다", "맞지 않아요"]),
        (None, ["", "…", "9일", "예를 들어", "예산은 1억", "네덜란드", "네 차례 열렸다", "노", "yesterday", "November", "그렇지만"]),
    ],
)  # fmt: skip
def test_verdict(expected: str | None, texts: list[str]) -> None:
    assert {text: measures.verdict(text) for text in texts} == dict.fromkeys(texts, expected)


def test_balanced_accuracy() -> None:
    # yes: 3 of 4, no: 1 of 1; plain accuracy would be 4/5
    assert measures.balanced_accuracy([1, 1, 1, 0, 1], ["yes", "yes", "yes", "yes", "no"]) == (3 / 4 + 1) / 2
    assert measures.balanced_accuracy([1, 0], ["no", "no"]) == 1 / 2


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [((0, 3), (2, 5), True), ((0, 2), (2, 5), False), ((3, 4), (2, 5), True), ((5, 6), (2, 5), False), ((2, 2), (0, 5), False)],
)  # fmt: skip
def test_overlaps(a: tuple[int, int], b: tuple[int, int], expected: bool) -> None:
    assert measures.overlaps(*a, *b) is measures.overlaps(*b, *a) is expected


def test_citations() -> None:
    assert measures.citation_precision([True, False, True]) == 2 / 3
    assert measures.citation_precision([]) is None
    assert measures.citation_recall([True, False, False, False], all_needed=True) == 1 / 4
    assert measures.citation_recall([True, False], all_needed=False) == 1
    assert measures.citation_recall([False, False], all_needed=False) == 0
    assert measures.citation_recall([], all_needed=True) is None


@pytest.mark.parametrize(
    ("answerable", "answered", "retrieved", "right", "expected"),
    [
        (True, True, True, True, "right"),
        (True, True, True, False, "not_read"),
        (True, True, False, False, "not_retrieved"),
        (True, False, True, False, "wrongly_declined"),
        (True, False, False, False, "not_retrieved"),  # the first step that failed
        (False, False, False, True, "rightly_declined"),
        (False, True, False, False, "wrongly_answered"),
    ],
)
def test_outcome(answerable: bool, answered: bool, retrieved: bool, right: bool, expected: str) -> None:
    assert measures.outcome(answerable, answered, retrieved, right) == expected


def test_figure_is_the_mean_of_what_is_known() -> None:
    assert figure([]) is figure([None]) is None
    # of two values one resample in four is 0, 0 and one is 1, 1: the interval is all there is
    assert figure([1, None, 0]) == {"value": 0.5, "low": 0, "high": 1, "n": 2}
    assert figure([1 / 3] * 7) == {"value": 0.3333, "low": 0.3333, "high": 0.3333, "n": 7}


def test_interval_is_near_the_normal_one() -> None:
    found = figure([0, 1] * 200)
    assert found is not None
    assert found["value"] == 0.5
    # the mean of 400 has a standard deviation of .5 / 20 = .025; 1.96 of them are .049
    assert [found["low"], found["high"]] == pytest.approx([0.451, 0.549], abs=0.006)


UNITS = st.lists(st.integers(0, 1000).map(lambda number: number / 1000), min_size=1, max_size=40)


@given(UNITS)
def test_interval_holds_the_mean_and_stays_among_the_values(values: list[float]) -> None:
    found = figure(values)
    assert found is not None
    assert found["value"] == pytest.approx(sum(values) / len(values), abs=0.00006)
    assert round(min(values), 4) <= found["low"] <= found["value"] <= found["high"] <= round(max(values), 4)
    bootstrap._drawn.cache_clear()
    assert figure(values) == found


def test_paired_bootstrap() -> None:
    # (1 - 0 + 0 - 0 + .5 - 1) / 3 = .5 / 3
    found = paired_bootstrap([1, 0, 0.5], [0, 0, 1])
    assert (found["value"], found["n"]) == (0.1667, 3)
    # both vary, their difference does not: that is what pairing is for
    assert paired_bootstrap([0.25, 0.75] * 9, [0, 0.5] * 9) == {"value": 0.25, "low": 0.25, "high": 0.25, "n": 18}
    assert str(paired_bootstrap([0], [0.00001])["value"]) == "0.0"  # not "-0.0"
    for a, b in (([], []), ([1.0], [1.0, 0.0])):
        with pytest.raises(ValueError, match=r"no pairs|zip"):
            paired_bootstrap(a, b)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=40))
def test_paired_bootstrap_turned_round(pairs: list[tuple[float, float]]) -> None:
    a, b = [a for a, _ in pairs], [b for _, b in pairs]
    there, back = paired_bootstrap(a, b), paired_bootstrap(b, a)
    ends = [there["value"], there["low"], there["high"]]
    assert ends == pytest.approx(
        [-back["value"], -back["high"], -back["low"]], abs=0.00011
    )  # rounding to even, once each
    assert paired_bootstrap(a, a) == {"value": 0, "low": 0, "high": 0, "n": len(a)}


def row(id: str = "a", **changes: Any) -> Row:
    """An answered question with everything right."""
    usual = {
        "id": id, "kind": "span", "language": "ko", "source": None, "answerable": True, "pair": None, "typed": False,
        "ranks": {}, "answered": True, "confidence": 0.5, "citations": [{"evidence": True, "verbatim": True}], "nearest": None,
        "expected": {"yesno": None}, "em": 1, "f1": 1.0, "list_f1": None, "yesno": None, "citation_precision": 1.0,
        "citation_recall": 1.0, "right": True, "outcome": "right",
    }  # fmt: skip
    return usual | changes


def declined(id: str = "a", **changes: Any) -> Row:
    """A declined question, answerable unless said otherwise; the nearest sentence is evidence."""
    nearest = {"evidence": True, "verbatim": True}
    usual = {"answered": False, "right": not changes.get("answerable", True), "citations": [], "nearest": nearest}
    return row(id, **{**usual, "citation_precision": None, "outcome": "wrongly_declined", **changes})


def values(figures: dict[str, Any]) -> dict[str, Any]:
    """Value and count of each figure."""
    return {name: found and (found["value"], found["n"]) for name, found in figures.items()}


def test_arms() -> None:
    ranked: list[tuple[int | None, int | None, float]] = [
        (1, 2, 1.0),
        (2, 6, 0.63),
        (5, None, 0.39),
        (11, 1, 0),
        (None, None, 0),
    ]
    rows = [
        row(str(number), ranks={"bm25": {"document": document, "passage": passage, "ndcg@10": gain}})
        for number, (document, passage, gain) in enumerate(ranked)
    ]
    rows[3]["evidence_known"] = False  # its passages do not count
    rows.append(row("no document"))
    found = measures.arms(rows, ["bm25", "full"])
    assert values(found["bm25"]) == {
        "hit@1": (0.2, 5),
        "hit@5": (0.6, 5),
        "passage_hit@1": (0, 4),
        "passage_hit@5": (0.25, 4),
        "mrr@10": (0.34, 5),  # (1 + 1/2 + 1/5) / 5: rank 11 is beyond 10
        "passage_mrr@10": (0.1667, 4),  # (1/2 + 1/6) / 4
        "ndcg@10": (0.404, 5),  # (1 + .63 + .39) / 5
    }
    assert set(found["full"].values()) == {None}


def test_the_rank_of_a_passage_counts_up_to_ten() -> None:
    def ranked(passage: int | None, **changes: Any) -> Row:
        return row(ranks={"bm25": {"document": 1, "passage": passage, "ndcg@10": 1.0}}, **changes)

    def mean(*rows: Row) -> Any:
        return values(measures.arms(rows, ["bm25"])["bm25"])["passage_mrr@10"]

    assert mean(ranked(1)) == (1, 1)
    assert mean(ranked(10)) == (0.1, 1)
    assert mean(ranked(11)) == mean(ranked(None)) == (0, 1)
    assert mean(ranked(4), ranked(None), ranked(1, evidence_known=False)) == (0.125, 2)
    assert mean(ranked(1, evidence_known=False)) is None


def test_answers() -> None:
    rows = [
        row("1"),
        row("2", em=0, f1=0.5, citation_precision=0.5, kind="followup", citations=[{"verbatim": True}] * 3),
        row("3", kind="followup", right=False, em=0, f1=0.0, citation_precision=0.0, citation_recall=0.0),
        declined("4", em=0, f1=0.0, citation_recall=0.0, nearest={"evidence": True, "verbatim": False}),
        declined("5", answerable=False, kind="unanswerable", em=None, f1=None, citation_recall=None, nearest=None),
        row("6", kind="list", list_f1=0.4, em=None, f1=None),
        row("7", kind="yesno", yesno=1, em=None, f1=None, expected={"yesno": "yes"}),
        row("8", kind="yesno", yesno=0, em=None, f1=None, expected={"yesno": "yes"}),
        row("9", kind="yesno", yesno=1, em=None, f1=None, expected={"yesno": "no"}),
    ]
    found = measures.answers(rows)
    assert found is not None
    kept = ("abstention", "typing", "crosslingual")
    assert values({name: item for name, item in found.items() if name not in kept}) == {
        "em": (0.25, 4),
        "f1": (0.375, 4),  # (1 + .5 + 0 + 0) / 4
        "verbatim": (0.9, 8),  # of ten quotes: 2 shows three, 4 one that is not in its text, 5 none
        "citation_precision": (0.7857, 7),  # 5.5 / 7
        "citation_recall": (0.75, 8),
        "list_f1": (0.4, 1),
        "yesno": (0.75, 3),  # (1/2 + 1) / 2
        "followup": (0.5, 2),
    }
    assert (found["typing"], found["crosslingual"]) == (None, {})
    assert found["abstention"] == measures.abstention(rows)


def test_verdicts_are_balanced_in_every_resample() -> None:
    rows = [row(str(n), yesno=n % 2, expected={"yesno": "yes" if n % 2 else "no"}) for n in range(60)]
    rows += [row(str(n), yesno=1, expected={"yesno": "yes"}) for n in range(60, 90)]
    found = measures.answers(rows)
    assert found is not None
    assert found["yesno"] == {
        "value": 0.5,
        "low": 0.5,
        "high": 0.5,
        "n": 90,
    }  # all "yes", no "no", however many of each
    few = measures.answers([rows[0], rows[1]])
    assert few is not None
    assert few["yesno"] == {
        "value": 0.5,
        "low": 0,
        "high": 1,
        "n": 2,
    }  # one class is not drawn in half of the resamples


def test_only_searched() -> None:
    bare = {name: row()[name] for name in ("id", "kind", "language", "source", "answerable", "pair", "typed", "ranks")}
    assert measures.answers([bare]) is measures.answers([]) is None
    assert measures.groups([bare], [])["kind"] == {
        "span": {"questions": 1, "arms": {}, "answers": None, "reading": None}
    }
    assert measures.risk_coverage([bare]) == []


def test_texts_left_out() -> None:
    rows = [row(kind="yesno", yesno=1, expected={}, citations=None), row("b", kind="yesno", yesno=0, expected=None)]
    found = measures.answers(rows)
    assert found is not None
    assert found["verbatim"] == {"value": 1, "low": 1, "high": 1, "n": 1}
    assert found["yesno"] is None  # what was expected is text, too
    assert found["em"] == {"value": 1, "low": 1, "high": 1, "n": 2}


def test_abstention() -> None:
    rows = [declined("1", answerable=False), declined("2", answerable=False), declined("3"), row("4"), row("5")]
    rows += [row("6", answerable=False, right=False), row("7")]
    found = values({name: item for name, item in measures.abstention(rows).items() if name != "aurc"})
    # 2 of 3 declined are unanswerable, 2 of 3 unanswerable are declined; 2 * 2 / (3 + 3)
    assert found == {"precision": (0.6667, 3), "recall": (0.6667, 3), "f1": (0.6667, 7)}


def test_abstention_when_nothing_is_declined() -> None:
    found = measures.abstention([row("1"), row("2", answerable=False, right=False)])
    zero = {"value": 0, "low": 0, "high": 0}
    assert (found["precision"], found["recall"], found["f1"]) == (None, zero | {"n": 1}, zero | {"n": 2})


def test_abstention_without_unanswerable_questions() -> None:
    found = measures.abstention([row("1"), declined("2")])
    assert [name for name, item in found.items() if item is None] == ["precision", "recall", "f1"]


def test_precision_is_drawn_with_what_it_is_a_share_of() -> None:
    rows = [declined(str(n), answerable=False) if n % 3 else row(str(n)) for n in range(30)]
    assert measures.abstention(rows)["precision"] == {"value": 1, "low": 1, "high": 1, "n": 20}


def test_risk_coverage_with_ties() -> None:
    rows = [
        row("2", confidence=0.7, right=False),
        row("4", confidence=0.2, answerable=False, right=False),  # answered: an error
        row("1", confidence=0.9),
        row("3", confidence=0.7),
        declined("5", confidence=0.1),  # its nearest sentence is right,
        declined("6", confidence=0.05, nearest=None),  # here there is none,
        declined("7", confidence=0.04, answerable=False),  # and this would be an error, whatever is nearest
        row("no evidence", right=None),
        row("no confidence", confidence=None),
    ]
    points = [
        (1 / 7, 0, 0.9),
        (3 / 7, 1 / 3, 0.7),
        (4 / 7, 2 / 4, 0.2),
        (5 / 7, 2 / 5, 0.1),
        (6 / 7, 3 / 6, 0.05),
        (1, 4 / 7, 0.04),
    ]
    assert measures.risk_coverage(rows) == [
        {"coverage": round(coverage, 4), "risk": round(risk, 4), "confidence": confidence}
        for coverage, risk, confidence in points
    ]
    found = measures.aurc(rows)
    assert found is not None
    # the tie holds two of the seven coverages: (0 + 2 * 1/3 + 1/2 + 2/5 + 1/2 + 4/7) / 7 = 2.6381 / 7
    assert (found["value"], found["n"]) == (0.3769, 7)


def test_one_tie_is_the_plain_share_of_errors() -> None:
    rows = [row(str(n), right=n % 3 > 0) for n in range(50)]
    assert measures.aurc(rows) == figure(n % 3 == 0 for n in range(50))  # the interval, too


def test_a_long_curve_is_thinned_and_its_area_is_not() -> None:
    rows = [row(str(n), confidence=1 - n / 1000, right=n > 0) for n in range(1000)]  # only the surest is wrong
    curve = measures.risk_coverage(rows)
    assert len(curve) == 200
    assert curve[0] == {"coverage": 0.001, "risk": 1, "confidence": 1}
    assert curve[-1] == {"coverage": 1, "risk": 0.001, "confidence": 0.001}
    found = measures.aurc(rows)
    assert found is not None
    assert found["value"] == 0.0075  # (1 + 1/2 + ... + 1/1000) / 1000 = 7.4855 / 1000
    assert [p["risk"] for p in measures.risk_coverage(rows[:200])] == [round(1 / n, 4) for n in range(1, 201)]


def test_pairs() -> None:
    rows = [row("1"), row("2"), row("3", right=False), row("4"), row("5", right=None)]
    rows += [row(f"typed {n}", typed=True, pair=str(n), right=n == 1) for n in (1, 2, 3, 5)]  # 5 is not judged
    rows += [row(f"en {n}", language="en", kind="crosslingual", pair=str(n), right=n < 4) for n in (1, 3, 4)]
    rows += [row("ja", language="ja", pair="3"), row("fr", language="fr"), row("lost", typed=True, pair="not asked")]
    found = measures.answers(rows)
    assert found is not None
    assert values(without_f1(found["typing"])) == {"clean": (0.6667, 3), "typed": (0.3333, 3), "ratio": (0.5, 3)}
    assert {language: values(without_f1(figures)) for language, figures in found["crosslingual"].items()} == {
        "together": {"korean": (0.5, 4), "value": (0.75, 4), "ratio": (1.5, 4)},
        "en": {"korean": (0.6667, 3), "value": (0.6667, 3), "ratio": (1, 3)},
        "ja": {"korean": (0, 1), "value": (1, 1), "ratio": None},  # nothing to divide by
    }
    alone = measures.answers([row(typed=True)])
    assert alone is not None
    assert alone["typing"] is None


def without_f1(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in figures.items() if name != "f1"}


def test_how_much_of_the_f1_of_a_pair_is_kept() -> None:
    """By each language, by all together, and typed; what has no F1 on either side is left out."""
    rows = [row("1", f1=0.8), row("2", f1=0.4), row("3", f1=None)]
    rows += [row(f"en {n}", language="en", pair=str(n), f1=0.4) for n in (1, 2, 3)]
    rows += [row("ja", language="ja", pair="2", f1=0.2), row("typed", typed=True, pair="1", f1=0.6)]
    found = measures.answers(rows)
    assert found is not None
    assert {of: values(figures["f1"]) for of, figures in found["crosslingual"].items()} == {
        "together": {"korean": (0.5333, 3), "value": (0.3333, 3), "ratio": (0.625, 3)},  # 1 / 1.6
        "en": {"korean": (0.6, 2), "value": (0.4, 2), "ratio": (0.6667, 2)},
        "ja": {"korean": (0.4, 1), "value": (0.2, 1), "ratio": (0.5, 1)},
    }
    assert values(found["typing"]["f1"]) == {"clean": (0.8, 1), "typed": (0.6, 1), "ratio": (0.75, 1)}


def test_reading() -> None:
    read = [(1, 1.0), (0, 0.5), (0, 0.0)]
    rows = [row(str(n), source=("one", "two")[n % 2], reading={"em": em, "f1": f}) for n, (em, f) in enumerate(read)]
    rows.append(row("not read", source="two"))
    found = measures.reading(rows)
    assert found is not None
    assert values(found) == {"em": (0.3333, 3), "f1": (0.5, 3)}
    assert 0 <= found["f1"]["low"] < 0.5 < found["f1"]["high"] <= 1  # type: ignore[index]
    groups = measures.groups(rows, [])["source"]
    assert {name: values(group["reading"]) for name, group in groups.items()} == {
        "one": {"em": (0.5, 2), "f1": (0.5, 2)}, "two": {"em": (0, 1), "f1": (0.5, 1)},
    }  # fmt: skip
    assert measures.reading([row()]) is None


def test_the_two_of_a_pair_are_drawn_together() -> None:
    plain = [row(str(n), right=n % 2 == 0) for n in range(20)]
    same = [row(f"typed {n}", typed=True, pair=str(n), right=n % 2 == 0) for n in range(20)]
    found = measures.answers(plain + same)
    assert found is not None
    assert found["typing"]["clean"]["low"] < found["typing"]["clean"]["high"]
    assert found["typing"]["ratio"] == {"value": 1, "low": 1, "high": 1, "n": 20}


def test_groups() -> None:
    ranks = {"bm25": {"document": 1, "passage": 1, "ndcg@10": 1.0}}
    rows = [
        row("1", ranks=ranks, source="klue_mrc"),
        row("2", right=False, source="tydiqa"),
        row("3", kind="yesno", yesno=1, expected={"yesno": "yes"}, language="en"),
    ]
    found = measures.groups(rows, ["bm25"])
    assert {key: {name: of["questions"] for name, of in group.items()} for key, group in found.items()} == {
        "kind": {"span": 2, "yesno": 1},
        "language": {"ko": 2, "en": 1},
        "source": {"klue_mrc": 1, "tydiqa": 1},  # a row without a source is in no group
    }
    span, yesno = found["kind"]["span"], found["kind"]["yesno"]
    assert span["arms"] == measures.arms(rows[:2], ["bm25"])
    assert values(span["answers"]) == {
        "em": (1, 2), "f1": (1, 2), "citation_precision": (1, 2), "citation_recall": (1, 2), "list_f1": None,
        "right": (0.5, 2), "yesno": None,
    }  # fmt: skip
    assert values(yesno["answers"])["yesno"] == (1, 1)
    assert set(yesno["arms"]["bm25"].values()) == {None}


def test_right_of_a_group_is_of_what_can_be_answered() -> None:
    rows = [
        row("1"),
        row("2", right=False),
        row("3", right=None),  # not judged
        declined("4"),
        declined("5", answerable=False, kind="unanswerable"),
        declined("6", answerable=False, kind="unanswerable"),
        row("7", answerable=False, kind="unanswerable", right=False),
    ]
    found = measures.groups(rows, [])
    assert values(found["language"]["ko"]["answers"])["right"] == (0.3333, 3)
    assert values(found["kind"]["span"]["answers"])["right"] == (0.3333, 3)
    assert values(found["kind"]["unanswerable"]["answers"])["right"] == (0.6667, 3)  # there declining is all there is
    assert found["language"]["ko"]["questions"] == 7


def test_outcomes() -> None:
    rows = [row("1"), row("2"), declined("3"), row("4", outcome=None)]
    assert measures.outcomes(rows) == {
        "right": 2, "not_retrieved": 0, "not_read": 0, "wrongly_declined": 1, "rightly_declined": 0, "wrongly_answered": 0,
    }  # fmt: skip
