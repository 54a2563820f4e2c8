"""The first sixty gold questions on the seed article, asked of what is shipped: models, splitting, fusion, reader, confidence.

They were written from the article alone before any code could answer them; nothing was tuned on them. Evidence is found here by a
citation that covers at least half of it, which is stricter than ``evals.run``, where any overlap counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evals.asking import answer_words
from evals.measures import exact_match
from rag import Answer, Assistant, Citation, Document
from rag.embedding import BundledEmbedder
from rag.morphology import Morphology
from rag.reader import open_reader
from rag.settings import Settings

pytestmark = pytest.mark.model

ROOT = Path(__file__).resolve().parents[2]
Row = dict[str, Any]
GOLD: list[Row] = [
    json.loads(line) for line in (ROOT / "evals" / "gold" / "seed.jsonl").read_text("utf-8").splitlines()[:60]
]
SPANS = [row for row in GOLD if row["kind"] == "span"]


def covers(citation: Citation, evidence: str, text: str) -> bool:
    """Whether the citation holds at least half of one place where the evidence stands in the text."""
    at = text.find(evidence)
    while at >= 0:
        if min(citation.end, at + len(evidence)) - max(citation.start, at) >= len(evidence) / 2:
            return True
        at = text.find(evidence, at + 1)
    return False


def rank_of_evidence(row: Row, answer: Answer, document: Document) -> int | None:
    """The 1-based place of the first citation that covers evidence, or None."""
    for rank, citation in enumerate(answer.citations, 1):
        if any(covers(citation, evidence, document.text) for evidence in row["evidence"]):
            return rank
    return None


def figures(answers: dict[str, Answer], document: Document) -> dict[str, int]:
    """What the tests below want, counted."""
    ranks = [rank_of_evidence(row, answers[row["id"]], document) for row in SPANS]
    quotes = [c for a in answers.values() for c in (*a.citations, *([a.nearest] if a.nearest else []))]
    declined = {row["id"] for row in GOLD if not answers[row["id"]].answered}
    return {
        "questions": len(SPANS),
        "evidence_first": sum(rank == 1 for rank in ranks),
        "evidence_in_three": sum(rank is not None for rank in ranks),
        "exact": sum(bool(exact_match(answer_words(answers[row["id"]]), row["answers"])) for row in SPANS),
        "words": sum(bool(a.citations) and a.citations[0].words is not None for a in answers.values()),
        "lost": sum(row["id"] in declined for row in SPANS),
        "far": sum(row.get("miss") == "far" for row in GOLD),
        "far_declined": sum(row["id"] in declined for row in GOLD if row.get("miss") == "far"),
        "near": sum(row.get("miss") == "near" for row in GOLD),
        "quotes": len(quotes),
        "quotes_not_verbatim": sum(document.text[c.start : c.end] != c.quote for c in quotes),
    }


@pytest.fixture(scope="module")
def assistant(
    tmp_path_factory: pytest.TempPathFactory, embedder: BundledEmbedder, morphology: Morphology
) -> Iterator[Assistant]:
    reader = open_reader(Settings(), embedder.tokenizer)
    folder = tmp_path_factory.mktemp("seed")
    with Assistant.open(folder, embedder=embedder, morphology=morphology, reader=reader) as opened:
        opened.ensure_seeded(ROOT / "seeds")
        yield opened


@pytest.fixture(scope="module")
def article(assistant: Assistant) -> Document:
    (info,) = assistant.documents()
    return assistant.document(info.id)


@pytest.fixture(scope="module")
def result(assistant: Assistant, article: Document) -> dict[str, int]:
    answers: dict[str, Answer] = {row["id"]: assistant.ask(row["question"]) for row in GOLD}
    return figures(answers, article)


def test_gold_is_exact(article: Document, result: dict[str, int]) -> None:
    assert (result["questions"], result["far"], result["near"]) == (30, 15, 15)
    for row in SPANS:
        assert row["evidence"] and all(evidence in article.text for evidence in row["evidence"]), row["id"]
        assert all(any(answer in evidence for answer in row["answers"]) for evidence in row["evidence"]), row["id"]


def test_evidence_is_among_the_citations(result: dict[str, int]) -> None:
    assert result["evidence_in_three"] >= 27
    assert result["evidence_first"] >= 21


def test_far_off_questions_are_declined_and_answerable_ones_kept(result: dict[str, int]) -> None:
    assert result["far_declined"] >= 12
    assert result["lost"] <= 2


def test_the_reader_answers_with_exact_words(result: dict[str, int]) -> None:
    assert result["words"] >= 30  # a broken reader would leave sentences, without any
    assert result["exact"] >= 14


def test_every_quote_is_verbatim(result: dict[str, int]) -> None:
    assert result["quotes"] >= 60
    assert result["quotes_not_verbatim"] == 0


def test_covers_wants_half_of_the_evidence() -> None:
    text = "가나다라. 마바사아."  # the second sentence is [6:11]
    assert covers(Citation("d", "", 8, 11, "사아."), "마바사아.", text)  # 3 of 5
    assert not covers(Citation("d", "", 9, 11, "아."), "마바사아.", text)  # 2 of 5
    assert not covers(Citation("d", "", 0, 5, "가나다라."), "마바사아.", text)


def test_no_furniture_and_no_near_equal_pair_among_the_top_five(assistant: Assistant) -> None:
    buttons = ("더보기", "top버튼", "팝업창 닫기", "글자크기 설정", "공유하기", "관련기사")
    for row in SPANS:
        texts = [hit.passage.text for hit in assistant.search(row["question"], 5)]
        assert len(texts) == 5
        for text in texts:
            said = [line.strip() for line in text.split("\n") if line.strip()]
            assert not any(line in buttons for line in said), text
            assert not all("저작권자" in line or line.endswith("기자") for line in said), text
        bags = [frozenset(text.split()) for text in texts]
        pairs = [(a, b) for i, a in enumerate(bags) for b in bags[i + 1 :]]
        assert all(len(a & b) < 0.8 * len(a | b) for a, b in pairs), row["question"]
