"""A quote is the document's own words at the place it names, or it is dropped."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from rag.citations import is_exact, is_sentence, parts, verify
from rag.types import Answer, Citation, Document

TEXT = "🙂🙂 제목\n배는 96억 원이 들었다. 끝."
DOCUMENT = Document("d", "제목", TEXT, "s", "c", "a.txt")
# 🙂🙂 제목\n is six code points; the sentence has fourteen, 96억 원 stands at 9 to 14.
GOOD = Citation("d", "제목", 6, 20, "배는 96억 원이 들었다.")


def test_the_example_is_counted_right() -> None:
    assert TEXT[6:20] == GOOD.quote and TEXT[9:14] == "96억 원"


def test_an_exact_quote_with_emoji_before_it() -> None:
    assert is_exact(GOOD, DOCUMENT)


def test_the_whole_text_is_a_quote() -> None:
    assert is_exact(Citation("d", "제목", 0, len(TEXT), TEXT), DOCUMENT)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(GOOD, start=7, end=21),
        replace(GOOD, start=5, end=19),
        replace(GOOD, end=21),
        replace(GOOD, quote="배는 97억 원이 들었다."),
        replace(GOOD, quote=GOOD.quote.replace(" ", "\u00a0")),
        replace(GOOD, document="e"),
        replace(GOOD, start=6, end=6, quote=""),
        replace(GOOD, start=-3, end=len(TEXT), quote=TEXT[-3:]),
        replace(GOOD, start=21, end=99, quote=TEXT[21:99]),
    ],
)
def test_an_inexact_quote(wrong: Citation) -> None:
    assert not is_exact(wrong, DOCUMENT)


@pytest.mark.parametrize(
    ("start", "end", "exact"),
    [
        (9, 14, True),
        (6, 20, True),  # the whole quote
        (5, 14, False),
        (9, 21, False),
        (9, 9, False),
        (14, 9, False),
        (9, None, False),
        (None, 14, False),
        (None, None, True),
    ],
)
def test_the_answer_stands_inside_the_quote(start: int | None, end: int | None, exact: bool) -> None:
    assert is_exact(replace(GOOD, answer_start=start, answer_end=end), DOCUMENT) is exact


def test_verify_keeps_the_exact_in_order_and_logs_the_others(caplog: pytest.LogCaptureFixture) -> None:
    last = Citation("d", "제목", 21, 23, "끝.")
    off, unknown = replace(GOOD, start=7), replace(GOOD, document="gone")
    with caplog.at_level(logging.ERROR, logger="rag.citations"):
        assert verify([last, off, GOOD, unknown], {"d": DOCUMENT}) == (last, GOOD)
    assert [record.getMessage() for record in caplog.records] == [
        "dropped an inexact quote: d [7:20]",
        "dropped an inexact quote: gone [6:20]",
    ]


def answering(quote: str, words: str) -> Citation:
    start = 100 + quote.index(words)
    return Citation("d", "제목", 100, 100 + len(quote), quote, start, start + len(words))


@pytest.mark.parametrize(
    ("quote", "words"),
    [
        ("배는 96억 원이 들었다.", "96억 원"),
        ("96억 원이 들었다.", "96억 원"),
        ("모두 96억 원", "96억 원"),
    ],
)
def test_parts_are_before_in_and_after_the_words(quote: str, words: str) -> None:
    at = quote.index(words)
    assert parts(answering(quote, words)) == (quote[:at], words, quote[at + len(words) :])


@pytest.mark.parametrize("span", [(None, None), (3, 5), (0, 6), (20, 30), (11, 9), (9, 9), (6, 20), (0, 99)])
def test_without_words_in_particular_all_of_it_stands_before(span: tuple[int | None, int | None]) -> None:
    assert parts(replace(GOOD, answer_start=span[0], answer_end=span[1])) == (GOOD.quote, "", "")


@pytest.mark.parametrize("span", [(0, 14), (9, 99)])
def test_words_that_reach_out_of_the_quote_end_with_it(span: tuple[int, int]) -> None:
    found = parts(replace(GOOD, answer_start=span[0], answer_end=span[1]))
    assert "".join(found) == GOOD.quote and found.words == TEXT[max(6, span[0]) : min(20, span[1])]


@pytest.mark.parametrize(
    ("quote", "words", "whole"),
    [
        ("값은 x\u0301y이다.", "\u0301y", "x\u0301y"),  # begins with an accent
        ("값은 yx\u0301이다.", "yx", "yx\u0301"),  # ends before one
        ("옛말 \u1112\u119e\u11ab 글", "\u119e", "\u1112\u119e\u11ab"),  # a syllable of old Hangul
        ("우리 👩\u200d👧 가족", "👧", "👩\u200d👧"),
        ("우리 👩\u200d👧 가족", "👩", "👩\u200d👧"),
        ("손 👍\U0001f3fd 들어", "👍", "👍\U0001f3fd"),
        ("\u0301x", "\u0301", "\u0301"),  # nothing before it
    ],
)
def test_words_grow_to_whole_characters(quote: str, words: str, whole: str) -> None:
    found = parts(answering(quote, words))
    assert found.words == whole and "".join(found) == quote


@pytest.mark.parametrize(
    ("text", "quote", "said"),
    [
        ("배는 96억 원이 들었다.", "배는 96억 원이 들었다.", True),
        ("96억 원이 들었다.", "배는 96억 원이 들었다.", True),
        ("96억 원", "배는 96억 원이 들었다.", False),
        ("96억 원", "96억 원.", True),
        ("다른 말", "배는 96억 원이 들었다.", False),
        (None, "배는 96억 원이 들었다.", False),
    ],
)
def test_an_answer_that_is_most_of_its_sentence(text: str | None, quote: str, said: bool) -> None:
    citation = Citation("d", "제목", 0, len(quote), quote)
    assert is_sentence(Answer("?", text is not None, text, (citation,))) is said
    assert not is_sentence(Answer("?", True, text))
