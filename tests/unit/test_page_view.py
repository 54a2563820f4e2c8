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
ANSWER = Answer("얼마?", True, f"{QUOTE} [1]", (CITATION,))


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
    built = ("reason_", "stage_", "promise_", "wait_", "tab_")
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
    assert view.quote_html(CORE) == "배는 <b>96억 원</b>이 들었다."


@pytest.mark.parametrize("core", [(0, 3), (START - 5, START), (10_000, 10_001), (START + 5, START + 5)])
def test_answering_words_outside_the_quote_change_nothing(core: tuple[int, int]) -> None:
    citation = replace(CITATION, answer_start=core[0], answer_end=core[1])
    assert plain(view.quote_html(citation)) == QUOTE
    assert plain(desk.marked(TEXT, (0, len(TEXT)), (START, START + len(QUOTE)), core)) == TEXT


@pytest.mark.parametrize("word", HOSTILE)
def test_nothing_from_outside_becomes_markup(word: str) -> None:
    text = f"{word}{word} 사이 {word}"
    document = Document(word, word, text, "s", "c", word, date=word)
    citation = Citation(word, word, len(word), len(word) * 2, word, sha256="s")
    info = DocumentInfo(word, word, word, word, 1)
    answer = Answer(word, True, f"{word} [1]", (citation,))
    declined = Answer(word, False, None, reason="not_in_documents", nearest=citation)
    exchanges = [
        Exchange(word, answer),
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


def test_references_become_buttons_only_where_a_citation_is() -> None:
    html = view.answer_text(replace(ANSWER, text="가 [1] 나 [2] 다 [0] 라[1]"), 4)
    assert html.count("<button") == 2
    assert 'data-cite="4:0"' in html and 'data-key="d1:' in html
    assert shown(html, "ko") == "가 1 1번 근거 나 [2] 다 [0] 라1 1번 근거"


def test_text_without_references_gets_those_it_says_word_for_word() -> None:
    other = replace(CITATION, quote="다른 문장.")
    html = view.answer_text(Answer("?", True, QUOTE, (other, CITATION)), 0)
    assert html.startswith(QUOTE)
    assert re.findall(r'data-cite="([^"]+)"', html) == ["0:1"]
    assert "<button" not in view.answer_text(Answer("?", True, "요약", (other, CITATION)), 0)


@pytest.mark.parametrize(
    ("language", "verdict", "reason", "tag"),
    [("ko", "문서에 답이 없습니다", "찾아볼 문서가 하나도 없습니다", "답이 아님"),
     ("en", "The documents do not say", "There is no document to look in", "Not an answer")],
)  # fmt: skip
def test_declined_in_both_languages(language: str, verdict: str, reason: str, tag: str) -> None:
    declined = Answer("?", False, None, reason="no_documents")
    text = shown(view.exchange_html(Exchange("?", declined), 0), language)
    assert verdict in text and reason in text and tag not in text
    near = replace(declined, reason="not_in_documents", nearest=CITATION)
    html = view.exchange_html(Exchange("?", near), 0)
    assert tag in shown(html, language) and QUOTE in shown(html, language)
    assert 'data-state="declined"' in html and 'class="answer"' not in html


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
    assert [(turn.role, turn.content) for turn in turns] == [("user", "얼마?"), ("assistant", f"{QUOTE} [1]")]


@pytest.mark.parametrize(
    ("sent", "name"),
    [("보고서 (최종) & 1.txt", "보고서 (최종) & 1.txt"), ("../../etc/passwd", "passwd"), ("C:\\x\\글.md", "글.md"),
     ("", "file"), ("..", "file"), ("a\x00b\n.txt", "ab.txt"), ("/", "file")],
)  # fmt: skip
def test_uploads_keep_only_their_base_name(sent: str, name: str) -> None:
    assert base_name(sent) == name


def test_gradio_is_not_imported_for_any_of_this() -> None:
    assert "gradio" not in sys.modules or "rag.page.blocks" in sys.modules


def test_only_what_the_answer_rests_on_is_called_evidence() -> None:
    quotes = ["첫 문장이다.", "둘째 문장이다.", "셋째 문장이다."]
    citations = tuple(Citation("d", "제목", n * 10, n * 10 + len(q), q) for n, q in enumerate(quotes))
    exchange = Exchange("무엇?", Answer("무엇?", True, quotes[0], citations))
    html = view.exchange_html(exchange, 0)
    evidence, _, related = html.partition("Also found (may not support the answer)")
    assert quotes[0] in evidence and quotes[1] not in evidence
    assert quotes[1] in related and quotes[2] in related


def test_brackets_in_a_quoted_sentence_are_the_documents_own() -> None:
    quote = "각주는 [2]에 있다."
    other = Citation("d", "제목", 50, 53, "다른 말")
    answer = Answer("어디?", True, quote, (Citation("d", "제목", 0, len(quote), quote), other))
    html = view.answer_text(answer, 0)
    assert "각주는 [2]에 있다." in html
    assert view.supporting(answer) == [1]
