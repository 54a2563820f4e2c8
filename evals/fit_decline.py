"""Fit the model that decides whether the passages found answer a question (``rag.answering.DECLINE``).

    python -m evals.fit_decline [--questions 700] [--seed 1]

Needs ``$GEUNGEO_DATA`` (mrc/train.jsonl: KLUE-MRC, CC BY-SA 4.0, and TyDi QA GoldP, Apache-2.0). Questions are asked

- over all sampled paragraphs, and over their own paragraph alone: answerable;
- over one other paragraph alone: far off, for a library of one article;
- over all paragraphs but their own: unanswerable in a large library, and the hardest, because half of those paragraphs
  are on neighbouring subjects.

The last are weighted low: without a reader they cannot be told from the answerable ones, and to decline them is to
decline good questions too. The threshold lets 2% of the far-off through. Nothing of dev, news or gold files is read.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from rag.answering import evidence
from rag.assistant import PASSAGES_READ
from rag.embedding import SentenceEmbedder
from rag.indexing import index_documents
from rag.loaders import load_jsonl
from rag.morphology import Morphology
from rag.retrieval import HybridRetriever
from rag.settings import Settings
from rag.store import NewDocument, Store

HARD_WEIGHT = 0.1  # of an unanswerable question in a large library, against 1 for a far-off one
PASSED = 0.02  # share of far-off questions that the threshold lets through


def sample(path: Path, questions: int, seed: int) -> list[tuple[str, str]]:
    """(question, paragraph) pairs, half of them from each source."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    chosen = []
    for source in sorted({row["source"] for row in rows}):
        some = [row for row in rows if row["source"] == source]
        chosen += random.Random(seed).sample(some, min(questions // 2, len(some)))
    return [(row["question"], unicodedata.normalize("NFC", row["context"])) for row in chosen]


class Bench:
    """Libraries over chosen paragraphs, each paragraph embedded once."""

    def __init__(self, folder: Path, paragraphs: Iterable[str]) -> None:
        self.embedder = SentenceEmbedder.open(Settings())
        self.morphology = Morphology()
        self.folder = folder
        lines = [
            json.dumps({"id": str(number), "title": "", "text": text}, ensure_ascii=False)
            for number, text in enumerate(dict.fromkeys(paragraphs))
        ]
        loaded = load_jsonl("\n".join(lines).encode(), "mrc.jsonl", "mrc")
        indexed = index_documents(
            [item.document for item in loaded], self.morphology, self.embedder, chunk_size=Settings().chunk_size,
            on_progress=lambda p: print(f"\r{p.done}/{p.total} passages", end="", file=sys.stderr, flush=True),
        )  # fmt: skip
        self.documents = {
            item.document.text: NewDocument(item.document, item.original, passages)
            for item, (_, passages) in zip(loaded, indexed, strict=True)
        }

    def retriever(self, name: str, paragraphs: Iterable[str]) -> HybridRetriever:
        """A retriever over some of the paragraphs."""
        store = Store.open(self.folder / name, create=True)
        store.write([self.documents[text] for text in paragraphs], model=(self.embedder.name, self.embedder.dimension))
        return HybridRetriever(store, self.embedder, self.morphology)


def main() -> int:
    """Print the fitted models and what they do on the questions they were fitted on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=700)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    data = os.environ.get("GEUNGEO_DATA")
    if not data:
        parser.error("set GEUNGEO_DATA to the folder that holds mrc/train.jsonl")
    pairs = sample(Path(data) / "mrc" / "train.jsonl", options.questions, options.seed)
    with tempfile.TemporaryDirectory() as folder:
        groups = features(Bench(Path(folder), [text for _, text in pairs]), pairs, options.seed)
    for columns, name in (([0, 1], "same script"), ([0], "other script")):
        report(name, {key: rows[:, columns] for key, rows in groups.items()})
    return 0


def features(bench: Bench, pairs: list[tuple[str, str]], seed: int) -> dict[str, npt.NDArray[np.float64]]:
    """(cosine, coverage) of every question in each of the four settings, (questions, 2)."""
    whole = bench.retriever("whole", bench.documents)
    alone = {text: bench.retriever(f"alone-{i}", [text]) for i, text in enumerate(bench.documents)}
    texts, choose = list(bench.documents), random.Random(seed)
    groups: dict[str, list[tuple[float, float]]] = {"whole": [], "own": [], "far": [], "removed": []}
    for question, own in pairs:
        other = choose.choice([text for text in texts if text != own])
        groups["whole"].append(evidence(whole.find(question, PASSAGES_READ)))
        groups["own"].append(evidence(alone[own].find(question, PASSAGES_READ)))
        groups["far"].append(evidence(alone[other].find(question, PASSAGES_READ)))
        found = whole.find(question, 4 * PASSAGES_READ)
        keep = [i for i, p in enumerate(found.passages) if p.passage.document != bench.documents[own].document.id]
        few = keep[:PASSAGES_READ]
        without = type(found)(
            tuple(found.hits[i] for i in few), tuple(found.passages[i] for i in few), found.vector, found.weights
        )
        groups["removed"].append(evidence(without))
    return {key: np.array(rows) for key, rows in groups.items()}


def report(name: str, groups: dict[str, npt.NDArray[np.float64]]) -> None:
    """Fit one model and print its numbers."""
    good, far, hard = np.vstack([groups["whole"], groups["own"]]), groups["far"], groups["removed"]
    x = np.vstack([good, far, hard])
    y = np.r_[np.ones(len(good)), np.zeros(len(far) + len(hard))]
    weight = np.r_[np.full(len(good), 0.5), np.ones(len(far)), np.full(len(hard), HARD_WEIGHT)]
    model = LogisticRegression(C=1e3, max_iter=10_000).fit(x, y, sample_weight=weight)
    confidence = {key: model.predict_proba(rows)[:, 1] for key, rows in groups.items()}
    chosen = float(np.quantile(confidence["far"], 1 - PASSED))
    print(f"{name}: bias {model.intercept_[0]:.2f}, weights {np.round(model.coef_[0], 2).tolist()}")
    for threshold in sorted({0.1, 0.2, 0.3, 0.4, 0.5, 0.6, round(chosen, 3)}):
        declined = {key: round(float((values < threshold).mean()), 3) for key, values in confidence.items()}
        print(f"  {'*' if threshold == round(chosen, 3) else ' '} threshold {threshold:.3f} declines {declined}")


if __name__ == "__main__":
    raise SystemExit(main())
