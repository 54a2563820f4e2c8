"""The report of a result: the same bytes, every figure, nothing that runs, and whatever a result leaves out."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from evals import charts, drawings, report, words
from evals.result import APART
from tests.unit.fake_result import NASTY, Result, make_result, without_answers, without_texts

ROOT = Path(__file__).resolve().parents[2]
FIGURE = {"value": 0.951, "low": 0.93, "high": 0.97, "n": 294}
ANSWERED = {"id": "a", "answered": True, "right": True, "confidence": 0.9}
DECLINED = {"id": "d", "answered": False, "right": True, "confidence": 0.3}


class Page(HTMLParser):
    """A page taken apart: its tags with attributes, its visible text, what its script elements hold."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.style = ""
        self.inside = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self.inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts[-1] += data
        elif self.inside == "style":
            self.style += data
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.texts))

    @property
    def data(self) -> dict[str, Any]:
        return dict(json.loads(self.scripts[0]))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(result: Result) -> Page:
    return Page(report.html(result))


def figures(branch: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every figure in a part of a result, with the key it stands under."""
    for key, value in branch.items() if isinstance(branch, dict) else ():
        if isinstance(value, dict) and "value" in value and "low" in value:
            yield key, value
        else:
            yield from figures(value)


def test_the_same_result_gives_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    source = tmp_path / "result.json"
    source.write_text(json.dumps(make_result(60)), "utf-8")
    pages = []
    for seed in ("1", "2"):
        target = tmp_path / f"{seed}.html"
        command = [sys.executable, "-W", "error", "-m", "evals.report", str(source), str(target)]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run(command, cwd=ROOT, check=True, env=environment)
        pages.append(target.read_bytes())
    assert pages[0] == pages[1] == report.html(make_result(60)).encode("utf-8")


def test_it_wants_two_paths(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["report", "result.json"])
    assert report.main() == 2
    assert "RESULT.json OUT.html" in capsys.readouterr().err


def test_headlines_are_sentences_with_intervals() -> None:
    page = page_of({"dataset": "mine", "questions": 294, "arms": {"full": {"hit@1": FIGURE}}})
    assert "정답 문서를 맨 먼저 찾은 질문 hit@1 95.1% (93.0–97.0)" in page.text
    assert "질문 294개에서 쟀다." in page.text.replace("\xa0", " ")
    assert [attributes["style"] for tag, attributes in page.tags if attributes.get("class") == "track"] == [
        "--value: 0.9510; --low: 0.9300; --high: 0.9700"
    ]


def test_scores_are_out_of_a_hundred_and_are_no_shares() -> None:
    assert words.number("hit@1", 1) == "100.0%"
    assert words.number("mrr@10", 0.5) == "50.0"
    assert words.interval("em", {"value": 0.5, "low": None, "high": None}) == ""
    assert words.interval("em", FIGURE) == words.interval("mrr@10", FIGURE) == "93.0–97.0"


def test_an_area_is_no_share() -> None:
    assert words.number("abstention.aurc", 0.7054) == "0.71"
    result = make_result(60)
    result["answers"]["abstention"]["aurc"] = {"value": 0.7054, "low": 0.6365, "high": 0.77, "n": 60}
    text = page_of(result).text
    assert "AURC 0.71 (0.64–0.77)" in text and "AURC 70" not in text


def test_every_figure_is_there() -> None:
    result = json.loads(json.dumps(make_result(60)))  # so that no two figures are one
    result |= {"rows": [], "outcomes": {}, "stages_ms": {}, "latency_ms": None}
    result["risk_coverage"] = [{"coverage": 1.0, "risk": 0.0, "confidence": 1.0}]
    result["about"]["version"] = "1"
    # AURC and the calibration error stand beside their curves.
    result["calibration"]["points"] = [{"confidence": 0.0, "right": 0.0, "count": 1}]
    parts = ("arms", "answers", *APART, "groups")
    names = [part for part in parts for _ in figures(result[part])]
    assert len(names) == 484  # 28 of arms, 36 of answers, 11 beside them, the rest of 13 groups
    aurc = 0  # an area, and no share
    for place, (name, figure) in enumerate((f for part in parts for f in figures(result[part])), 1):
        figure |= {"value": place / 1000, "low": None, "high": None}
        aurc = place if name == "aurc" else aurc
    result["questions_per_second"] = None
    result["peak_memory_mb"] = None
    result["threshold"] = None
    found = set(re.findall(r"\d+\.\d", page_of(result).text))
    shown = {f"{place / 10:.1f}" for place in range(1, len(names) + 1)}
    assert found - {"0.0"} == shown - {f"{aurc / 10:.1f}"}  # 0.0: of the curve
    assert f"AURC {aurc / 1000:.2f}" in page_of(result).text


def test_speed_outcomes_and_threshold_are_there() -> None:
    result = make_result(60)
    result |= {
        "outcomes": {"right": 41, "not_read": 9},
        "rows": [ANSWERED, {**ANSWERED, "right": False}, DECLINED, DECLINED],
        "risk_coverage": [
            {"coverage": 0.25, "risk": 0.0, "confidence": 0.9},
            {"coverage": 0.5, "risk": 0.125, "confidence": 0.4},
            {"coverage": 1.0, "risk": 0.375, "confidence": 0.1},
        ],
        "stages_ms": {"embed": {"p50": 11.25, "p95": 19.75}, "search": {"p50": None, "p95": None}},
        "latency_ms": {"p50": 21.5, "p95": 33.25},
    }
    page = page_of(result)
    assert "맞게 처리한 질문: 50개 가운데 41개 (82.0%)" in page.text
    assert "지금 답하는 비율 50.0%, 그 가운데 틀린 답 50.0%. 모두 답하게 하면 틀린 답 37.5%." in page.text
    assert "가장 오래 걸리는 단계: 뜻 읽기 11.2 ms" in page.text
    assert "38.4" in page.text and "912 MB" in page.text
    spoken = " ".join(svg["aria-label"] for svg in page.all("svg"))
    assert "다른 문장을 앞세움 9개." in spoken and "없는데 답함 0개." in spoken
    assert "모두 p50 21.5 ms, p95 33.2 ms." in spoken and "찾기 p50" not in spoken


@pytest.mark.parametrize(
    ("rows", "now"),
    [
        ([], None),
        ([{"id": "1"}], None),  # was only searched for
        ([DECLINED], (0.0, None)),
        ([ANSWERED, DECLINED, {"id": "1"}], (0.5, 0.0)),
        ([ANSWERED, {**ANSWERED, "right": False, "confidence": 0.13}, DECLINED, DECLINED], (0.5, 0.5)),
        ([{**ANSWERED, "right": None}], (1.0, None)),
    ],
)
def test_what_is_answered_now_is_counted(rows: list[Any], now: tuple[float, float | None] | None) -> None:
    assert drawings.answered_now(rows) == now


@pytest.mark.parametrize("now", [charts.Now(0.5, 0.9), charts.Now(1.0, 1.0), charts.Now(0.0, None)])
def test_the_share_that_is_answered_is_marked_where_it_is(now: charts.Now) -> None:
    curve = [{"coverage": 0.1, "risk": 0.0, "confidence": 0.9}, {"coverage": 1.0, "risk": 0.2, "confidence": 0.1}]
    svg = charts.risk_curve(curve, now, 860).svg("risk", "")
    dots = [
        (float(x), float(y)) for x, y in re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)"', svg)[1:]
    ]  # after the area
    assert len(dots) == (now.risk is not None)
    for x, y in dots:
        assert x == pytest.approx(40 + 796 * now.coverage, abs=0.1)
        assert 33 <= y <= 283  # inside the axes, even where it is above the curve
    assert "지금 답하는 비율" in svg and "문턱" not in svg


def test_each_question_has_its_own_threshold() -> None:
    result = make_result(18)
    assert {row["threshold"] for row in page_of(result).data["rows"]} == {0.187, 0.182}
    assert "문턱 thresholds 0.182 · 0.187" in page_of(result).text
    for row in result["rows"]:  # as results were before
        del row["threshold"]
    old = page_of(result | {"threshold": 0.4})
    assert {row["threshold"] for row in old.data["rows"]} == {0.4} and "문턱 threshold 0.400" in old.text
    assert {row["threshold"] for row in page_of(result).data["rows"]} == {None}
    for number, row in enumerate(result["rows"]):
        row["threshold"] = number / 100
    assert "문턱 thresholds 0.000–0.170" in page_of(result).text


def test_with_one_document_passages_lead() -> None:
    result = make_result(90)
    result["about"]["documents"] = 1
    page = page_of(result)
    (first, *others) = re.findall(r'<p class="what"><bdi>(.*?)</bdi>', report.html(result))
    assert first == words.MEASURES["passage_hit@1"].ko
    assert not {words.MEASURES[key].ko for key in drawings.DOCUMENTS} & set(others)
    spoken = next(svg["aria-label"] for svg in page.all("svg") if svg["class"] == "retrieval wide")
    assert words.MEASURES["passage_mrr@10"].ko in spoken and "문서" not in spoken
    assert drawings.ONE_DOCUMENT[0] in page.text and drawings.ONE_DOCUMENT[0] not in page_of(make_result(90)).text
    assert "대목 맨 앞 hit@1" in page.text and "문서 맨 앞" not in page.text
    assert page.data["unit"] == "passage"
    for arm in result["arms"].values():  # and where only documents were judged, they are shown
        arm |= {key: None for key in arm if key.startswith("passage")}
    page = page_of(result)
    assert "정답 문서를 맨 먼저 찾은 질문 hit@1" in page.text and page.data["unit"] == "document"


def test_passage_ranks_are_shown_beside_those_of_documents() -> None:
    spoken = next(svg["aria-label"] for svg in page_of(make_result()).all("svg") if svg["class"] == "retrieval wide")
    places = [spoken.index(f"{words.MEASURES[key].ko}: ") for key in drawings.RETRIEVAL]
    assert places == sorted(places) and len(places) == 7


@pytest.mark.parametrize(
    ("n", "said"),
    [
        (20, "질문 20쌍 "),
        (19, "질문 19쌍 · 질문이 적어 참고만"),
        (10, "질문 10쌍 · 질문이 적어 참고만"),
        (9, "질문이 너무 적다 (9) · 질문이 적어 참고만"),
    ],
)
def test_few_pairs_are_only_a_hint(n: int, said: str) -> None:
    figure = {"value": 1.0, "low": 0.9, "high": 1.0, "n": n}
    typing = {"clean": figure, "typed": figure, "ratio": figure}
    text = page_of({"dataset": "x", "answers": {"typing": typing}}).text
    assert said in text
    assert ("참고만" in text) == (n < 20) and ("90.0–100.0" in text) == (n >= 10)


def test_right_of_languages_says_whom_it_counts() -> None:
    group = {"x": {"questions": 20, "arms": {}, "answers": {"right": FIGURE}}}
    said = "‘맞음’은 답이 있는 질문만 센 것이다."
    assert said in page_of({"dataset": "x", "groups": {"language": group}}).text
    assert said not in page_of({"dataset": "x", "groups": {"kind": group}}).text


@pytest.mark.parametrize("n", [0, 1, 9, 10, None])
def test_an_interval_of_few_questions_is_none(n: int | None) -> None:
    figure = {"value": 1.0, "low": 1.0, "high": 1.0, "n": n}
    few = n is not None and n < 10
    result = {"dataset": "x", "arms": {"full": {"hit@1": figure}}, "answers": {"f1": figure}}
    result["groups"] = {"kind": {"x": {"questions": 99, "arms": {"full": {"hit@1": figure}}}}}
    html = report.html(result)
    text = Page(html).text
    assert ("100.0–100.0" in text) != few
    places = 8 if few else 0  # 2 headlines, 3 charts with room for it, a group, 2 of all figures
    assert text.count(f"질문이 너무 적다 ({n})") == text.count("너무 적다") == places
    assert ("band" in "".join(re.findall(r"<svg.*?</svg>", html, re.DOTALL))) != few
    assert ("구간이 없다." in text) == few


@pytest.mark.parametrize(("low", "start"), [(0.19, None), (0.45, 40), (0.93, 80)])
def test_a_scale_that_does_not_begin_at_0_says_so(low: float, start: int | None) -> None:
    figure = FIGURE | {"low": low}
    text = page_of({"dataset": "x", "arms": {"full": {"hit@1": figure}}, "answers": {"f1": figure}}).text
    assert text.count("가로축은 0이 아니라") == (0 if start is None else 2)
    assert start is None or f"{start}에서 시작한다." in text


def test_stages_stand_in_the_order_they_happen() -> None:
    laps = dict.fromkeys(("total", "answering", "conversation", "embed", "morphemes", "reading", "search"), 1.0)
    order = ["conversation", "embed", "morphemes", "search", "answering", "reading", "total"]
    assert list(drawings.in_time(laps)) == order
    page = page_of({"dataset": "x", "rows": [{"id": "1", "timings_ms": laps}], "stages_ms": None})
    assert list(page.data["rows"][0]["timings_ms"]) == order
    spread = {name: {"p50": 1.0, "p95": 2.0} for name in laps if name != "total"}
    stages = drawings.stages_of({"stages_ms": spread, "latency_ms": {"p50": 6.0, "p95": 9.0}})
    assert [stage.words for stage in stages] == [words.named(words.STAGES, name) for name in order]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "읽을 수 없습니다 / cannot be read"),
        ("folder", "읽을 수 없습니다 / cannot be read"),
        ("{", "깨졌거나 JSON이 아닙니다 / damaged, or not JSON"),
        ("{}", "평가 결과가 아닙니다 / not a result of evals.run"),
        ('{"dataset": "x", "arms": {"full": 5}, "rows": []}', "값이 깨졌습니다 / a value is damaged (TypeError"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(
    content: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "result.json", tmp_path / "out.html"
    if content == "folder":
        source.mkdir()
    elif content is not None:
        source.write_text(content, "utf-8")
    assert report.main([str(source), str(target)]) == 1
    error = capsys.readouterr().err
    assert said in error and str(source) in error and error.count("\n") == 1
    assert not target.exists()


@pytest.mark.parametrize("place", [".", "no such folder/out.html", "result.json/out.html"])
def test_where_it_cannot_write_is_said_in_one_line(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "result.json", tmp_path / place
    source.write_text(json.dumps(make_result(1)), "utf-8")
    assert report.main([str(source), str(target)]) == 1
    error = capsys.readouterr().err
    assert "쓸 수 없습니다 / cannot be written" in error and str(target) in error and error.count("\n") == 1


def test_charts_say_what_they_show_and_take_their_colours_from_the_page() -> None:
    page = page_of(make_result())
    drawings = page.all("svg")
    assert Counter(svg["class"].split()[0] for svg in drawings) == dict.fromkeys(
        ("retrieval", "answers", "again", "outcomes", "risk", "calibration", "latency"), 2
    )
    assert {svg["role"] for svg in drawings} == {"img"}
    assert all(re.search(r"\d", svg["aria-label"]) for svg in drawings)
    styles = "".join(attributes.get("style", "") for _, attributes in page.tags)
    variables = set(re.findall(r"var\(--(\w+)\)", styles))
    assert {"accent", "band", "soft", "not_read"} <= variables <= set(re.findall(r"--(\w+):", page.style))
    assert "#" not in styles and not re.search(r"@\d+@", page.text)  # no placeholder is left
    assert [name for name, count in Counter(a["id"] for _, a in page.tags if "id" in a).items() if count > 1] == []


def test_matplotlib_is_used_without_its_global_state() -> None:
    use = "import sys; from evals import report; report.html({'dataset': 'x', 'outcomes': {'right': 1}})"
    script = f"{use}; print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_long_name_is_cut_to_its_room() -> None:
    assert charts.pair(words.Words("가나다라마"), 70) == "가나다라마"  # 14 pixels each
    assert charts.pair(words.Words("가나다라마"), 69) == "가나다…"  # and the ellipsis is as wide
    assert charts.pair(words.Words("<b>"), 24) == "&lt;b&gt;"


def test_nothing_in_a_document_becomes_markup() -> None:
    result = make_result(nasty=True)
    html = report.html(result)
    page = Page(html)
    known = Counter(tag for tag, _ in page_of(make_result()).tags)
    assert set(known) == {tag for tag, _ in page.tags}
    assert len(page.all("script")) == len(page.scripts) == 2 and not page.all("img")
    assert [name for _, attributes in page.tags for name in attributes if name.startswith("on")] == []
    assert "<" not in page.scripts[0] and "\0" not in html
    assert NASTY[1] in "".join(page.texts) and NASTY[4] in "".join(page.texts)
    html.encode("utf-8")
    for nasty, row in zip(NASTY, page.data["rows"], strict=False):
        whole = nasty.replace("\ud800", "\ufffd")  # half a letter, which UTF-8 cannot hold
        assert row["question"] == row["citations"][0]["title"] == row["expected"]["items"][0][0] == whole
        texts = [text for kind, text in row["citations"][0]["pieces"]]
        assert texts[1:3] == [whole, "답"] and texts[0].endswith("😀 ")


def test_nothing_is_fetched_and_only_our_script_runs() -> None:
    html = report.html(make_result(nasty=True))
    page = Page(html)
    links = {
        a[name] for _, a in page.tags for name in ("href", "src", "xlink:href", "action", "data", "srcset") if name in a
    }
    assert {link for link in links if not link.startswith("#")} == {"data:,"}
    assert not re.search(r"url\(|@import|@font-face", page.style + "".join(a.get("style", "") for _, a in page.tags))
    assert "http:" not in html and "https:" not in html
    (policy,) = (meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    own = base64.b64encode(hashlib.sha256(page.scripts[1].encode()).digest()).decode()
    assert policy.split("; ")[:2] == ["default-src 'none'", f"script-src 'sha256-{own}'"]
    assert [attributes.get("type") for attributes in page.all("script")] == ["application/json", None]


PASSAGE = {"start": 10, "end": 20, "text": "a👩‍👧b 가나😀다"}  # a, woman, joiner, girl, b, space, 가, 나, smile, 다


@pytest.mark.parametrize(
    ("start", "end", "answer", "pieces"),
    [
        (16, 20, (17, 19), [("", "a👩‍👧b "), ("quote", "가"), ("answer", "나😀"), ("quote", "다")]),
        (14, 17, (None, None), [("", "a👩‍👧"), ("quote", "b 가"), ("", "나😀다")]),
        (10, 20, (10, 20), [("answer", PASSAGE["text"])]),
        (11, 14, (13, 14), [("", "a"), ("quote", "👩\u200d"), ("answer", "👧"), ("", "b 가나😀다")]),
        (0, 12, (None, None), [("quote", "a👩"), ("", "\u200d👧b 가나😀다")]),  # begins before the passage
        (19, 99, (30, 40), [("", "a👩‍👧b 가나😀"), ("quote", "다")]),  # ends after it
        (40, 50, (None, None), [("", PASSAGE["text"])]),
    ],
)
def test_marks_are_exact_in_code_points(
    start: int, end: int, answer: tuple[int | None, int | None], pieces: list[tuple[str, str]]
) -> None:
    cited = {"start": start, "end": end, "answer_start": answer[0], "answer_end": answer[1], "passage": PASSAGE}
    assert report.pieces(cited) == pieces


def test_a_quote_without_its_passage_is_shown_alone() -> None:
    quote = {"start": 5, "end": 10, "quote": "가😀나다라", "answer_start": 6, "answer_end": 7}
    assert report.pieces(quote) == [("quote", "가"), ("answer", "😀"), ("quote", "나다라")]
    assert report.pieces(quote | {"quote": None, "passage": None}) == []


def hollow(branch: Any) -> Any:
    """The same with null for every figure and every single value."""
    if isinstance(branch, dict):
        return {
            key: None if isinstance(value, dict) and "low" in value else hollow(value) for key, value in branch.items()
        }
    return [hollow(each) for each in branch] if isinstance(branch, list) else None


def changed(**parts: Any) -> Result:
    return make_result(30) | parts


def without_asking_again(result: Result) -> Result:
    """As results were before questions were asked again."""
    for row in result["rows"]:
        for name in ("reading", "removed"):
            row.pop(name, None)
    for group in (group for by in result["groups"].values() for group in by.values()):
        del group["reading"]
    for figures in (result["answers"]["typing"], *result["answers"]["crosslingual"].values()):
        del figures["f1"]
    del result["answers"]["crosslingual"]["together"]
    return {name: value for name, value in result.items() if name not in APART}


ODD: dict[str, Result] = {
    "nothing": {"dataset": "x"},
    "all null": dict.fromkeys(make_result(0)) | {"dataset": "x"},
    "no rows": make_result(0),
    "one row": make_result(1),
    "no texts": without_texts(make_result(30)),
    "own questions, no texts": without_texts(make_result(30), own_questions=True),
    "retrieval only": without_answers(make_result(30)),
    "as results were": without_asking_again(make_result(30)),
    "null figures": hollow(make_result(30)) | {"dataset": "x", "questions": 30, "risk_coverage": []},
    "no arms": changed(arms={}),
    "another arm": changed(arms={"colbert": {"hit@1": FIGURE}}),
    "no intervals": changed(arms={"full": {"hit@1": {"value": 0.5, "low": None, "high": None, "n": None}}}),
    "zeros": changed(
        risk_coverage=[{"coverage": 1.0, "risk": 0.0, "confidence": 0.0}], stages_ms={"embed": {"p50": 0, "p95": 0}}
    ),
    "all wrong": changed(risk_coverage=[{"coverage": 1.0, "risk": 1.0, "confidence": 0.5}], outcomes={"not_read": 3}),
    "an outcome of its own": changed(outcomes={"</svg>": 3, "right": 1}),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_missing_is_left_out_or_said(name: str) -> None:
    before = copy.deepcopy(ODD[name])
    page = page_of(ODD[name])
    assert not re.search(r"\b(None|null|nan|Undefined|inf)\b", page.text)
    assert len(page.data["rows"]) == len(ODD[name].get("rows") or [])
    assert ODD[name] == before  # and the result is only read


def test_what_was_asked_again() -> None:
    page = page_of(make_result(90))
    text = page.text
    for said in (
        "자기 문서만 주고",
        "자기 문서를 빼고",
        "비슷하지만 답이 없는 질문",
        "확신은 믿을 만한가",
        "영어 질문, 겹친 글자",
    ):
        assert said in text
    spoken = [svg["aria-label"] for svg in page.all("svg") if svg["class"] == "calibration wide"]
    assert "확신은 평균 45.0%, 맞은 답은 36.0%. 확신 0%, 맞음 0%, 9개." in spoken[0]
    assert all(
        said not in page_of(ODD["as results were"]).text
        for said in ("다시 묻기", "확신은 믿을 만한가", "겹친 글자 asked")
    )


def test_the_bins_of_a_calibration_stand_where_they_belong() -> None:
    points = [{"confidence": 0.25, "right": 0.5, "count": 3}, {"confidence": 1.0, "right": 0.0, "count": 3}]
    svg = charts.reliability(points, 860).svg("calibration", "")
    dots = [(float(x), float(y)) for x, y in re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)"', svg)]
    # 796 pixels wide from 40 on, 248 high from 34 on; what is always right stands at the top.
    assert dots == [pytest.approx((40 + 199, 34 + 124), abs=0.1), pytest.approx((836, 34 + 248), abs=0.1)]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", ["잰 것이 없다.", "단계마다의 시간은 재지 않았다.", "질문이 없다."]),
        ("retrieval only", ["이번에는 찾기만 재고 답은 재지 않았다.", "정답 문서를 맨 먼저 찾은 질문: 뜻 "]),
        ("another arm", ["정답 문서를 맨 먼저 찾은 질문: colbert 95.1%"]),
        ("an outcome of its own", ["맞게 처리한 질문: 1개 가운데 1개 (100.0%)"]),
    ],
)
def test_what_is_missing_is_said(name: str, said: list[str]) -> None:
    text = page_of(ODD[name]).text
    assert [each for each in said if each not in text] == []
