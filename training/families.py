"""How some weights read the texts of families of written questions, each text searched by the reader alone.

    python -m training.families apart [own-j ...] [--weights FILE ...] [--every 4]

Every question is asked of all the passages of its own text, cut as the library cuts them. Printed for each family and weights: exact
match and F1 of the words with the highest probability, by the rules of the evals, and the AUC of that probability: how often a question
with an answer has a higher one than a question without. Only a family that was not trained on says how others would be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from evals.measures import exact_match, f1
from rag.exact import spoken
from rag.loaders import normalise
from rag.morphology import Morphology
from rag.reader import FILE, LEAST, TrainedReader
from rag.splitting import Piece, split
from rag.weights import find_weights, open_weights
from training.measure import area
from training.sources import WRITTEN


class Text(NamedTuple):
    """A text as it is read, and what is asked of it."""

    title: str
    text: str
    pieces: list[Piece]
    asked: list[tuple[str, str]]  # question, answer
    missing: list[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a line for each family and weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="+")
    parser.add_argument("--weights", type=Path, nargs="+", default=[FILE])
    parser.add_argument("--every", type=int, default=4, help="this text of so many")
    options = parser.parse_args(arguments)
    morphology, bundled = Morphology(), open_weights(find_weights())
    for family in options.families:
        texts = texts_of(family, options.every, morphology)
        if not texts:
            parser.error(f"no family {family}")
        for path in options.weights:
            reader = TrainedReader(bundled, path)
            asked = [
                (*ask(reader, morphology, text, question), words) for text in texts for question, words in text.asked
            ]
            missing = [ask(reader, morphology, text, question)[0] for text in texts for question in text.missing]
            em = np.mean([exact_match(said, [words]) for _, said, words in asked])
            shared = np.mean([f1(said, [words]) for _, said, words in asked])
            told = area(missing, [sure for sure, *_ in asked])
            sys.stdout.write(
                f"{family} {path.stem}: {len(asked)} answered, {len(missing)} not: exact match {em:.3f}, F1 {shared:.3f}, AUC {told:.3f}\n"
            )
            sys.stdout.flush()
    return 0


def texts_of(family: str, every: int, morphology: Morphology) -> list[Text]:
    """Each of so many texts of the family, from the first on. Follow-ups are left out."""
    rows: list[dict[str, Any]] = [
        json.loads(line)
        for path in sorted(WRITTEN.glob(f"{family}-[0-9]*.jsonl"))
        for line in path.read_text("utf-8").splitlines()[::every]
    ]
    made = []
    for row in rows:
        text = normalise(row["text"])
        asked = [(one["q"], normalise(one["answer"])) for one in row["questions"] if not one.get("before")]
        made.append(Text(row["title"], text, list(split(text, morphology)), asked, row.get("missing", [])))
    return made


def ask(reader: TrainedReader, morphology: Morphology, text: Text, question: str) -> tuple[float, str]:
    """How probable the best words are, as a logarithm, and the words."""
    passages = [(text.title, text.text[piece.start : piece.end]) for piece in text.pieces]
    starts = [[s.start - piece.start for s in piece.sentences] for piece in text.pieces]
    readings = reader.read(question, passages, starts)
    relevance = np.array([reading.relevance for reading in readings])
    shares = np.exp(relevance - np.logaddexp.reduce([*relevance, 0.0]))  # against none, as they were trained
    words = [reading.spans[0].probability if reading.spans else 0.0 for reading in readings]
    best = int(np.argmax(shares * words))
    if not readings[best].spans:
        return float(np.log(LEAST)), ""
    piece, span = text.pieces[best], readings[best].spans[0]
    start, end, tail = (piece.start + at for at in (span.start, span.end, span.tail))
    _, _, start, end = spoken(text.text, piece.sentences, start, end, tail, morphology)
    return float(np.log(max(shares[best] * words[best], 1e-9))), text.text[start:end]


if __name__ == "__main__":
    raise SystemExit(main())
