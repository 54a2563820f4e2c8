"""Make what the reader is trained on: passages, questions, groups of a question and what search finds for it, and clozes.

    GEUNGEO_DATA=... python -m training.prepare [--out .cache/reader] [--bulk 2400] [--no-clozes] [--squad FILE ...]
                                                [--fresh FAMILY ... --replay 0.2] [--beside 1000 --measured 200]

Documents are cut and searched by the very code that answers, so that what is read in training is what is read later. A group is a
question, the passages that hold its answer, and the best-ranked others. Where an answer is known, others that hold its words are
left out: they may answer too. Takes some 20 minutes on two cores the first time; embeddings are kept.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections.abc import Container, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from evals.cache import CachedEmbedder
from rag.embedding import open_embedder
from rag.indexing import index_documents
from rag.loaders import normalise
from rag.morphology import Morphology
from rag.pace import Pace
from rag.retrieval import HybridRetriever
from rag.settings import Settings
from rag.store import NewDocument, Store
from rag.tokenizer import build_tokenizer
from rag.types import Document, IndexedPassage, Passage
from rag.weights import find_weights, open_weights
from training.clozes import read_clozes, write_clozes
from training.noise import noisy
from training.sources import Asked, Sources, held_out, part_of, read_sources, squad_sources, with_own
from training.tables import Group, Piece, Tables, covering, write

OUT = Path(".cache") / "reader"
FOUND = 32  # passages searched for
OTHERS = 24  # of them kept that do not answer


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare, and say how much there is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--bulk", type=int, default=2400, help="documents for clozes; half are searched too")
    parser.add_argument(
        "--squad", type=Path, nargs="+", help="only the questions of these files in SQuAD format; no clozes"
    )
    parser.add_argument(
        "--beside", type=int, default=0, help="with --squad: so many questions of training/written too,"
    )
    parser.add_argument("--measured", type=int, default=0, help="and so many of its held-out ones")
    parser.add_argument("--no-clozes", action="store_true", help="for the second stage alone")
    parser.add_argument("--fresh", nargs="+", default=[], help="families of training/written, or sources: all of them,")
    parser.add_argument("--replay", type=float, help="and this share of the rest; their documents alone are searched")
    options = parser.parse_args(arguments)
    if bool(options.fresh) != (options.replay is not None):
        parser.error("--fresh and --replay go together")
    data = os.environ.get("GEUNGEO_DATA")
    if not data and not options.squad:
        parser.error("set GEUNGEO_DATA to the folder that holds mrc, boolq and law")
    options.out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(3)
    sources = squad_sources(options.squad) if options.squad else read_sources(Path(data or ""))
    if options.squad:
        sources, apart = with_own(sources, options.beside, options.measured, rng)
    else:
        apart = held_out(sources)
    if options.fresh:
        names = {name for item in sources.asked for name in (item.family, item.source)}
        if unknown := set(options.fresh) - names:
            parser.error(f"no family or source {', '.join(sorted(unknown))}; there are {', '.join(sorted(names))}")
        sources = part_of(sources, options.fresh, options.replay, rng)
    bulk = rng.sample(some := sorted(set(sources.bulk) - apart), min(options.bulk, len(some)))
    file = None
    if not options.squad and not options.no_clozes:
        records = sources.documents | {id: sources.bulk[id] for id in bulk}
        file = write_clozes(options.out, [record for id, record in records.items() if id not in apart])
    weights = open_weights(find_weights())
    morphology = Morphology()
    tables = Tables(build_tokenizer(weights.tokenizer))
    records = sources.documents | {id: sources.bulk[id] for id in bulk[: len(bulk) // 2]}
    with tempfile.TemporaryDirectory() as folder:
        retriever, cut = library(Path(folder), records.values(), morphology)
        pieces, rows = passages_of(cut, records, tables)
        groups = list(mine(sources, apart, retriever, pieces, rows, tables, records, rng))
    print(f"{len(groups)} groups over {len(tables.passages)} passages", file=sys.stderr)
    clozes = list(read_clozes(file, sources.documents | sources.bulk, tables)) if file else []
    print(f"{len(clozes)} clozes, {len(tables.passages)} passages in all", file=sys.stderr)
    write(options.out, tables, groups, clozes)
    return 0


def library(
    folder: Path, records: Iterable[dict[str, str]], morphology: Morphology, *, sentence_vectors: bool = False
) -> tuple[HybridRetriever, dict[str, list[IndexedPassage]]]:
    """A library over the documents, and their passages."""
    embedder = CachedEmbedder(open_embedder(Settings()))
    documents = [Document(r["id"], r["title"], r["text"], r["id"], "training", r["id"]) for r in records]
    pace = Pace(lambda p: print(f"\r{p.percent}% {p.left or ''}   ", end="", file=sys.stderr, flush=True))
    pace.expect(sum(len(document.text) for document in documents))
    store = Store.open(folder, create=True)
    cut: dict[str, list[IndexedPassage]] = {}
    new: list[NewDocument] = []
    for document, passages in index_documents(
        documents, morphology, embedder, chunk_size=Settings().chunk_size, sentence_vectors=sentence_vectors, pace=pace
    ):
        cut[document.id] = passages
        new.append(NewDocument(document, b"", passages))
    store.write(new, model=(embedder.name, embedder.dimension))
    return HybridRetriever(store, embedder, morphology), cut


def passages_of(
    cut: dict[str, list[IndexedPassage]], records: dict[str, dict[str, str]], tables: Tables
) -> tuple[dict[str, list[Piece]], dict[tuple[str, int], int]]:
    """The passages of each document with their tokens, and the row of each by document and start."""
    pieces: dict[str, list[Piece]] = {}
    rows: dict[tuple[str, int], int] = {}
    for id, passages in cut.items():
        pieces[id] = [tables.tokens(id, p.passage.start, p.passage.text) for p in passages]
        for piece in pieces[id]:
            rows[id, piece.start] = tables.passage(piece, records[id]["title"])
    return pieces, rows


def mine(
    sources: Sources, apart: Container[str], retriever: HybridRetriever, pieces: dict[str, list[Piece]], rows: dict[tuple[str, int], int],
    tables: Tables, records: dict[str, dict[str, str]], rng: random.Random,
) -> Iterator[Group]:  # fmt: skip
    """A group for each question that a passage answers or that is known to have no answer."""
    questions = [item.question for item in sources.asked]
    if not questions:
        raise ValueError("there are no questions")
    retriever._embedder.embed_queries(questions)  # together: quicker
    retriever.search(questions[0].rpartition("\n")[2], 1)

    def searched(question: str) -> list[Passage]:  # as it will be asked: a follow-up with what it leans on
        context, _, last = question.rpartition("\n")
        return [hit.passage for hit in retriever.find(last, FOUND, context=context).hits]

    with ThreadPoolExecutor(2) as pool:
        found = pool.map(searched, questions)
        for at, (item, hits) in enumerate(zip(sources.asked, found, strict=True)):
            if at % 500 == 0:
                print(f"\r{at} of {len(questions)}", end="", file=sys.stderr, flush=True)
            right, answers = answering(item, pieces, rows, records)
            if not right and (item.spans or item.whole):
                continue
            holding = {row for row, _, _ in right}
            own = [(p.document, p.start) for p in pieces[item.document]]
            ranked = dict.fromkeys([*((p.document, p.start) for p in hits), *own])
            others = []
            for document, start in ranked:
                row = rows[document, start]
                if row in holding or (document == item.document and item.whole and not item.spans):
                    continue
                if document in apart and item.document not in apart:  # not even as what does not answer
                    continue
                _, a, b = tables.places[row]
                if not any(answer in records[document]["text"][a:b] for answer in answers):
                    others.append(row)
            if item.source == "missing":  # the passage that seems to answer first
                others.sort(key=lambda row: tables.places[row][0] != item.document)
            yield Group(
                tables.question(normalise(item.question)),
                tables.question(noisy(normalise(item.question), rng)),
                item.source if item.language == "ko" else "foreign",
                item.document in apart,
                right,
                others[:OTHERS],
                item.family,
            )


def answering(
    item: Asked, pieces: dict[str, list[Piece]], rows: dict[tuple[str, int], int], records: dict[str, dict[str, str]]
) -> tuple[list[tuple[int, int, int]], list[str]]:
    """The rows of the passages that answer, with the tokens that do, and the texts of the answers."""
    if item.whole and item.spans:  # where what settles it begins
        some = [p for p in pieces[item.document] if any(p.start <= start < p.end for start, _ in item.spans)]
        return [(rows[item.document, piece.start], -1, -1) for piece in some], []
    if item.whole:
        return [(rows[item.document, piece.start], -1, -1) for piece in pieces[item.document]], []
    right = []
    for start, end in item.spans:
        for piece in pieces[item.document]:
            if tokens := covering(piece, start, end):
                right.append((rows[item.document, piece.start], *tokens))
    return right, [records[item.document]["text"][a:b] for a, b in item.spans]


if __name__ == "__main__":
    raise SystemExit(main())
