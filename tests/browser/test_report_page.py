"""The report of a run in a real browser, from a file. Every test also asserts: no script error, no request (see conftest)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evals import report
from evals.words import CERTAINTIES
from tests.unit.fake_result import NASTY, Result, make_result, without_answers, without_texts

pytestmark = pytest.mark.browser


def perfect(questions: int) -> Result:
    """Nothing but hundreds, as on an easy set; and of a single document."""
    result = make_result(90)
    best = {"value": 1.0, "low": 1.0, "high": 1.0, "n": questions}
    for figures in (*result["arms"].values(), result["answers"], result["answers"]["abstention"]):
        figures |= {key: best for key, value in figures.items() if value and "low" in value}
    result["arms"]["bm25"] |= dict.fromkeys(result["arms"]["bm25"], best | {"value": 0.5})
    return result


RESULTS = {
    "real": make_result(),
    "nasty": make_result(nasty=True),
    "retrieval": without_answers(make_result(90)),
    "perfect": perfect(90),
    "few": perfect(7),
    "own": without_texts(make_result(90), own_questions=True),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The URL of a report of each result."""
    folder = tmp_path_factory.mktemp("reports")
    for name, result in RESULTS.items():
        report.write(result, folder / f"{name}.html")
    return {name: (folder / f"{name}.html").as_uri() for name in RESULTS}


def count_of(page: Any, rows: int) -> None:
    """Wait until the page says that this many questions are found, and lists them, fifty at first."""
    from playwright.sync_api import expect

    expect(page.locator("#count")).to_contain_text(f"개 가운데 {rows}개")
    assert page.locator("#rows > details").count() == min(rows, 50)


def rows_where(result: Result, **wanted: Any) -> int:
    return sum(all(row[name] == value for name, value in wanted.items()) for row in result["rows"])


def test_filters_change_the_list_and_its_count(files: dict[str, str], visit: Callable[..., Any]) -> None:
    page, result = visit(files["real"]), RESULTS["real"]
    count_of(page, 270)
    page.select_option("[name=kind]", "yesno")
    count_of(page, 30)
    assert set(page.locator(".asked").all_inner_texts()) == {"가온전철 요금이 오르나요?"}
    page.select_option("[name=outcome]", "not_read")
    count_of(page, rows_where(result, kind="yesno", outcome="not_read"))
    page.click("button[type=reset]")
    count_of(page, 270)
    page.fill("[name=text]", "  바다 위 도서관을 ")  # stands in a title and in no question
    cited = [[*row["citations"], *([row["nearest"]] if row["nearest"] else [])] for row in result["rows"]]
    count_of(page, sum(any("바다 위 도서관을" in each["title"] for each in some) for some in cited))
    page.fill("[name=text]", "FAKE-0123")
    count_of(page, 1)
    page.fill("[name=text]", "어디에도 없는 말")
    count_of(page, 0)
    page.click("button[type=reset]")
    page.select_option("[name=rank]", "2–5")
    places = [row["ranks"]["full"]["document"] for row in result["rows"] if row["ranks"]]
    count_of(page, sum(place in (2, 3, 4, 5) for place in places))
    page.select_option("[name=rank]", "none")
    count_of(page, places.count(None))


def test_names_in_charts_and_tables_lead_to_their_questions(files: dict[str, str], visit: Callable[..., Any]) -> None:
    page, result = visit(files["real"]), RESULTS["real"]
    page.click(".legend a:text('없는데 답함')")
    count_of(page, result["outcomes"]["wrongly_answered"])
    assert page.locator("[name=outcome]").input_value() == "wrongly_answered"
    page.click("#groups a:text('목록')")
    count_of(page, 30)  # and no longer those of the outcome
    assert page.evaluate("document.querySelector('#questions').getBoundingClientRect().top < innerHeight")


def test_the_rest_of_the_list_comes_when_asked_for(files: dict[str, str], visit: Callable[..., Any]) -> None:
    page = visit(files["real"])
    assert page.locator(".detail").count() == 0  # nothing is drawn before it is opened
    page.click("#further")
    assert page.locator("#rows > details").count() == 100
    assert page.evaluate("document.activeElement.closest('details') === document.querySelector('#rows').children[50]")
    for _ in range(4):
        page.click("#further")
    assert page.locator("#rows > details").count() == 270
    assert not page.locator("#further").is_visible()


def test_a_question_opens_with_its_whole_trace(files: dict[str, str], visit: Callable[..., Any]) -> None:
    page, row = visit(files["real"]), RESULTS["real"]["rows"][0]
    page.click(".row >> nth=0")
    opened = page.locator(".row >> nth=0")
    text = opened.inner_text()
    wanted = [
        *row["morphemes"],
        row["answer"],
        *row["expected"]["answers"],
        f"답함 · {CERTAINTIES[row['certainty']].ko} · 확신 {row['confidence']:.3f} · 문턱 0.187",
        f"자기 문서만 주고: 답함 · 확신 {row['confidence']:.3f} · 겹침 100",
        "자기 문서를 빼고: 남은 글에 답이 있을 수 있거나",
    ]
    assert [each for each in wanted if each not in text] == []
    assert opened.locator(".ranks thead th").all_inner_texts() == ["문서", "대목", "nDCG"]
    assert opened.locator(".ranks tbody tr").count() == 4
    place = row["ranks"]["bm25"]
    assert opened.locator(".ranks tr:has-text('BM25') td").all_inner_texts() == [
        f"{place['document']}위",
        f"{place['passage']}위",
        f"{100 * place['ndcg@10']:.0f}",
    ]
    page.click(".row summary >> nth=0")
    page.click(".row summary >> nth=0")
    assert opened.locator(".detail").count() == 1  # and is drawn once


def test_the_threshold_is_the_questions_own(files: dict[str, str], visit: Callable[..., Any]) -> None:
    page, row = visit(files["real"]), RESULTS["real"]["rows"][7]
    assert row["language"] == "en"
    page.click(".row summary >> nth=7")
    assert f"확신 {row['confidence']:.3f} · 문턱 0.182" in page.locator(".row >> nth=7").inner_text()
    assert page.locator(".judged").evaluate("bar => bar.style.getPropertyValue('--threshold')") == "0.182"


def test_stages_stand_in_the_order_they_happen(files: dict[str, str], visit: Callable[..., Any]) -> None:
    page = visit(files["real"])
    page.click(".row summary >> nth=0")
    laps = page.locator(".part:has(h3:text('시간')) li bdi")
    laps.first.wait_for()  # a row is filled in when it has opened
    assert laps.all_inner_texts() == ["대화 잇기", "뜻 읽기", "낱말 나누기", "찾기", "답 고르기", "모두"]


def test_what_is_left_without_texts_is_shown(files: dict[str, str], visit: Callable[..., Any]) -> None:
    page = visit(files["own"])
    for number, row in enumerate(RESULTS["own"]["rows"][:9]):
        page.click(f".row summary >> nth={number}")
        shown = page.locator(f".row >> nth={number}")
        shown.locator(".part").first.wait_for()  # a row is filled in when it has opened
        text = shown.inner_text()
        assert text.count("글은 이 파일에 담지 않았다.") == 1
        wanted = [row["question"], *row["morphemes"], *row["expected"]["answers"], *row["expected"]["evidence"]]
        assert [each for each in wanted if each not in text] == []
        assert shown.locator(".cite").count() == len(row["citations"]) + bool(row["nearest"])
        assert shown.locator(".passage").count() == 0


def test_a_single_document_has_no_ranks_to_choose_from(tmp_path: Path, visit: Callable[..., Any]) -> None:
    result = make_result(90)
    result["about"]["documents"] = 1
    report.write(result, tmp_path / "one.html")
    page = visit((tmp_path / "one.html").as_uri())
    places = [row["ranks"]["full"]["passage"] for row in result["rows"] if row["ranks"]]
    page.select_option("[name=rank]", "1")
    count_of(page, places.count(1))
    assert page.locator("#filters label:has-text('정답 대목')").is_visible()
    assert "대목 1위" in page.locator(".meta >> nth=0").inner_text()


@pytest.mark.parametrize("width", [360, 1280])
def test_no_line_of_a_passage_is_cut_in_half(tmp_path: Path, visit: Callable[..., Any], width: int) -> None:
    result = make_result(9)
    cited = result["rows"][0]["citations"][0]
    before = "글자를 넣어 길게 한 대목이다. " * 100
    cited["passage"] = {
        "start": cited["start"] - len(before),
        "text": before + cited["quote"] + " 그 뒤의 글이다." * 100,
    }
    report.write(result, tmp_path / "long.html")
    page = visit((tmp_path / "long.html").as_uri(), width)
    page.click(".row summary >> nth=0")
    height, line, hidden = page.locator(".passage >> nth=0").evaluate(
        "box => [box.clientHeight, parseFloat(getComputedStyle(box).lineHeight), box.scrollTop]"
    )
    assert height == 20 * line and hidden > 0 and hidden % line == 0


def test_a_phone_shows_less_at_once(files: dict[str, str], visit: Callable[..., Any]) -> None:
    page = visit(files["real"], 360)
    assert page.locator("#rows > details").count() == 20
    cards = [card.bounding_box() for card in page.locator(".headlines li").all()]
    assert cards[0]["y"] == cards[1]["y"] and cards[0]["x"] < cards[1]["x"] and cards[2]["y"] > cards[0]["y"]
    assert page.locator("#retrieval .means dl").is_hidden()
    page.click("#retrieval .means summary")
    assert page.locator("#retrieval .means dl").is_visible()
    page.set_viewport_size({"width": 1280, "height": 900})
    assert page.locator("#answers .means dl").is_visible() and page.locator(".means summary:visible").count() == 0


def test_marks_are_the_cited_words(files: dict[str, str], visit: Callable[..., Any]) -> None:
    page = visit(files["nasty"])
    for number, nasty in enumerate([*NASTY, None]):
        page.click(f".row summary >> nth={number}")
        shown = page.locator(f".row >> nth={number}")
        cited = RESULTS["nasty"]["rows"][number]["citations"][0]
        whole = cited["quote"].replace("\ud800", "\ufffd")
        passage = cited["passage"]["text"].replace("\ud800", "\ufffd")
        assert shown.locator(".cite:not(.nearest) .passage >> nth=0").text_content() == passage
        assert shown.locator(".cite:not(.nearest) mark >> nth=0").text_content() == whole
        if nasty is not None:
            assert shown.locator(".cite:not(.nearest) mark b").all_text_contents() == ["답"]
            assert shown.locator(".asked").text_content() == nasty.replace("\ud800", "\ufffd")
    assert page.evaluate("window.broken") is None


def test_a_mark_deep_in_a_long_passage_is_in_view(tmp_path: Path, visit: Callable[..., Any]) -> None:
    result = make_result(9)
    cited = result["rows"][0]["citations"][0]
    cited["passage"] = {"start": cited["start"] - 50_000, "text": "가 " * 25_000 + cited["quote"] + " 나" * 900}
    path = tmp_path / "long.html"
    report.write(result, path)
    page = visit(path.as_uri())
    page.click(".row summary >> nth=0")
    mark, passage = page.locator("mark >> nth=0").bounding_box(), page.locator(".passage >> nth=0").bounding_box()
    assert passage["y"] <= mark["y"] and mark["y"] + mark["height"] <= passage["y"] + passage["height"]
    assert page.locator("mark >> nth=0").inner_text() == cited["quote"]


def test_the_nearest_of_a_declined_question_is_no_answer(files: dict[str, str], visit: Callable[..., Any]) -> None:
    page = visit(files["real"])
    page.select_option("[name=outcome]", "rightly_declined")
    count_of(page, RESULTS["real"]["outcomes"]["rightly_declined"])
    page.click(".row summary >> nth=0")
    page.locator(".nearest").wait_for()
    assert page.locator(".nearest .tag").all_inner_texts() == ["답이 아님"]
    assert page.locator(".nearest mark").count() == 1 and page.locator(".nearest mark b").count() == 0
    assert page.locator(".detail .answer").count() == 0
    text = page.locator(".detail").inner_text()
    assert "답하지 않음" in text and "문서에 답이 없다고 보았다" in text and "not_in_documents" not in text


def test_without_answers_only_what_was_measured_is_asked_for(files: dict[str, str], visit: Callable[..., Any]) -> None:
    page = visit(files["retrieval"])
    count_of(page, 90)
    assert not page.locator("[name=outcome]").is_visible()
    assert page.locator("svg:visible").count() == 2  # the arms, and how long all took
    page.select_option("[name=rank]", "1")
    places = [row["ranks"]["dense"]["document"] for row in RESULTS["retrieval"]["rows"] if row["ranks"]]
    count_of(page, places.count(1))


def test_without_scripts_figures_and_charts_are_there(files: dict[str, str], chromium: Any) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(files["real"])
    assert page.locator("svg:visible").count() == 7
    assert page.locator(".headlines li").count() == 6
    assert page.get_by_text("질문을 하나씩 보려면 스크립트가 필요하다.").is_visible()
    assert not page.locator("#filters").is_visible()
    context.close()


def test_the_page_lets_nothing_else_run_or_load(files: dict[str, str], visit: Callable[..., Any]) -> None:
    page = visit(files["real"], losing=True)  # what is refused is written to the console
    refused = page.evaluate(
        """async () => {
            const seen = [];
            document.addEventListener("securitypolicyviolation", event => seen.push(event.effectiveDirective));
            const script = document.createElement("script");
            script.textContent = "window.broken = 1";
            document.body.append(script);
            await fetch("data:,x").catch(() => {});
            await new Promise(done => setTimeout(done, 100));
            return seen.sort();
        }"""
    )
    assert refused == ["connect-src", "script-src-elem"]
    assert page.evaluate("window.broken") is None


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_no_serious_axe_finding(files: dict[str, str], visit: Callable[..., Any], theme: str, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = visit(files["nasty"], width, 900, color_scheme=theme)
    for number in (0, 3, 8):  # the fourth has a very long passage, the ninth was declined
        page.click(f".row > summary >> nth={number}")
    for number in (0, 1):
        page.click(f".more > summary >> nth={number}")
    found = [each for each in Axe().run(page).response["violations"] if each["impact"] in ("serious", "critical")]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("width", [360, 820, 1280])
def test_nothing_is_wider_than_the_window(
    files: dict[str, str], visit: Callable[..., Any], name: str, width: int
) -> None:
    page = visit(files[name], width, 900)
    for number in range(9):  # one of each kind
        page.click(f".row > summary >> nth={number}")
    for more in page.locator(".more > summary").all():
        more.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    beyond = page.evaluate(
        """[...document.querySelectorAll("body *")].filter(each => each.checkVisibility() && !each.closest(".scroll, svg, thead")
            && each.getBoundingClientRect().right > innerWidth + 1).map(each => each.outerHTML.slice(0, 80))"""
    )
    assert beyond == []


@pytest.mark.parametrize("name", ["real", "perfect", "few"])
@pytest.mark.parametrize("width", [360, 759, 760, 1280])
def test_words_in_charts_can_be_read(files: dict[str, str], visit: Callable[..., Any], name: str, width: int) -> None:
    page = visit(files[name], width, 900)
    found = page.evaluate(
        """() => {
            const small = [], outside = [], crossed = [], touched = [];
            for (const svg of document.querySelectorAll("svg")) {
                if (!svg.checkVisibility()) continue;
                const dots = [...svg.querySelectorAll("use")].map(each => each.getBoundingClientRect()).filter(dot => dot.width < 20);
                const frame = svg.getBoundingClientRect(), scale = frame.width / svg.viewBox.baseVal.width, seen = [];
                for (const text of svg.querySelectorAll("text")) {
                    const box = text.getBoundingClientRect(), words = text.textContent;
                    const sizes = [...text.querySelectorAll("tspan")].map(each => parseFloat(getComputedStyle(each).fontSize));
                    if (Math.min(...sizes) * scale < 9.5) small.push(words);
                    if (box.left < frame.left - 4 || box.right > frame.right + 4) outside.push(words);
                    for (const [other, those] of seen) {
                        const across = Math.min(box.right, other.right) - Math.max(box.left, other.left);
                        const down = Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top);
                        if (across > 1 && down > 5) crossed.push([those, words]);
                    }
                    seen.push([box, words]);
                    for (const dot of dots) {
                        const across = Math.min(box.right, dot.right) - Math.max(box.left, dot.left);
                        const down = Math.min(box.bottom, dot.bottom) - Math.max(box.top, dot.top);
                        if (across > -2 * scale && down > 4) touched.push([words, across, down]);
                    }
                }
                if (!dots.length && !svg.matches(".outcomes")) touched.push("no dots in " + svg.classList);
            }
            return { small, outside, crossed, touched };
        }"""
    )
    assert found == {"small": [], "outside": [], "crossed": [], "touched": []}
