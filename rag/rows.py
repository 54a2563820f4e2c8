"""Passages as rows of the table ``passage``: JSON, and vectors as bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from rag.types import Document, IndexedPassage, Passage, Sentence


def row_of(document: str, indexed: IndexedPassage) -> tuple[object, ...]:
    """What is stored of a passage, without its key."""
    sentences = [[s.start, s.end, " ".join(s.morphemes)] for s in indexed.sentences]
    return (
        document,
        indexed.passage.start,
        indexed.passage.end,
        json.dumps(sentences, ensure_ascii=False),
        indexed.vector.astype("<f4").tobytes(),
        indexed.sentence_vectors.astype("<f2").tobytes(),
        " ".join(indexed.heading),
    )


def passage_of(row: Sequence[Any]) -> IndexedPassage:
    """A passage of its key, what ``row_of`` gave, and its text."""
    key, document, start, end, sentences, vector, sentence_vectors, heading, text = row
    unpacked = tuple(Sentence(a, b, tuple(forms.split())) for a, b, forms in json.loads(sentences))
    vector = np.frombuffer(vector, "<f4")
    return IndexedPassage(
        Passage(document, start, end, text),
        unpacked,
        vector,
        np.frombuffer(sentence_vectors, "<f2").reshape(-1, len(vector)),
        key,
        tuple(heading.split()),
    )


def problem_of(indexed: IndexedPassage, document: Document, dimension: int) -> str | None:
    """What is wrong with a stored passage, in English; None when it is sound."""
    passage = indexed.passage
    if not 0 <= passage.start < passage.end <= len(document.text):
        return "its span is outside the text"
    if document.text[passage.start : passage.end] != passage.text:
        return "its span and SQLite's do not agree"
    if any(not passage.start <= s.start < s.end <= passage.end for s in indexed.sentences):
        return "a sentence is outside the passage"
    if not indexed.sentences or (indexed.sentences[0].start, indexed.sentences[-1].end) != (passage.start, passage.end):
        return "its sentences do not cover it"
    if indexed.vector.shape != (dimension,) or indexed.sentence_vectors.shape != (len(indexed.sentences), dimension):
        return "its vectors have the wrong shape"
    lengths = np.linalg.norm(np.vstack([indexed.vector, indexed.sentence_vectors.astype(np.float32)]), axis=1)
    if not np.allclose(lengths, 1.0, atol=1e-2):
        return "its vectors are not of unit length"
    return None
