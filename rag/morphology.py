"""Korean morphology with Kiwi: texts to sentences and content morphemes.

A bare noun and the same noun with particles must meet (바이오 / 바이오에서는), so search runs over morphemes: nouns, verb
and adjective stems, adverbs, roots, foreign words, Chinese characters and numbers. Particles, endings and punctuation are
left out. The lexicon of multi-word names is not loaded: it doubles the loading time and ties words together that people
ask for one by one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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

    def sentences(self, texts: Sequence[str]) -> Iterator[list[AnalysedSentence]]:
        """The sentences of each text, in order, analysed on all cores. Quotes, decimals and parentheses are kept whole."""
        for found in self._loaded().split_into_sents(texts, return_tokens=True):
            yield [
                AnalysedSentence(sentence.start, sentence.end, tuple(_kept(sentence.tokens or (), CONTENT_TAGS)))
                for sentence in found
            ]


def _kept(tokens: Sequence[Token], tags: frozenset[str]) -> Iterator[Morpheme]:
    for token in tokens:
        tag = token.tag.partition("-")[0]
        if tag in tags and token.form not in INTERROGATIVES:
            form = token.form.replace(",", "") if tag == "SN" else token.form.casefold().replace(" ", "")
            yield Morpheme(form, tag, token.start, token.end)
