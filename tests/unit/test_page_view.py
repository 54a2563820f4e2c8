"""The page's HTML: escaping, marks, both languages. No Gradio, no browser."""

from __future__ import annotations

import re
import string
import sys
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pytest

from rag.errors import EmptyQuestionError, LibraryMissingError
from rag.page import desk, frame, view
from rag.page.contract import Exchange, PageSettings, history_of, key_of, still_there
from rag.page.handlers import base_name, distinct
from rag.page.words import WORDS, Said, both
from rag.types import Answer, Citation, Document, DocumentInfo, Progress

HOSTILE = ["<script>x</script>", "<img src=x onerror=x>", '"><svg onload=x>', "' onclick='x", "</mark><b>"]
TEXT = "🙂🙂 제목\n\n배는 96억 원이 들었다. 🙂 끝.\n"
QUOTE = "배는 96억 원이 들었다."
DOCUMENT = Document("d1", "제목", TEXT, "s1", "uploads", "a.txt")
START = TEXT.index(QUOTE)
CITATION = Citation("d1", "제목", START, START + len(QUOTE), QUOTE, sha256="s1")
CORE = replace(CITATION, answer_start=START + 3, answer_end=START + 8)
ANSWER = Answer("얼마?", True, QUOTE, (CITATION,), confidence=0.9)
OTHERS = tuple(Citation("d1", "제목", at, at + 7, f"다른 말 {at}.") for at in (60, 70))
EXACT = Answer("얼마?", True, "96억 원", (CORE, *OTHERS), confidence=0.9)


def plain(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", html))


class Tags(HTMLParser):
    """The tags of a page, and the names of all attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def shown(html: str, language: str) -> str:
    """The text in one language of the page."""
    other = "en" if language == "ko" else "ko"
    return plain(re.sub(rf'<span class="w" lang="{other}">.*?</span>', "", html))


def test_every_word_has_both_languages_with_the_same_fields() -> None:
    for key, (korean, english) in WORDS.items():
        fields = [
            sorted(name for _, name, _, _ in string.Formatter().parse(each) if name) for each in (korean, english)
        ]
        assert korean.strip() and english.strip(), key
        assert fields[0] == fields[1], key


def test_every_word_is_used() -> None:
    import pathlib

    folder = pathlib.Path(view.__file__).parent
    source = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py") if path.name != "words.py")
    built = ("reason_", "certainty_", "stage_", "promise_", "wait_", "tab_")
    unused = [key for key in WORDS if not re.search(f"[\"']{key}[\"']", source) and not key.startswith(built)]
    assert unused == []


def test_words_escape_their_fields() -> None:
    assert both("removed", title="<b>") == (
        '<span class="w" lang="ko">‘&lt;b&gt;’ 문서를 지웠습니다</span>'
        '<span class="w" lang="en">Removed “&lt;b&gt;”</span>'
    )


def test_mark_stands_at_code_points_after_an_emoji() -> None:
    html = desk.marked(TEXT, (0, len(TEXT)), (CITATION.start, CITATION.end))
    before, _, rest = html.partition(desk.MARK)
    inside, _, after = rest.partition("</mark>")
    assert (before, inside, after) == ("🙂🙂 제목\n\n", QUOTE, " 🙂 끝.\n")


def test_answering_words_are_stronger_inside_the_mark_and_the_quote() -> None:
    html = desk.reader(DOCUMENT, CORE)
    assert f'{desk.MARK}배는 <strong class="core">96억 원</strong>이 들었다.</mark>' in html
    assert f'{desk.MARK}배는 <strong class="core">96억 원</strong>이 들었다.</mark>' in desk.reader_changed(CORE)
    assert view.quote_html(CORE) == '배는 <mark class="core">96억 원</mark>이 들었다.'


@pytest.mark.parametrize("core", [(0, 3), (START - 5, START), (10_000, 10_001), (START + 5, START + 5)])
def test_answering_words_outside_the_quote_change_nothing(core: tuple[int, int]) -> None:
    citation = replace(CITATION, answer_start=core[0], answer_end=core[1])
    assert plain(view.quote_html(citation)) == QUOTE
    assert plain(desk.marked(TEXT, (0, len(TEXT)), (START, START + len(QUOTE)), core)) == TEXT


@pytest.mark.parametrize("word", HOSTILE)
def test_nothing_from_outside_becomes_markup(word: str) -> None:
    text = f"{word}{word} 사이 {word}"
    document = Document(word, word, text, "s", "c", word, date=word)
    citation = Citation(word, word, len(word), len(word) * 2, word, len(word) + 1, len(word) + 3, sha256="s")
    info = DocumentInfo(word, word, word, word, 1)
    answer = Answer(word, True, word, (citation, citation), confidence=0.6)
    exact = Answer(word, True, word[1:3], (citation, citation), confidence=0.6)
    declined = Answer(word, False, None, reason="not_in_documents", nearest=citation)
    exchanges = [
        Exchange(word, answer),
        Exchange(word, exact),
        Exchange(word, declined),
        Exchange(word, problem=Said(word, word)),
        Exchange(word),
    ]
    settings = PageSettings(extensions=(word,), examples=(word,))
    pages = [
        view.conversation(exchanges, {key_of(citation)}),
        view.welcome(settings, False, None, 1, 1),
        view.welcome(settings, False, Said(word, word), 0, 0),
        desk.reader(document, citation),
        desk.reader(document, citation, nearest=True),
        desk.reader_changed(citation),
        desk.documents([info]),
        desk.intake_progress(Progress("embed", 1, 2, word)),
        desk.intake_report(0, 0, 0, [(word, Said(word, word))]),
        desk.intake_problem(Said(word, word)),
        desk.intake_removed(word),
        frame.drop_area(settings),
    ]
    for html in pages:
        assert word not in html
        tags = Tags(html)
        assert not tags.tags & {"script", "img"}
        assert not [name for name in tags.attributes if name.startswith("on")]
    assert desk.reader(document, citation).count("<mark") == 1
    assert plain(desk.marked(text, (0, len(text)), (len(word), len(word) * 2))) == text


def test_exact_words_stand_first_and_then_their_sentence_with_them_marked() -> None:
    html = view.exchange_html(Exchange("얼마?", EXACT), 4)
    answer, certainty, evidence, related = (
        html.index(each)
        for each in ('<p class="answer is-short" lang="ko">96억 원</p>', "거의 확실함", ">근거<", ">함께 찾은 문장")
    )
    assert answer < certainty < evidence < html.index('배는 <mark class="core">96억 원</mark>이 들었다.') < related
    assert html.count("<mark") == 1
    assert re.findall(r'data-cite="([^"]+)"', html) == ["4:0", "4:1", "4:2"]
    assert "다른 말 60." not in html[:related] and "다른 말 70." in html[related:]


def test_another_sentence_with_the_same_words_is_no_evidence() -> None:
    same = Citation("d1", "제목", 60, 73, "다른 96억 원도 있다.")
    html = view.exchange_html(Exchange("얼마?", replace(EXACT, citations=(CORE, same))), 0)
    assert html.index(">함께 찾은 문장") < html.index("다른 96억 원도 있다.")


def test_a_whole_sentence_stands_once_with_its_source_below() -> None:
    html = view.exchange_html(Exchange("왜?", replace(ANSWER, citations=(CITATION, *OTHERS))), 0)
    assert plain(html).count(QUOTE) == 1 and "<mark" not in html
    assert f'<p class="answer is-short" lang="ko">{QUOTE}</p>' in html
    assert "이 문장이 적힌 곳" in html and ">근거<" not in html
    assert re.findall(r'data-cite="([^"]+)"', html) == ["0:0", "0:1", "0:2"]
    nearly = replace(CITATION, answer_start=START, answer_end=START + len(QUOTE) - 1)
    html = view.exchange_html(Exchange("왜?", Answer("왜?", True, QUOTE[:-1], (nearly,))), 0)
    assert plain(html).count(QUOTE[:-1]) == 1
    assert f'<p class="answer is-short" lang="ko"><mark class="core">{QUOTE[:-1]}</mark>.</p>' in html


@pytest.mark.parametrize(("length", "size"), [(32, "short"), (33, "middle"), (90, "middle"), (91, "long")])
def test_a_long_answer_is_set_smaller(length: int, size: str) -> None:
    text = "가" * length
    citation = Citation("d1", "제목", 0, length * 2, text * 2, 0, length)
    assert f'"answer is-{size}"' in view.answer_html(Answer("?", True, text, (citation,)))


def test_an_answer_is_in_the_language_of_its_sentence() -> None:
    citation = Citation("d1", "Title", 0, 20, "모두 1,000 들었다고 한다.", 3, 8)
    assert 'lang="ko">1,000</p>' in view.answer_html(Answer("?", True, "1,000", (citation,)))


@pytest.mark.parametrize(
    ("confidence", "level", "ko", "en"),
    [
        (0.8, "high", "거의 확실함", "Almost certain"),
        (0.5, "medium", "아마 맞음 · 원문을 확인하세요", "Probably right · check the source"),
        (0.2, "low", "확실하지 않음 · 원문을 꼭 확인하세요", "Not certain · be sure to check the source"),
    ],
)
def test_certainty_is_said_in_words(confidence: float, level: str, ko: str, en: str) -> None:
    html = view.certainty_html(replace(EXACT, confidence=confidence))
    assert f'class="certainty is-{level}"' in html
    assert (shown(html, "ko"), shown(html, "en")) == (f"확실한 정도: {ko}", f"How certain: {en}")
    assert not re.search(r"\d", plain(html))


def test_an_answer_from_before_certainty_was_known_opens_without_it() -> None:
    old = Answer("얼마?", True, QUOTE, (CITATION,))
    html = view.conversation([Exchange("얼마?", old), Exchange("?", Answer("?", True, "말뿐"))])
    assert QUOTE in html and "말뿐" in html and "certainty" not in html


@pytest.mark.parametrize(
    ("language", "verdict", "reason", "tag"),
    [("ko", "문서에 답이 없습니다", "찾아볼 문서가 하나도 없습니다", "답이 아님"),
     ("en", "The documents do not say", "There is no document to look in", "Not an answer")],
)  # fmt: skip
def test_declined_in_both_languages(language: str, verdict: str, reason: str, tag: str) -> None:
    declined = Answer("?", False, None, reason="no_documents")
    text = shown(view.exchange_html(Exchange("?", declined), 0), language)
    assert verdict in text and reason in text and tag not in text
    near = replace(declined, reason="not_in_documents", nearest=CORE, confidence=0.4)
    html = view.exchange_html(Exchange("?", near), 0)
    assert tag in shown(html, language) and QUOTE in shown(html, language)
    assert 'data-state="declined"' in html and 'class="answer' not in html and "certainty" not in html
    assert "<mark" not in html  # not even the words it would have said


def test_the_nearest_sentence_is_told_from_evidence_in_the_source_too() -> None:
    (nearest,) = Exchange("?", Answer("?", False, None, reason="not_in_documents", nearest=CORE)).citations()
    for html in (desk.reader(DOCUMENT, nearest, nearest=True), desk.reader_changed(nearest, nearest=True)):
        assert f"{desk.NEAREST_MARK}{QUOTE}</mark>" in html and desk.MARK not in html


def test_changed_citation_keeps_its_quote_and_says_so() -> None:
    exchanges = [Exchange("얼마?", ANSWER)]
    assert "원문이 바뀌었거나" not in view.conversation(exchanges)
    html = view.conversation(exchanges, {key_of(CITATION)})
    assert "원문이 바뀌었거나 삭제되었습니다" in html and QUOTE in shown(html, "en")
    assert QUOTE in plain(desk.reader_changed(CITATION))


def test_still_there_compares_hash_and_words() -> None:
    assert still_there(CITATION, DOCUMENT)
    assert still_there(replace(CITATION, sha256=""), DOCUMENT)
    assert not still_there(CITATION, None)
    assert not still_there(CITATION, replace(DOCUMENT, sha256="s2"))
    assert not still_there(replace(CITATION, sha256="", quote="다른 말"), DOCUMENT)


def test_problems_and_openings_in_both_languages() -> None:
    exchange = Exchange("", problem=Said.of(EmptyQuestionError()))
    html = view.exchange_html(exchange, 0)
    assert "질문이 비어 있습니다" in shown(html, "ko") and "The question is empty" in shown(html, "en")
    settings = PageSettings()
    missing = view.welcome(settings, False, Said.of(LibraryMissingError(path="index")), 0, 0)
    assert "There is no library in index" in shown(missing, "en") and 'data-do="retry"' in missing
    assert "준비 중입니다" in shown(view.welcome(settings, True, None, 0, 0), "ko")


def test_examples_are_offered_only_with_the_documents_they_fit() -> None:
    settings = PageSettings(examples=("바이오 분야 지원 금액은?",))
    assert 'data-example="바이오 분야 지원 금액은?"' in view.welcome(settings, False, None, 3, 1)
    assert "data-example" not in view.welcome(settings, False, None, 3, 0)
    assert "아직 문서가 없습니다" in view.welcome(settings, False, None, 0, 0)


def test_long_text_is_cut_at_lines_around_the_focus() -> None:
    text = "".join(f"{number}번째 줄\n" for number in range(30_000))
    for focus in (0, 100, len(text) // 2, len(text)):
        start, end = desk.part_of(text, focus)
        assert start <= focus <= end and end - start <= desk.PART + 4000
        assert start == 0 or text[start - 1] == "\n"
        assert end == len(text) or text[end - 1] == "\n"
    assert desk.part_of("짧다", 1) == (0, 2)


def test_paging_through_a_long_text_shows_every_character() -> None:
    text = "".join(f"{number}번째 줄\n" for number in range(30_000))
    document = replace(DOCUMENT, text=text)
    seen, at = 0, 0
    for _ in range(20):
        html = desk.reader(document, at=at)
        start, end = desk.part_of(text, at)
        assert start <= seen < end
        seen = end
        following = re.search(r'data-at="(\d+)"><span class="w" lang="ko">뒷부분', html)
        if following is None:
            break
        at = int(following[1])
    assert seen == len(text)


def test_progress_and_report_count() -> None:
    loading = desk.intake_progress(Progress("load", 3, 7))
    assert "3/7" in loading and 'max="7"' in loading
    begun, going = (
        shown(desk.intake_progress(Progress("embed", done, 7_000, "글", rate, left)), "ko")
        for done, rate, left in ((0, None, None), (3_000, 51.6, 124.2))
    )
    assert "0%" in begun and "남음" not in begun
    assert "42%" in going and "1초에 52토막, 2:05 남음" in going
    report = shown(desk.intake_report(2, 3, 1, [("가.hwp", Said("형식이 다릅니다", "Wrong format"))]), "ko")
    assert report.startswith(
        "새로 넣은 문서 2개바뀐 문서 3개이미 있던 문서 1개넣지 못한 파일 1개가.hwp 형식이 다릅니다"
    )
    assert shown(desk.intake_report(1, 2, 0, []), "en").startswith("Documents added: 1Replaced: 2")


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (["a.txt", "b.txt"], ["a.txt", "b.txt"]),
        (["a.txt", "a.txt", "a.txt"], ["a.txt", "a (2).txt", "a (3).txt"]),
        (["a.txt", "a.txt", "a (2).txt"], ["a.txt", "a (3).txt", "a (2).txt"]),
        (["가.tar.gz", "가.tar.gz", "file", "file"], ["가.tar.gz", "가.tar (2).gz", "file", "file (2)"]),
    ],
)
def test_names_of_one_drop_are_made_distinct(given: list[str], names: list[str]) -> None:
    assert distinct(given) == names


def test_history_has_only_answered_exchanges() -> None:
    declined = Answer("?", False, None, reason="not_in_documents")
    turns = history_of([Exchange("얼마?", ANSWER), Exchange("뭐?", declined), Exchange("다음")])
    assert [(turn.role, turn.content) for turn in turns] == [("user", "얼마?"), ("assistant", QUOTE)]


@pytest.mark.parametrize(
    ("sent", "name"),
    [("보고서 (최종) & 1.txt", "보고서 (최종) & 1.txt"), ("../../etc/passwd", "passwd"), ("C:\\x\\글.md", "글.md"),
     ("", "file"), ("..", "file"), ("a\x00b\n.txt", "ab.txt"), ("/", "file")],
)  # fmt: skip
def test_uploads_keep_only_their_base_name(sent: str, name: str) -> None:
    assert base_name(sent) == name


def test_gradio_is_not_imported_for_any_of_this() -> None:
    assert "gradio" not in sys.modules or "rag.page.blocks" in sys.modules


def test_brackets_in_an_answer_are_the_documents_own() -> None:
    quote = "각주는 [2]에 있다고 한다. 그 밖에는 없다."
    citation = Citation("d", "제목", 0, len(quote), quote, 4, 7)
    answer = Answer("어디?", True, "[2]", (citation, Citation("d", "제목", 50, 54, "다른 말")))
    assert ">[2]</p>" in view.answer_html(answer)
