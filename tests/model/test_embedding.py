"""The bundled model itself, and another one made here. What every Embedder does is in tests/conformance."""

from __future__ import annotations

import threading
import unicodedata
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from huggingface_hub import constants
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer, models, pre_tokenizers

from rag.embedding import MAX_TOKENS, BundledEncoder, SentenceEmbedder, load_bundled
from rag.errors import ModelError
from rag.indexing import index_documents
from rag.interfaces import Vectors
from rag.morphology import Morphology
from rag.settings import Settings
from rag.types import Document, IndexedPassage
from rag.weights import find_weights, open_weights

pytestmark = pytest.mark.model

FERRY = "나루에 새 다리가 놓인다. 😀 공사비는 구십억 원이다."


def passage(embedder: SentenceEmbedder, text: str) -> npt.NDArray[np.float32]:
    (vector,) = embedder.embed_passages([text])
    return np.asarray(vector)


def encoder_of(embedder: SentenceEmbedder) -> BundledEncoder:
    encoder = embedder.model[0]
    assert isinstance(encoder, BundledEncoder)
    return encoder


def test_it_is_the_bundled_model(embedder: SentenceEmbedder) -> None:
    assert (embedder.name, embedder.dimension) == ("multilingual-e5-small", 384)
    assert not any(parameter.requires_grad for parameter in embedder.model.parameters())


def test_order_is_kept_over_batches_of_mixed_lengths(embedder: SentenceEmbedder) -> None:
    texts = [f"{'긴 ' * (17 * i % 23)}글 {i}" for i in range(40)]  # a batch has 32, sorted by length
    rows = embedder.embed_passages(texts)
    for i in (0, 7, 31, 39):
        assert rows[i] == pytest.approx(passage(embedder, texts[i]), abs=1e-5)
    assert len({row.tobytes() for row in rows}) == 40


def test_questions_and_passages_have_prompts_of_their_own(embedder: SentenceEmbedder) -> None:
    (question,) = embedder.embed_queries(["나루"])
    assert question == pytest.approx(embedder.model.encode("query: 나루"), abs=1e-5)
    assert passage(embedder, "나루") == pytest.approx(embedder.model.encode("passage: 나루"), abs=1e-5)
    assert float(question @ passage(embedder, "나루")) < 0.999


def test_more_than_512_tokens_are_cut(embedder: SentenceEmbedder) -> None:
    text = "나루 " * 2_000
    features = encoder_of(embedder).preprocess([text, "나루"])
    assert features["input_ids"].shape == (2, MAX_TOKENS)
    assert features["input_ids"][0, -1] == features["input_ids"][1, features["attention_mask"][1].sum() - 1]  # </s>
    vector = passage(embedder, text)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert passage(embedder, text + "공사비는 구십억 원이다.") == pytest.approx(vector, abs=1e-6)  # it was not read
    assert float(passage(embedder, "공사비는 구십억 원이다. " + text) @ vector) < 0.9999


def test_decomposed_text_gives_the_vector_of_composed_text(embedder: SentenceEmbedder) -> None:
    decomposed = unicodedata.normalize("NFD", "나루에 배가 왔다")
    assert decomposed != "나루에 배가 왔다"
    first, second = embedder.embed_queries(["나루에 배가 왔다", decomposed])
    assert first == pytest.approx(second, abs=1e-6)


def test_four_bit_rows_are_those_of_the_full_table(embedder: SentenceEmbedder) -> None:
    full = load_bundled(open_weights(find_weights()), full_table=True)
    ids = torch.tensor([[0, 1, 2, 3], [5, 250_001, 41_000, 123_456]])
    packed_rows = encoder_of(embedder).bert.embeddings.word_embeddings(ids)
    full_rows = full[0].bert.embeddings.word_embeddings(ids)
    assert packed_rows.shape == (2, 4, 384) and packed_rows.dtype == torch.float32
    assert torch.equal(packed_rows, full_rows)
    assert float(full_rows.abs().max()) > 0
    texts = ["query: 나루에 배가 왔다", "query: The ferry came."]
    assert np.abs(full.encode(texts) - embedder.model.encode(texts)).max() < 1e-6


# --- sentences, each a text of its own


def index(embedder: SentenceEmbedder, morphology: Morphology, text: str) -> list[IndexedPassage]:
    document = Document("d", "제목", text, "sha", "c", "d.txt")
    ((_, passages),) = index_documents([document], morphology, embedder, chunk_size=300)
    return passages


def test_sentences_behind_an_emoji_hold_their_own_words(embedder: SentenceEmbedder, morphology: Morphology) -> None:
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


def test_a_sentence_that_is_its_passage_has_its_vector(embedder: SentenceEmbedder, morphology: Morphology) -> None:
    (indexed,) = index(embedder, morphology, "공사비는 구십억 원이다.")
    assert indexed.sentence_vectors.tolist() == [indexed.vector.astype(np.float16).tolist()]
    assert indexed.vector == pytest.approx(passage(embedder, "공사비는 구십억 원이다."), abs=1e-6)


def test_threads_embed_passages_as_one_does(embedder: SentenceEmbedder) -> None:
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
def test_a_question_is_nearer_to_what_answers_it(
    embedder: SentenceEmbedder, question: str, near: str, far: str
) -> None:
    (vector,) = embedder.embed_queries([question])
    assert float(vector @ passage(embedder, near)) > float(vector @ passage(embedder, far)) + 0.01


# --- other models, and none


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sentence-transformers model of five words, with prompts; a text is the mean of its words."""
    words = {"[UNK]": 0, "배": 1, "강": 2, "query:": 3, "passage:": 4}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    rows = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, -1]], np.float32)
    model = SentenceTransformer(
        modules=[StaticEmbedding(tokenizer, embedding_weights=rows)],
        prompts={"query": "query: ", "document": "passage: "},
        device="cpu",
    )
    model.save(str(tmp_path), create_model_card=False)
    return tmp_path


def test_another_model_with_the_prompts_it_brings(folder: Path) -> None:
    embedder = SentenceEmbedder.open(Settings(model=str(folder)))
    assert (embedder.name, embedder.dimension) == (str(folder), 3)
    half = np.sqrt(1 / 2)
    assert embedder.embed_queries(["배"])[0] == pytest.approx([half, 0, half])
    third = np.sqrt(1 / 3)
    expected = np.array([[third, third, -third], [0, half, -half], [half, 0, -half]])
    assert embedder.embed_passages(["배 강", "강", "배"]) == pytest.approx(expected)
    assert embedder.embed_passages([]).shape == (0, 3)


def test_prompts_of_the_settings_come_first(folder: Path) -> None:
    embedder = SentenceEmbedder.open(Settings(model=str(folder), query_prompt="", passage_prompt="강 "))
    assert embedder.embed_queries(["배"])[0] == pytest.approx([1, 0, 0])
    assert embedder.embed_passages(["배"])[0] == pytest.approx([np.sqrt(1 / 2), np.sqrt(1 / 2), 0])


def test_a_model_without_prompts_gets_none(folder: Path) -> None:
    (folder / "config_sentence_transformers.json").write_text("{}")
    embedder = SentenceEmbedder.open(Settings(model=str(folder)))
    assert embedder.embed_queries(["배"])[0] == pytest.approx([1, 0, 0])


@pytest.mark.parametrize("damaged", ["model.safetensors", "modules.json", "tokenizer.json"])
def test_a_damaged_model_is_named(folder: Path, damaged: str) -> None:
    (folder / damaged).write_bytes(b"{}")
    with pytest.raises(ModelError) as caught:
        SentenceEmbedder.open(Settings(model=str(folder)))
    assert caught.value.fields["model"] == str(folder)


def test_a_model_that_is_not_there_is_named_with_the_next_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # do not try for a minute to reach the hub
    for name in ("no-such-org/no-such-model", str(tmp_path / "없다"), str(tmp_path)):
        with pytest.raises(ModelError) as caught:
            SentenceEmbedder.open(Settings(model=name))
        for message in (caught.value.message("ko"), caught.value.message("en")):
            assert name in message and "GEUNGEO_MODEL" in message and len(message.splitlines()) == 1


def test_a_model_that_cannot_say_its_dimension_is_refused() -> None:
    class Shapeless(SentenceTransformer):  # type: ignore[misc]
        def get_embedding_dimension(self) -> None:
            return None

    model = Shapeless(modules=[torch.nn.Identity()], device="cpu")
    with pytest.raises(ModelError, match="how long its vectors are"):
        SentenceEmbedder("identity", model, query_prompt="", passage_prompt="")


def test_the_bundled_model_is_not_saved_again(embedder: SentenceEmbedder, tmp_path: Path) -> None:
    with pytest.raises(NotImplementedError, match="find_weights"):
        encoder_of(embedder).save(str(tmp_path))
