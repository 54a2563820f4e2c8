"""Exact match and F1 of the words that the span head of some weights finds in the right document.

    python -m training.spans QUESTIONS [WEIGHTS]

``QUESTIONS`` are in SQuAD format or in the lines of mrc. Every passage of the document is read, and the span with the highest score of all,
before any softmax, is taken: so weights that never learned to tell passages apart, as of plain fine-tuning, can be compared with
those that did. Passages, sentences and rules are those of the library and of the evals.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from evals.datasets import DatasetError, Question
from evals.measures import exact_match, f1
from evals.readers import read_squad
from rag.exact import spoken
from rag.morphology import Morphology
from rag.reader import FILE, TrainedReader
from rag.splitting import Piece, split
from rag.weights import Float32Array, find_weights, open_weights


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a line a source."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path)
    parser.add_argument("weights", type=Path, nargs="?", default=FILE)
    options = parser.parse_args(arguments)
    morphology = Morphology()
    reader = TrainedReader(open_weights(find_weights()), options.weights)
    try:
        dataset = read_squad(options.questions)
    except DatasetError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    records = {record["id"]: record for record in dataset.records}
    pieces = {id: split(record["text"], morphology) for id, record in records.items()}
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    asked = [question for question in dataset.questions if question.answers]
    for at, question in enumerate(asked):
        (document,) = question.documents
        words = words_of(reader, morphology, question, records[document], pieces[document])
        found[question.source or ""].append((float(exact_match(words, question.answers)), f1(words, question.answers)))
        if at % 50 == 0:
            sys.stderr.write(f"\r{at} of {len(asked)}")
    for source, rows in sorted(found.items()):
        em, mean = np.mean(rows, 0)
        sys.stdout.write(f"{source} {len(rows)}: exact match {em:.3f}, F1 {mean:.3f}\n")
    return 0


def words_of(
    reader: TrainedReader,
    morphology: Morphology,
    question: Question,
    record: Mapping[str, str],
    pieces: Sequence[Piece],
) -> str:
    """The words with the highest score in these passages of a document."""
    windows = []
    for at, piece in enumerate(pieces):
        text, starts = record["text"][piece.start : piece.end], [s.start - piece.start for s in piece.sentences]
        windows += reader._windows(at, question.question, record["title"], text, np.array(starts, np.int64))
    states: list[Float32Array] = [np.zeros((0, 0), np.float32)] * len(windows)
    reader._encoder.encode_each([window.ids for window in windows], states.__setitem__)
    best, words = -np.inf, ""
    for window, state in zip(windows, states, strict=True):
        scores = reader._heads.scores(state, window.start, window.offsets, window.sentences)
        if scores.max() > best:
            first, last = divmod(int(scores.argmax()), len(scores))
            best, piece = float(scores.max()), pieces[window.passage]
            start, end, tail = (piece.start + int(at) for at in (window.offsets[first, 0], *window.offsets[last, ::-1]))
            _, _, start, end = spoken(record["text"], piece.sentences, start, end, tail, morphology)
            words = record["text"][start:end]
    return words


if __name__ == "__main__":
    raise SystemExit(main())
