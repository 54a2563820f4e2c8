"""Korean morphology with Kiwi: texts to sentences and content morphemes.

A bare noun and the same noun with particles must meet (바이오 / 바이오에서는), so search runs over morphemes: nouns, verb
and adjective stems, adverbs, roots, foreign words, Chinese characters and numbers. Particles, endings and punctuation are
left out. The lexicon of multi-word names is not loaded: it doubles the loading time and ties words together that people
ask for one by one.
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from kiwipiepy import Kiwi, Token

# Sejong tags, https://github.com/bab2min/kiwipiepy: common, proper and bound nouns, numerals, verb and adjective stems,
# adverbs, roots, Latin letters, Chinese characters, digits. Irregular stems carry a suffix, as in VV-I.
CONTENT_TAGS = frozenset({"NNG", "NNP", "NNB", "NR", "VV", "VA", "MAG", "XR", "SL", "SH", "SN"})
POINTING_TAGS = frozenset({"NP", "MM"})  # pronouns and determiners: they point at things and name none
# Words that ask. Tagged as nouns, pronouns or adverbs, they stand in questions and hardly ever beside the answer.
INTERROGATIVES = frozenset(
    [
        "누구",
        "누",
        "무엇",
        "뭐",
        "뭣",
        "어디",
        "언제",
        "얼마",
        "얼마나",
        "몇",
        "어느",
        "어떤",
        "어떠하",
        "어떻",
        "어떻게",
        "무슨",
        "왜",
    ]
)


@dataclass(frozen=True, slots=True)
class Morpheme:
    """A content morpheme and where its surface stands, in code points of the analysed text."""

    form: str
    tag: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class AnalysedSentence:
    """A sentence, ``text[start:end]``, without surrounding space, and its content morphemes in order."""

    start: int
    end: int
    morphemes: tuple[Morpheme, ...]


class Morphology:
    """The analyser. It loads, in about two seconds, at its first use or in ``load``. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kiwi: Kiwi | None = None

    def load(self) -> None:
        """Load the analyser now, once."""
        self._loaded()

    def _loaded(self) -> Kiwi:
        with self._lock:
            if self._kiwi is None:
                self._kiwi = Kiwi(load_multi_dict=False)
                self._kiwi.tokenize("근거")  # the rest is built at the first call
            return self._kiwi

    def morphemes(self, text: str) -> list[Morpheme]:
        """The content morphemes of a short text, such as a question, in order."""
        return list(_kept(self._loaded().tokenize(text), CONTENT_TAGS))

    def pointing_words(self, text: str) -> list[str]:
        """The pronouns and determiners of a text that do not ask: 그, 거기, 이것."""
        kept = _kept(self._loaded().tokenize(text), POINTING_TAGS)
        return [morpheme.form for morpheme in kept]

    def without_particles(self, text: str, start: int, end: int, tail: int) -> int:
        """Where the words ``text[start:end]`` end without the particles and the copula that hang on the last of them.

        ``text`` is the sentence around them, by which particles are known. Only what stands behind ``text[tail]`` is taken for one:
        the 로 of a name such as 카무로 looks like one too.
        """
        tokens = [token for token in self._loaded().tokenize(text) if token.start < end]
        while tokens:
            last = tokens.pop()
            copula = tokens and last.tag[0] == "E" and tokens[-1].tag == "VCP"  # 이 and its ending: 서울이다
            first = tokens.pop() if copula else last
            if first.start <= max(start, tail) or not (copula or last.tag[0] == "J") or text[last.end : end].strip():
                break
            end = first.start
        return end

    def sentences(self, texts: Sequence[str]) -> Iterator[list[AnalysedSentence]]:
        """The sentences of each text, in order, analysed on all cores. Quotes, decimals and parentheses are kept whole."""
        for text, found in zip(texts, self._loaded().split_into_sents(texts, return_tokens=True), strict=True):
            morphemes = [m for sentence in found for m in _kept(sentence.tokens or (), CONTENT_TAGS)]
            starts = [m.start for m in morphemes]
            yield [
                AnalysedSentence(start, end, tuple(morphemes[bisect_left(starts, start) : bisect_left(starts, end)]))
                for start, end in _resplit(text, [(sentence.start, sentence.end) for sentence in found])
            ]


# What may not begin a sentence. Kiwi cuts Japanese before its full stops.
_CLOSING = frozenset("。！？、，）」』】〉》”)]}!?")
_MARKS = "①-⑳▲■※○●◇◆□-▶▷•"
# Where sentences begin that Kiwi does not see: the end of each match. Curly and corner quotes stay whole, as in Korean.
_BREAK = re.compile(
    rf"""
    (?<![가-힣\s.!?])[.!?]++["')\]”’]*+\s++(?=["'(\[“‘]*[A-ZÀ-ÖØ-Þ])(?![^“”]{{0,200}}”)
    | (?<![。！？])[。！？]++[」』”’）)】》〉]*+\s*+(?!と|って)(?![^「『]{{0,200}}[」』])
    | [.!?。…]["'”’)\]]*+\s++(?=[{_MARKS}])
    | (?<!\bNo)(?<!\bFig)(?<!\bVol)(?<![가-힣\s])[.!?]\s++(?=\d{{1,2}}[.)]\s+[A-ZÀ-ÖØ-Þ])
    """,
    re.VERBOSE,
)
# A full stop that ends a title, an initial ("J. Smith", "U.S.") or a number in front of an item, and no sentence.
_ABBREVIATED = re.compile(
    r"(?:(?:^|[^\w.])(?:Dr|Mrs?|Ms|Prof|St|Sr|vs|cf|Gen|Gov|Sen|Rep|Rev|Capt|Mt|(?:[A-Za-z]\.)*[A-Za-z])|(?:^|[.!?]\s+)\d{1,3})\.\Z"
)
# A bullet or number at the end of a sentence belongs to the next one: "… 허용한다. ②".
_TRAILING_MARK = re.compile(
    rf"""(?:^|\s)(?P<mark>[{_MARKS}]+|(?<![^.!?…。다"'”’)\]]\s)(?:\d{{1,3}}|[가나다라마바사아자차카타파하])[.)])\s*\Z"""
)


def _resplit(text: str, found: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Kiwi's sentences, mended: it knows how Korean sentences end, and little of other languages, lists and tables."""
    if not found:
        return
    previous, end = found[0][0], found[-1][1]
    is_row = text.lstrip().startswith("|")  # its cells mean nothing one by one
    for at in [*([] if is_row else _cuts(text, found)), end]:
        if at < end:
            at = _before_trailing_mark(text, previous, at)
        bare = text[previous:at]
        if at == end or (at > previous and bare.strip()):
            yield previous + len(bare) - len(bare.lstrip()), previous + len(bare.rstrip())
            previous = at


def _cuts(text: str, found: Sequence[tuple[int, int]]) -> list[int]:
    """Where sentences begin but for the first, in order."""
    start, end = found[0][0], found[-1][1]
    cuts = {at for at, _ in found}
    for match in _BREAK.finditer(text, start, end):
        if not _ABBREVIATED.search(text[max(start, match.start() - 20) : match.start() + 1]):
            cuts.add(match.end())
    return sorted(at for at in cuts if start < at < end and text[at] not in _CLOSING)


def _before_trailing_mark(text: str, start: int, at: int) -> int:
    start = max(start, at - 20)  # a mark is short
    mark = _TRAILING_MARK.search(text[start:at])
    return start + mark.start("mark") if mark else at


def _kept(tokens: Sequence[Token], tags: frozenset[str]) -> Iterator[Morpheme]:
    latin: Morpheme | None = None  # kept back: Kiwi may read "rained." as "r" and "ained."
    for token in tokens:
        tag = token.tag.partition("-")[0]
        if latin and not (tag == "SL" and token.start == latin.end):
            yield replace(latin, form=latin.form.rstrip("."))
            latin = None
        if tag in tags and token.form not in INTERROGATIVES:
            form = token.form.replace(",", "") if tag == "SN" else token.form.casefold().replace(" ", "")
            if tag == "SL":
                latin = Morpheme(
                    latin.form + form if latin else form, tag, latin.start if latin else token.start, token.end
                )
            else:
                yield Morpheme(form, tag, token.start, token.end)
    if latin:
        yield replace(latin, form=latin.form.rstrip("."))
