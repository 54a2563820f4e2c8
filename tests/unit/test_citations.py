"""A quote is the document's own words at the place it names, or it is dropped."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from rag.citations import is_exact, verify
from rag.types import Citation, Document

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
