"""The bundled model itself, and another one made here. What every Embedder does is in tests/conformance."""

from __future__ import annotations

import os
import threading
import unicodedata

import numpy as np
import numpy.typing as npt
import pytest

from rag.embedding import BundledEmbedder, open_embedder
from rag.encoder import usable_cores
from rag.indexing import index_documents
from rag.interfaces import Vectors
from rag.morphology import Morphology
from rag.settings import Settings
from rag.types import Document, IndexedPassage

pytestmark = pytest.mark.model

FERRY = "나루에 새 다리가 놓인다. 😀 공사비는 구십억 원이다."


def passage(embedder: BundledEmbedder, text: str) -> npt.NDArray[np.float32]:
    (vector,) = embedder.embed_passages([text])
    return np.asarray(vector)


def test_it_is_the_bundled_model(embedder: BundledEmbedder) -> None:
    assert (embedder.name, embedder.dimension) == ("multilingual-e5-small", 384)


def test_order_is_kept_over_batches_of_mixed_lengths(embedder: BundledEmbedder) -> None:
    texts = [f"{'긴 ' * (17 * i % 23)}글 {i}" for i in range(40)]  # a batch has 32, sorted by length
    rows = embedder.embed_passages(texts)
    for i in (0, 7, 31, 39):
        assert rows[i] == pytest.approx(passage(embedder, texts[i]), abs=1e-5)
    assert len({row.tobytes() for row in rows}) == 40


def test_questions_and_passages_have_prompts_of_their_own(embedder: BundledEmbedder) -> None:
    (question,) = embedder.embed_queries(["나루"])
    assert (question == passage(embedder, "나루")).mean() < 0.1
    assert 0.8 < float(question @ passage(embedder, "나루")) < 0.999


def test_more_than_512_tokens_are_cut(embedder: BundledEmbedder) -> None:
    text = "나루 " * 2_000
    vector = passage(embedder, text)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert (passage(embedder, text + "공사비는 구십억 원이다.") == vector).all()  # it was not read
    assert float(passage(embedder, "공사비는 구십억 원이다. " + text) @ vector) < 0.9999


def test_a_text_has_one_vector_whatever_stands_beside_it(embedder: BundledEmbedder) -> None:
    texts = ["나루에 배가 왔다", "강 " * 300, "", "나루"]
    together = embedder.embed_passages(texts)
    for row, text in zip(together, texts, strict=True):
        assert (row == passage(embedder, text)).all()
    assert (embedder.embed_passages(texts[::-1])[::-1] == together).all()


def test_decomposed_text_gives_the_vector_of_composed_text(embedder: BundledEmbedder) -> None:
    decomposed = unicodedata.normalize("NFD", "나루에 배가 왔다")
    assert decomposed != "나루에 배가 왔다"
    first, second = embedder.embed_queries(["나루에 배가 왔다", decomposed])
    assert (first == second).all()


def test_the_bundled_model_needs_no_torch_where_there_is_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr("ctypes.CDLL", none)
    assert isinstance(open_embedder(Settings()), BundledEmbedder)


def test_a_driver_without_a_gpu_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: name)  # then torch is asked, which sees none here
    assert isinstance(open_embedder(Settings()), BundledEmbedder)


def test_half_characters_are_no_reason_to_fail(embedder: BundledEmbedder) -> None:
    broken, replaced = embedder.embed_passages(["나루\ud800 배", "나루? 배"])
    assert (broken == replaced).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the very thing that is tried
def test_a_forked_process_embeds_too(embedder: BundledEmbedder) -> None:
    texts = ["나루에 배가 왔다", "강"]
    expected = embedder.embed_passages(texts)  # there are threads now, which the child will not have
    child = os.fork()
    if child == 0:
        os._exit(0 if (embedder.embed_passages(texts) == expected).all() else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_there_is_a_core_to_use() -> None:
    assert 1 <= usable_cores() <= 4096


# --- sentences, each a text of its own


def index(embedder: BundledEmbedder, morphology: Morphology, text: str) -> list[IndexedPassage]:
    document = Document("d", "제목", text, "sha", "c", "d.txt")
    ((_, passages),) = index_documents([document], morphology, embedder, chunk_size=300)
    return passages


def test_sentences_behind_an_emoji_hold_their_own_words(embedder: BundledEmbedder, morphology: Morphology) -> None:
    (indexed,) = index(embedder, morphology, FERRY)
    sentences = [FERRY[s.start : s.end] for s in indexed.sentences]
    assert len(sentences) >= 2 and (sentences[0], sentences[-1][-13:]) == (
        "나루에 새 다리가 놓인다.",
        "공사비는 구십억 원이다.",
    )
    rows = indexed.sentence_vectors.astype(np.float32)
    for sentence, row in zip(sentences, rows, strict=True):
        assert row == pytest.approx(passage(embedder, sentence), abs=1e-3)  # what float16 keeps
    questions = embedder.embed_queries(["무엇이 새로 놓이나?", "비용은 얼마인가?"])
    assert (questions @ rows.T).argmax(axis=1).tolist() == [0, len(rows) - 1]
    assert indexed.vector == pytest.approx(passage(embedder, FERRY), abs=1e-5)


def test_a_sentence_that_is_its_passage_has_its_vector(embedder: BundledEmbedder, morphology: Morphology) -> None:
    (indexed,) = index(embedder, morphology, "공사비는 구십억 원이다.")
    assert indexed.sentence_vectors.tolist() == [indexed.vector.astype(np.float16).tolist()]
    assert indexed.vector == pytest.approx(passage(embedder, "공사비는 구십억 원이다."), abs=1e-6)


def test_threads_embed_passages_as_one_does(embedder: BundledEmbedder) -> None:
    def embed() -> None:
        found.append(embedder.embed_passages([FERRY, "나루"]))

    found: list[Vectors] = []
    embed()
    threads = [threading.Thread(target=embed) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    for other in found[1:]:
        assert other == pytest.approx(found[0], abs=1e-6)


# --- meaning

KOREAN = [
    ("다리를 짓는 데 돈이 얼마나 들었나요?", "교량 공사에 구십억 원이 쓰였다.", "사공은 저녁마다 노래를 불렀다."),
    (
        "아이가 열이 날 때 어떻게 하나요?",
        "체온이 높으면 해열제를 먹이고 물을 자주 준다.",
        "놀이터는 아홉 시에 문을 연다.",
    ),
    ("버스 막차는 몇 시인가요?", "마지막 차는 밤 열한 시 반에 떠난다.", "정류장 벽은 노란색으로 칠했다."),
    ("감자는 언제 심어야 하나요?", "씨감자는 삼월 하순에 밭에 묻는다.", "고구마는 구워 먹으면 달다."),
    (
        "환불을 받으려면?",
        "산 날부터 일주일 안에 영수증을 가져오면 돈을 돌려준다.",
        "가게는 역에서 걸어 오 분 거리에 있다.",
    ),
]
ACROSS_LANGUAGES = [
    ("How much did the bridge cost?", "교량 공사에 구십억 원이 쓰였다.", "사공은 저녁마다 노래를 불렀다."),
    ("最終バスは何時ですか？", "마지막 차는 밤 열한 시 반에 떠난다.", "정류장 벽은 노란색으로 칠했다."),
    ("감자는 언제 심나요?", "Seed potatoes go into the ground in late March.", "The library is closed on Mondays."),
]


@pytest.mark.parametrize(("question", "near", "far"), KOREAN + ACROSS_LANGUAGES)
def test_a_question_is_nearer_to_what_answers_it(embedder: BundledEmbedder, question: str, near: str, far: str) -> None:
    (vector,) = embedder.embed_queries([question])
    assert float(vector @ passage(embedder, near)) > float(vector @ passage(embedder, far)) + 0.01
