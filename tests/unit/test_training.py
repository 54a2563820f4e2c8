"""Training's own steps, without a model."""

from __future__ import annotations

import json
import math
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rag.reader import LONGEST
from training import export, more, prepare, train
from training.batches import Batch, Data, Plan, epochs, shares_of, steps_of, texts_of
from training.measure import area
from training.model import ByteDropout, Read, ReaderModel
from training.noise import noisy
from training.sources import Asked, Sources, held_out, is_held_out, part_of, squad_sources
from training.tables import Piece, covering
from training.train import loss_of

PLAN = Plan(epochs=2, rate=1e-4, batch=4, passages=3, noisy=0, removed=0, untitled=0)


class Tables(Data):
    """So many groups: question i, right passage 2i (its second token), another 2i + 1; every tenth is held out."""

    def __init__(self, groups: int) -> None:
        heads = [[at, at, 0, int(at % 10 == 9)] for at in range(groups)]
        self.sources, self.families = ["klue_mrc"], [""]
        self.arrays = {
            "groups_head": np.array(heads, np.int32),
            "groups_family": np.zeros(groups, np.int32),
            "groups_right": np.array([[2 * at, 1, 1] for at in range(groups)], np.int32),
            "groups_right_at": np.arange(groups + 1, dtype=np.int32),
            "groups_others": np.array([2 * at + 1 for at in range(groups)], np.int32),
            "groups_others_at": np.arange(groups + 1, dtype=np.int32),
            "questions": np.full(2 * groups, 7, np.uint16),
            "questions_at": np.arange(0, 2 * groups + 1, 2, dtype=np.int32),
            "passages": np.full(6 * groups, 8, np.uint16),
            "passages_at": np.arange(0, 6 * groups + 1, 3, dtype=np.int32),
            "titles": np.array([9], np.uint16),
            "titles_at": np.array([0, 1], np.int32),
            "title_of": np.zeros(2 * groups, np.int32),
        }


def test_an_epoch_is_every_group_once_but_for_those_held_out() -> None:
    data = Tables(20)  # 18 to train on: four steps of four, two left over
    assert steps_of(data, "groups", PLAN, None) == 9  # 18 groups twice, by four
    first = [group for step in islice(epochs(data, "groups", PLAN, 1, None), 4) for group in step]
    assert len(set(first)) == 16 and not {9, 19} & set(first)
    again = [group for step in islice(epochs(data, "groups", PLAN, 1, None), 4) for group in step]
    assert first == again


def test_a_few_groups_are_one_step() -> None:
    (step,) = islice(epochs(Tables(3), "groups", PLAN, 1, None), 1)
    assert sorted(step) == [0, 1, 2]
    with pytest.raises(ValueError, match="nothing to train on"):
        next(epochs(Tables(3), "groups", Plan(epochs=1, rate=1, sources=("tydi_goldp",)), 1, None))


def test_a_part_of_the_sources_is_what_is_named_and_a_share_of_the_rest_with_their_documents() -> None:
    documents = {f"{at}": {"id": f"{at}", "title": f"{at}", "text": "글"} for at in range(400)}
    asked = [
        Asked(f"q{at}", ("klue_mrc", "written")[at % 2], "?", f"{at}", family=("", "own-a", "", "own-b")[at % 4])
        for at in range(400)
    ]
    part = part_of(Sources(documents, asked, {"law": documents["0"]}), ["klue_mrc", "own-b"], 0.5, random.Random(1))
    kept = {item.id for item in part.asked}
    assert kept >= {item.id for item in asked if item.source == "klue_mrc" or item.family == "own-b"}
    assert 300 + 35 <= len(kept) <= 300 + 65  # half of 100, three standard deviations to each side
    assert set(part.documents) == {item.document for item in part.asked} and list(part.bulk) == ["law"]


def test_nothing_of_the_family_apart_is_trained_on() -> None:
    documents = {name: {"id": name, "title": name, "text": "글"} for name in ("한 글", "다른 글")}
    asked = [
        Asked("1", "written", "?", "한 글", family="apart"),
        Asked("2", "missing", "?", "다른 글", family="own-a"),
    ]
    apart = {"한 글"} | {name for name in documents if is_held_out(name)}
    assert held_out(Sources(documents, asked, {})) == apart and not is_held_out("한 글")


def test_a_text_is_question_title_and_passage() -> None:
    right, other = texts_of(Tables(2), "groups", 0, PLAN, None)
    assert right.ids.tolist() == [0, 7, 7, 2, 2, 9, 2, 8, 8, 8, 2]
    assert (right.start, right.right, right.first, right.last) == (7, True, 1, 1)
    assert (other.right, other.first) == (False, -1)


class Says(torch.nn.Module):
    """A model that says what it is told to."""

    def __init__(self, read: Read) -> None:
        super().__init__()
        self.read = read

    def forward(self, *_: Any) -> Read:
        return self.read


def test_the_losses_by_hand() -> None:
    # Two groups: in the first, passage 0 answers (odds 3) beside passage 1 (odds 1); in the second, passage 2 (odds 1) does not.
    spans = torch.full((3, 2, 2), math.log(0.1))
    spans[0, 0, 1] = math.log(0.7)
    relevance = torch.tensor([math.log(3), 0.0, 0.0])
    whole = torch.zeros(3)
    batch = Batch(
        torch.zeros((3, 2), dtype=torch.long), torch.ones((3, 2)), torch.ones((3, 2)), torch.tensor([0, 0, 1]),
        torch.tensor([True, False, False]), torch.tensor([[0, 1], [-1, -1], [-1, -1]]),
    )  # fmt: skip
    span_loss, ranking = loss_of(Says(Read(spans, relevance, whole)), [batch], 2, True)  # type: ignore[arg-type]
    assert float(span_loss) == pytest.approx(-math.log(0.7), abs=1e-5)
    listwise = (math.log(5 / 3) + math.log(2)) / 2  # 3 of 3 + 1 + 1; none, 1 of 1 + 1
    alone = (math.log(4 / 3) + 2 * math.log(2)) / 3
    assert float(ranking) == pytest.approx(listwise + 0.5 * alone + 0.2 * math.log(2), abs=1e-5)


def squad(path: Path, context: str, question: str, answer: str) -> Path:
    answers = [{"text": answer, "answer_start": context.index(answer)}] if answer else []
    paragraph = {"context": context, "qas": [{"id": "1", "question": question, "answers": answers}]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"data": [{"title": "글", "paragraphs": [paragraph]}]}), "utf-8")
    return path


def test_files_of_one_name_are_two(tmp_path: Path) -> None:
    files = [
        squad(tmp_path / "a" / "q.json", "배는 아침에 떠난다.", "배는 언제?", "아침"),
        squad(tmp_path / "b" / "q.json", "바다는 푸르다.", "하늘은?", ""),
    ]
    sources = squad_sources(files)
    assert len(sources.documents) == 2
    first, second = sources.asked
    assert [sources.documents[first.document]["text"][a:b] for a, b in first.spans] == ["아침"]
    assert second.spans == () and sources.documents[second.document]["text"] == "바다는 푸르다."


def made(folder: Path, families: list[str]) -> None:
    """What prepare makes of a group of each of these families, as far as it is counted."""
    folder.mkdir(parents=True)
    head = np.zeros((len(families), 4), np.int32)
    family = np.arange(len(families), dtype=np.int32)
    np.savez(folder / "base.npz")
    np.savez(
        folder / "data.npz",
        groups_head=head,
        groups_family=family,
        sources=np.array(["own"]),
        families=np.array(families),
    )


def test_questions_of_which_none_can_be_learned_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prepare, "main", lambda arguments: made(Path(arguments[1]), ["own-a"]))
    file = squad(tmp_path / "질문.json", "배는 아침에 떠난다.", "배는 언제?", "아침")
    assert more.main([str(file), "--work", str(tmp_path / "work"), "--out", str(tmp_path / "mine")]) == 1
    error = capsys.readouterr().err
    assert "질문.json" in error and "배울 것이 없습니다" in error and error.count("\n") == 1


def test_a_run_whose_time_is_up_says_that_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prepare, "main", lambda arguments: made(Path(arguments[1]), ["", "own-a"]))
    monkeypatch.setattr(train, "main", lambda arguments: 3)
    file = squad(tmp_path / "질문.json", "배는 아침에 떠난다.", "배는 언제?", "아침")
    assert more.main([str(file), "--work", str(tmp_path), "--out", str(tmp_path / "mine"), "--measured", "0"]) == 3
    error = capsys.readouterr().err
    assert "질문 1개 가운데 1개를 배웁니다" in error and "같은 명령을 다시 실행하면 이어집니다" in error
    assert not (tmp_path / "mine").exists()


def test_other_files_are_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, list[str]]] = []

    def called(name: str) -> Callable[[list[str]], int]:
        def main(arguments: list[str]) -> int:
            calls.append((name, arguments))
            if name == "training.prepare":
                made(Path(arguments[1]), [""])
            return 0

        return main

    for module in (prepare, train, export):
        monkeypatch.setattr(module, "main", called(module.__name__))
    one = squad(tmp_path / "a.json", "배는 아침에 떠난다.", "배는 언제?", "아침")
    other = squad(tmp_path / "b.json", "배는 저녁에 떠난다.", "배는 언제?", "저녁")
    for file in (one, other, one):
        given = [str(file), "--work", str(tmp_path / "work"), "--out", str(tmp_path / "mine"), "--measured", "0"]
        assert more.main(given) == 0
    runs = [arguments[arguments.index("--out") + 1] for name, arguments in calls if name == "training.train"]
    assert runs[0] == runs[2] != runs[1]


@pytest.mark.parametrize(
    ("text", "told"),
    [(None, "읽을 수 없습니다"), ("{", "JSON"), ('{"data": []}', "질문이 없습니다"), ("[]", "")],
)
def test_files_that_cannot_be_learned_from_are_told_in_one_line(
    text: str | None, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "질문.json"
    if text is not None:
        file.write_text(text, "utf-8")
    assert more.main([str(file), "--work", str(tmp_path / "work")]) == 1
    error = capsys.readouterr().err
    assert "질문.json" in error and told in error and error.count("\n") == 1
    assert not (tmp_path / "work").exists()


def test_where_the_weights_go_is_known_before_hours_of_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = squad(tmp_path / "a.json", "배는 아침에 떠난다.", "배는 언제?", "아침")
    assert more.main([str(file), "--work", str(tmp_path / "work"), "--out", str(tmp_path / "없음" / "w")]) == 1
    assert "그런 폴더가 없습니다" in capsys.readouterr().err


def small(seed: int = 1) -> ReaderModel:
    torch.manual_seed(seed)
    return ReaderModel(16, 1)


def run(data: Data, out: Path, *, plan: Plan = PLAN, minutes: float | None = None, seed: int = 1) -> bool:
    return train.train(
        data, small(seed), "groups", plan, seed=1, out=out, device=torch.device("cpu"), micro=2, minutes=minutes, only=None,
    )  # fmt: skip


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    data = Tables(20)
    assert not run(data, tmp_path, minutes=0)  # a step is always taken
    first = torch.load(tmp_path / "state.pt", weights_only=True)
    assert first["step"] == 1
    assert run(data, tmp_path)
    last = torch.load(tmp_path / "state.pt", weights_only=True)
    assert last["step"] == 9 and "bert.embeddings.word_embeddings.weight" not in last["model"]
    steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert steps == [9]
    assert not torch.equal(first["model"]["ends.weight"], last["model"]["ends.weight"])


def without_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models without dropout, which a stopped run draws otherwise."""
    plain = ReaderModel

    def made(*sizes: int) -> ReaderModel:
        model = plain(*sizes)
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        return model

    monkeypatch.setattr(sys.modules[__name__], "ReaderModel", made)


def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_chance(monkeypatch)
    data = Tables(20)
    taken: list[int] = []
    real = train.loss_of

    def counted(*given: Any) -> Any:
        taken.append(1)
        return real(*given)

    monkeypatch.setattr(train, "loss_of", counted)
    assert run(data, tmp_path / "whole")
    whole = len(taken)
    assert not run(data, tmp_path / "stopped", minutes=0)
    assert run(data, tmp_path / "stopped")
    assert len(taken) == 2 * whole  # no step is taken twice
    one, other = (torch.load(tmp_path / name / "state.pt", weights_only=True)["model"] for name in ("whole", "stopped"))
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


def test_the_same_seed_is_the_same_weights(tmp_path: Path) -> None:
    data = Tables(20)
    for name in ("one", "other"):
        assert run(data, tmp_path / name)
    one, other = (torch.load(tmp_path / name / "state.pt", weights_only=True)["model"] for name in ("one", "other"))
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


def test_a_run_does_not_go_on_with_something_else(tmp_path: Path) -> None:
    assert not run(Tables(20), tmp_path, minutes=0)
    others = Tables(20)
    others.arrays["passages"][0] += 1
    for data, plan, seed in (
        (others, PLAN, 1), (Tables(20), replace(PLAN, rate=2e-4), 1), (Tables(20), PLAN, 2),
    ):  # fmt: skip
        with pytest.raises(SystemExit, match="another --out"):
            run(data, tmp_path, plan=plan, seed=seed)


def test_new_families_come_with_a_part_of_the_rest() -> None:
    data = Tables(100)
    data.families = ["", "new"]
    data.arrays = {**data.arrays, "groups_family": np.array([at % 2 for at in range(100)], np.int32)}
    plan = replace(PLAN, fresh=("new",), replay=0.25)
    shares = shares_of(data, "groups", plan, None)
    # Of a hundred ten are held out, all of odd number: 40 new, 50 others.
    assert sum(share == 1 for share in shares.values()) == 40
    assert sum(share == 0.25 for share in shares.values()) == 50
    assert steps_of(data, "groups", plan, None) == int((40 + 50 / 4) / 4 * 2)
    first = [group for step in islice(epochs(data, "groups", plan, 1, None), 12) for group in step]
    new = [group for group in first if group % 2]
    assert len(new) == len(set(new)) > 2 * (len(first) - len(new))


def test_quick_dropout_keeps_the_mean() -> None:
    dropout = ByteDropout(0.25, np.random.default_rng(1))
    ones = torch.ones(400, 400)
    dropped = dropout(ones)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)
    assert torch.equal(dropout.eval()(ones), ones)


def test_how_often_one_is_above_the_other() -> None:
    assert area([1, 2], [2, 3]) == (0.5 + 1 + 1 + 1) / 4


def test_careless_typing_keeps_something_to_ask() -> None:
    question = "바이오 분야의 지원 금액은 얼마인가요?"
    typed = {noisy(question, random.Random(seed)) for seed in range(50)}
    assert len(typed) > 20 and all("바" in one or "이" in one for one in typed)
    assert all(any(c.isalnum() for c in noisy("왜?", random.Random(seed))) for seed in range(50))


def test_words_that_a_passage_holds_only_in_part_are_not_in_it() -> None:
    piece = Piece("글", 10, 20, [1, 2, 3, 4], [(10, 12), (13, 15), (15, 17), (18, 20)])
    assert covering(piece, 13, 17) == (1, 2)
    assert covering(piece, 14, 16) == (1, 2)  # tokens that touch
    assert covering(piece, 18, 21) is None and covering(piece, 8, 12) is None
    long = Piece("글", 0, 100, list(range(100)), [(at, at + 1) for at in range(100)])
    assert covering(long, 0, LONGEST) == (0, LONGEST - 1)
    assert covering(long, 0, LONGEST + 1) is None  # more than a reader marks
