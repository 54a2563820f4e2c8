"""Clozes: sentences without one of their noun phrases, asked of a passage that holds the phrase elsewhere in the same document.

Recurring spans (Ram et al. 2021) in the form of a question (as Lewis et al. 2019).
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import sys
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

from rag.morphology import Morphology
from rag.splitting import split
from training.tables import Group, Piece, Tables, covering

CLOZES = 12  # of a document at most
NOUNS = frozenset({"NNG", "NNP", "NNB", "NR", "SL", "SH", "SN"})


def write_clozes(folder: Path, records: Sequence[dict[str, str]]) -> Path:
    """Clozes of these documents, a line of JSON each; made once, by two processes. Returns the file, named by what it is made of."""
    texts = json.dumps([(r["id"], r["title"], r["text"]) for r in records], ensure_ascii=False)
    path = folder / f"clozes-{hashlib.sha256(texts.encode()).hexdigest()[:12]}.jsonl"
    if path.exists():
        return path
    with ProcessPoolExecutor(2) as pool, path.with_suffix(".part").open("w", encoding="utf-8") as file:
        for at, made in enumerate(pool.map(clozes_of, records, chunksize=8)):
            file.writelines(json.dumps(cloze._asdict(), ensure_ascii=False) + "\n" for cloze in made)
            if at % 100 == 0:
                print(f"\r{at} of {len(records)}", end="", file=sys.stderr, flush=True)
    path.with_suffix(".part").rename(path)
    return path


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
