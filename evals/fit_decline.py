"""Fit the model that decides whether the passages found answer a question (``rag.answering.DECLINE``).

    python -m evals.fit_decline [--questions 700] [--seed 1]

Needs ``$GEUNGEO_DATA`` (mrc/train.jsonl: KLUE-MRC, CC BY-SA 4.0, and TyDi QA GoldP, Apache-2.0; law/easylaw.jsonl.gz, free use).
Two models are fitted: for questions in Korean, and for 150 of them put into English, Japanese and Chinese by hand
(``tune/crosslingual.jsonl``), whose inner products with Korean text are lower. Questions are asked

- whole: over all sampled paragraphs, and own: over their own paragraph alone; law: questions on the law guide over it. Answerable;
- far: over one other paragraph alone, far off in a small library; foreign: questions on paragraphs asked of the law guide and the
  other way round, far off in a large one;
- removed: over all paragraphs but their own. Hard: half of those paragraphs are on neighbouring subjects, and without reading
  them many cannot be told from answers. They are weighted low.

The threshold declines 2% of the answerable, the mean of their groups. Nothing of dev, news or gold files is read.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from evals.cache import CachedEmbedder
from evals.readers import read_corpus, read_gold, read_squad
from rag.answering import evidence
from rag.assistant import PASSAGES_READ
from rag.embedding import open_embedder
from rag.indexing import index_documents
from rag.loaders import load_jsonl
from rag.morphology import Morphology
from rag.pace import Pace
from rag.retrieval import HybridRetriever
from rag.settings import Settings
from rag.store import NewDocument, Store

TUNE = Path(__file__).resolve().parent / "tune"
WEIGHTS = {"whole": 0.5, "own": 0.5, "law": 0.5, "far": 0.5, "foreign": 0.5, "removed": 0.1}  # of a group's questions
ANSWERABLE = ("whole", "own", "law")
LOST = 0.02  # of the answerable
Pairs = list[tuple[str, str]]  # question, id of its document
Groups = dict[str, npt.NDArray[np.float64]]  # name -> evidence of each question, (n, 3)


class Bench:
    """Libraries over chosen documents, each document embedded once."""

    def __init__(self, folder: Path) -> None:
        self.embedder = CachedEmbedder(open_embedder(Settings()))
        self.morphology = Morphology()
        self.folder = folder
        self.documents: dict[str, NewDocument] = {}

    def add(self, records: Iterable[Mapping[str, str]]) -> list[str]:
        """Read and embed documents. Returns their ids."""
        lines = [json.dumps(record, ensure_ascii=False) for record in records]
        loaded = load_jsonl("\n".join(lines).encode(), "tune.jsonl", "tune")
        pace = Pace(lambda p: print(f"\r{p.percent}%", end="", file=sys.stderr, flush=True))
        pace.expect(sum(len(item.document.text) for item in loaded))
        indexed = index_documents(
            [item.document for item in loaded], self.morphology, self.embedder, chunk_size=Settings().chunk_size,
            pace=pace,
        )  # fmt: skip
        for item, (_, passages) in zip(loaded, indexed, strict=True):
            self.documents[item.document.id] = NewDocument(item.document, item.original, passages)
        return [item.document.id for item in loaded]

    def retriever(self, name: str, ids: Iterable[str]) -> HybridRetriever:
        """A retriever over some of the documents."""
        store = Store.open(self.folder / name, create=True)
        store.write([self.documents[id] for id in ids], model=(self.embedder.name, self.embedder.dimension))
        return HybridRetriever(store, self.embedder, self.morphology)


def main() -> int:
    """Print the fitted models and what they do on the questions they were fitted on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=700)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    data = os.environ.get("GEUNGEO_DATA")
    if not data:
        parser.error("set GEUNGEO_DATA to the folder that holds mrc/train.jsonl and law/easylaw.jsonl.gz")
    mrc = read_squad(Path(data) / "mrc" / "train.jsonl")
    document_of = {question.id: next(iter(question.documents)) for question in mrc.questions}
    korean: Pairs = []
    for source in sorted({question.source or "" for question in mrc.questions}):
        some = [question for question in mrc.questions if question.source == source]
        chosen = random.Random(options.seed).sample(some, min(options.questions // 2, len(some)))
        korean += [(question.question, document_of[question.id]) for question in chosen]
    asked = [json.loads(line) for line in (TUNE / "crosslingual.jsonl").read_text("utf-8").splitlines()]
    others: Pairs = [(row["question"], document_of[row["id"]]) for row in asked]
    law = [(q.question, next(iter(q.documents))) for q in read_gold(TUNE / "law.jsonl").questions]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        needed = {document for _, document in [*korean, *others]}
        paragraphs = bench.add(record for record in mrc.records if record["id"] in needed)
        guide = {document for _, document in law}
        records = read_corpus(Path(data) / "law" / "easylaw.jsonl.gz")
        sections = bench.add(record for record in records if record["id"] in guide)
        whole, laws = bench.retriever("whole", paragraphs), bench.retriever("law", sections)
        alone = {id: bench.retriever(f"alone-{id}", [id]) for id in paragraphs}
        for name, pairs, also in (("Korean", korean, law), ("other languages", others, [])):
            groups = features(whole, alone, laws, pairs, also, options.seed)
            if not also:  # a word shared with another language is a name or a number, and too seldom one to count on
                groups = {key: rows * [1, 0, 1] for key, rows in groups.items()}
            report(name, groups)
    return 0


def features(
    whole: HybridRetriever, alone: Mapping[str, HybridRetriever], laws: HybridRetriever,
    pairs: Pairs, law: Pairs, seed: int,
) -> Groups:  # fmt: skip
    """What speaks for an answer, for every question in each of the settings."""
    ids, choose = list(alone), random.Random(seed)
    groups: dict[str, list[tuple[float, float, float]]] = {name: [] for name in WEIGHTS}
    for question, own in pairs:
        other = choose.choice([id for id in ids if id != own])
        groups["whole"].append(evidence(whole.find(question, PASSAGES_READ)))
        groups["own"].append(evidence(alone[own].find(question, PASSAGES_READ)))
        groups["far"].append(evidence(alone[other].find(question, PASSAGES_READ)))
        groups["foreign"].append(evidence(laws.find(question, PASSAGES_READ)))
        found = whole.find(question, 4 * PASSAGES_READ)
        few = [i for i, p in enumerate(found.passages) if p.passage.document != own][:PASSAGES_READ]
        hits, passages = tuple(found.hits[i] for i in few), tuple(found.passages[i] for i in few)
        groups["removed"].append(evidence(replace(found, hits=hits, passages=passages)))
    for question, _ in law:
        groups["law"].append(evidence(laws.find(question, PASSAGES_READ)))
        groups["foreign"].append(evidence(whole.find(question, PASSAGES_READ)))
    return {name: np.array(rows) for name, rows in groups.items() if rows}


def report(name: str, groups: Groups) -> None:
    """Fit one model and print its numbers."""
    x = np.vstack(list(groups.values()))
    y = np.concatenate([np.full(len(rows), float(key in ANSWERABLE)) for key, rows in groups.items()])
    weight = np.concatenate([np.full(len(rows), WEIGHTS[key]) for key, rows in groups.items()])
    mean, spread = x.mean(axis=0), np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    model = LogisticRegression(C=1e3, max_iter=10_000).fit((x - mean) / spread, y, sample_weight=weight)
    slopes = model.coef_[0] / spread
    confidence = {key: model.predict_proba((rows - mean) / spread)[:, 1] for key, rows in groups.items()}
    answerable = [confidence[key] for key in ANSWERABLE if key in confidence]
    grid = np.linspace(0, 1, 1001)
    lost = np.mean([[(values < at).mean() for at in grid] for values in answerable], axis=0)
    chosen = float(grid[np.flatnonzero(lost <= LOST)[-1]])
    print(
        f"{name}: bias {model.intercept_[0] - slopes @ mean:.2f}, cosine, coverage, size {np.round(slopes, 2).tolist()}"
    )
    for threshold in sorted({0.1, 0.2, 0.3, 0.4, 0.5, 0.6, round(chosen, 3)}):
        declined = {key: round(float((values < threshold).mean()), 3) for key, values in confidence.items()}
        print(f"  {'*' if threshold == round(chosen, 3) else ' '} threshold {threshold:.3f} declines {declined}")


if __name__ == "__main__":
    raise SystemExit(main())
