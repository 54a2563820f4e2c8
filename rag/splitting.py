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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import pairwise

from langchain_text_splitters import RecursiveCharacterTextSplitter

from rag.morphology import AnalysedSentence, Morphology
from rag.types import Sentence


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage before it is stored. ``searchable`` is False for page furniture."""

    start: int
    end: int
    sentences: tuple[Sentence, ...]
    searchable: bool = True


class _Line(Enum):
    CONTENT = 0
    COLOPHON = 1  # who wrote it, whose it is: worth finding, but not by itself
    FURNITURE = 2


def split(text: str, morphology: Morphology, *, chunk_size: int = 300) -> list[Piece]:
    """Cut ``text`` into pieces of at most ``chunk_size`` characters (a colophon of up to 240 may come on top).

    A text that is nothing but furniture stays searchable: better a poor passage than a document that cannot be found.
    """
    sentences = list(_sentences(text, morphology))
    pieces: list[Piece] = []
    for start, end, furniture in _stretches(text):
        inside = [sentence for sentence in sentences if start <= sentence.start < end]
        for span in _cut(text, start, end, [sentence.start for sentence in inside], chunk_size):
            pieces.append(Piece(*span, tuple(_clip(text, inside, span)), searchable=not furniture))
    pieces = _join_colophons(text, pieces, chunk_size + 2 * _LONGEST_COLOPHON)
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
    """Spans to analyse one by one: each line, or a whole block of lines that were wrapped at a fixed width."""
    for block in re.finditer(r"[^\n]+(?:\n[^\n]+)*", text):
        lines = [line.span() for line in re.finditer(r"[^\n]*[^\s][^\n]*", block.group())]
        if _is_wrapped([block.group()[a:b] for a, b in lines]):
            yield block.span()
        else:
            yield from ((block.start() + a, block.start() + b) for a, b in lines)


def _is_wrapped(lines: Sequence[str]) -> bool:
    """Whether lines were broken to fit a width: all but the last nearly equally long, most of them mid-sentence."""
    if len(lines) < 3:
        return False
    lengths = [len(line) for line in lines[:-1]]
    unfinished = sum(not re.search(r"[.?!…:;]['\"”’)\]]*\s*$", line) for line in lines[:-1])
    return min(lengths) >= 0.75 * max(lengths) and max(lengths) >= 30 and unfinished > len(lengths) / 2


def _stretches(text: str) -> Iterator[tuple[int, int, bool]]:
    """The text as (start, end, is furniture), cut where lines of furniture begin and end."""
    start, furniture = 0, False
    for line in re.finditer(r"[^\n]*\S[^\n]*", text):
        is_furniture = _kind(line.group()) is _Line.FURNITURE
        if is_furniture != furniture:
            if line.start() > start:
                yield start, line.start(), furniture
            start, furniture = line.start(), is_furniture
    yield start, len(text), furniture


def _cut(text: str, start: int, end: int, boundaries: Iterable[int], chunk_size: int) -> Iterator[tuple[int, int]]:
    """Spans of the pieces of ``text[start:end]``, without white space around them."""
    marker = next(mark for code in range(0xE000, 0xF900) if (mark := chr(code)) not in text)
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
        yield Sentence(start, end, tuple(m.form for m in sentence.morphemes if start <= m.start < end))


def _join_colophons(text: str, pieces: Sequence[Piece], longest: int) -> list[Piece]:
    """Let a passage that is nothing but a byline or copyright line end the content passage before it.

    ``longest`` bounds the whole: in a text about copyright any line may look like one.
    """
    joined: list[Piece] = []
    for piece in pieces:
        alone = piece.searchable and all(
            _kind(line) is _Line.COLOPHON for line in text[piece.start : piece.end].split("\n") if line.strip()
        )
        if alone and joined and joined[-1].searchable and piece.end - joined[-1].start <= longest:
            last = joined.pop()
            piece = Piece(last.start, piece.end, last.sentences + piece.sentences)
        joined.append(piece)
    return joined


# Words that pages put on buttons, links and labels. A line is furniture when nothing is left of it without them, so a
# sentence that happens to hold one is safe, and a line that is one tells a reader nothing.
_CONTROLS = re.compile(
    r"""
    더\s?보기 | 공유(?:하기)? | 맨?\s?위로 | top | 버튼 | 팝업(?:창)? | 닫기 | 열기 | 펼치기 | 접기 | 글[자씨]\s?(?:크기|키우기|줄이기)
    | 설정 | 인쇄(?:하기)? | 프린트 | 스크랩(?:하기)? | 북마크 | 목록(?:으로|보기)? | 이전 | 다음 | 로그인 | 로그아웃 | 회원\s?가입
    | 구독(?:하기|신청)? | 댓글(?:\s?(?:쓰기|보기|달기))? | 좋아요 | 싫어요 | 추천(?:해요)? | 관련\s?(?:기사|뉴스|글)
    | 주요\s?(?:뉴스|기사) | 많이\s?본\s?(?:뉴스|기사) | 인기\s?(?:뉴스|기사) | 최신\s?(?:뉴스|기사) | 페이스북 | 트위터
    | 카카오(?:톡|스토리) | 네이버(?:\s?블로그)? | 밴드 | 라인 | url\s?복사 | 링크\s?복사 | 주소\s?복사 | 복사(?:하기)? | 메뉴
    | 검색 | 홈(?:으로)? | 바로\s?가기 | 광고 | 본문 | 기사\s?(?:저장|듣기|원문|제보|공유) | 음성\s?듣기 | 번역 | 신고(?:하기)?
    | 저장(?:하기)? | 보내기 | 이\s?기사를 | share | print | close | more | menu | login | log\s?in | sign\s?(?:in|up)
    | subscribe | related\s?(?:articles|news|stories) | read\s?more | facebook | twitter | kakao\s?(?:talk|story)?
    | copy\s?(?:link|url) | bookmark | comments? | like | skip\s?to\s?content | back\s?to\s?top | advertisement
    """,
    re.IGNORECASE | re.VERBOSE,
)
_COLOPHON = re.compile(
    r"""
    [ⓒ©] | \(c\)\s | copyright | all\s?rights\s?reserved | 저작권자 | 무단\s?(?:전재|복제|배포) | 재배포\s?금지
    | ^\s*[(\[]?(?:[가-힣]{2,4}\s?=\s?)?[가-힣]{2,4}\s?(?:기자|특파원|논설위원)\s*[)\]]?\s*(?:[\w.+-]+@[\w.-]+)?\s*$
    | ^\s*[\w.+-]+@[\w.-]+\s*$
    """,
    re.IGNORECASE | re.VERBOSE,
)
_LONGEST_COLOPHON = 120  # characters


def _kind(line: str) -> _Line:
    if re.search(r"\w", line) and not re.search(r"\w", _CONTROLS.sub("", line)):
        return _Line.FURNITURE
    if len(line) <= _LONGEST_COLOPHON and _COLOPHON.search(line):
        return _Line.COLOPHON
    return _Line.CONTENT
