"""The one invariant of the product: a quote is the document's own words at the place it names.

Everything that quotes goes through ``verify`` before it leaves the library. Nothing is searched for or matched
approximately: a quote that does not stand at its offsets is dropped, and logged, because it is a defect.

``parts`` is how a quote is shown, by the page and on the command line.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from rag.types import Answer, Citation, Document

MOST = 2 / 3  # of a sentence: words that are more of it are not shown beside it again
# What belongs to the character before it, beside combining marks: joiners, Hangul vowels and finals of their own, skin tones.
_JOINED = re.compile("[\u200c\u200d\u1160-\u11ff\ud7b0-\ud7ff\U0001f3fb-\U0001f3ff]")

logger = logging.getLogger(__name__)


class Parts(NamedTuple):
    """A quote in three; together they are the quote."""

    before: str
    words: str  # that answer; empty where no words in particular do, or all of them
    after: str


def is_exact(citation: Citation, document: Document) -> bool:
    """Whether the quote, and the answer inside it, stand in the document exactly where the citation says."""
    if citation.document != document.id or not 0 <= citation.start < citation.end <= len(document.text):
        return False
    if document.text[citation.start : citation.end] != citation.quote:
        return False
    start, end = citation.answer_start, citation.answer_end
    if start is None or end is None:
        return start is end
    return citation.start <= start < end <= citation.end


def verify(citations: Iterable[Citation], documents: Mapping[str, Document]) -> tuple[Citation, ...]:
    """The citations that are exact, in their order."""
    kept = []
    for citation in citations:
        document = documents.get(citation.document)
        if document is not None and is_exact(citation, document):
            kept.append(citation)
        else:
            logger.error("dropped an inexact quote: %s [%d:%d]", citation.document, citation.start, citation.end)
    return tuple(kept)


def parts(citation: Citation) -> Parts:
    """The quote before, in and after the words that answer, which grow to whole characters as a reader sees them.

    A letter and its accent, or an emoji of several parts, are not torn apart. Without words that answer, or where all of them do, all
    stands before.
    """
    quote = citation.quote
    if citation.answer_start is None or citation.answer_end is None:
        return Parts(quote, "", "")
    start = min(max(citation.answer_start - citation.start, 0), len(quote))
    end = min(citation.answer_end - citation.start, len(quote))
    if start >= end:
        return Parts(quote, "", "")
    while _continues(quote, start):
        start -= 1
    while _continues(quote, end):
        end += 1
    if (start, end) == (0, len(quote)):
        return Parts(quote, "", "")
    return Parts(quote[:start], quote[start:end], quote[end:])


def _continues(text: str, at: int) -> bool:
    """Whether the code point at ``at`` and the one before it are one character to a reader."""
    if not 0 < at < len(text):
        return False
    following = text[at]
    return unicodedata.category(following)[0] == "M" or bool(_JOINED.match(following)) or text[at - 1] == "\u200d"


def is_sentence(answer: Answer) -> bool:
    """Whether the answer is the sentence that it is cited from, or most of it: to show both would say it twice."""
    if not (answer.text and answer.citations):
        return False
    quote = answer.citations[0].quote
    return answer.text in quote and len(answer.text) >= MOST * len(quote)
