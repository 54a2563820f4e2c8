"""Make what the reader is trained on: passages, questions, groups of a question and what search finds for it, and clozes.

    GEUNGEO_DATA=... python -m training.prepare [--out .cache/reader] [--bulk 1200] [--squad FILE ...]

Documents are cut and searched by the very code that answers, so that what is read in training is what is read later. A group is a
question, the passages that hold its answer, and the best-ranked others. Where an answer is known, others that hold its words are
left out: they may answer too.

A cloze is a sentence without one of its noun phrases, asked of a passage that holds the phrase elsewhere in the same document:
recurring spans (Ram et al. 2021) in the form of a question (as Lewis et al. 2019). Takes some 20 minutes on two cores the first
time; embeddings are kept.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import sys
import tempfile
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer

from evals.cache import CachedEmbedder
from rag.embedding import open_embedder
from rag.indexing import index_documents
from rag.loaders import normalise
from rag.morphology import Morphology
from rag.pace import Pace
from rag.reader import QUESTION_TOKENS, TITLE_TOKENS
from rag.retrieval import HybridRetriever
from rag.settings import Settings
from rag.splitting import split
from rag.store import NewDocument, Store
from rag.tokenizer import build_tokenizer
from rag.types import Document, IndexedPassage
from rag.weights import find_weights, open_weights
from training.sources import Asked, Sources, held_out, read_sources, squad_sources

OUT = Path(".cache") / "reader"
FOUND = 32  # passages searched for
OTHERS = 24  # of them kept that do not answer
PASSAGE_TOKENS = 320
CLOZES = 12  # of a document at most
NOUNS = frozenset({"NNG", "NNP", "NNB", "NR", "SL", "SH", "SN"})


class Piece(NamedTuple):
    """A passage: its document, span, and tokens with the spans of these in the document."""

    document: str
    start: int
    end: int
    ids: list[int]
    offsets: list[tuple[int, int]]


class Group(NamedTuple):
    """A question and the passages to read: numbers of rows; spans are of tokens, last included; none says no words in particular."""

    question: int
    noisy: int  # the same, typed carelessly
    source: str
    held_out: bool
    right: list[tuple[int, int, int]]  # passage, first token, last token; -1, -1 where none
    others: list[int]


class Tables:
    """Rows of token ids, filled as they come."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.questions: list[list[int]] = []
        self.passages: list[list[int]] = []
        self.titles: list[list[int]] = []
        self.title_of: list[int] = []
        self.places: list[tuple[str, int, int]] = []  # document and span of each passage
        self._titles: dict[str, int] = {}

    def question(self, text: str) -> int:
        """The row of a question."""
        self.questions.append(self._tokenizer.encode(text, add_special_tokens=False).ids[-QUESTION_TOKENS:])
        return len(self.questions) - 1

    def passage(self, piece: Piece, title: str) -> int:
        """The row of a passage."""
        if title not in self._titles:
            self._titles[title] = len(self.titles)
            ids = self._tokenizer.encode(title, add_special_tokens=False).ids if title else []
            self.titles.append(ids[:TITLE_TOKENS])
        self.passages.append(piece.ids[:PASSAGE_TOKENS])
        self.title_of.append(self._titles[title])
        self.places.append((piece.document, piece.start, piece.end))
        return len(self.passages) - 1

    def tokens(self, document: str, start: int, text: str) -> Piece:
        """A stretch of a document as a passage."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        offsets = [bare(text, *span, start) for span in encoding.offsets]
        return Piece(document, start, start + len(text), encoding.ids, offsets)


def bare(text: str, start: int, end: int, shift: int = 0) -> tuple[int, int]:
    """A token's span without the space before it, moved by ``shift``."""
    while start < end and text[start].isspace():
        start += 1
    return start + shift, end + shift


def covering(piece: Piece, start: int, end: int) -> tuple[int, int] | None:
    """The first and last token of the passage that touch the span; None where the passage does not hold all of it."""
    if start < piece.start or end > piece.end:
        return None
    touching = [at for at, (a, b) in enumerate(piece.offsets[:PASSAGE_TOKENS]) if a < end and b > start]
    return (touching[0], touching[-1]) if touching and piece.offsets[touching[-1]][1] >= end else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare, and say how much there is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--bulk", type=int, default=2400, help="documents for clozes; half are searched too")
    parser.add_argument(
        "--squad", type=Path, nargs="+", help="only the questions of these files in SQuAD format; no clozes"
    )
    options = parser.parse_args(arguments)
    data = os.environ.get("GEUNGEO_DATA")
    if not data and not options.squad:
        parser.error("set GEUNGEO_DATA to the folder that holds mrc, boolq and law")
    options.out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(3)
    sources = squad_sources(options.squad) if options.squad else read_sources(Path(data or ""))
    bulk = rng.sample(sorted(sources.bulk), min(options.bulk, len(sources.bulk)))
    searched = bulk[: len(bulk) // 2]
    apart = set[str]() if options.squad else held_out(sources)
    whole = sources.documents | {id: sources.bulk[id] for id in bulk}
    file = options.out / "clozes.jsonl"
    if not options.squad:
        write_clozes(file, [record for id, record in whole.items() if id not in apart])
    weights = open_weights(find_weights())
    morphology = Morphology()
    tables = Tables(build_tokenizer(weights.tokenizer))
    records = sources.documents | {id: sources.bulk[id] for id in searched}
    with tempfile.TemporaryDirectory() as folder:
        retriever, cut = library(Path(folder), records.values(), morphology)
        pieces, rows = passages_of(cut, records, tables)
        groups = list(mine(sources, apart, retriever, pieces, rows, tables, records, rng))
    print(f"{len(groups)} groups over {len(tables.passages)} passages", file=sys.stderr)
    clozes = [] if options.squad else list(read_clozes(file, sources.documents | sources.bulk, tables))
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
    retriever._embedder.embed_queries(questions)  # together: quicker
    retriever.search(questions[0], 1)
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda q: [hit.passage for hit in retriever.search(q, FOUND)], questions)
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


_ENDINGS = re.compile(r"(은|는|이|가|을|를|의|에|에서|으로|로|와|과)(?=\s)")
_POLITE = re.compile(r"(?:인가요|입니까|인가|일까요|일까|이야|이에요|예요|한가요|했나요|하나요|나요|는가)?\s*[?？.]*$")


def noisy(question: str, rng: random.Random) -> str:
    """The question as people type: without spaces, particles or endings, with a slip of the finger."""
    text = question
    if rng.random() < 0.5:
        text = _POLITE.sub("", text) or text
    if rng.random() < 0.4:
        text = _ENDINGS.sub(lambda m: "" if rng.random() < 0.7 else m[0], text)
    if rng.random() < 0.5:
        keep = rng.choice([0.0, 0.3, 0.6])
        text = re.sub(r" ", lambda _: " " if rng.random() < keep else "", text)
    if rng.random() < 0.35 and len(text) > 4:
        at = rng.randrange(len(text))
        text = text[:at] + _slip(text[at], rng) + text[at + 1 :]
    if rng.random() < 0.1:
        text += rng.choice(["ㅋㅋ", "??", "..", "~", " 알려줘", " 좀"])
    return text if any(c.isalnum() for c in text) else question


def _slip(character: str, rng: random.Random) -> str:
    """Another vowel or final in a syllable; nothing for others."""
    code = ord(character) - 0xAC00
    if not 0 <= code < 11172:
        return character
    initial, vowel, final = code // 588, code % 588 // 28, code % 28
    if rng.random() < 0.5:
        vowel = min(20, max(0, vowel + rng.choice([-1, 1])))
    else:
        final = 0 if final else rng.choice([4, 8, 16, 21])
    return chr(0xAC00 + initial * 588 + vowel * 28 + final)


def write_clozes(path: Path, records: Sequence[dict[str, str]]) -> None:
    """Clozes of these documents, a line of JSON each; made once, by two processes."""
    if path.exists():
        return
    with ProcessPoolExecutor(2) as pool, path.with_suffix(".part").open("w") as file:
        for at, made in enumerate(pool.map(clozes_of, records, chunksize=8)):
            file.writelines(json.dumps(cloze._asdict(), ensure_ascii=False) + "\n" for cloze in made)
            if at % 100 == 0:
                print(f"\r{at} of {len(records)}", end="", file=sys.stderr, flush=True)
    path.with_suffix(".part").rename(path)


def read_clozes(path: Path, records: Mapping[str, dict[str, str]], tables: Tables) -> Iterator[Group]:
    """The clozes as groups."""
    rows: dict[tuple[str, int, str], tuple[int, Piece]] = {}

    def row_of(document: str, start: int, body: str) -> tuple[int, Piece]:
        key = document, start, body
        if key not in rows:
            piece = tables.tokens(document, start, body)
            rows[key] = tables.passage(piece, records[document]["title"]), piece
        return rows[key]

    for line in path.read_text("utf-8").splitlines():
        cloze = Cloze(**json.loads(line))
        row, piece = row_of(cloze.document, cloze.start, cloze.body)
        tokens = covering(piece, *cloze.place)
        if tokens is not None:
            text = records[cloze.document]["text"]
            others = [row_of(cloze.document, a, text[a:b])[0] for a, b in cloze.others]
            question = tables.question(cloze.question)
            yield Group(question, question, "cloze", False, [(row, *tokens)], others)


class Cloze(NamedTuple):
    """A sentence that lacks a phrase, and a passage that holds it, perhaps without that sentence."""

    document: str
    question: str
    start: int  # of the passage in the document
    body: str
    place: tuple[int, int]  # of the phrase, counted as if the body stood at ``start``
    others: list[tuple[int, int]]  # passages of the document without the phrase


@cache
def _analyser() -> Morphology:
    return Morphology()


def clozes_of(record: dict[str, str]) -> list[Cloze]:
    """At most ``CLOZES`` clozes of a document."""
    text, rng = record["text"], random.Random(f"cloze {record['id']}")
    pieces = [piece for piece in split(text, _analyser()) if piece.searchable]
    sentences = [(s.start, s.end) for piece in pieces for s in piece.sentences]
    spans = [(piece.start, piece.end) for piece in pieces]
    phrases = recurring(text, sentences, _analyser())
    pairs = [(phrase, one, other) for phrase, at in phrases.items() for one in at for other in at if one[0] != other[0]]
    rng.shuffle(pairs)
    made: list[Cloze] = []
    count: dict[str, int] = defaultdict(int)
    asked: set[int] = set()
    for phrase, (number, a, b), (_, x, y) in pairs:
        start, end = sentences[number]
        home = next(((s, e) for s, e in spans if s <= x and y <= e), None)
        if home is None or count[phrase] >= 2 or number in asked or not 25 <= end - start <= 160:
            continue
        body, place = text[slice(*home)], (x, y)
        if home[0] <= start and end <= home[1]:  # the sentence is taken out of the passage
            body = text[home[0] : start] + text[end : home[1]]
            shift = 0 if x < start else end - start
            place = x - shift, y - shift
            if len(body) < 60:
                continue
        count[phrase] += 1
        asked.add(number)
        others = [span for span in spans if span != home and phrase not in text[slice(*span)]]
        question = _without(text[start:a], phrase, text[b:end], rng)
        made.append(Cloze(record["id"], question, home[0], body, place, rng.sample(others, min(2, len(others)))))
        if len(made) == CLOZES:
            break
    return made


def recurring(
    text: str, sentences: Sequence[tuple[int, int]], morphology: Morphology
) -> dict[str, list[tuple[int, int, int]]]:
    """Noun phrases that stand in two to six sentences: their sentence, start and end."""
    places: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    starts = [start for start, _ in sentences]
    nouns = [m for m in morphology.morphemes(text) if m.tag in NOUNS]
    run: list[tuple[int, int]] = []
    for at, noun in enumerate(nouns):
        run.append((noun.start, noun.end))
        gap = text[noun.end : nouns[at + 1].start] if at + 1 < len(nouns) else "."
        if gap.strip() or "\n" in gap:
            for first in {0, max(0, len(run) - 2)}:
                a, b = run[first][0], run[-1][1]
                number = bisect_right(starts, a) - 1
                if 2 <= b - a <= 30 and number >= 0 and b <= sentences[number][1]:
                    places[text[a:b]].append((number, a, b))
            run = []
    return {phrase: at for phrase, at in places.items() if 2 <= len({n for n, _, _ in at}) <= 6}


def _without(before: str, phrase: str, after: str, rng: random.Random) -> str:
    """The sentence with a word that asks in place of the phrase, and a part of its other words left out."""
    asks = (
        rng.choice(["몇", "얼마", "언제", "몇"])
        if phrase[0].isdigit()
        else rng.choice(["무엇", "누구", "어디", "어떤 것"])
    )
    keep = rng.choice([1.0, 0.8, 0.6])

    def thinned(part: str) -> str:
        return re.sub(r"\S+\s+", lambda m: m[0] if rng.random() < keep else "", part)

    return f"{thinned(before)}{asks}{thinned(after)}".strip()


def write(out: Path, tables: Tables, groups: Sequence[Group], clozes: Sequence[Group]) -> None:
    """Rows as flat arrays with their bounds, ids renumbered to those that occur; groups as arrays of numbers."""
    weights = open_weights(find_weights())
    used = sorted(
        {0, 1, 2, 3, *(id for rows in (tables.questions, tables.passages, tables.titles) for row in rows for id in row)}
    )
    new = np.full(weights.shape.vocabulary, -1, np.int32)
    new[used] = np.arange(len(used))
    arrays: dict[str, Any] = {
        "vocabulary": np.array(used, np.int32),
        "words": np.array(weights.q4_rows("emb.word", weights.shape.vocabulary)[used]),
        "title_of": np.array(tables.title_of, np.int32),
    }
    for name, rows in (("questions", tables.questions), ("passages", tables.passages), ("titles", tables.titles)):
        flat = new[[id for row in rows for id in row]]
        assert len(used) < 2**16 and (flat >= 0).all()
        arrays[name] = flat.astype(np.uint16)
        arrays[f"{name}_at"] = np.cumsum([0, *map(len, rows)]).astype(np.int32)
    sources = sorted({group.source for group in [*groups, *clozes]})
    for name, some in (("groups", groups), ("clozes", clozes)):
        arrays[f"{name}_head"] = np.array(
            [(g.question, g.noisy, sources.index(g.source), g.held_out) for g in some], np.int32
        )
        arrays[f"{name}_right"] = np.array([one for g in some for one in g.right], np.int32).reshape(-1, 3)
        arrays[f"{name}_right_at"] = np.cumsum([0, *(len(g.right) for g in some)]).astype(np.int32)
        arrays[f"{name}_others"] = np.array([row for g in some for row in g.others], np.int32)
        arrays[f"{name}_others_at"] = np.cumsum([0, *(len(g.others) for g in some)]).astype(np.int32)
    arrays["sources"] = np.array(sources)
    layers: dict[str, Any] = {}
    for name, (dtype, offset, size) in weights._table.items():
        stored = np.array(weights._bytes[offset : offset + size])
        layers[name] = stored.view(np.float32) if dtype == 0 else stored
    del layers["emb.word"]
    np.savez(out / "base.npz", **layers)
    np.savez_compressed(out / "part.npz", **arrays)
    (out / "part.npz").replace(out / "data.npz")  # the last: where it is, all is
    counts = {s: sum(g.source == s for g in [*groups, *clozes]) for s in sources}
    apart = sum(g.held_out for g in groups)
    print(f"vocabulary {len(used)}, groups by source {counts}, held out {apart}", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
