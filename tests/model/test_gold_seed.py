"""The gold questions on the seed article, asked of the shipped default: model, splitting, fusion, threshold.

They were written from the article alone before any code could answer them; nothing was tuned on them.
"""

import json
from pathlib import Path

import pytest

from rag import Answer, Assistant, Document
from rag.types import Citation

pytestmark = pytest.mark.model

ROOT = Path(__file__).resolve().parents[2]
GOLD = [json.loads(line) for line in (ROOT / "evals/gold/seed.jsonl").read_text("utf-8").splitlines()]
SPANS = [row for row in GOLD if row["kind"] == "span"]
FAR = [row for row in GOLD if row.get("miss") == "far"]
NEAR = [row for row in GOLD if row.get("miss") == "near"]


@pytest.fixture(scope="module")
def assistant(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    with Assistant.open(tmp_path_factory.mktemp("seed")) as opened:
        opened.ensure_seeded(ROOT / "seeds")
        yield opened


@pytest.fixture(scope="module")
def article(assistant: Assistant) -> Document:
    (info,) = assistant.documents()
    return assistant.document(info.id)


@pytest.fixture(scope="module")
def answers(assistant: Assistant) -> dict[str, Answer]:
    return {row["id"]: assistant.ask(row["question"]) for row in GOLD}


def covers(citation: Citation, evidence: str, article: Document) -> bool:
    """Whether the citation holds at least half of one place where the evidence stands."""
    at = article.text.find(evidence)
    while at >= 0:
        shared = min(citation.end, at + len(evidence)) - max(citation.start, at)
        if shared >= len(evidence) / 2:
            return True
        at = article.text.find(evidence, at + 1)
    return False


def found_within(count: int, answers: dict[str, Answer], article: Document) -> list[str]:
    return [
        row["id"]
        for row in SPANS
        if any(covers(c, e, article) for c in answers[row["id"]].citations[:count] for e in row["evidence"])
    ]


def test_gold_is_exact(article: Document) -> None:
    assert (len(SPANS), len(FAR), len(NEAR)) == (30, 15, 15)
    for row in SPANS:
        assert all(evidence in article.text for evidence in row["evidence"]), row["id"]
        assert all(any(answer in evidence for answer in row["answers"]) for evidence in row["evidence"]), row["id"]


def test_evidence_is_among_the_first_three_citations(answers: dict[str, Answer], article: Document) -> None:
    assert len(found_within(3, answers, article)) >= 27


def test_evidence_is_the_first_citation(answers: dict[str, Answer], article: Document) -> None:
    assert len(found_within(1, answers, article)) >= 21


def test_far_off_questions_are_declined(answers: dict[str, Answer]) -> None:
    assert sum(not answers[row["id"]].answered for row in FAR) >= 12


def test_at_most_two_answerable_questions_are_lost(answers: dict[str, Answer]) -> None:
    assert sum(not answers[row["id"]].answered for row in SPANS) <= 2


def test_every_quote_is_verbatim(answers: dict[str, Answer], article: Document) -> None:
    shown = [c for answer in answers.values() for c in (*answer.citations, *filter(None, [answer.nearest]))]
    assert len(shown) >= 60
    assert all(article.text[c.start : c.end] == c.quote for c in shown)


def test_no_furniture_and_no_near_equal_pair_among_the_top_five(assistant: Assistant) -> None:
    for row in SPANS:
        texts = [hit.passage.text for hit in assistant.search(row["question"], 5)]
        for text in texts:
            said = [line for line in text.split("\n") if line.strip()]
            assert any(line.rstrip().endswith(("다.", "다”", "연합뉴스", "협력", "확대", "추진")) for line in said), (
                text
            )
        bags = [frozenset(text.split()) for text in texts]
        assert all(len(a & b) < 0.8 * len(a | b) for i, a in enumerate(bags) for b in bags[i + 1 :]), row["question"]
