"""The chat page in a real browser. Every test also asserts: no script error, no foreign request (see conftest)."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_assistant import ARTICLE, FakeAssistant, cite, make_document, samples

from rag.errors import LibraryBusyError
from rag.page import Opening
from rag.types import Answer

pytestmark = pytest.mark.browser

MONEY = "건립에 쓴 돈은 모두 얼마인가요?"
MONEY_QUOTE = "시는 건립에 모두 96억 원을 썼다."
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "${alert(3)}",
    "{{value}}",
    "{{constructor.constructor('alert(4)')()}}",
    "$$x^2$$",
    '"><svg onload=alert(5)>',
    "`backtick` \\u0041 &amp; **bold**",
]


def ask(page: Any, question: str) -> Any:
    """Ask with the keyboard and return the new turn once it has its reply."""
    number = page.locator(".turn").count()
    page.fill("#question-box", question)
    page.press("#question-box", "Enter")
    page.wait_for_selector(f'.turn[data-turn="{number}"]:not([data-state="waiting"])')
    return page.locator(f'.turn[data-turn="{number}"]')


def wait_for_mark(page: Any, text: str) -> None:
    """Wait until ``text`` is marked and lies inside the visible part of the reader."""
    page.wait_for_function(
        """text => {
            const mark = document.querySelector("#cited"), pane = document.querySelector(".reader");
            if (!mark || mark.textContent !== text) return false;
            const inner = mark.getBoundingClientRect(), outer = pane.getBoundingClientRect();
            return inner.height > 0 && inner.top >= outer.top && inner.bottom <= Math.min(outer.bottom, innerHeight);
        }""",
        arg=text,
    )


def test_answer_shows_its_evidence_marked_and_scrolled_into_view(site: str, visit: Callable[..., Any]) -> None:
    page = visit(site, 1440, 420)  # so low that the mark has to be scrolled to
    turn = ask(page, MONEY)
    assert turn.get_attribute("data-state") == "answered"
    assert turn.locator(".answer").inner_text() == "96억 원"
    assert turn.locator(".certainty").inner_text().endswith("거의 확실함")
    assert turn.locator(".cite-quote").inner_text() == MONEY_QUOTE
    assert turn.locator(".cite-quote mark").inner_text() == "96억 원"
    wait_for_mark(page, MONEY_QUOTE)
    assert page.locator("#cited .core").inner_text() == "96억 원"
    assert page.locator(".reader .text").text_content() == ARTICLE  # nothing lost or added around the mark
    before = page.evaluate("document.querySelector('#cited').previousSibling.textContent")
    assert "🙂" in before and len(before) == ARTICLE.index(MONEY_QUOTE)
    assert page.evaluate("document.querySelector('.reader').scrollTop") > 0
    assert page.locator("#live").inner_text() == "96억 원 확실한 정도: 거의 확실함"


def test_citations_open_by_click_and_by_keyboard(site: str, visit: Callable[..., Any]) -> None:
    page = visit(site, 1440, 420)
    first = ask(page, MONEY)
    guide = "Opening hours are from 10:00 to 18:00, and the last entry is at 17:30."
    ask(page, "What are the opening hours?")
    wait_for_mark(page, guide)
    first.locator(".cite").click()
    wait_for_mark(page, MONEY_QUOTE)
    assert page.evaluate("document.activeElement.id") == "cited"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.dataset.cite") == "0:0"
    page.keyboard.press("Tab")  # from the first citation to that of the second answer
    assert page.evaluate("document.activeElement.className") == "cite"
    page.keyboard.press("Enter")
    wait_for_mark(page, guide)
    assert page.evaluate("document.activeElement.id") == "cited"
    assert page.locator('.cite[aria-current="true"]').count() == 1


def test_declined_says_so_and_marks_the_nearest_sentence_as_no_answer(site: str, visit: Callable[..., Any]) -> None:
    page = visit(site)
    turn = ask(page, "화성 탐사 로켓을 쏘는 사서는?")
    assert turn.get_attribute("data-state") == "declined"
    assert turn.locator(".verdict").inner_text() == "문서에 답이 없습니다"
    assert "답이 되는 말을 찾지 못했습니다" in turn.locator(".why").inner_text()
    assert "답이 되는 말을 찾지 못했습니다" in page.locator("#live").inner_text()
    assert turn.locator(".tag").inner_text() == "답이 아님"
    assert turn.locator("mark, .answer, .certainty").count() == 0  # nothing in it answers, not even "12명"
    turn.locator(".cite").click()
    wait_for_mark(page, "재단은 사서 12명을 새로 뽑아 배에서 일하게 할 계획이다.")
    assert page.locator("#cited .core").count() == 0
    background, label = page.evaluate(
        """[getComputedStyle(document.querySelector("#cited")).backgroundColor,
            getComputedStyle(document.querySelector("#cited"), "::before").content]"""
    )
    assert (background, label) == ("rgba(0, 0, 0, 0)", '"답이 아님"')  # unlike evidence


def test_a_whole_sentence_is_shown_once_and_opens_its_place(site: str, visit: Callable[..., Any]) -> None:
    page = visit(site)
    turn = ask(page, "운영은 한빛도서관재단이 맡는다?")
    sentence = "운영은 한빛도서관재단이 맡는다."
    assert turn.locator(".answer").inner_text() == sentence
    assert turn.inner_text().count(sentence) == 1
    assert turn.locator("mark").count() == 0
    wait_for_mark(page, sentence)
    assert page.locator("#cited .core").count() == 0
    source = turn.locator(".cite").first
    assert source.inner_text().endswith("한빛시, 바다 위 도서관을 연다")
    source.click()
    assert page.evaluate("document.activeElement.id") == "cited"


def spoken(page: Any, selector: str) -> str:
    """The name that a screen reader is given for a button."""
    devtools = page.context.new_cdp_session(page)
    document = devtools.send("DOM.getDocument")["root"]["nodeId"]
    node = devtools.send("DOM.querySelector", {"nodeId": document, "selector": selector})["nodeId"]
    found = devtools.send("Accessibility.getPartialAXTree", {"nodeId": node, "fetchRelatives": False})["nodes"]
    return " ".join(str(found[0]["name"]["value"]).split())


def test_screen_readers_hear_where_the_words_begin_and_end(site: str, visit: Callable[..., Any]) -> None:
    page = visit(site)
    turn = ask(page, MONEY)
    wait_for_mark(page, MONEY_QUOTE)
    heard = "시는 건립에 모두 [답 시작] 96억 원 [답 끝]을 썼다."
    assert heard in spoken(page, ".cites .cite")
    page.click('[data-do="language"]')
    assert "[answer begins] 96억 원 [answer ends]" in spoken(page, ".cites .cite")
    assert turn.locator(".cite-quote").inner_text() == MONEY_QUOTE  # they are no part of the quote
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.reader .text'))")
    assert "answer" not in page.evaluate("getSelection().toString()")


HOSTILE_MARKS = [  # quote, words, what of it is marked
    ("</mark></button><img src=x onerror=alert(1)> 값은 <b>96억 원</b>이라고 한다", "<b>96억", "<b>96억"),
    ("값은 '\"&lt;96억&gt;\"' 원이라고 적혀 있다", "&lt;96억&gt;", "&lt;96억&gt;"),
    ("값은 ${alert(2)} {{constructor}} $$x$$ 원이라고 한다", "{{constructor}}", "{{constructor}}"),
    ("96억 원이 처음이자 문장의 맨 앞에 있다", "96억 원", "96억 원"),
    ("문장의 맨 뒤에 있는 것은 모두 합하여 96억 원", "96억 원", "96억 원"),
    ("값은 x\u0301q\u0301이고 나머지는 모르는 일이다", "\u0301q", "x\u0301q\u0301"),
    ("가족은 👩\u200d👧 둘이고 나머지는 모르는 일이다", "👧", "👩\u200d👧"),
    ("여러 줄에 걸친 글은\n96억\n원이라고 적혀 있다고 한다", "96억\n원", "96억\n원"),
]


def test_marks_hold_whatever_stands_around_them(serve: Callable[[Any], str], visit: Callable[..., Any]) -> None:
    document = make_document("표시", "\n\n".join(quote for quote, _, _ in HOSTILE_MARKS), "marks.txt")
    answers = {
        f"질문 {n}": Answer(f"질문 {n}", True, words, (cite(document, quote, words),), confidence=0.6)
        for n, (quote, words, _) in enumerate(HOSTILE_MARKS)
    }
    page = visit(serve(FakeAssistant([document], answers)))
    for n, (quote, words, marked) in enumerate(HOSTILE_MARKS):
        turn = ask(page, f"질문 {n}")
        wait_for_mark(page, quote)
        assert turn.locator(".answer").text_content() == words
        assert turn.locator(".cite-quote").text_content() == quote
        assert turn.locator(".cite-quote mark").text_content() == marked
        assert page.locator("#cited .core").text_content() == marked
        assert page.locator(".reader .text").text_content() == document.text
    assert page.locator("#geungeo :is(.reply, .text) :is(img, script, b, [onerror])").count() == 0


def test_words_at_the_end_of_a_very_long_sentence_are_in_sight(
    serve: Callable[[Any], str], visit: Callable[..., Any]
) -> None:
    quote = "이 법에서 정하는 바에 따라 " * 60 + "한도는 96억 원이다."
    document = make_document("법", quote, "law.txt")
    answer = Answer("한도?", True, "96억 원", (cite(document, quote, "96억 원"), cite(document, quote)), confidence=0.9)
    page = visit(serve(FakeAssistant([document], {"한도?": answer})), 390, 844)
    turn = ask(page, "한도?")
    inside = """each => { const box = each.closest(".cite-quote").getBoundingClientRect();
        const mark = each.getBoundingClientRect(); return mark.height > 0 && mark.bottom <= box.bottom + 4; }"""
    assert turn.locator("mark").evaluate(inside)
    assert turn.locator(".is-related .cite-quote").bounding_box()["height"] < 120


@pytest.mark.parametrize(
    ("confidence", "word"),
    [(0.6, "아마 맞음 · 원문을 확인하세요"), (0.2, "확실하지 않음 · 원문을 꼭 확인하세요"), (0.0, None)],
)
def test_certainty_is_said_where_it_is_known(
    serve: Callable[[Any], str], visit: Callable[..., Any], confidence: float, word: str | None
) -> None:
    document = samples()[0]
    answer = Answer("돈?", True, "96억 원", (cite(document, MONEY_QUOTE, "96억 원"),), confidence=confidence)
    page = visit(serve(FakeAssistant([document], {"돈?": answer})))
    turn = ask(page, "돈?")
    assert turn.locator(".certainty > span > .w:visible").all_inner_texts() == ([word] if word else [])


def test_problems_are_told_in_both_languages(site: str, visit: Callable[..., Any]) -> None:
    page = visit(site)
    turn = ask(page, "???")
    assert turn.locator(".why").inner_text() == "질문이 비어 있습니다. 알고 싶은 것을 적어 주세요."
    page.click('[data-do="language"]')
    assert turn.locator(".why").inner_text() == "The question is empty. Write what you want to know."


def test_unforeseen_error_ends_the_waiting(site: str, visit: Callable[..., Any]) -> None:
    page = visit(site)
    assert "예상하지 못한 문제" in ask(page, "고장").locator(".why").inner_text()
    assert ask(page, MONEY).get_attribute("data-state") == "answered"  # and the conversation goes on


def test_language_and_theme_switch_and_are_remembered(site: str, visit: Callable[..., Any]) -> None:
    page = visit(site, color_scheme="light")
    assert page.get_attribute("html", "lang") == "ko"
    assert page.get_attribute("html", "data-theme") == "light"
    turn = ask(page, "화성 탐사 로켓은 언제 쏘나요")
    page.click('[data-do="language"]')
    page.click('[data-do="theme"]')
    for _ in range(2):
        assert page.get_attribute("html", "lang") == "en"
        assert page.get_attribute("html", "data-theme") == "dark"
        assert page.get_attribute("#question-box", "placeholder") == "Ask about your documents"
        assert page.locator("#tab-documents").inner_text().startswith("Documents")
        if turn is not None:
            assert turn.locator(".verdict").inner_text() == "The documents do not say"
        shown = page.evaluate(
            """[...document.querySelectorAll("#geungeo .w[lang=ko]")].filter(each => each.offsetParent).length"""
        )
        assert shown == 0
        turn = None
        page.reload()
        page.wait_for_selector("html[data-ready]")
    assert page.locator(".doc-title").first.inner_text() == "한빛시, 바다 위 도서관을 연다"


def test_enter_during_composition_does_not_send(site: str, visit: Callable[..., Any]) -> None:
    page = visit(site)
    box = page.locator("#question-box")
    box.focus()
    devtools = page.context.new_cdp_session(page)
    devtools.send("Input.imeSetComposition", {"text": "도서관", "selectionStart": 3, "selectionEnd": 3})
    assert box.input_value() == "도서관"
    composing = """code => document.querySelector("#question-box").dispatchEvent(new KeyboardEvent("keydown", {
        key: "Enter", isComposing: code === 0, keyCode: code, bubbles: true, cancelable: true }))"""
    assert page.evaluate(composing, 0) is True  # not prevented: it belongs to the input method
    assert page.evaluate(composing, 229) is True
    devtools.send("Input.insertText", {"text": "도서관은 누가 운영"})
    page.keyboard.press("Shift+Enter")
    assert box.input_value() == "도서관은 누가 운영\n"
    assert page.locator(".turn").count() == 0
    page.keyboard.press("Enter")
    page.wait_for_selector('.turn[data-state="answered"]')
    assert page.locator(".question").inner_text().endswith("도서관은 누가 운영")
    assert box.input_value() == ""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (360, 740)])
def test_no_overflow_and_no_serious_axe_finding(
    site: str, visit: Callable[..., Any], width: int, height: int, theme: str
) -> None:
    page = visit(site, width, height, color_scheme=theme)
    assert page.get_attribute("html", "data-theme") == theme
    assert_accessible(page)
    ask(page, MONEY)
    wait_for_mark(page, MONEY_QUOTE)
    ask(page, "운영은 한빛도서관재단이 맡는다?")  # a whole sentence
    ask(page, "화성 탐사 로켓은 언제 쏘나요")
    page.locator(".nearest .cite").click()
    page.wait_for_selector("#cited.is-nearest")
    assert_accessible(page)
    page.click("#tab-documents" if width > 1000 else '.tool[data-do="documents"]')
    page.locator(".doc-remove").first.click()
    assert_accessible(page)
    page.keyboard.press("Escape")
    page.wait_for_function("document.activeElement.classList.contains('doc-remove')")
    page.click('[data-do="language"]')
    assert_accessible(page)


def assert_accessible(page: Any) -> None:
    """Nothing serious in axe, nothing wider than the window, nothing of Gradio's footer."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert [(each["id"], each["nodes"][0]["html"]) for each in serious] == []
    wide = page.evaluate(
        """[...document.querySelectorAll("#geungeo *")].filter(each => each.checkVisibility() &&
            !each.closest(".sr") && each.getBoundingClientRect().right > innerWidth + 1).map(each => each.outerHTML.slice(0, 80))"""
    )
    assert wide == []
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    assert page.locator("footer:visible").count() == 0


def test_own_file_is_added_listed_asked_and_removed(
    serve: Callable[[Any], str], visit: Callable[..., Any], tmp_path: Path
) -> None:
    assistant = FakeAssistant(samples())
    page = visit(serve(assistant))
    own = tmp_path / "휴가 규정 (최종) & 부록.txt"
    own.write_text("휴가 규정\n\n연차는 입사 1년 뒤 15일이 생긴다. 병가는 10일까지 쓴다.\n", encoding="utf-8")
    wrong = tmp_path / "그림.hwp"
    wrong.write_bytes(b"\xd0\xcf")
    large = tmp_path / "큰 파일.txt"
    large.write_bytes(b"x" * (1024 * 1024 + 1))
    assistant.gate.clear()
    page.set_input_files("#file-picker", [own, wrong, large])
    page.wait_for_selector('.intake[data-stage="embed"]')
    assert page.locator(".intake .count").inner_text() == "0%"
    assert "큰 파일.txt" in page.locator(".too-large").inner_text()
    assistant.gate.set()
    page.wait_for_selector(".intake.is-done")
    report = page.locator(".intake").inner_text()
    assert "새로 넣은 문서 1개" in report and "넣지 못한 파일 1개" in report
    assert "그림.hwp 파일의 형식은 지원하지 않습니다" in report and str(tmp_path) not in report
    assert "geungeo-" not in report  # the temporary folder
    assert page.locator("#tab-documents .badge").inner_text() == "3"
    page.get_by_role("button", name="지우기 휴가 규정", exact=True).wait_for()
    row = page.locator(".doc", has_text="휴가 규정")
    assert own.name in row.inner_text()

    turn = ask(page, "연차는 입사 뒤 며칠이 생기나요?")
    wait_for_mark(page, "연차는 입사 1년 뒤 15일이 생긴다.")
    page.click("#tab-documents")
    row.locator(".doc-remove").press("Enter")
    assert page.locator(".confirm-name").inner_text() == "휴가 규정"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelectorAll('.doc').length === 2")
    assert len(assistant.documents()) == 2
    turn.locator(".cite-note").wait_for()
    assert turn.locator(".cite-note").inner_text() == "원문이 바뀌었거나 삭제되었습니다"
    assert turn.locator(".cite-quote").inner_text() == "연차는 입사 1년 뒤 15일이 생긴다."
    turn.locator(".cite").click()
    page.wait_for_selector(".reader .notice")
    assert page.locator("#cited").inner_text() == "연차는 입사 1년 뒤 15일이 생긴다."


def test_replaced_document_is_told_and_dropped_files_are_taken(
    serve: Callable[[Any], str], visit: Callable[..., Any]
) -> None:
    assistant = FakeAssistant([make_document("회칙", "회칙\n\n회비는 한 달에 2만 원이다.\n", "회칙.txt", "uploads")])
    page = visit(serve(assistant))
    turn = ask(page, "회비는 한 달에 얼마")
    assert turn.locator(".cite-note").count() == 0
    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File(["회칙\\n\\n회비는 한 달에 3만 원이다.\\n"], "회칙.txt"));
            document.querySelector(".talk").dispatchEvent(
                new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }"""
    )
    turn.locator(".cite-note").wait_for()
    assert "바뀐 문서 1개" in (page.locator(".intake").text_content() or "")
    assert [each.characters for each in assistant.documents()] == [len("회칙\n\n회비는 한 달에 3만 원이다.\n")]
    turn = ask(page, "회비는 한 달에 얼마")
    assert turn.locator(".cite-quote").inner_text() == "회비는 한 달에 3만 원이다."
    assert [turn.content for turn in assistant.histories[1]] == [
        "회비는 한 달에 얼마",
        "2만 원",
    ]


def test_hostile_words_are_shown_and_never_run(
    serve: Callable[[Any], str], visit: Callable[..., Any], tmp_path: Path
) -> None:
    body = "\n".join(f"금액 문장은 이렇다 {word} 끝." for word in HOSTILE)
    title = "제목 " + " ".join(HOSTILE)
    name = "이름 " + " ".join(HOSTILE).replace("/", "") + ".txt"
    assistant = FakeAssistant([make_document(title, body, name, ident='x"><b>')])
    page = visit(serve(assistant))
    assert page.locator(".doc-title").inner_text() == title
    assert name in page.locator(".doc").inner_text()
    for word in HOSTILE:
        turn = ask(page, f"금액 문장은 {word}")
        assert turn.locator(".question").inner_text().endswith(f"금액 문장은 {word}")
        assert turn.get_attribute("data-state") == "answered"
    page.click("#tab-documents")
    page.locator(".doc-open").click()
    page.wait_for_function("text => document.querySelector('.reader .text')?.textContent === text", arg=body)
    page.locator(".cite").last.click()
    wait_for_mark(page, page.locator(".cite-quote").last.inner_text())
    assert page.locator(".reader .text").text_content() == body
    page.click("#tab-documents")
    page.locator(".doc-remove").click()
    assert page.locator(".confirm-name").inner_text() == title
    assert page.locator("#geungeo :is(script, img, [onerror], [onload], .katex)").count() == 0
    file = tmp_path / "a'${alert(6)}{{7}}<b>.txt"
    file.write_text("{{constructor}} ${alert(8)}", encoding="utf-8")
    page.keyboard.press("Escape")
    page.set_input_files("#file-picker", [file])
    page.wait_for_function("document.querySelectorAll('.doc').length === 2")
    assert file.name in page.locator(".doc").last.inner_text()


def test_page_is_there_before_the_assistant(serve: Callable[[Any], str], visit: Callable[..., Any]) -> None:
    gate = threading.Event()

    def opener() -> FakeAssistant:
        gate.wait(20)
        return FakeAssistant(samples())

    page = visit(serve(Opening(opener)))
    page.wait_for_selector(".welcome .waiting")
    assert page.locator(".welcome .waiting").inner_text() == "준비 중입니다"
    page.fill("#question-box", MONEY)
    page.keyboard.press("Enter")
    page.wait_for_selector('.turn[data-state="waiting"]')
    assert page.locator(".turn .waiting").inner_text() == "준비되는 대로 찾겠습니다"
    gate.set()
    page.wait_for_selector('.turn[data-state="answered"]')
    wait_for_mark(page, MONEY_QUOTE)
    page.wait_for_function("document.querySelectorAll('.doc:not(.ghost)').length === 2")
    assert page.locator(".turn").count() == 1


def test_failure_to_open_is_told_and_can_be_retried(serve: Callable[[Any], str], visit: Callable[..., Any]) -> None:
    tries: list[int] = []

    def opener() -> FakeAssistant:
        tries.append(1)
        if len(tries) == 1:
            raise LibraryBusyError(path="<b>색인</b>")
        return FakeAssistant()

    page = visit(serve(Opening(opener)))
    page.wait_for_selector(".welcome .is-problem")
    assert "다른 프로그램이 <b>색인</b> 색인에 쓰고 있습니다" in page.locator(".welcome .why").inner_text()
    assert_accessible(page)
    page.click('[data-do="retry"]')
    page.wait_for_selector(".welcome .notice:not(.is-problem):not([role])")
    assert "아직 문서가 없습니다" in page.locator(".welcome .notice").inner_text()
    assert page.locator(".example").count() == 0  # they would not fit
    assert ask(page, "아무거나 물어보기").locator(".why").inner_text().startswith("찾아볼 문서가 하나도 없습니다")


def test_unforeseen_failure_to_open_is_told_too(serve: Callable[[Any], str], visit: Callable[..., Any]) -> None:
    def opener() -> FakeAssistant:
        raise RuntimeError("nobody foresaw this")

    page = visit(serve(Opening(opener)))
    page.wait_for_selector(".welcome .is-problem")
    assert "예상하지 못한 문제" in page.locator(".welcome .why").inner_text()
    assert "예상하지 못한 문제" in ask(page, MONEY).locator(".why").inner_text()


def test_lost_connection_is_told_and_the_question_is_kept(site: str, visit: Callable[..., Any]) -> None:
    page = visit(site, losing=True)
    assert page.locator(".banner").is_hidden()
    page.context.set_offline(True)
    page.fill("#question-box", MONEY)
    page.keyboard.press("Enter")
    page.locator(".banner").wait_for()
    assert "연결이 끊겼습니다" in page.locator(".banner").inner_text()
    page.wait_for_function("text => document.querySelector('#question-box').value === text", arg=MONEY)
    page.context.set_offline(False)
    page.locator(".banner").wait_for(state="hidden")


def test_two_visitors_have_their_own_conversations(site: str, visit: Callable[..., Any]) -> None:
    one, other = visit(site), visit(site)
    ask(one, MONEY)
    ask(other, "What are the opening hours?")
    assert one.locator(".turn").count() == other.locator(".turn").count() == 1
    assert "10:00" not in one.locator(".talk").inner_text()
    one.click('[data-do="renew"]')
    one.wait_for_selector(".welcome .example")
    assert one.locator(".turn").count() == 0
    assert ask(one, MONEY).get_attribute("data-turn") == "0"
    assert other.locator(".turn").count() == 1


def test_long_text_is_shown_in_parts_and_a_long_list_scrolls_in_itself(
    serve: Callable[[Any], str], visit: Callable[..., Any]
) -> None:
    lines = "".join(f"{number}번째 줄입니다.\n" for number in range(20_000))
    needle = "숨은 바늘은 여기에 있다."
    text = lines[:150_000] + f"\n{needle}\n" + lines[150_000:]
    documents = [make_document("긴 글", text, "long.txt")]
    documents += [make_document(f"문서 {number}", f"내용 {number}", f"{number}.txt") for number in range(999)]
    page = visit(serve(FakeAssistant(documents)), 360, 740)
    page.click('.tool[data-do="documents"]')
    page.wait_for_selector(".doc:not(.ghost)")
    assert page.locator("#tab-documents .badge").inner_text() == "1000"
    sizes = page.evaluate(
        "(() => { const l = document.querySelector('.documents'); return [l.scrollHeight, l.clientHeight]; })()"
    )
    assert sizes[0] > 5_000 and 100 < sizes[1] < 740
    assert page.evaluate("document.documentElement.scrollHeight") <= 740
    page.click('[data-do="close"]')
    ask(page, "숨은 바늘은 어디")
    wait_for_mark(page, needle)
    shown = page.locator(".reader .text").text_content()
    assert 50_000 < len(shown) < 70_000 and shown in text
    page.locator(".pager button").last.click()
    page.wait_for_function("!document.querySelector('#cited')")
    assert page.locator(".reader .text").text_content() in text
    assert page.locator(".reader .text").text_content() != shown


def post(url: str, body: dict[str, Any]) -> tuple[int, str]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def upload(url: str, name: str, content: bytes) -> str:
    """Upload a file as the page does and return where the server has put it."""
    edge = "----edge"
    head = f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    request = urllib.request.Request(
        f"{url}gradio_api/upload",
        head.encode() + content + f"\r\n--{edge}--\r\n".encode(),
        {"Content-Type": f"multipart/form-data; boundary={edge}"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return str(json.loads(response.read())[0])


def test_a_client_cannot_make_the_server_read_a_path(serve: Callable[[Any], str], tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("아무도 읽으면 안 되는 글", encoding="utf-8")
    assistant = FakeAssistant()
    url = serve(assistant)
    config = json.loads(urllib.request.urlopen(f"{url}config", timeout=10).read())
    (button,) = [each["id"] for each in config["components"] if each["type"] == "uploadbutton"]
    (adding,) = [each["id"] for each in config["dependencies"] if [button, "upload"] in each["targets"]]
    meta = {"_type": "gradio.FileData"}
    own = upload(url, "own.txt", "누가 읽어도 되는 글".encode())
    for sent, taken in [
        ({"path": str(secret), "meta": meta, "orig_name": "a.txt"}, 0),
        ({"path": str(secret), "orig_name": "a.txt"}, 0),
        ({"path": f"{Path(own).parent}/../../../..{secret}", "meta": meta, "orig_name": "a.txt"}, 0),
        ({"path": str(secret), "url": f"file://{secret}", "meta": meta, "orig_name": "a.txt"}, 0),
        ({"path": own, "meta": meta, "orig_name": "a.txt"}, 1),  # so that the rest is known to have been refused
    ]:
        joined = {"data": [[sent], None], "fn_index": adding, "session_hash": "test", "trigger_id": button}
        status, _ = post(f"{url}gradio_api/queue/join", joined)
        assert status == 200
        with urllib.request.urlopen(f"{url}gradio_api/queue/data?session_hash=test", timeout=10) as stream:
            told = stream.read().decode()
        assert '"process_completed"' in told
        assert "아무도" not in told and json.dumps("아무도")[1:-1] not in told
        assert len(assistant.documents()) == taken
    assert not Path(own).exists()  # the upload folder keeps nothing
    for path in (f"gradio_api/file={secret}", f"gradio_api/file/{secret}", f"file={secret}"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(url + path, timeout=10)
        assert refused.value.code in (403, 404)


def test_only_this_computer_and_no_developer_pages(site: str) -> None:
    with urllib.request.urlopen(site, timeout=10) as response:
        assert "default-src 'self'" in response.headers["content-security-policy"]
    for path, host, code in [
        ("", "evil.example", 421),
        ("gradio_api/info", "localhost", 404),
        ("gradio_api/openapi.json", "localhost", 404),
        ("monitoring", "localhost", 404),
        ("docs", "localhost", 404),
    ]:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(site + path, headers={"Host": host}), timeout=10)
        assert refused.value.code == code
