"""Fit how the reader and the search are weighed (``rag.exact``: ``RANKING`` and ``CONFIDENCE``).

    GEUNGEO_DATA=... python -m training.fit [--others 600] [--reader rag/reader.safetensors]

On the questions that ``training.sources`` holds out, and those of the family apart, which ask in other words than the text does, over a
library of their documents and some others; each is asked

- all: of all documents, and own: of its own document alone. Answerable;
- removed: of all documents but its own, unless one of the first ten passages holds the words of its answer;
- far: of another document alone;
- missing: questions that their document does not answer, of all documents and of that one.

The weights of the ranking minimise the listwise loss the reader was trained with. Confidence is a logistic regression of whether the
first citation holds the answer. The figures, and the threshold, are of the confidence in each question by a model fitted on other folds,
all that is asked of a document in one fold. The table is the curve the threshold is chosen on: what share of the answerable is still
answered, and the F1 of declining where they are mixed one to one with the removed, and with the missing. The F1 rises with the
threshold wherever questions are worth answering at all, so it is the highest that answers ``ANSWERED`` of those asked of all documents.
Within a way, each source of questions counts as much as the others.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import random
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from evals.calibration import expected_calibration_error
from rag.assistant import PASSAGES_READ
from rag.exact import RankingModel, ReadingAnswerer, Signs, judge, readable
from rag.interfaces import Reading
from rag.morphology import Morphology
from rag.reader import FILE, TrainedReader
from rag.types import Document, Found
from rag.weights import find_weights, open_weights
from training.prepare import library
from training.sources import APART, Asked, held_out, read_sources

Floats = npt.NDArray[np.float64]
WEIGHTS = {"all": 1.0, "own": 1.0, "removed": 0.5, "missing": 0.5, "missing own": 0.3, "far": 0.3}
ANSWERABLE = ("all", "own")
ANSWERED = 0.88  # of the answerable, asked of all documents, above the threshold
FOLDS = 5


@dataclass(frozen=True)
class Case:
    """A question asked in one of the ways, and what came of it."""

    kind: str
    asked: Asked
    found: Found
    readings: list[Reading]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, and print what to write into ``rag/exact.py``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--others", type=int, default=600)
    parser.add_argument("--limit", type=int, default=250, help="questions of a source at most")
    parser.add_argument("--reader", type=Path, default=FILE)
    options = parser.parse_args(arguments)
    data = os.environ.get("GEUNGEO_DATA")
    if not data:
        parser.error("set GEUNGEO_DATA to the folder that holds mrc, boolq and law")
    sources = read_sources(Path(data))
    rng = random.Random(5)
    apart = held_out(sources)
    asked = [item for item in sources.asked if item.document in apart and item.source != "boolq"]
    alike: dict[tuple[str, bool], list[Asked]] = defaultdict(list)
    for item in asked:
        alike[group_of(item), bool(item.spans)].append(item)
    asked = [item for some in alike.values() for item in rng.sample(some, min(options.limit, len(some)))]
    others = rng.sample(sorted(set(sources.documents) - apart), options.others)
    records = {id: sources.documents[id] for id in [*sorted({item.document for item in asked}), *others]}
    morphology = Morphology()
    with tempfile.TemporaryDirectory() as folder:
        retriever, _ = library(Path(folder), records.values(), morphology, sentence_vectors=True)
        reader = TrainedReader(open_weights(find_weights()), options.reader)
        documents = {r["id"]: Document(r["id"], r["title"], r["text"], r["id"], "", r["id"]) for r in records.values()}
        retriever.search(asked[0].question, 1)

        def cases_of(item: Asked) -> list[Case]:
            context, _, question = item.question.rpartition("\n")
            ways: list[tuple[str, Found]] = []
            own = [item.document]
            if item.spans:
                ways = [("all", retriever.find(question, PASSAGES_READ, context=context)),
                        ("own", retriever.find(question, PASSAGES_READ, context=context, within=own))]  # fmt: skip
                rest = retriever.find(question, 10, context=context, without=own)
                words = [records[item.document]["text"][a:b] for a, b in item.spans]
                other = random.Random(item.id).choice([id for id in records if id != item.document])
                ways.append(("far", retriever.find(question, PASSAGES_READ, context=context, within=[other])))
                if not any(word in hit.passage.text for hit in rest.hits for word in words):
                    ways.append(("removed", retriever.find(question, PASSAGES_READ, context=context, without=own)))
            else:
                ways = [("missing", retriever.find(question, PASSAGES_READ, context=context)),
                        ("missing own", retriever.find(question, PASSAGES_READ, context=context, within=own))]  # fmt: skip
            made = []
            for kind, found in ways:
                made.append(Case(kind, item, found, reader.read(item.question, *readable(found, documents))))
            return made

        cases: list[Case] = []
        with ThreadPoolExecutor(2) as pool:
            for at, some in enumerate(pool.map(cases_of, asked)):
                cases += some
                if at % 50 == 0:
                    print(f"\r{at} of {len(asked)}", end="", file=sys.stderr, flush=True)
    print(f'FITTED_TO = "{hashlib.sha256(options.reader.read_bytes()).hexdigest()[:16]}"')
    ranking = weigh(cases)
    fit(cases, ranking, ReadingAnswerer(reader, morphology), documents)
    return 0


def group_of(item: Asked) -> str:
    """What counts as a source of questions."""
    return APART if item.family == APART else item.source if item.language == "ko" else "foreign"


def weights_of(cases: Sequence[Case]) -> Floats:
    """One a case: within its kind, each source counts as much as the others."""
    alike = Counter((case.kind, group_of(case.asked)) for case in cases)
    sources, totals = Counter(kind for kind, _ in alike), Counter(case.kind for case in cases)
    return np.array(
        [WEIGHTS[c.kind] * totals[c.kind] / sources[c.kind] / alike[c.kind, group_of(c.asked)] for c in cases]
    )


def is_right(case: Case) -> list[bool]:
    """Which passages hold the answer."""
    if case.kind not in ANSWERABLE:
        return [False] * len(case.found.hits)
    spans = case.asked.spans
    return [
        h.passage.document == case.asked.document and any(h.passage.start <= a and b <= h.passage.end for a, b in spans)
        for h in case.found.hits
    ]


def weigh(cases: Sequence[Case]) -> RankingModel:
    """Fit the weights of ``judge``."""
    rows = []
    for case, weight in zip(cases, weights_of(cases), strict=True):
        relevance = np.array([reading.relevance for reading in case.readings])
        scores = np.array([hit.score for hit in case.found.hits])
        right = np.array(is_right(case))
        if case.kind in ANSWERABLE and not right.any():
            continue
        rows.append((weight, relevance, scores - scores.max(), right))

    def loss(x: Floats) -> float:
        total = 0.0
        for weight, relevance, scores, right in rows:
            odds = np.append(x[0] * relevance + x[1] * scores - x[2], 0.0)
            good = np.append(right, not right.any())
            total += weight * (np.logaddexp.reduce(odds) - np.logaddexp.reduce(odds[good]))
        return float(total / sum(weight for weight, *_ in rows))

    best = minimize(loss, np.array([1.0, 5.0, 0.0]), method="Nelder-Mead").x
    ranking = RankingModel(*(round(float(value), 3) for value in best))
    print(f"RANKING = {ranking}; loss {loss(best):.4f}, by the reader alone {loss(np.array([1.0, 0, 0])):.4f}")
    for kind in ANSWERABLE:
        some = [case for case in cases if case.kind == kind]
        first = dict.fromkeys(("search", "reader", "both"), 0)
        for case in some:
            holds = is_right(case)
            relevance = np.array([reading.relevance for reading in case.readings])
            scores = np.array([hit.score for hit in case.found.hits])
            for name, odds in (
                ("search", scores),
                ("reader", relevance),
                ("both", best[0] * relevance + best[1] * scores),
            ):
                first[name] += holds[int(np.argmax(odds))]
        print(
            f"  {kind}: right passage first "
            + ", ".join(f"{name} {count / len(some):.3f}" for name, count in first.items())
        )
    return ranking


def fit(
    cases: Sequence[Case], ranking: RankingModel, answerer: ReadingAnswerer, documents: dict[str, Document]
) -> None:
    """Fit confidence and print the thresholds."""
    signs: dict[str, list[Signs]] = {kind: [] for kind in WEIGHTS}
    right: dict[str, list[bool]] = {kind: [] for kind in WEIGHTS}
    for case in cases:
        judged = judge(case.found, case.readings, ranking)
        question = case.asked.question.rpartition("\n")[2]
        answer = answerer.conclude(question, judged, documents)
        signs[case.kind].append(answer.signs)
        cited = answer.citations[:1] if case.kind in ANSWERABLE else ()
        right[case.kind].append(
            any(
                citation.document == case.asked.document and citation.start < b and a < citation.end
                for citation in cited
                for a, b in case.asked.spans
            )
        )
    ordered = [case for kind in WEIGHTS for case in cases if case.kind == kind]
    x = np.array([sign for kind in WEIGHTS for sign in signs[kind]])
    y = np.array([one for kind in WEIGHTS for one in right[kind]])
    weight = weights_of(ordered)
    model = fitted(x, y, weight)
    outside = np.zeros(len(y))  # the confidence in each by a model that was not fitted on it
    for inner, outer in GroupKFold(FOLDS).split(x, y, [case.asked.document for case in ordered]):
        outside[outer] = fitted(x[inner], y[inner], weight[inner]).predict_proba(x[outer])[:, 1]
    of = {kind: np.array([case.kind == kind for case in ordered]) for kind in WEIGHTS if signs[kind]}
    threshold = math.floor(100 * quantile(outside[of["all"]], weight[of["all"]], 1 - ANSWERED)) / 100
    print(
        f"ConfidenceModel({model.intercept_[0]:.3f}, {tuple(model.coef_[0].round(3).tolist())}, threshold={threshold})"
    )
    for kind, some in of.items():
        print(
            f"  {kind}: {some.sum()}, first citation right {np.average(y[some], weights=weight[some]):.3f},"
            f" confidence {np.average(outside[some], weights=weight[some]):.3f}"
        )
    print(f"calibration error {expected_calibration_error(outside, y.astype(np.float64)):.4f}")
    for each in sorted({threshold, *np.arange(0.05, 0.7, 0.05).round(2).tolist()}):
        declined = {k: float(np.average(outside[some] < each, weights=weight[some])) for k, some in of.items()}
        line = f"  {each:.2f}: answered {1 - declined['all']:.3f}, own {1 - declined['own']:.3f}"
        for kind, base in (("removed", "all"), ("missing", "all"), ("missing own", "own")):
            recall, lost = declined[kind], declined[base]
            line += f", {kind} F1 {2 * recall / (1 + recall + lost):.3f}"
        print(line)


def quantile(values: Floats, weights: Floats, share: float) -> float:
    """The value, of (n,), below which this share of the weights lies."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(int(np.searchsorted(reached, share, "right")), len(values) - 1)])


def fitted(x: Floats, y: npt.NDArray[np.bool_], weight: Floats) -> LogisticRegression:
    """The model of confidence."""
    return LogisticRegression(C=10.0, max_iter=10_000).fit(x, y, sample_weight=weight)


if __name__ == "__main__":
    raise SystemExit(main())
