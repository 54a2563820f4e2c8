"""The reader that is shipped: what it reads on a fixed sample it was not trained on, and how it behaves.

The sample are the texts of training/written that were held out of training; they need no data folder.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from evals.measures import exact_match, f1
from rag.assistant import Assistant
from rag.embedding import open_embedder
from rag.errors import ReaderError
from rag.exact import FITTED_TO
from rag.interfaces import Reading
from rag.morphology import Morphology
from rag.reader import FILE, TrainedReader, layers_of, open_reader
from rag.settings import Settings
from rag.weights import find_weights, open_weights
from training.families import ask, texts_of
from training.measure import area
from training.sources import is_held_out

pytestmark = pytest.mark.model


ASKED = 3  # of a text
# Exact words, shared characters, own text above another, answerable above missing: .645, .816, 1, .881 when they were shipped.
FLOORS = (0.61, 0.78, 0.97, 0.85)


@pytest.fixture(scope="module")
def reader() -> TrainedReader:
    return TrainedReader(open_weights(find_weights()))


def said(reading: Reading, text: str, morphology: Morphology) -> str:
    span = reading.spans[0]
    return text[span.start : morphology.without_particles(text, span.start, span.end, span.tail)]


def test_figures_on_the_held_out_sample(reader: TrainedReader, morphology: Morphology) -> None:
    """Over texts cut as the library cuts them; see ``training.families``."""
    texts = [
        text
        for family in ("own-a", "own-b", "own-c", "own-d")
        for text in texts_of(family, 1, morphology)
        if is_held_out(text.title)
    ]
    exact, shared, beside, known, unknown = [], [], [], [], []
    for text, other in zip(texts, texts[1:] + texts[:1], strict=True):
        for question, answer in text.asked[:ASKED]:
            sure, words = ask(reader, morphology, text, question)
            exact.append(exact_match(words, [answer]))
            shared.append(f1(words, [answer]))
            beside.append(sure > ask(reader, morphology, other, question)[0])
            known.append(sure)
        unknown += [ask(reader, morphology, text, question)[0] for question in text.missing[:ASKED]]
    assert len(exact) >= 80 and len(unknown) >= 80
    figures = [round(sum(some) / len(some), 3) for some in (exact, shared, beside)] + [round(area(unknown, known), 3)]
    assert all(figure >= floor for figure, floor in zip(figures, FLOORS, strict=True)), figures


HARBOUR = (
    "해담시는 올해 항만 재생에 430억 원, 어촌 관광에 120억 원을 쓴다고 3월 4일 밝혔다. "
    "한유진 해담시장은 \"바다를 시민에게 돌려드리겠다\"고 말했다. 공사는 2027년 6월에 끝난다."
)  # fmt: skip
DISTRACTORS = [
    ("", "산들군은 올해 도서관에 50억 원을 쓴다. 군수는 정다운이다."),
    ("", "내일 남부 지방에는 비가 내리고 낮 기온은 18도까지 오르겠다."),
    ("", "해담시 시립합창단은 4월 9일에 정기 연주회를 연다."),
]


def first_words(reader: TrainedReader, question: str, morphology: Morphology, text: str = HARBOUR) -> str:
    (reading,) = reader.read(question, [("해담시, 바다에 550억 원", text)])
    return said(reading, text, morphology)


@pytest.mark.parametrize(
    "question",
    ["항만 재생에 얼마를 쓰나요?", "항만을 되살리는 데 드는 돈은?", "항만재생 예산 얼마", "항만 재생에는 얼마가 들어가요?",
     "How much will be spent on port regeneration?"],
)  # fmt: skip
def test_the_same_asked_otherwise(question: str, reader: TrainedReader, morphology: Morphology) -> None:
    own, *others = reader.read(question, [("해담시, 바다에 550억 원", HARBOUR), *DISTRACTORS])
    assert said(own, HARBOUR, morphology) == "430억 원"
    assert own.relevance > max(other.relevance for other in others) + 1
    assert own.wordless < 0


@pytest.mark.parametrize(
    ("question", "answer"),
    [("어촌 관광에 얼마를 쓰나요?", {"120억 원"}), ("해담시장은 누구인가요?", {"한유진", "한유진 해담시장"}),
     ("공사는 언제 끝나나요?", {"2027년 6월"})],
)  # fmt: skip
def test_another_question_has_another_answer(
    question: str, answer: set[str], reader: TrainedReader, morphology: Morphology
) -> None:
    assert first_words(reader, question, morphology) in answer


def test_distractors_do_not_take_the_first_place(reader: TrainedReader) -> None:
    for passages in ([("", HARBOUR), *DISTRACTORS], [*DISTRACTORS, ("", HARBOUR)]):
        readings = reader.read("해담시가 항만 재생에 쓰는 돈은 얼마인가요?", passages)
        best = max(range(len(passages)), key=lambda at: readings[at].relevance)
        assert passages[best][1] == HARBOUR


NOT_SAID = [
    "해담시 부시장은 누구인가요?", "공사는 언제 시작됐나요?", "작년에 항만 재생에 쓴 돈은 얼마인가요?", "공사를 맡은 회사는 어디인가요?",
    "어촌 관광객은 한 해에 몇 명인가요?", "해담시의 인구는 얼마나 되나요?", "시장은 몇 살인가요?",
    "항만 재생 사업에 반대한 사람은 누구인가요?",
    "도로 정비에 쓰는 돈은 얼마인가요?", "시장은 어느 당 소속인가요?", "정부가 보태는 돈은 얼마인가요?", "다음 발표는 언제 하나요?",
]  # fmt: skip


def test_what_the_text_does_not_say_is_less_probable_than_nothing(reader: TrainedReader) -> None:
    """By the sign of the relevance. One of them, when the work began, is taken for answered: the text says when it ends."""
    given = reader.read("해담시가 항만 재생에 쓰는 돈은 얼마인가요?", [("", HARBOUR)])[0].relevance
    missing = {question: reader.read(question, [("", HARBOUR)])[0].relevance for question in NOT_SAID}
    assert given > 0
    assert {question for question, relevance in missing.items() if relevance >= 0} <= {"공사는 언제 시작됐나요?"}


@pytest.mark.parametrize(
    ("yes_no", "words"),
    [("공사는 2027년에 끝나나요?", "공사는 언제 끝나나요?"), ("어촌 관광에 120억 원을 쓰나요?", "어촌 관광에 얼마를 쓰나요?"),
     ("해담시장은 한유진인가요?", "해담시장은 누구인가요?"),
     ("해담시가 항만을 되살리는 데 돈을 쓰는 게 맞아?", "해담시가 항만을 되살리는 데 쓰는 돈이 얼마야?")],
)  # fmt: skip
def test_a_yes_or_no_question_asks_for_no_words_in_particular(yes_no: str, words: str, reader: TrainedReader) -> None:
    whole, exact = (reader.read(question, [("", HARBOUR)])[0] for question in (yes_no, words))
    assert whole.wordless > 0 > exact.wordless


def test_confidence_was_fitted_to_these_weights() -> None:
    assert hashlib.sha256(FILE.read_bytes()).hexdigest().startswith(FITTED_TO)


def test_other_weights_can_be_named(tmp_path: Path) -> None:
    with safe_open(FILE, framework="numpy") as file:
        tensors, about = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    tensors["outer.b"] = tensors["outer.b"] + np.array([5, 0], np.float16)
    mine = tmp_path / "mine.safetensors"
    save_file(tensors, mine, about)
    assert layers_of(mine) == layers_of(FILE)
    passages = [("", HARBOUR)]
    readers = [open_reader(Settings(reader=path)) for path in (None, str(mine))]
    usual, raised = (reader.read("언제 끝나나요?", passages)[0] for reader in readers if reader)
    assert raised.relevance == pytest.approx(usual.relevance + 5, abs=0.01)


@pytest.mark.parametrize("change", ["format", "layers", "outliers", "shape", "nan", "cut"])
def test_weights_that_are_damaged_or_of_something_else_are_refused(change: str, tmp_path: Path) -> None:
    with safe_open(FILE, framework="numpy") as file:
        tensors, about = {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata())  # noqa: SIM118
    about |= {"format": {"format": "other"}, "layers": {"layers": "0"}, "outliers": {"outliers": "[]"}}.get(change, {})
    if change == "shape":
        tensors["outer.w"] = tensors["outer.w"][:, :-1].copy()
    if change == "nan":
        tensors["ends.b"] = np.array([np.nan, 0], np.float16)
    path = tmp_path / "wrong.safetensors"
    save_file(tensors, path, about)
    if change == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ReaderError, match="GEUNGEO_READER") as caught:
        TrainedReader(open_weights(find_weights()), path)
    korean = {"nan": "숫자가 아닌", "cut": "safetensors 파일이 아닙니다"}
    assert korean.get(change, "독해 모델의 가중치가 아닙니다") in caught.value.message("ko")


def test_weights_that_are_not_there_are_missed(tmp_path: Path) -> None:
    for call in (lambda: open_reader(Settings(reader=str(tmp_path / "없음"))), lambda: layers_of(tmp_path / "없음")):
        with pytest.raises(ReaderError) as caught:
            call()
        assert "그런 파일이나 폴더가 없습니다" in caught.value.message("ko")


def test_a_composed_question_is_the_same(reader: TrainedReader) -> None:
    question = "항만 재생에 얼마를 쓰나요?"
    composed, apart = (
        reader.read(unicodedata.normalize(form, question), [("", HARBOUR)])[0] for form in ("NFC", "NFD")
    )
    assert composed.relevance == apart.relevance and composed.spans == apart.spans


@pytest.mark.parametrize("mark", ["<s>", "</s>", "<pad>", "<mask>", "＜/s＞", "﹤ｍａｓｋ﹥", "<ſ>"])
def test_marks_of_the_model_in_a_text_are_unknown_words(mark: str, reader: TrainedReader) -> None:
    question, title, text = f"항만 {mark} 재생에 얼마를 쓰나요?", f"해담시 {mark}", f"{mark} {HARBOUR}"
    (window,) = reader._windows(0, question, title, text, np.zeros(0, np.int64))
    bos, pad, eos, unknown, mask = 0, 1, 2, 3, 250001
    assert window.ids[0] == bos and not {bos, pad, mask} & set(window.ids[1:])
    (plain,) = reader._windows(
        0, question.replace(mark, "가"), title.replace(mark, "가"), text.replace(mark, "가"), np.zeros(0, np.int64)
    )
    assert window.ids.count(eos) == plain.ids.count(eos) == 4
    assert window.ids.count(unknown) == 3
    (reading,) = reader.read(question, [(title, text)])
    span = reading.spans[0]
    assert "430억" in text[span.start : span.end]


def test_a_reader_can_be_given_to_a_library(tmp_path: Path, reader: TrainedReader, morphology: Morphology) -> None:
    file = tmp_path / "글.txt"
    file.write_text(HARBOUR, "utf-8")
    embedder = open_embedder(Settings())
    for given, words in ((reader, "430억 원"), (None, None)):
        folder = tmp_path / f"색인-{words}"
        with Assistant.open(folder, embedder=embedder, morphology=morphology, reader=given) as assistant:
            assistant.add([file])
            answer = assistant.ask("해담시는 항만 재생에 얼마를 쓰나요?")
        assert answer.citations[0].words == words
        assert "430억 원" in (answer.text or "")


def test_an_answer_that_goes_over_lines_is_whole(reader: TrainedReader, morphology: Morphology) -> None:
    wrapped = HARBOUR.replace("3월 4일", "3월\n4일").replace("2027년 6월", "2027년\n6월")
    assert first_words(reader, "공사는 언제 끝나나요?", morphology, wrapped) == "2027년\n6월"


@pytest.fixture(scope="module")
def harbour(
    tmp_path_factory: pytest.TempPathFactory, reader: TrainedReader, morphology: Morphology
) -> Iterator[Assistant]:
    folder = tmp_path_factory.mktemp("항구")
    for number, (_, text) in enumerate([("", HARBOUR), *DISTRACTORS]):
        (folder / f"글{number}.txt").write_text(text, "utf-8")
    embedder = open_embedder(Settings())
    with Assistant.open(folder / "색인", embedder=embedder, morphology=morphology, reader=reader) as assistant:
        assistant.add([folder / f"글{number}.txt" for number in range(4)])
        yield assistant


@pytest.mark.parametrize(
    "question",
    ["해담시가 항만 재생에 얼마를 쓰나요?", "해담시에서 항만을 되살리는 데 드는 돈은?", "해담시 항만재생 예산 얼마",
     "해담시가 항만 재생에 들이는 금액을 알려 주세요."],
)  # fmt: skip
def test_the_same_asked_otherwise_is_answered(question: str, harbour: Assistant) -> None:
    answer = harbour.ask(question)
    assert answer.answered and answer.citations[0].words == "430억 원"


@pytest.mark.parametrize(
    ("asked", "wrong_kind"),
    [("해담시 항만 공사는 언제 끝나나요?", "해담시 항만 공사는 어디에서 끝나나요?"),
     ("해담시는 항만 재생에 얼마를 쓰나요?", "해담시는 항만 재생에 몇 명을 쓰나요?")],
)  # fmt: skip
def test_an_answer_of_the_wrong_kind_costs_confidence(asked: str, wrong_kind: str, harbour: Assistant) -> None:
    right, wrong = harbour.ask(asked), harbour.ask(wrong_kind)
    assert right.answered and wrong.confidence < right.confidence - 0.1


def test_the_speaker_stands_in_the_citation(harbour: Assistant) -> None:
    answer = harbour.ask("해담시장은 시민에게 무엇을 돌려주겠다고 했나요?")
    assert answer.answered and "한유진 해담시장은" in answer.citations[0].quote


def test_far_off_questions_are_declined_and_those_answered_are_not(harbour: Assistant) -> None:
    known = [
        "해담시는 어촌 관광에 얼마를 써요?",
        "산들군수는 누구인가요?",
        "합창단 연주회 날짜는?",
        "남부 지방 낮 기온은?",
    ]
    unknown = [
        "라면 끓이는 법 알려줘",
        "비트코인 시세는 얼마인가요?",
        "세종대왕은 언제 태어났나요?",
        "내일 서울 미세먼지는?",
    ]
    assert [harbour.ask(question).answered for question in known] == [True] * 4
    answers = [harbour.ask(question) for question in unknown]
    assert sum(answer.answered for answer in answers) <= 1
