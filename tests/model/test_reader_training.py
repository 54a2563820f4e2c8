"""What is trained is what is read: torch in float32 against the library in 8 bits, on the shipped weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rag.reader import FILE, LONGEST, TrainedReader, layers_of
from rag.weights import BLOCK_BYTES, dequantize, find_weights, open_weights
from training.model import HIDDEN, ReaderModel, load_weights

pytestmark = pytest.mark.model

TITLE = "해담시, 바다에 550억 원"
TEXT = (
    "해담시는 올해 항만 재생에 430억 원, 어촌 관광에 120억 원을 쓴다고 3월 4일 밝혔다. "
    "한유진 해담시장은 \"바다를 시민에게 돌려드리겠다\"고 말했다. 공사는 2027년 6월에 끝난다."
)  # fmt: skip


@pytest.fixture(scope="module")
def reader() -> TrainedReader:
    return TrainedReader(open_weights(find_weights()))


@pytest.mark.parametrize(
    "question", ["항만 재생에 얼마를 쓰나요?", "공사는 언제 끝나나요?", "해담시 부시장은 누구인가요?", "공사는 2027년에 끝나나요?"]
)  # fmt: skip
@torch.no_grad()
def test_both_say_the_same(question: str, reader: TrainedReader) -> None:
    bundled = open_weights(find_weights())
    (window,) = reader._windows(0, question, TITLE, TEXT, np.zeros(0, np.int64))
    used = sorted({*window.ids})
    rows = bundled.q4_rows("emb.word", bundled.shape.vocabulary)[used]
    model = ReaderModel(len(used), layers_of(FILE)).eval()
    words = torch.from_numpy(dequantize(np.array(rows).reshape(-1, BLOCK_BYTES)).reshape(-1, HIDDEN))
    model.bert.embeddings.word_embeddings.weight.copy_(words)
    load_weights(model, FILE)
    ids = torch.tensor([[used.index(id) for id in window.ids]])
    inside = torch.zeros_like(ids, dtype=torch.bool)
    inside[0, window.start : window.start + len(window.offsets)] = True
    trained = model(ids, torch.ones_like(ids), inside)
    (read,) = reader.read(question, [(TITLE, TEXT)])
    assert read.relevance == pytest.approx(trained.relevance.item(), abs=0.3)  # logarithms of odds, some -6 to 6
    assert read.wordless == pytest.approx(trained.wordless.item(), abs=0.3)
    spans = trained.spans[0].exp().numpy()
    first, last = divmod(int(spans.argmax()), spans.shape[1])
    assert last - first < LONGEST
    best, at = read.spans[0], window.offsets
    assert (best.start, best.end) == (at[first - window.start][0], at[last - window.start][1])
    assert best.probability == pytest.approx(spans.max(), abs=0.1)
    begins = spans.sum(1)[window.start : window.start + len(at)]
    assert np.abs(read.begins - begins).max() < 0.1
