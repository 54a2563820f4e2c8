"""A document's text to passages of about 300 characters, cut at sentence boundaries, with exact spans.

Lines are told apart first: page furniture (share buttons, "더보기") becomes passages of its own that are not searched, and
a byline or copyright line stays with the passage before it. Within each stretch langchain's recursive splitter cuts at
paragraphs, lines, then sentences. It is told where sentences begin by a marker character that the text does not hold, and
keeps every character, so that spans follow from the lengths of consecutive pieces: searching for a piece in the text, as
``add_start_index`` does, points at an earlier twin ("chunk chunk").

Invariants: starts rise, passages do not overlap, and no character but white space is left out.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from langchain_text_splitters import RecursiveCharacterTextSplitter

from rag.furniture import LONGEST_COLOPHON, Line, kind, lines
from rag.morphology import AnalysedSentence, Morphology
from rag.types import Sentence


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage before it is stored. ``searchable`` is False for page furniture."""

    start: int
    end: int
    sentences: tuple[Sentence, ...]
    searchable: bool = True

    def __len__(self) -> int:
        """Characters."""
        return self.end - self.start


def split(text: str, morphology: Morphology, *, chunk_size: int = 300) -> list[Piece]:
    """Cut ``text`` into pieces of at most ``chunk_size`` characters (a colophon of up to 240 may come on top).

    A text that is nothing but furniture stays searchable: better a poor passage than a document that cannot be found.
    """
    sentences = list(_sentences(text, morphology))
    starts = [sentence.start for sentence in sentences]
    pieces: list[Piece] = []
    for start, end, furniture in _stretches(text):
        boundaries = starts[bisect_left(starts, start) : bisect_left(starts, end)]
        for span in _cut(text, start, end, boundaries, chunk_size):
            inside = sentences[max(bisect_right(starts, span[0]) - 1, 0) : bisect_left(starts, span[1])]
            pieces.append(Piece(*span, tuple(_clip(text, inside, span)), searchable=not furniture))
    pieces = _join_colophons(text, pieces, chunk_size + 2 * LONGEST_COLOPHON)
    if not any(piece.searchable for piece in pieces):
        pieces = [replace(piece, searchable=True) for piece in pieces]
    return pieces


def _sentences(text: str, morphology: Morphology) -> Iterator[AnalysedSentence]:
    """Sentences of the whole text. No sentence crosses a paragraph; one crosses a line only where lines are wrapped."""
    spans = list(_paragraphs(text))
    for (start, _), found in zip(spans, morphology.sentences([text[a:b] for a, b in spans]), strict=True):
        for sentence in found:
            morphemes = tuple(replace(m, start=m.start + start, end=m.end + start) for m in sentence.morphemes)
            yield AnalysedSentence(sentence.start + start, sentence.end + start, morphemes)


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Spans to analyse one by one: each line, or all lines of a paragraph that was wrapped at a fixed width."""
    run: list[tuple[int, int]] = []
    for start, end, what in lines(text):
        alone = what is not Line.CONTENT or _ITEM.match(text, start, end)
        if run and (alone or start > run[-1][1] + 1):  # a blank line lies between
            yield from _unwrapped(text, run)
            run = []
        if alone:
            yield start, end
        else:
            run.append((start, end))
    yield from _unwrapped(text, run)


# How a line begins that does not go on with the one before: a list's bullet or number, a table, a heading, a quotation.
_ITEM = re.compile(r"\s*(?:[-*+–|#>①-⑳▲■※○●◇◆□-▶▷•·]|[(\[]?\d{1,3}[.)\]](?!\d)|[가-하a-zA-Z][.)]\s|제\d+[조항장절])")


def _unwrapped(text: str, run: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    if _is_wrapped([text[a:b].rstrip() for a, b in run]):
        yield run[0][0], run[-1][1]
    else:
        yield from run


def _is_wrapped(run: Sequence[str]) -> bool:
    """Whether lines are prose broken to fit a width.

    Then each ends because the next word had no room, most end inside of a sentence, and the last ends one. Where half of
    the lines begin with a number they are more likely the rows of a table ("1분기 …", "2분기 …").
    """
    if len(run) < 3 or not _ENDED.search(run[-1]) or 2 * sum(line.lstrip()[0].isdigit() for line in run) >= len(run):
        return False
    widths = [_columns(line) for line in run[:-1]]
    next_words = [_columns(line.split(maxsplit=1)[0]) for line in run[1:]]
    room = max(widths)
    full = all(width + 1 + word > room for width, word in zip(widths, next_words, strict=True))
    unfinished = sum(not _ENDED.search(line) for line in run[:-1])
    return room >= 40 and full and min(widths) >= 0.75 * room and unfinished > len(widths) / 2


_ENDED = re.compile(r"(?:[.?!…:;。！？]|[가-힣]다)['\"”’)\]」』]*$")


def _columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)


def _stretches(text: str) -> Iterator[tuple[int, int, bool]]:
    """The text as (start, end, is furniture), cut where lines of furniture begin and end."""
    start, furniture = 0, False
    for line_start, _, what in lines(text):
        if (what is Line.FURNITURE) != furniture:
            if line_start > start:
                yield start, line_start, furniture
            start, furniture = line_start, what is Line.FURNITURE
    yield start, len(text), furniture


def _cut(text: str, start: int, end: int, boundaries: Iterable[int], chunk_size: int) -> Iterator[tuple[int, int]]:
    """Spans of the pieces of ``text[start:end]``, without white space around them."""
    marker = next(mark for code in range(0xE000, 0xF900) if text.find(mark := chr(code), start, end) < 0)
    cuts = sorted({start, end, *(at for at in boundaries if start < at < end)})
    marked = marker.join(text[a:b] for a, b in pairwise(cuts))
    splitter = RecursiveCharacterTextSplitter(
        separators=["\n\n", "\n", marker, ", ", " ", ""],
        keep_separator="end",
        chunk_size=chunk_size,
        chunk_overlap=0,
        strip_whitespace=False,  # a length of zero for some pieces would make the splitter repeat them
    )
    at = start
    for piece in splitter.split_text(marked):
        bare = piece.replace(marker, "")
        if bare.strip():
            yield at + len(bare) - len(bare.lstrip()), at + len(bare.rstrip())
        at += len(bare)
    if at != end:  # the one assumption on the splitter; a wrong span must never be stored
        raise AssertionError(f"the splitter lost characters: {at - start} of {end - start} came back")


def _clip(text: str, sentences: Iterable[AnalysedSentence], span: tuple[int, int]) -> Iterator[Sentence]:
    """The parts of the sentences that lie inside the span; what no sentence covers joins the one before it."""
    inside = [s for s in sentences if s.start < span[1] and s.end > span[0]]
    if not inside:  # nothing but what Kiwi takes for space and Python does not, such as U+2800
        yield Sentence(*span, ())
        return
    edges = [span[0], *(max(s.start, span[0]) for s in inside[1:]), span[1]]
    for (start, end), sentence in zip(pairwise(edges), inside, strict=True):
        bare = text[start:end]
        start, end = start + len(bare) - len(bare.lstrip()), end - len(bare) + len(bare.rstrip())
        # Not every morpheme once more for each piece: a list of 10,000 words is one sentence.
        first, last = (bisect_left(sentence.morphemes, at, key=lambda m: m.start) for at in (start, end))
        yield Sentence(start, end, tuple(m.form for m in sentence.morphemes[first:last]))


def _join_colophons(text: str, pieces: Sequence[Piece], longest: int) -> list[Piece]:
    """Let a passage that is nothing but a byline or copyright line end the content passage before it.

    ``longest`` bounds the whole: in a text about copyright any line may look like one.
    """
    joined: list[Piece] = []
    for piece in pieces:
        alone = piece.searchable and all(
            kind(line) is Line.COLOPHON for line in text[piece.start : piece.end].split("\n") if line.strip()
        )
        if alone and joined and joined[-1].searchable and piece.end - joined[-1].start <= longest:
            last = joined.pop()
            piece = Piece(last.start, piece.end, last.sentences + piece.sentences)
        joined.append(piece)
    return joined
