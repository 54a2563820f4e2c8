"""The LangChain retriever returns what Assistant.search returns, spans included."""

from __future__ import annotations

from pathlib import Path

from rag import Assistant
from rag.adapters.langchain import GeungeoRetriever
from rag.fakes import WordEmbedder
from rag.morphology import Morphology


def test_documents_are_the_hits_with_their_spans(tmp_path: Path, morphology: Morphology) -> None:
    (tmp_path / "가.txt").write_text("나무 심기 안내문\n\n🙂 소나무 묘목은 3월에 심는다.\n", "utf-8")
    (tmp_path / "나.txt").write_text("물고기 사전\n\n붕어는 민물에 산다.\n", "utf-8")
    with Assistant.open(tmp_path / "index", embedder=WordEmbedder(), morphology=morphology) as assistant:
        assistant.add([tmp_path / "가.txt", tmp_path / "나.txt"])
        hits = assistant.search("소나무 묘목은 언제 심나?", k=2)
        documents = GeungeoRetriever(assistant=assistant, k=2).invoke("소나무 묘목은 언제 심나?")
        assert [d.page_content for d in documents] == [hit.passage.text for hit in hits]
        assert "소나무 묘목은 3월에 심는다." in documents[0].page_content
        first = documents[0].metadata
        text = assistant.document(first["document"]).text
        assert text[first["start"] : first["end"]] == documents[0].page_content
        assert first["title"] == "나무 심기 안내문"
        assert first["score"] == hits[0].score


def test_k_is_the_count(tmp_path: Path, morphology: Morphology) -> None:
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text(f"{'가나다라'[number]} 마을의 우물은 모두 {number}개다.\n", "utf-8")
    with Assistant.open(tmp_path / "index", embedder=WordEmbedder(), morphology=morphology) as assistant:
        assistant.add([tmp_path / f"{number}.txt" for number in range(4)])
        assert len(GeungeoRetriever(assistant=assistant, k=1).invoke("우물은 몇 개?")) == 1
