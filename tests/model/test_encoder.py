"""The encoder in 8-bit integers beside the same weights in float32."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from rag import encoder as module
from rag.encoder import MAX_TOKENS, Encoder
from rag.outliers import OUTLIERS
from rag.sentence_models import load_plain
from rag.tokenizer import build_tokenizer
from rag.weights import Weights, find_weights, open_weights

pytestmark = pytest.mark.model

TEXTS = [
    "passage: 나루에 새 다리가 놓인다. 공사비는 구십억 원이고, 내년 삼월에 첫 삽을 뜬다.",
    "query: 다리를 짓는 데 돈이 얼마나 드나요?",
    "passage: The council voted 12 to 3 for the new bridge, which will cost 9 billion won.",
    "passage: 橋の建設費は九十億ウォンで、来年三月に着工する。",
    "passage: | 구분 | 2023 | 2024 |\n| 매출 | 1,204 | 1,377 |",
    "query: ?",
    "passage: " + "강물이 흐르고 배가 오간다. " * 40,
]


@pytest.fixture(scope="module")
def weights() -> Weights:
    return open_weights(find_weights())


@pytest.fixture(scope="module")
def tokenizer(weights: Weights) -> Tokenizer:
    return build_tokenizer(weights.tokenizer)


@pytest.fixture(scope="module")
def encoder(weights: Weights) -> Encoder:
    return Encoder(weights)


@pytest.fixture(scope="module")
def plain(weights: Weights) -> SentenceTransformer:
    return load_plain(weights)


def pooled(encoder: Encoder, ids: list[int]) -> np.ndarray:
    mean = encoder.encode(ids).mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean))


def cosines(encoder: Encoder, tokenizer: Tokenizer, plain: SentenceTransformer) -> Iterator[float]:
    for text in TEXTS:
        yield float(pooled(encoder, tokenizer.encode(text).ids) @ plain.encode(text))


def test_vectors_are_those_of_float32(encoder: Encoder, tokenizer: Tokenizer, plain: SentenceTransformer) -> None:
    found = list(cosines(encoder, tokenizer, plain))
    assert min(found) > 0.997 and np.mean(found) > 0.999


def test_every_state_is_near_to_that_of_float32(
    encoder: Encoder, tokenizer: Tokenizer, plain: SentenceTransformer
) -> None:
    ids = tokenizer.encode(TEXTS[0]).ids
    batch = torch.tensor([ids])
    exact = plain[0].bert(input_ids=batch, attention_mask=torch.ones_like(batch)).last_hidden_state[0].numpy()
    states = encoder.encode(ids)
    assert states.shape == exact.shape == (len(ids), 384) and states.dtype == np.float32
    near = (states * exact).sum(1) / np.linalg.norm(states, axis=1) / np.linalg.norm(exact, axis=1)
    assert near.min() > 0.99


def test_leaving_out_the_outliers_is_what_keeps_it_exact(
    weights: Weights, encoder: Encoder, tokenizer: Tokenizer, plain: SentenceTransformer
) -> None:
    without = Encoder(weights, {})
    lost = 1 - np.mean(list(cosines(without, tokenizer, plain)))
    assert lost > 4 * (1 - np.mean(list(cosines(encoder, tokenizer, plain))))


def test_outliers_name_channels_that_there_are(weights: Weights) -> None:
    shape = weights.shape
    sizes = {
        f"l{i}.{m}": n for i in range(shape.layers) for m, n in zip(("q", "fi", "fo"), (384, 384, 1536), strict=True)
    }
    assert OUTLIERS.keys() <= sizes.keys()
    assert all(0 <= channel < sizes[name] for name, channels in OUTLIERS.items() for channel in channels)
    assert len(OUTLIERS) == 3 * shape.layers and all(len(set(channels)) == 16 for channels in OUTLIERS.values())


def test_processors_that_cut_off_large_sums_get_smaller_weights(
    weights: Weights, tokenizer: Tokenizer, plain: SentenceTransformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module._levels() in (module.EXACT_LEVELS, module.SAFE_LEVELS)
    assert 2 * 255 * module.SAFE_LEVELS < 2**15 <= 2 * 255 * module.EXACT_LEVELS  # of two products in 16 bits
    monkeypatch.setattr(module, "_levels", lambda: module.SAFE_LEVELS)
    found = list(cosines(Encoder(weights), tokenizer, plain))
    assert min(found) > 0.99 and np.mean(found) > 0.995


def test_a_text_has_the_same_states_every_time_and_on_every_thread(encoder: Encoder, tokenizer: Tokenizer) -> None:
    texts = [tokenizer.encode(text).ids for text in TEXTS]
    alone = [encoder.encode(ids) for ids in texts]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert all((a == b).all() for a, b in zip(alone, pool.map(encoder.encode, texts), strict=True))


def test_it_takes_one_to_512_tokens(encoder: Encoder) -> None:
    assert encoder.encode([0]).shape == (1, 384)
    assert encoder.encode([0] + [5] * (MAX_TOKENS - 2) + [2]).shape == (MAX_TOKENS, 384)
    for ids in ([], [5] * (MAX_TOKENS + 1)):
        with pytest.raises(ValueError, match="1 to 512"):
            encoder.encode(ids)
    with pytest.raises(IndexError):
        encoder.encode([0, 250_037, 2])


def test_embeddings_are_unpacked_row_by_row(weights: Weights, encoder: Encoder, plain: SentenceTransformer) -> None:
    ids = [0, 1, 5, 41_000, 123_456, 250_001]
    table = plain[0].bert.embeddings.word_embeddings.weight[ids].numpy()
    positions = weights.tensor("emb.pos", 512, 384)[:6] + weights.tensor("emb.type", weights.shape.types, 384)[0]
    assert np.abs(encoder.embeddings(ids)[0] - table - positions).max() < 1e-6
