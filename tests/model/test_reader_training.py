"""What is trained is what is read: torch in float32 against the library in 8 bits, on the shipped weights."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from rag.reader import FILE, LONGEST, TrainedReader, layers_of
from rag.tokenizer import build_tokenizer
from rag.weights import BLOCK_BYTES, dequantize, find_weights, open_weights
from training import more, spans
from training.batches import PLANS, Data, texts_of
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


PORT = "배는 아침 7시에 떠난다. 값은 어른 1만2000원이다."
FAIR = "장은 닷새마다 선다. 생선은 새벽에 들어온다."


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Questions, the weights that the documented command makes of them, and what it made on the way."""
    folder = tmp_path_factory.mktemp("mine")
    asked = [
        ("배는 언제 떠나?", PORT, "아침 7시"),
        ("어른 값은?", PORT, "1만2000원"),
        ("장은 며칠마다 서나?", FAIR, "닷새"),
    ]
    rows = [
        {"title": "나루" if text is PORT else "장터", "paragraphs": [{"context": text, "qas": [
            {"id": question, "question": question, "answers": [{"text": words, "answer_start": text.index(words)}]}
        ]}]}
        for question, text, words in asked
    ]  # fmt: skip
    questions, weights, work = folder / "questions.json", folder / "mine.safetensors", folder / "work"
    questions.write_text(json.dumps({"data": rows}), "utf-8")
    given = [str(questions), "--out", str(weights), "--work", str(work), "--epochs", "1"]
    assert more.main([*given, "--beside", "12", "--measured", "8"]) == 0
    return questions, weights, work


def test_a_person_trains_on_with_questions_of_their_own(mine: tuple[Path, Path, Path]) -> None:
    _, weights, _ = mine
    assert layers_of(weights) == layers_of(FILE)
    with safe_open(FILE, "numpy") as before, safe_open(weights, "numpy") as after:
        assert "CC-BY-SA-4.0" in after.metadata()["license"]
        moved = np.abs(before.get_tensor("l7.q.w").astype(np.float32) - after.get_tensor("l7.q.w")).max()
        assert 0 < moved < 0.01  # a step of 5e-5 at most, and half precision
    (reading,) = TrainedReader(open_weights(find_weights()), weights).read("배는 언제 떠나?", [("나루", PORT)])
    assert PORT[reading.spans[0].start : reading.spans[0].end] in ("아침 7시", "아침 7시에")  # whole tokens


def test_it_is_said_what_was_forgotten(mine: tuple[Path, Path, Path]) -> None:
    _, _, work = mine
    (log,) = work.glob("*/run/log.jsonl")
    after = json.loads(log.read_text("utf-8").splitlines()[-1])["held_out"]
    korean, english = more._told(
        {"written": {"n": 3, "exact": 1.0}, "missing": {"n": 1, "exact": 0.0}, "auc_missing": 0.9}, after
    )
    assert korean.startswith("배우지 않은 글의 질문 4개에서 똑같은 말을 짚음: 전 75.0%, 후 ")
    assert "AUC): 0.900 before, " in english and "nan" not in english


def test_what_is_learned_is_the_question_with_the_words_that_answer(mine: tuple[Path, Path, Path]) -> None:
    _, _, work = mine
    (folder,) = work.glob("*/data")
    bundled = open_weights(find_weights())
    data, tokenizer = Data(folder), build_tokenizer(bundled.tokenizer)
    rows = bundled.q4_rows("emb.word", bundled.shape.vocabulary)
    known = {bytes(row): id for id, row in enumerate(rows)}  # ids were renumbered; their embeddings tell which is which
    used = [known[bytes(row)] for row in data.arrays["words"]]
    learned = set()
    families = [data.family("groups", group) for group in range(len(data.arrays["groups_head"]))]
    assert len(families) > 3 + 12 and all(family.startswith("own-") for family in families if family)
    held_out = [family for family, row in zip(families, data.arrays["groups_head"], strict=True) if row[3]]
    assert len(held_out) >= 8 and "" not in held_out
    for group in (group for group, family in enumerate(families) if not family):
        first, *others = texts_of(data, "groups", group, PLANS["full"], None)
        ids = [used[id] for id in first.ids]
        assert first.right and not any(text.right for text in others)
        words = tokenizer.decode(ids[first.start + first.first : first.start + first.last + 1])
        question = tokenizer.decode(ids[1 : ids.index(2)])
        learned.add((question, words))
        others_ids = [[used[id] for id in text.ids[text.start : -1]] for text in others]
        assert all(words not in tokenizer.decode(each) for each in others_ids)
    assert learned == {
        ("배는 언제 떠나?", "아침 7시에"),
        ("어른 값은?", "1만2000원"),
        ("장은 며칠마다 서나?", "닷새"),
    }


def test_spans_are_measured_by_the_rules_of_the_evals(
    mine: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    questions, weights, _ = mine
    assert spans.main([str(questions), str(weights)]) == 0
    count, figures = re.fullmatch(r"\S* ?(\d+): exact match (\S+), F1 \S+\n", capsys.readouterr().out).groups()  # type: ignore[union-attr]
    assert (count, figures) == ("3", "1.000")
