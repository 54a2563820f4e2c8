"""Models of sentence-transformers: made here, and the bundled one as one of them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer, models, pre_tokenizers

from rag.embedding import BundledEmbedder, open_embedder
from rag.encoder import MAX_TOKENS, Encoder
from rag.errors import ModelError
from rag.sentence_models import SentenceEmbedder, has_gpu, load_bundled, load_plain
from rag.settings import Settings
from rag.weights import find_weights, open_weights

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def fast() -> SentenceTransformer:
    return load_bundled()


@pytest.fixture(scope="module")
def plain() -> SentenceTransformer:
    return load_plain(open_weights(find_weights()))


TEXTS = ["나루에 배가 왔다", "강 " * 300, "", "The ferry came at nine."]


def test_as_a_sentence_transformer_it_gives_the_same_vectors(
    embedder: BundledEmbedder, fast: SentenceTransformer
) -> None:
    assert isinstance(fast, SentenceTransformer) and fast.get_embedding_dimension() == 384
    together = fast.encode(TEXTS, prompt="passage: ", batch_size=3)  # short ones padded beside a long one
    assert together == pytest.approx(embedder.embed_passages(TEXTS), abs=1e-6)
    assert fast.encode("query: 나루") == pytest.approx(embedder.embed_queries(["나루"])[0], abs=1e-6)


def test_its_texts_run_side_by_side(fast: SentenceTransformer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two texts of one batch are encoded at once: each waits for the other to begin."""
    both, encode = threading.Barrier(2), Encoder.encode

    def waiting(encoder: Encoder, ids: list[int]) -> object:
        both.wait(timeout=30)
        return encode(encoder, ids)

    monkeypatch.setattr("rag.encoder._pool", lambda: ThreadPoolExecutor(2))
    monkeypatch.setattr(Encoder, "encode", waiting)
    assert fast.encode(["나루", "강"]).shape == (2, 384)


def test_it_says_how_many_tokens_it_reads(fast: SentenceTransformer) -> None:
    features = fast[0].preprocess(["나루 " * 2_000, "나루"])
    assert features["input_ids"].shape == (2, MAX_TOKENS)
    assert features["input_ids"][0, -1] == features["input_ids"][1, features["attention_mask"][1].sum() - 1]  # </s>
    states = fast[0](features)["token_embeddings"]
    assert states.shape == (2, MAX_TOKENS, 384) and not states[1, 10:].any()


def test_neither_is_saved_again(fast: SentenceTransformer, plain: SentenceTransformer, tmp_path: Path) -> None:
    for model in (fast, plain):
        with pytest.raises(NotImplementedError, match="find_weights"):
            model[0].save(str(tmp_path))


def test_the_plain_model_is_not_trained_on(plain: SentenceTransformer) -> None:
    assert not any(parameter.requires_grad for parameter in plain.parameters())
    assert sum(parameter.numel() for parameter in plain.parameters()) > 117_000_000  # all of the table unpacked


def test_on_a_gpu_torch_runs_the_bundled_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the choice can be tried without one: torch itself goes on where it was."""
    monkeypatch.setattr("rag.embedding._has_gpu", lambda: True)
    embedder = open_embedder(Settings())
    assert isinstance(embedder, SentenceEmbedder) and embedder.name == "multilingual-e5-small"
    assert embedder.embed_queries(["나루"]).shape == (1, 384)


def test_whether_there_is_a_gpu_is_what_torch_says() -> None:
    assert has_gpu() == torch.cuda.is_available()


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
