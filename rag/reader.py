"""A question and passages to what each says of it: whether it answers, and with which words.

A small reader (``rag/reader.safetensors``; docs/reader.md is its model card, ``training/`` makes it): the bundled encoder, trained on,
with a head that finds the answer in a passage and one that judges the passage. It runs as ``rag.encoder`` runs the bundled one, in
8-bit integers, each passage on one core, and shares its token embeddings.

The words and the passage are judged apart. Among the spans of a passage, each inside one of its sentences, probabilities sum to 1,
whether it answers or not; the relevance is a logarithm of odds against "none of the passages", trained over all passages of a question at
once (listwise, with an empty choice), and its head sees the states where the answer seems to begin and end, so that a place found for a
"when" speaks against the passage.
"""

from __future__ import annotations

import errno
import json
import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer

from rag.encoder import Encoder
from rag.errors import ModelError, ReaderError
from rag.graphs import Graph
from rag.interfaces import Reading, Span
from rag.settings import Settings
from rag.tokenizer import build_tokenizer, plain_tokens
from rag.weights import Float32Array, Shape, UInt8Array, Weights, find_weights, open_weights

FILE: Final = Path(__file__).with_name("reader.safetensors")
QUESTION_TOKENS, TITLE_TOKENS = 64, 24  # what is longer loses its beginning or its end, see _head
OVERLAP = 48  # tokens that two windows of a long passage share
LONGEST = 30  # tokens of an answer
FORMAT = "geungeo-reader-1"
SPANS = 5  # kept of a passage
LEAST = 1e-3  # the probability of one that is kept beside a better one


@dataclass(frozen=True, slots=True)
class ReaderWeights:
    """The encoder of a reader, as ``Encoder`` takes it: its own layers, and the token embeddings of the bundled model."""

    shape: Shape
    _tensors: Mapping[str, npt.NDArray[np.generic]]
    _bundled: Weights

    def tensor(self, name: str, *shape: int) -> Float32Array:
        """The tensor ``name`` as float32 of ``shape``."""
        return np.array(self._tensors[name], np.float32).reshape(shape)

    def q4_rows(self, name: str, rows: int) -> UInt8Array:
        """The bundled 4-bit tensor ``name``."""
        return self._bundled.q4_rows(name, rows)


class TrainedReader:
    """The ``Reader`` that comes with the library. Safe to call from several threads."""

    def __init__(self, bundled: Weights, path: Path = FILE, tokenizer: Tokenizer | None = None) -> None:
        """Read the weights.

        Raises:
            ReaderError: the file is missing, damaged or of another model.

        """
        tensors, about = _read(path)
        try:
            shape = replace(bundled.shape, layers=_layers(about, bundled.shape.layers))
            outliers = {name: [int(at) for at in channels] for name, channels in json.loads(about["outliers"]).items()}
            self._encoder = Encoder(ReaderWeights(shape, tensors, bundled), outliers)
            self._heads = _Heads(tensors, shape.hidden)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ReaderError(model=path, detail=f"not the weights of a reader ({error})") from error
        self._tokenizer = tokenizer or build_tokenizer(bundled.tokenizer)
        self._bos, self._eos = bundled.tokenizer.bos, bundled.tokenizer.eos

    def read(
        self, question: str, passages: Sequence[tuple[str, str]], sentences: Sequence[Sequence[int]] = ()
    ) -> list[Reading]:
        """What each passage, a (title, text), says of the question, in the order given. ``sentences``: as the seam has it.

        Each is read by itself: what it says does not depend on the others, nor on their order.
        """
        windows: list[_Window] = []
        for at, (title, text) in enumerate(passages):
            starts = np.array(sentences[at] if sentences else (), np.int64)
            windows += self._windows(at, question, title, text, starts)
        readings = [NOTHING] * len(windows)

        def take(number: int, states: Float32Array) -> None:
            window = windows[number]
            readings[number] = self._heads.read(states, window.start, window.offsets, window.sentences)

        if windows:
            self._encoder.encode_each([window.ids for window in windows], take)
        best: list[Reading] = [NOTHING] * len(passages)
        for window, reading in zip(windows, readings, strict=True):
            if best[window.passage] is NOTHING or reading.relevance > best[window.passage].relevance:
                best[window.passage] = reading
        return best

    def _windows(
        self, at: int, question: str, title: str, text: str, sentences: npt.NDArray[np.int64]
    ) -> list[_Window]:
        """The passage behind the question, in as many windows as it takes. A passage without a word has none."""
        if not text.strip():
            return []
        tokens, offsets = plain_tokens(self._tokenizer, text)
        head = self._head(question, title)
        room = self._encoder.max_tokens - len(head) - 1
        made = []
        for first in range(0, max(1, len(tokens) - OVERLAP), room - OVERLAP):
            ids = tokens[first : first + room]
            if ids:
                spans = [token_span(text, *span) for span in offsets[first : first + room]]
                made.append(_Window(at, [*head, *ids, self._eos], len(head), np.array(spans, np.int64), sentences))
        return made

    def _head(self, question: str, title: str) -> list[int]:
        """What stands before the passage. Of a long question the end counts: there it is asked."""
        composed = [unicodedata.normalize("NFC", text) for text in (question, title)]  # as documents are
        asked, named = (plain_tokens(self._tokenizer, text)[0] for text in composed)
        asked, named = asked[-QUESTION_TOKENS:], named[:TITLE_TOKENS]
        return head_of(asked, named, self._bos, self._eos)


def open_reader(settings: Settings, tokenizer: Tokenizer | None = None) -> TrainedReader | None:
    """The reader that the settings name; None where the bundled model, whose token embeddings it shares, is not installed.

    Raises:
        ReaderError: the weights are damaged.

    """
    try:
        path = find_weights()
    except ModelError:
        if settings.reader:  # it was asked for by name
            raise
        return None
    chosen = Path(settings.reader) if settings.reader else FILE
    return TrainedReader(open_weights(path), chosen, tokenizer)


def layers_of(path: Path) -> int:
    """How many layers these weights have.

    Raises:
        ReaderError: the file is missing or damaged.

    """
    try:
        return _layers(_read(path)[1], 1 << 10)
    except (KeyError, ValueError) as error:
        raise ReaderError(model=path, detail=f"not the weights of a reader ({error})") from error


def _layers(about: Mapping[str, str], most: int) -> int:
    layers = int(about["layers"])
    if about["format"] != FORMAT or not 0 < layers <= most:
        raise ValueError(f"format {about['format']}, {layers} layers")
    return layers


def head_of(question: Sequence[int], title: Sequence[int], bos: int, eos: int) -> list[int]:
    """``<s> question </s> </s> title </s>``, in tokens: what a passage is read behind; without a title, not its end either."""
    return [bos, *question, eos, eos, *([*title, eos] if len(title) else ())]


@dataclass(frozen=True, slots=True)
class _Window:
    passage: int
    ids: list[int]
    start: int  # of the passage among the ids
    offsets: npt.NDArray[np.int64]  # (tokens, 2): where its tokens stand in its text
    sentences: npt.NDArray[np.int64]  # (n,): where those of its text begin


class _Heads:
    """The heads, in float32. ``training/model.py`` says what they compute.

    They run as the encoder does and where it ran: numpy's matrix products would wake a thread for each core, which wait for one another.
    """

    def __init__(self, tensors: Mapping[str, npt.NDArray[np.generic]], hidden: int) -> None:
        def of(name: str) -> Float32Array:
            return np.array(tensors[name], np.float32)

        joint = len(of("first.b"))
        shapes = {"ends": (2, hidden), "first": (joint, hidden), "last": (joint, hidden)}
        shapes |= {"inner": (inner := len(of("inner.b")), 3 * hidden), "outer": (2, inner)}
        graph = Graph()
        for name, shape in shapes.items():
            weight, bias = of(f"{name}.w"), of(f"{name}.b")
            if weight.shape != shape or bias.shape != shape[:1]:
                raise ValueError("heads of another shape")
            scale = np.float32(1 / np.sqrt(joint) if name == "first" else 1)
            graph.constant(f"{name}.w", weight.T * scale)
            graph.constant(f"{name}.b", bias * scale)
        scores, judged = _add_heads(graph, hidden)
        self._session = graph.session(
            {"head": (1, hidden), "inside": ("tokens", hidden)}, {scores: ("tokens", "tokens"), judged: (1, 2)}
        )

    def read(
        self, states: Float32Array, start: int, offsets: npt.NDArray[np.int64], sentences: npt.NDArray[np.int64]
    ) -> Reading:
        """``states`` (tokens, hidden); those of the passage begin at ``start`` and stand at ``offsets``, (its tokens, 2).

        No span goes over the beginning of a sentence, (n,) in the same text.
        """
        scores, judged = self._run(states, start, offsets)
        scores = _within_sentences(scores, offsets, sentences)
        spans = np.exp(scores - scores.max())
        spans /= spans.sum()
        relevance, wordless = judged[0]
        return Reading(float(relevance), float(wordless), _best(spans, offsets), offsets[:, 0], spans.sum(axis=1))

    def scores(
        self, states: Float32Array, start: int, offsets: npt.NDArray[np.int64], sentences: npt.NDArray[np.int64]
    ) -> Float32Array:
        """(tokens, tokens): of each first and last token, before any softmax; -inf where these are no span."""
        return _within_sentences(self._run(states, start, offsets)[0], offsets, sentences)

    def _run(
        self, states: Float32Array, start: int, offsets: npt.NDArray[np.int64]
    ) -> tuple[Float32Array, Float32Array]:
        inside = states[start : start + len(offsets)]
        scores, judged = self._session.run(None, {"head": states[:1], "inside": inside})
        return np.asarray(scores, np.float32), np.asarray(judged, np.float32)


def _add_heads(graph: Graph, hidden: int) -> tuple[str, str]:
    """``head``, the state of ``<s>``, and ``inside``, those of the passage -> the scores of spans; relevance and wordless."""

    def linear(name: str, x: str) -> str:
        return graph.node("Add", [graph.node("MatMul", [x, f"{name}.w"]), f"{name}.b"])

    def turned(x: str) -> str:
        return graph.node("Transpose", [x], perm=[1, 0])

    ends = linear("ends", "inside")
    start, end = graph.nodes("Split", [ends, graph.constant("one each", np.array([1, 1]))], outputs=2, axis=1)
    joint = graph.node("MatMul", [linear("first", "inside"), turned(linear("last", "inside"))])
    scores = graph.node("Add", [graph.node("Add", [start, joint]), turned(end)])
    places = graph.node("MatMul", [turned(graph.node("Softmax", [ends], axis=0)), "inside"])
    row = graph.node("Reshape", [places, graph.constant("row", np.array([1, 2 * hidden]))])
    pooled = graph.node("Concat", ["head", row], axis=1)
    return scores, linear("outer", graph.node("Gelu", [linear("inner", pooled)]))


def _within_sentences(
    scores: Float32Array, offsets: npt.NDArray[np.int64], sentences: npt.NDArray[np.int64]
) -> Float32Array:
    """The scores of spans, (tokens, tokens); -inf for those that are none, are too long or go over the beginning of a sentence."""
    rows = np.arange(len(offsets))
    gap = rows[None, :] - rows[:, None]
    inside_one = np.equal.outer(*[np.searchsorted(sentences, offsets[:, 0], "right")] * 2)
    possible = (gap >= 0) & (gap < LONGEST) & inside_one & (offsets[None, :, 1] > offsets[:, :1])
    return np.where(possible, scores, np.float32(-np.inf))


NOTHING: Final = Reading(-20.0, 0.0, (), np.zeros(0, np.int64), np.zeros(0, np.float32))  # of a passage without a token


def _best(spans: Float32Array, offsets: npt.NDArray[np.int64]) -> tuple[Span, ...]:
    """The most probable spans that do not overlap, best first."""
    left = spans.copy()
    found: list[Span] = []
    while len(found) < SPANS and left.any():
        first, last = divmod(int(left.argmax()), left.shape[1])
        start, end, probability = int(offsets[first, 0]), int(offsets[last, 1]), float(left[first, last])
        if found and probability < LEAST:
            break
        left[: last + 1, first:] = 0  # all that begin before its end and end after its start
        if all(end <= other.start or start >= other.end for other in found):  # tokens may share a character
            found.append(Span(start, end, probability, int(offsets[last, 0])))
    return tuple(found)


def token_span(text: str, start: int, end: int) -> tuple[int, int]:
    """A token's span without the space in front of its word."""
    while start < end and text[start].isspace():
        start += 1
    return start, end


def _read(path: Path) -> tuple[dict[str, npt.NDArray[np.generic]], dict[str, str]]:
    try:
        with safe_open(path, framework="numpy") as file:
            tensors: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
            about: dict[str, str] = file.metadata() or {}
    except OSError as error:  # a missing file comes without a number
        raise ReaderError(model=path, detail=error.strerror or os.strerror(errno.ENOENT)) from error
    except (SafetensorError, TypeError) as error:  # TypeError: of numbers that numpy does not know
        raise ReaderError(model=path, detail=f"not a safetensors file ({error})") from error
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise ReaderError(model=path, detail="some of the weights are no numbers")
    return tensors, about
