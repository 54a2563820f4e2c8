"""The gold questions are what evals/README.md promises: exact, varied, and in other words than the text.

Those on data outside the project are checked where ``$GEUNGEO_DATA`` names it.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from evals.datasets import Question, located
from evals.readers import read_corpus, read_gold
from rag.loaders import normalise

ROOT = Path(__file__).resolve().parents[2]
GOLD = ROOT / "evals" / "gold"
SEED = "000_ae51b92b4a2a10c1.txt"
DATA = os.environ.get("GEUNGEO_DATA")  # read before the fixtures clear it
NEWS, LAW = (Path(DATA or ".") / name for name in ("news/wikinews.jsonl", "law/easylaw.jsonl.gz"))
needs_data = pytest.mark.skipif(DATA is None, reason="GEUNGEO_DATA is not set")


def bigrams(text: str) -> set[str]:
    letters = "".join(character for character in text if character.isalnum())
    return {letters[at : at + 2] for at in range(len(letters) - 1)}


def overlap(question: Question, text: str) -> float:
    """The share of the question's bigrams of letters and digits within 60 characters of the answer, where it is most."""
    spans = [*question.answers, *(span for item in question.items for span in item)] or list(question.evidence)
    asked = bigrams(question.question)
    shares = []
    for span in spans:
        at = text.find(span)
        while at >= 0:
            around = "".join(c for c in text[max(0, at - 60) : at + len(span) + 60] if c.isalnum())
            shares.append(sum(pair in around for pair in asked) / len(asked))
            at = text.find(span, at + 1)
    return max(shares)


def mean_overlap(questions: tuple[Question, ...], texts: Mapping[str, str]) -> float:
    shares = [
        overlap(question, texts[next(iter(question.documents))])
        for question in questions
        if question.answerable and question.language == "ko"
    ]
    return sum(shares) / len(shares)


def kinds(questions: tuple[Question, ...]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for question in questions:
        counted[question.kind if not question.typed else "typed"] += 1
        counted[question.language] += question.kind == "crosslingual"
        counted[f"miss {question.miss}"] += question.miss is not None
        counted[f"yesno {question.yesno}"] += question.yesno is not None
    return counted


def well_formed(questions: tuple[Question, ...]) -> None:
    """Rules that hold for every set and need no text."""
    by_id = {question.id: question for question in questions}
    for question in questions:
        if question.kind in {"span", "followup", "crosslingual"}:
            for entry in question.evidence:
                held = any(answer in entry for answer in question.answers)
                assert held or question.id == "seed-019", question.id  # its second sentence names the answer in short
        if question.kind == "followup":
            assert question.history, question.id
        if question.typed or question.kind == "crosslingual":
            assert question.pair is not None
            plain = by_id[question.pair]
            assert (plain.kind, plain.typed, plain.language) == ("span", False, "ko"), question.id
            assert plain.documents.keys() == question.documents.keys(), question.id
            assert set(plain.answers) & set(question.answers), question.id
        assert (question.language == "ko") == (question.kind != "crosslingual"), question.id


def test_overlap_counts_by_hand() -> None:
    text = "가" * 100 + "나라다마" + "바" * 100
    # 라다, 다마 stand within 60 characters of 다마; 하하 does not: 2 of the 4 bigrams 라다 다마 마하 하하
    assert overlap(Question("1", "라다 마하하", answers=("다마",)), text) == 0.5
    assert overlap(Question("1", "가바", answers=("나라다마",)), "나라다마") == 0.0


def test_the_questions_on_the_seed_article() -> None:
    questions = read_gold(GOLD / "seed.jsonl").questions
    text = normalise((ROOT / "seeds" / SEED).read_text("utf-8"))
    assert len([question for question in questions if question.answerable]) >= 100
    counted = kinds(questions)
    assert counted["unanswerable"] >= 40 and counted["miss near"] >= 20 and counted["miss far"] >= 20
    assert counted["followup"] >= 15 and counted["crosslingual"] >= 15
    assert min(counted[kind] for kind in ("span", "list", "yesno", "reason", "summary", "typed")) > 0
    well_formed(questions)
    for question in questions:
        found = located(question, {SEED: text})
        assert all(text[p.start : p.end] in question.evidence for p in found.every_place), question.id
        assert bool(found.every_place) == question.answerable, question.id
    assert mean_overlap(questions, {SEED: text}) <= 0.33


@needs_data
def test_the_questions_on_the_news() -> None:
    questions = read_gold(GOLD / "news.jsonl").questions
    texts = {record["id"]: normalise(record["text"]) for record in read_corpus(NEWS)}
    counted = kinds(questions)
    assert len(questions) >= 250 and counted["span"] >= 80 and counted["miss near"] >= 40
    assert counted["followup"] >= 20 and counted["list"] >= 25 and counted["typed"] >= 20
    assert min(counted["yesno yes"], counted["yesno no"]) >= 20
    assert min(counted["en"], counted["ja"], counted["zh"]) >= 15
    well_formed(questions)
    for question in questions:
        found = located(question, texts)
        assert bool(found.every_place) == question.answerable, question.id
        for document in list(question.documents)[:1]:
            assert int(document.removeprefix("wikinews-")) % 3 == 2, question.id
    assert mean_overlap(questions, texts) <= 0.33


@needs_data
def test_the_questions_on_the_law_are_in_its_own_terms() -> None:
    questions = read_gold(GOLD / "law.jsonl").questions
    texts = {record["id"]: normalise(record["text"]) for record in read_corpus(LAW)}
    assert len(questions) >= 150
    well_formed(questions)
    assert all(located(question, texts).every_place for question in questions)
    assert mean_overlap(questions, texts) >= 0.5  # or it would be the news once more


@pytest.mark.parametrize("name", ["seed", "news", "law"])
def test_no_question_is_asked_twice(name: str) -> None:
    rows: list[dict[str, Any]] = [json.loads(line) for line in (GOLD / f"{name}.jsonl").read_text("utf-8").splitlines()]
    asked = Counter((row["question"], tuple(row.get("history", ()))) for row in rows)
    assert [question for question, times in asked.items() if times > 1] == []
