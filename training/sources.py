"""What the reader is trained on: documents, and what is asked of them.

Read from ``$GEUNGEO_DATA``: mrc/train.jsonl (KLUE-MRC, CC BY-SA 4.0; TyDi QA GoldP, Apache-2.0, passages CC BY-SA 3.0),
boolq/train.tsv (KoBEST, CC BY-SA 4.0) and law/easylaw.jsonl.gz (free use), less the sections that gold questions are about. From
the project: ``training/written`` (questions written for it, some on texts of the above, some on texts of their own) and
``evals/tune``. Nothing of a dev file, of the news or of a gold file is read but the names of the law sections to leave out.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evals.datasets import find_all
from evals.readers import read_corpus, read_squad
from rag.loaders import normalise

ROOT = Path(__file__).resolve().parent.parent
WRITTEN = ROOT / "training" / "written"
TUNE = ROOT / "evals" / "tune"
GOLD = ROOT / "evals" / "gold"
HELD_OUT = 0.08  # of the titles: never trained on; models are chosen and confidence is fitted on them
APART = "apart"  # a family of which nothing is trained on

Span = tuple[int, int]  # of a document's text


@dataclass(frozen=True, slots=True)
class Asked:
    """A question asked of a document. Without spans the document does not answer it, but where ``whole`` says that it does.

    Where ``whole`` says so and there are spans, these hold what settles it, and no words in particular answer.
    """

    id: str
    source: str
    question: str
    document: str
    spans: tuple[Span, ...] = ()
    whole: bool = False  # the document settles it, no words in particular
    language: str = "ko"
    family: str = ""  # of the files of written questions: "own-e" of own-e-03.jsonl


@dataclass(frozen=True, slots=True)
class Sources:
    """Documents by id, {"id", "title", "text"}, and the questions. ``bulk`` are documents that nothing is asked of."""

    documents: dict[str, dict[str, str]]
    asked: list[Asked]
    bulk: dict[str, dict[str, str]]


def read_sources(data: Path) -> Sources:
    """All of it."""
    mrc = read_squad(data / "mrc" / "train.jsonl")
    documents = {record["id"]: dict(record) for record in mrc.records}
    asked = [
        Asked(
            q.id, q.source or "mrc", q.question, next(iter(q.documents)), tuple((p.start, p.end) for (p,) in q.places)
        )
        for q in mrc.questions
    ]
    home = {q.id: next(iter(q.documents)) for q in mrc.questions}
    by_id = {item.id: item for item in asked}
    for row in _rows(TUNE / "crosslingual.jsonl"):
        same = by_id[row["id"]]
        other = f"{row['id']}-{row['language']}"
        asked.append(Asked(other, same.source, row["question"], same.document, same.spans, language=row["language"]))
    guide = {record["id"]: dict(record) for record in read_corpus(data / "law" / "easylaw.jsonl.gz")}
    for row in _rows(GOLD / "law.jsonl"):
        for name in [row.get("document"), *row.get("also", [])]:
            guide.pop(name, None)
    for at, row in enumerate(_boolq(data / "boolq" / "train.tsv")):
        id, text = f"boolq-{row['ID']}", normalise(row["Text"])
        documents[id] = {"id": id, "title": "", "text": text}
        asked.append(Asked(f"{id}-{at}", "boolq", row["Question"].strip(), id, whole=True))
    for path in sorted(WRITTEN.glob("*.jsonl")):
        for at, row in enumerate(_rows(path)):
            family = path.stem.rpartition("-")[0]
            asked += (replace(one, family=family) for one in _written(row, f"{path.stem}-{at}", documents, home, guide))
    known = {item.document for item in asked}
    return Sources(documents, asked, {id: record for id, record in guide.items() if id not in known})


def squad_sources(paths: Sequence[Path]) -> Sources:
    """The documents and questions of files in SQuAD format, 1.1 or 2.0."""
    documents: dict[str, dict[str, str]] = {}
    asked = []
    for number, path in enumerate(paths, 1):  # two files may have one name
        dataset = read_squad(path)
        documents |= {f"{number}-{r['id']}": dict(r) | {"id": f"{number}-{r['id']}"} for r in dataset.records}
        for q in dataset.questions:
            spans = tuple((p.start, p.end) for (p,) in q.places)
            if spans or not q.answers:
                source = "own" if spans else "missing"
                document = f"{number}-{next(iter(q.documents))}"
                asked.append(Asked(f"{number}-{q.id}", source, q.question, document, spans))
    return Sources(documents, asked, {})


def with_own(sources: Sources, learned: int, measured: int, rng: random.Random) -> tuple[Sources, set[str]]:
    """The same with so many questions beside them that were written for the project on texts of their own, about.

    Returns also the documents of those ``measured``, which are held out of training here as always.
    """
    rows = [(path, at, row) for path in sorted(WRITTEN.glob("own-*.jsonl")) for at, row in enumerate(_rows(path))]
    rng.shuffle(rows)
    documents, asked, apart = dict(sources.documents), list(sources.asked), set[str]()
    left = {False: learned, True: measured}
    for path, at, row in rows:
        kept = is_held_out(str(row["title"]))
        if left[kept] > 0:
            name = f"{path.stem}-{at}"
            family = path.stem.rpartition("-")[0]
            new = [replace(one, family=family) for one in _written(row, name, documents, {}, {})]
            apart |= {name} if kept else set()
            left[kept] -= len(new)
            asked += new
    return Sources(documents, asked, sources.bulk), apart


def held_out(sources: Sources) -> set[str]:
    """The documents of a part of the titles, the same at every run, and those of the family ``APART``."""
    records = sources.documents | sources.bulk
    apart = {item.document for item in sources.asked if item.family == APART}
    return apart | {id for id, record in records.items() if is_held_out(record["title"] or record["id"])}


def part_of(sources: Sources, names: Collection[str], share: float, rng: random.Random) -> Sources:
    """All that is asked in these families and sources, and a share of the rest, with their documents alone."""
    asked = [item for item in sources.asked if {item.family, item.source} & set(names) or rng.random() < share]
    return Sources(
        {id: sources.documents[id] for id in dict.fromkeys(item.document for item in asked)}, asked, sources.bulk
    )


def is_held_out(title: str) -> bool:
    """Whether documents with this title are never trained on."""
    return random.Random(f"held out {title}").random() < HELD_OUT


def _written(
    row: dict[str, Any], name: str, documents: dict[str, dict[str, str]],
    home: dict[str, str], guide: dict[str, dict[str, str]],
) -> Iterator[Asked]:  # fmt: skip
    """A record of training/written; docs/training.md describes it."""
    start = 0
    if isinstance(ref := row.get("ref"), str):
        document = home.get(ref, ref)
        if ref.startswith("easylaw-"):
            document, first, _ = ref.split(":")
            start = int(first)
            if document not in guide and document not in documents:
                return
            documents.setdefault(document, guide.get(document, {}))
    else:
        document = name
        documents[name] = {"id": name, "title": str(row["title"]), "text": normalise(str(row["text"]))}
    text = documents[document]["text"]
    questions = row.get("questions", [])
    assert isinstance(questions, list)
    for at, one in enumerate(questions):
        answer, evidence = normalise(one["answer"]), normalise(one.get("evidence") or one["answer"])
        places = [place + evidence.find(answer) for place in find_all(text, evidence) if place >= start]
        if not places or answer not in evidence:
            continue
        spans = ((places[0], places[0] + len(answer)),)
        before = one.get("before", [])
        for language in ("ko", "en", "ja", "zh"):
            if question := one.get("q" if language == "ko" else language):
                source, spoken = ("follow-up" if before else "written"), one.get("language", language)
                asked = "\n".join([*before, question])
                yield Asked(f"{name}-{at}-{language}", source, asked, document, spans, language=spoken)
    for at, one in enumerate(row.get("yesno", [])):
        evidence = normalise(one["evidence"])
        for place in find_all(text, evidence)[:1]:
            settles = ((place, place + len(evidence)),)
            yield Asked(f"{name}-yesno-{at}", "yesno", one["q"], document, settles, whole=True)
    missing = row.get("missing", [])
    assert isinstance(missing, list)
    for at, question in enumerate(missing):
        yield Asked(f"{name}-missing-{at}", "missing", question, document)


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def _boolq(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t")
