"""A whole run without a model: the result's shape and figures, what may be left out, and every way it can fail."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evals import corpus, run
from evals.cache import CachedEmbedder
from evals.corpus import collect, fill, resolve
from evals.datasets import Dataset, DatasetError, Place, Question
from evals.result import Result
from evals.run import Models, Options, evaluate
from rag import Assistant, Settings
from rag.answering import DeclineModel
from rag.errors import ModelError
from rag.fakes import WordEmbedder
from rag.interfaces import Vectors
from rag.morphology import Morphology

TEXTS = {
    "boat": "물마루 도서관 소개\n\n물마루 도서관 값은 96억 원이다. 물마루 도서관 쉬는 날은 월요일이다.",
    "wheat": "들빛 밀 소개\n\n들빛 밀 씨앗은 9월부터 나누어 준다. 들빛 밀 밭은 41곳이다.",
    "train": "가온전철 막차 소개\n\n가온전철 막차 시각은 40분 늦춘다. 막차 역은 갈대역, 북문역이다.",
}
RECORDS = tuple({"id": id, "title": f"{id} 제목", "text": text} for id, text in TEXTS.items())
PRICE = Question(
    "price", "물마루 도서관 값은 얼마?", documents={"boat": 1}, answers=("96억 원",), evidence=("물마루 도서관 값은 96억 원이다.",)
)  # fmt: skip
FIELDS = Question("fields", "들빛 밀 밭은 몇 곳?", documents={"wheat": 1}, answers=("41곳",), source="밭")
STOPS = Question(
    "stops", "가온전철 막차 역은 어디?", "list", documents={"train": 1}, items=(("갈대역",), ("북문역",)), evidence=("갈대역, 북문역",)
)  # fmt: skip
THEN = replace(PRICE, id="then", kind="followup", question="그럼 쉬는 날은?", history=("물마루 도서관 값은 얼마?",),
               answers=("월요일",), evidence=("물마루 도서관 쉬는 날은 월요일이다.",))  # fmt: skip
TYPED = replace(PRICE, id="typed", question="물마루 도서관 값은 얼마ㅇㅑ?", pair="price", typed=True)
FAR = Question("far", "고양이 수염 개수?", "unanswerable", miss="far")
DATASET = Dataset("tiny", (PRICE, FIELDS, STOPS, THEN, TYPED, FAR), RECORDS)
CLOCK = ("latency_ms", "stages_ms", "questions_per_second", "peak_memory_mb")


class Watched(WordEmbedder):
    """Word counts that note what they are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.queries: list[str] = []
        self.passages: list[str] = []

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        self.queries += texts
        return super().embed_queries(texts)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self.passages += texts
        return super().embed_queries(texts)


class WordModels(Models):
    """The models of a run, with word counts for one of them."""

    def __init__(self, morphology: Morphology, cache: Path) -> None:
        self.settings = Settings()
        self.morphology = morphology
        self.watched = Watched()
        self.embedder = CachedEmbedder(self.watched, cache)
        self.reader = None


OpenModels = Callable[..., WordModels]


@pytest.fixture
def open_models(tmp_path: Path, morphology: Morphology) -> Iterator[OpenModels]:
    """Models with the cache of this name, as another run would open it; closed after the test."""
    with ExitStack() as stack:

        def open_models(cache: str = "cache") -> WordModels:
            models = WordModels(morphology, tmp_path / cache)
            stack.callback(models.embedder.close)
            return models

        yield open_models


@pytest.fixture
def models(open_models: OpenModels) -> WordModels:
    return open_models()


def without_clock(result: Result) -> Result:
    rows = [{name: value for name, value in row.items() if name != "timings_ms"} for row in result["rows"]]
    about = {name: value for name, value in result["about"].items() if name != "date"}
    return {name: value for name, value in result.items() if name not in CLOCK} | {"rows": rows, "about": about}


def row_of(result: Result, id: str) -> dict[str, Any]:
    (row,) = [row for row in result["rows"] if row["id"] == id]
    return dict(row)


# --- the result


def test_a_whole_run(models: WordModels) -> None:
    result = evaluate(DATASET, models, Options())
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert list(result) == [
        "dataset", "questions", "about", "arms", "answers", "reading", "declining", "near_misses", "calibration", "groups",
        "outcomes", "threshold", "risk_coverage", "latency_ms", "stages_ms", "questions_per_second", "peak_memory_mb", "rows",
    ]  # fmt: skip
    assert (result["dataset"], result["questions"]) == ("tiny", 6)
    about = result["about"]
    assert (about["model"], about["documents"]) == ("words", 3)
    assert about["arms"] == ["dense", "bm25", "hybrid", "full", "reading", "removed"]
    assert about["passages"] >= 3 and about["settings"]["chunk_size"] == 300
    assert (about["limit"], about["seed"], about["distractors"], about["texts"], about["credit"]) == (
        None,
        1,
        None,
        True,
        None,
    )
    assert [row["id"] for row in result["rows"]] == [question.id for question in DATASET.questions]
    price, far = row_of(result, "price"), row_of(result, "far")
    # No other document holds any of its words.
    assert price["ranks"]["dense"] == price["ranks"]["bm25"] == {"document": 1, "passage": 1, "ndcg@10": 1.0}
    assert price["right"] is True and price["citations"][0]["quote"] == "물마루 도서관 값은 96억 원이다."
    assert (far["ranks"], far["document"], far["answered"], far["outcome"]) == ({}, None, False, "rightly_declined")
    assert (row_of(result, "then")["history"], row_of(result, "typed")["pair"]) == (
        ["물마루 도서관 값은 얼마?"],
        "price",
    )
    for arm in ("dense", "bm25", "hybrid", "full"):
        assert result["arms"][arm]["hit@1"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 5}
    assert result["answers"]["verbatim"]["value"] == 1.0
    assert result["answers"]["typing"]["ratio"] is not None
    assert result["answers"]["abstention"]["recall"]["value"] == 1.0
    assert sum(result["outcomes"].values()) == 6
    assert {name: set(of) for name, of in result["groups"].items()} == {
        "kind": {"span", "list", "followup", "unanswerable"},
        "language": {"ko"},
        "source": {"밭"},
    }
    assert 0 < result["latency_ms"]["p50"] <= result["latency_ms"]["p95"]
    assert {"embed", "morphemes", "search", "answering"} <= set(result["stages_ms"])
    assert result["questions_per_second"] > 0 and result["peak_memory_mb"] > 1


def test_questions_are_asked_again(models: WordModels) -> None:
    """price, fields and typed are of one fact; another document holds what answers fields."""
    near = Question("near", "물마루 도서관 이름은?", "unanswerable", miss="near")
    twin = {"id": "twin", "title": "", "text": "어느 밭은 41곳이다."}  # answers fields as well
    dataset = replace(DATASET, questions=(*DATASET.questions, near), records=(*RECORDS, twin))
    result = evaluate(dataset, models, Options())
    rows = {row["id"]: row for row in result["rows"]}
    assert [id for id, row in rows.items() if "reading" in row] == ["price", "fields", "typed"]
    assert [id for id, row in rows.items() if "removed" in row] == ["price", "fields", "typed"]
    # 물마루도서관값은96억원이다 has 14 characters, 96억원 has 4: 2 * 4 / 18.
    said = "물마루 도서관 값은 96억 원이다."
    price = rows["price"]["reading"]
    assert (price["answer"], price["em"], price["f1"]) == (said, 0, pytest.approx(8 / 18))
    assert {id: rows[id]["removed"]["kept"] for id in ("price", "fields", "typed")} == {
        "price": True, "fields": False, "typed": True,
    }  # fmt: skip
    assert rows["price"]["removed"]["answered"] is False  # no word of it stands elsewhere
    assert result["reading"]["f1"]["n"] == 3 and result["groups"]["source"]["밭"]["reading"]["f1"]["n"] == 1
    assert result["declining"]["recall"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 2}
    assert result["near_misses"]["recall"]["n"] == result["near_misses"]["answered"]["n"] == 1
    assert result["calibration"]["ece"]["n"] == 9 == sum(p["count"] for p in result["calibration"]["points"])


def test_asking_again_can_be_left_out(models: WordModels) -> None:
    whole = evaluate(DATASET, models, Options())
    once = evaluate(DATASET, models, Options(arms=("dense", "bm25", "hybrid", "full")))
    assert (once["reading"], once["declining"]) == (None, None) and once["answers"] == whole["answers"]
    assert once["calibration"]["ece"]["n"] == 6 < whole["calibration"]["ece"]["n"]
    assert not any({"reading", "removed"} & set(row) for row in once["rows"])
    alone = evaluate(DATASET, models, Options(arms=("reading",)))  # as is enough while a reader is trained
    assert alone["reading"] == whole["reading"] and alone["groups"]["kind"]["span"]["reading"] == whole["reading"]
    assert (alone["arms"], alone["answers"], alone["calibration"], alone["outcomes"]) == ({}, None, None, None)


def test_one_document_cannot_be_left_out(models: WordModels) -> None:
    result = evaluate(Dataset("one", (PRICE,), RECORDS[:1]), models, Options())
    assert row_of(result, "price")["removed"] == {"kept": False, "answered": None, "confidence": None}
    assert result["declining"] is None and result["reading"]["f1"]["n"] == 1


def test_the_same_run_gives_the_same_but_for_the_clock(open_models: OpenModels) -> None:
    first = without_clock(evaluate(DATASET, open_models("a"), Options()))
    assert without_clock(evaluate(DATASET, open_models("a"), Options())) == first  # with vectors from the cache
    assert without_clock(evaluate(DATASET, open_models("b"), Options())) == first
    assert not any(name in first for name in CLOCK)


def test_the_clock_runs_while_questions_are_embedded(open_models: OpenModels) -> None:
    evaluate(DATASET, open_models(), Options())
    again = open_models()
    result = evaluate(DATASET, again, Options())
    assert again.watched.passages == []  # all from the cache
    asked = [question.question for question in DATASET.questions]
    assert set(asked) <= set(again.watched.queries)  # none from there
    assert len(again.watched.queries) == len(set(again.watched.queries)) + 2
    # Only PRICE more than once, to warm up and before THEN: what is asked again is not timed, and comes from the cache.
    assert result["stages_ms"]["embed"]["p50"] > 0


def test_retrieval_alone(models: WordModels) -> None:
    result = evaluate(DATASET, models, Options(arms=("dense", "bm25")))
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert list(result["arms"]) == ["dense", "bm25"]
    assert "passage_mrr@10" in result["arms"]["dense"]
    assert [result[name] for name in ("answers", "outcomes", "threshold", "latency_ms", "questions_per_second")] == [
        None
    ] * 5
    assert (result["risk_coverage"], result["stages_ms"]) == ([], {})
    for row in result["rows"]:
        assert "answered" not in row and set(row["ranks"]) == (set() if row["id"] == "far" else {"dense", "bm25"})
    assert result["groups"]["kind"]["span"]["answers"] is None
    both = evaluate(DATASET, models, Options())
    assert result["arms"] == {arm: both["arms"][arm] for arm in ("dense", "bm25")}


def test_only_what_answers_needs_the_vectors_of_sentences(open_models: OpenModels, tmp_path: Path) -> None:
    arms = ("dense", "bm25", "hybrid")
    sentences = [s for text in TEXTS.values() for s in text.split("\n\n")[1].replace(". ", ".|").split("|")]
    assert len(sentences) == 6
    searching, answering, keeping = open_models("a"), open_models("b"), open_models("c")
    searched = evaluate(DATASET, searching, Options(arms=arms))
    answered = evaluate(DATASET, answering, Options())
    kept = evaluate(DATASET, keeping, Options(arms=arms, index=tmp_path / "kept"))
    assert not set(sentences) & set(searching.watched.passages)
    # A library that stays may be asked some day: it is a whole one.
    assert set(sentences) <= set(answering.watched.passages) == set(keeping.watched.passages)
    assert searched["arms"] == kept["arms"] == {arm: answered["arms"][arm] for arm in arms}
    for id in (question.id for question in DATASET.questions):
        ranks = row_of(answered, id)["ranks"]
        assert row_of(searched, id)["ranks"] == row_of(kept, id)["ranks"] == {a: ranks[a] for a in ranks if a != "full"}
    again = evaluate(DATASET, open_models("c"), Options(index=tmp_path / "kept"))
    assert without_clock(again) == without_clock(answered)


def test_the_threshold_in_use(models: WordModels, monkeypatch: pytest.MonkeyPatch) -> None:
    of_korean, of_others = DeclineModel(-2.0, 0.0, 20.0, 0.0, 0.5), DeclineModel(10.0, 0.0, 0.0, 0.0, 0.25)
    monkeypatch.setattr("rag.answering.UNFITTED", (of_korean, of_others))
    korean = evaluate(DATASET, models, Options())
    assert korean["threshold"] == 0.5 and {row["threshold"] for row in korean["rows"]} == {0.5}
    english = replace(PRICE, id="en", kind="crosslingual", question="How much is it?", language="en", pair="price")
    alone = evaluate(replace(DATASET, questions=(replace(english, pair=None),)), models, Options())
    assert alone["threshold"] == 0.25
    both = evaluate(replace(DATASET, questions=(PRICE, english)), models, Options())
    assert both["threshold"] is None
    assert [row["threshold"] for row in both["rows"]] == [0.5, 0.25]


def test_answers_alone(models: WordModels) -> None:
    result = evaluate(DATASET, models, Options(arms=("full",)))
    assert list(result["arms"]) == ["full"] and result["answers"] is not None
    assert set(row_of(result, "price")["ranks"]) == {"full"}


def test_nothing_answerable_and_nothing_unanswerable(models: WordModels) -> None:
    far = evaluate(replace(DATASET, questions=(FAR,)), models, Options())
    assert set(far["arms"]["dense"].values()) == {None}
    assert (far["outcomes"]["rightly_declined"], far["answers"]["em"]) == (1, None)
    near = evaluate(replace(DATASET, questions=(PRICE,)), models, Options())
    assert near["answers"]["abstention"]["recall"] is None


def test_documents_without_evidence_as_of_beir(models: WordModels) -> None:
    questions = (Question("q", "들빛 밀 밭은 몇 곳?", documents={"boat": 1, "wheat": 2}),)
    result = evaluate(replace(DATASET, questions=questions), models, Options())
    (row,) = result["rows"]
    assert (row["evidence_known"], row["ranks"]["bm25"]["document"], row["ranks"]["bm25"]["passage"]) == (
        False,
        1,
        None,
    )
    assert (row["right"], row["outcome"], result["arms"]["bm25"]["passage_hit@1"]) == (None, None, None)
    assert result["arms"]["bm25"]["hit@1"]["value"] == 1.0
    assert result["risk_coverage"] == []


def test_some_of_the_questions(models: WordModels, tmp_path: Path) -> None:
    asked = {"question": PRICE.question, "document": "boat", "answers": ["96억 원"]}
    gold = put(tmp_path / "q.jsonl", "\n".join(json.dumps(asked | {"id": str(number)}) for number in range(12)))
    corpus = put(tmp_path / "c.jsonl", "\n".join(map(json.dumps, RECORDS)))
    drawn = {}
    for seed in (1, 2, 3):
        options = Options(arms=("bm25",), limit=4, seed=seed)
        result = evaluate(run.read(gold, None, None, [corpus], options), models, options)
        ids = [int(row["id"]) for row in result["rows"]]
        assert len(ids) == result["questions"] == 4 and ids == sorted(ids)
        assert (result["about"]["limit"], result["about"]["seed"], result["about"]["documents"]) == (4, seed, 3)
        drawn[seed] = ids
    assert len({tuple(ids) for ids in drawn.values()}) > 1
    options = Options(arms=("bm25",), limit=12)
    assert evaluate(run.read(gold, None, None, [corpus], options), models, options)["questions"] == 12


def test_documents_are_collected_for_the_questions_that_are_drawn(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "file", "question": PRICE.question, "document": "도서관.txt", "answers": ["96억 원"]},
        {"id": "record", "question": FIELDS.question, "document": "wheat", "answers": ["41곳"]},
        {"id": "wrong", "question": FIELDS.question, "document": "train", "answers": ["없는 글"]},
    ]
    gold = put(tmp_path / "q.jsonl", "\n".join(map(json.dumps, rows)))
    boat = put(tmp_path / "도서관.txt", TEXTS["boat"])
    corpus = [put(tmp_path / "c.jsonl", "\n".join(map(json.dumps, RECORDS)))]
    drawn = set()
    for seed in range(9):
        try:
            dataset = run.read(gold, None, None, corpus, Options(limit=1, seed=seed, distractors=1))
        except DatasetError as error:
            assert str(error).startswith("q.jsonl:3 (wrong): ")
            drawn.add("wrong")
            continue
        (question,) = dataset.questions
        held = [record["id"] for record in dataset.records]
        if question.id == "file":
            assert (dataset.beside, len(held)) == ((boat,), 1)
        else:
            assert (dataset.beside, len(held), "wheat" in held) == ((), 2, True)
        drawn.add(question.id)
    assert drawn == {"file", "record", "wrong"}


@pytest.mark.parametrize("own", [True, False])
def test_without_texts(own: bool, models: WordModels) -> None:
    full = evaluate(DATASET, models, Options())
    bare = evaluate(DATASET, models, Options(texts=False, own_questions=own))
    told: dict[str, Any] = {"morphemes": [], "expected": {}}  # one's own questions may say what they expect
    rows = [row | told if own else row for row in bare["rows"]]
    left = json.dumps(bare | {"rows": rows}, ensure_ascii=False)
    sentences = [s for text in TEXTS.values() for s in text.replace("\n\n", ". ").split(". ")]
    assert len(sentences) == 9 and not any(sentence in left for sentence in sentences)
    assert not any(word in left for word in ("제목", "96억", "월요일", "41곳", "북문역"))
    assert ("고양이 수염" in left) == own
    for row, whole in zip(bare["rows"], full["rows"], strict=True):
        assert {name: row[name] for name in told} == ({name: whole[name] for name in told} if own else told)
    names = ("arms", "answers", "groups", "outcomes", "threshold", "risk_coverage", "questions")
    assert [bare[name] for name in names] == [full[name] for name in names]
    assert bare["about"]["texts"] is False


def test_a_library_is_kept_and_used_again(open_models: OpenModels, tmp_path: Path) -> None:
    options = Options(index=tmp_path / "kept")
    first = evaluate(DATASET, open_models("a"), options)
    assert (tmp_path / "kept" / "library.db").is_file()
    again = open_models("b")  # with nothing in its cache
    assert without_clock(evaluate(DATASET, again, options)) == without_clock(first)
    assert again.watched.passages == []
    more = replace(
        DATASET, records=(*RECORDS[:2], {"id": "train", "title": "", "text": "막차 역은 갈대역, 북문역이다."})
    )
    changed = evaluate(more, again, options)
    assert changed["about"]["documents"] == 3 and again.watched.passages != []
    only = Dataset("asked", (PRICE, FIELDS))  # of a library that is there, without documents
    assert evaluate(only, again, options)["outcomes"]["right"] == 2


def test_a_kept_library_takes_no_other_documents(open_models: OpenModels, tmp_path: Path) -> None:
    options = Options(index=tmp_path / "kept", arms=("bm25",))
    evaluate(DATASET, open_models(), options)
    stamp = (tmp_path / "kept" / "library.db").read_bytes()
    for records in (RECORDS[:2], [{"id": "other", "title": "", "text": "물마루 도서관 값은 96억 원이다."}]):
        with pytest.raises(DatasetError) as caught:
            evaluate(Dataset("d", (PRICE,), tuple(records)), open_models(), options)
        assert str(caught.value).startswith("--index: 다른 문서가 있습니다: ")
    assert (tmp_path / "kept" / "library.db").read_bytes() == stamp


def test_peak_memory_where_the_system_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    for status in ("Name:\tpython\n", "VmHWM:"):
        with monkeypatch.context() as patched:
            patched.setattr(Path, "read_text", lambda _, status=status: status)
            assert 1 < run._peak_memory_mb() < 1_000_000


def test_without_a_folder_nothing_is_left_behind(
    models: WordModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    evaluate(DATASET, models, Options(arms=("bm25",)))
    assert list((tmp_path / "temporary").iterdir()) == []


# --- documents into a library


OpenLibrary = Callable[..., Assistant]


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def filled(assistant: Assistant, dataset: Dataset, folder: Path) -> str:
    """What filling the library complains of."""
    with pytest.raises(DatasetError) as caught:
        fill(assistant, dataset, folder)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_records_go_in_as_they_are(tmp_path: Path, open_library: OpenLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "AT_ONCE", 2)
    assistant = open_library()
    odd = {"id": "a/b#c", "title": "이음\n제목", "text": '따옴표 "와" \\ 그리고 \u2028 줄\n끝'}
    dataset = Dataset("d", (), (*RECORDS, odd), (put(tmp_path / "더.txt", "더 있는 글"),))
    fill(assistant, dataset, tmp_path)
    fill(assistant, dataset, tmp_path)  # what is there already stays
    texts = {info.id: assistant.document(info.id).text for info in assistant.documents()}
    assert len(texts) == 5 and texts["a/b#c"] == odd["text"]
    assert {id: texts[id] for id in TEXTS} == TEXTS


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("빈.txt", "", "빈.txt: 빈.txt 파일에 글이 없습니다. / 빈.txt has no text in it."),
        ("글.pdf", "%PDF", "글.pdf 파일의 형식은 지원하지 않습니다"),
        ("줄.jsonl", '{"id": 1}', "줄.jsonl 1번째 줄"),
    ],
)
def test_a_document_that_cannot_be_used(
    name: str, text: str, said: str, tmp_path: Path, open_library: OpenLibrary
) -> None:
    assert said in filled(open_library(), Dataset("d", (), (), (put(tmp_path / name, text),)), tmp_path)


def test_a_folder_without_documents(tmp_path: Path, open_library: OpenLibrary) -> None:
    (tmp_path / "빈").mkdir()
    message = filled(open_library(), Dataset("d", (), (), (tmp_path / "빈",)), tmp_path)
    assert message.startswith("빈: ") and " 폴더에 넣을 문서가 없습니다" in message and " / There are no" in message


def test_a_second_file_of_the_same_name_does_not_take_the_place_of_the_first(
    tmp_path: Path, open_library: OpenLibrary
) -> None:
    files = (put(tmp_path / "one" / "a.txt", "하나"), put(tmp_path / "two" / "a.txt", "둘"))
    message = filled(open_library(), Dataset("d", (), (), files), tmp_path)
    assert message == "a.txt: 같은 이름의 다른 문서가 있습니다 / another document has the same name"
    folders = [tmp_path / "one", tmp_path / "two"]
    assert filled(open_library(), collect(Dataset("d", ()), folders, [], others=None, seed=1), tmp_path) == message
    whole = collect(Dataset("d", ()), [tmp_path], [], others=None, seed=1)
    assert len(whole.files) == 2 and filled(open_library(), whole, tmp_path) == message


def test_the_same_file_twice_is_one_document(tmp_path: Path, open_library: OpenLibrary) -> None:
    assistant = open_library()
    files = (put(tmp_path / "one" / "a.txt", "하나"), put(tmp_path / "two" / "a.txt", "하나"))
    fill(assistant, Dataset("d", (), (), files), tmp_path)
    assert len(assistant.documents()) == 1


FOREIGN = "--index: 다른 문서가 있습니다: {} / the library holds other documents"


def test_a_library_with_other_documents_is_refused(tmp_path: Path, open_library: OpenLibrary) -> None:
    assistant = open_library()
    files = (put(tmp_path / "가.txt", "가 글"), put(tmp_path / "나.txt", "나 글"))
    fill(assistant, Dataset("d", (), RECORDS[:1], files), tmp_path)
    before = assistant.documents()
    for dataset, other in (
        (Dataset("d", (), RECORDS[:1], files[:1]), "나 글"),
        (Dataset("d", (), RECORDS[:1]), "가 글"),
        (Dataset("d", (), RECORDS, ()), "가 글"),
        (Dataset("d", (), (), files), "boat 제목"),
        (Dataset("d", (), RECORDS[1:], files), "boat 제목"),
        (Dataset("d", (), RECORDS[1:], files, beside=files), "boat 제목"),
    ):
        assert filled(assistant, dataset, tmp_path) == FOREIGN.format(other)
    assert assistant.documents() == before


def test_a_library_is_given_what_it_lacks(tmp_path: Path, open_library: OpenLibrary) -> None:
    assistant = open_library()
    one, two = put(tmp_path / "가.txt", "가 글"), put(tmp_path / "나.txt", "나 글")
    fill(assistant, Dataset("d", (), RECORDS[:1], (one,)), tmp_path)
    fill(assistant, Dataset("d", (), RECORDS, (one, two)), tmp_path)
    assert len(assistant.documents()) == 5


def test_without_documents_of_its_own_a_set_is_asked_of_the_library_as_it_is(
    tmp_path: Path, open_library: OpenLibrary
) -> None:
    assistant = open_library()
    fill(assistant, Dataset("d", (), RECORDS), tmp_path)
    before = assistant.documents()
    fill(assistant, Dataset("d", (PRICE,)), tmp_path)
    found_beside = (put(tmp_path / "boat", "곁의 글"), put(tmp_path / "다.txt", "곁의 글"))
    fill(assistant, Dataset("d", (PRICE,), beside=found_beside), tmp_path)
    assert assistant.documents() == before


def test_files_beside_the_questions_go_into_an_empty_library_only(tmp_path: Path, open_library: OpenLibrary) -> None:
    assistant = open_library()
    beside = (put(tmp_path / "곁.txt", "곁의 글"),)
    fill(assistant, Dataset("d", (), beside=beside), tmp_path)
    (info,) = assistant.documents()
    put(beside[0], "다른 글")
    more = (*beside, put(tmp_path / "또.txt", "또 글"))
    fill(assistant, Dataset("d", (), beside=more), tmp_path)
    assert assistant.documents() == [info]


def test_the_same_set_fills_a_library_twice(tmp_path: Path, open_library: OpenLibrary) -> None:
    """Whatever its documents come from: records, files, files of records, a folder, files beside."""
    rows = [{"id": "law/3#1", "text": "법의 글"}, {"id": "셋", "text": "셋째 글"}]
    put(tmp_path / "docs" / "in" / "law.jsonl", "\n".join(map(json.dumps, rows)))
    put(tmp_path / "docs" / unicodedata.normalize("NFD", "규정.txt"), "규정의 글")
    put(tmp_path / "곁.txt", "곁의 글")
    corpus = [tmp_path / "docs", put(tmp_path / "c.jsonl", "\n".join(map(json.dumps, RECORDS)))]
    questions = (Question("q", "?", documents={"곁.txt": 1}),)
    dataset = collect(Dataset("d", questions), corpus, [tmp_path], others=None, seed=1)
    assert dataset.beside == (tmp_path / "곁.txt",)
    assistant = open_library()
    fill(assistant, dataset, tmp_path)
    before = assistant.documents()
    assert len(before) == 7
    fill(assistant, dataset, tmp_path)
    assert assistant.documents() == before


EVIDENCE = "물마루 도서관 쉬는 날은 월요일이다."  # 20 characters


def test_another_document_that_says_it_word_for_word_is_right_too(tmp_path: Path, open_library: OpenLibrary) -> None:
    assert len(EVIDENCE) == 20
    copy = f"알림. {EVIDENCE} 다시: {EVIDENCE}"
    records = (
        *RECORDS,
        {"id": "copy", "title": "", "text": copy},
        {"id": "near", "title": "", "text": EVIDENCE.replace("이다", "이었다")},
    )
    assistant = open_library()
    fill(assistant, Dataset("d", (), records), tmp_path)
    asked = Question("q", "?", documents={"boat": 2}, answers=("월요일",), evidence=(EVIDENCE,))
    short = replace(asked, evidence=(EVIDENCE[:-1],))  # may stand there by chance
    answers_only = replace(asked, answers=(EVIDENCE,), evidence=())
    named = replace(asked, documents={"boat": 1, "copy": 3})
    far = Question("f", "?", "unanswerable", documents={"boat": 1})
    beir = Question("b", "?", documents={"boat": 1})
    place = TEXTS["boat"].index(EVIDENCE)
    squad = replace(asked, places=((Place("boat", place, place + 20),),), placed=True)
    found, *others = resolve(assistant, [asked, short, answers_only, named, far, beir, squad])
    assert list(found.documents.items()) == [("boat", 2), ("copy", 1)]
    twins = (Place("copy", 4, 24), Place("copy", 29, 49))
    assert found.places == ((Place("boat", place, place + 20), *twins),)  # of the same entry: it counts for recall too
    assert found.elsewhere == ()
    assert all(copy[p.start : p.end] == EVIDENCE for p in twins)
    assert [list(q.documents) for q in others] == [["boat"], ["boat"], ["boat", "copy"], ["boat"], ["boat"], ["boat"]]
    assert [q.elsewhere for q in others[:2]] == [(), ()] and others[3:] == [far, beir, squad]
    # Named, it is right where any of the words stands; nothing is counted twice.
    assert len(set(others[2].elsewhere)) == len(others[2].elsewhere) == 4
    assert others[2].documents == {"boat": 1, "copy": 3}


def test_several_mistakes_are_the_first_and_how_many_more(tmp_path: Path, open_library: OpenLibrary) -> None:
    assistant = open_library()
    fill(assistant, Dataset("d", (), RECORDS), tmp_path)
    lost = Question("lost", "?", documents={"없다.txt": 1}, where="q.jsonl:2")
    wrong = replace(PRICE, evidence=("97억",), where="q.jsonl:3")
    said = "q.jsonl:2 (lost): 문서 없다.txt이(가) 없습니다 (--corpus) / the document is not there (--corpus)"
    for questions, message in (
        ([PRICE, lost], said),
        ([PRICE, lost, wrong], f"{said} (외 1건 / and 1 more)"),
        ([lost, wrong, PRICE, wrong], f"{said} (외 2건 / and 2 more)"),
    ):
        with pytest.raises(DatasetError) as caught:
            resolve(assistant, questions)
        assert str(caught.value) == message


def test_documents_are_named_by_id_or_by_file(tmp_path: Path, open_library: OpenLibrary) -> None:
    assistant = open_library()
    rules = put(tmp_path / unicodedata.normalize("NFD", "규정.txt"), "쉬는 날은 월요일이다.")
    fill(assistant, Dataset("d", (), RECORDS, (rules,)), tmp_path)
    ids = {Path(info.name).name: info.id for info in assistant.documents()}
    asked = Question("q", "?", documents={"규정.txt": 2, "boat": 1}, answers=("월요일",))
    by_id = Question("i", "?", documents={ids[rules.name]: 1}, answers=("월요일",))
    far = Question("f", "?", "unanswerable")
    first, second, third = resolve(assistant, [asked, by_id, far])
    assert list(first.documents.items()) == [(ids[rules.name], 2), ("boat", 1)]
    assert [(p.document, p.start, p.end) for p in first.places[0]] == [(ids[rules.name], 6, 9)]
    assert [p.document for p in first.elsewhere] == ["boat"]  # where it is 월요일 as well
    assert second.documents == {ids[rules.name]: 1}
    assert third is far or third == far


def test_the_only_document_needs_no_name(tmp_path: Path, open_library: OpenLibrary) -> None:
    assistant = open_library()
    fill(assistant, Dataset("d", (), RECORDS[:1]), tmp_path)
    (found,) = resolve(assistant, [Question("q", "?", answers=("96억 원",))])
    assert found.documents == {"boat": 1} and len(found.every_place) == 1


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (Question("q", "?", answers=("글",)), "q: 문서가 하나가 아니면 document가 필요합니다 / name the one"),
        (
            Question("q", "?", documents={"없다.txt": 1}),
            "q: 문서 없다.txt이(가) 없습니다 (--corpus) / the document is not there (--corpus)",
        ),
        (
            Question("q", "?", answers=("글",), where="q.jsonl:7"),
            "q.jsonl:7 (q): 문서가 하나가 아니면 document가 필요합니다 / name the one",
        ),
        (Question("q", "?", "unanswerable", documents={"없다": 1}), "q: 문서 없다이(가) 없습니다"),
        (replace(PRICE, evidence=("값은 97억 원이다.",)), "price: 문서 boat에 없는 글: 값은 97억 원이다."),
    ],
)
def test_what_does_not_fit_the_documents(
    question: Question, said: str, tmp_path: Path, open_library: OpenLibrary
) -> None:
    assistant = open_library()
    fill(assistant, Dataset("d", (), RECORDS), tmp_path)
    with pytest.raises(DatasetError) as caught:
        resolve(assistant, [question])
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (replace(PRICE, question="가" * 2001), "price: 질문이 2001자입니다. 2000자까지"),
        (replace(PRICE, question="?!"), "price: 질문이 비어 있습니다."),
        (replace(PRICE, question="?!", where="q.jsonl:2"), "q.jsonl:2 (price): 질문이 비어 있습니다."),
        (replace(PRICE, history=("언제?", "…")), "price: 질문이 비어 있습니다."),
        (replace(PRICE, history=("가" * 2001, "언제?")), "price: 질문이 2001자입니다."),
    ],
)
def test_what_cannot_be_asked_is_said_before_the_documents_are_read(
    question: Question, said: str, models: WordModels
) -> None:
    with pytest.raises(DatasetError) as caught:
        evaluate(replace(DATASET, questions=(THEN, question)), models, Options())
    assert str(caught.value).startswith(said) and " / The question is " in str(caught.value)
    assert models.watched.passages == []


# --- the command


@pytest.fixture
def home(tmp_path: Path, open_models: OpenModels, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with questions and the documents beside them, and models that count words."""
    monkeypatch.setattr(run, "Models", open_models)
    rows: list[dict[str, Any]] = [
        {"question": PRICE.question, "document": "도서관.txt", "answers": ["96억 원"]},
        {"question": FIELDS.question, "document": "밀.md", "answers": ["41곳"]},
        {"question": FAR.question},
    ]
    put(tmp_path / "gold.jsonl", "\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    put(tmp_path / "도서관.txt", TEXTS["boat"])
    put(tmp_path / "밀.md", TEXTS["wheat"])
    return tmp_path


Captured = pytest.CaptureFixture[str]


def main(folder: Path, *arguments: str) -> int:
    return run.main([argument.replace("@", f"{folder}/") for argument in arguments])


def test_the_command(home: Path, capsys: Captured) -> None:
    assert main(home, "--gold", "@gold.jsonl", "--json", "@deep/er/out.json") == 0
    printed, errors = capsys.readouterr()
    assert errors == ""
    assert printed.startswith("gold: 질문 3개 / questions, 문서 2개 / documents\n  dense   hit@1 1.000 (1.000-1.000)  ")
    assert printed.endswith(f"▸ {home}/deep/er/out.json\n")
    assert (
        "  followup             -\n" in printed
        and "  abstention precision 1.000" in printed
        and "latency ms" in printed
    )
    result = json.loads((home / "deep" / "er" / "out.json").read_text("utf-8"))
    assert [row["outcome"] for row in result["rows"]] == ["right", "right", "rightly_declined"]


def test_the_command_without_answers(home: Path, capsys: Captured) -> None:
    assert main(home, "--gold", "@gold.jsonl", "--arms", " bm25, dense ,bm25", "--json", "@out.json") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["gold:", "dense", "bm25", "▸"]
    assert json.loads((home / "out.json").read_text("utf-8"))["about"]["arms"] == ["dense", "bm25"]


def test_options_reach_the_run(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[Dataset, Options]] = []

    def evaluate(dataset: Dataset, _: Models, options: Options) -> Result:
        given.append((dataset, options))
        raise DatasetError("enough")

    monkeypatch.setattr(run, "evaluate", evaluate)
    rows = [{"id": id, "text": "글"} for id in "abcdefgh"]
    put(home / "more.jsonl", "\n".join(map(json.dumps, rows)))
    main(home, "--gold", "@gold.jsonl", "--corpus", "@more.jsonl", "@밀.md", "--distractors", "3", "--limit", "2",
         "--seed", "7", "--index", "@kept", "--no-texts")  # fmt: skip
    main(home, "--gold", "@gold.jsonl")
    (dataset, options), (_, plain) = given
    assert options == Options(limit=2, seed=7, distractors=3, index=home / "kept", texts=False)
    assert plain == Options()
    assert (dataset.name, len(dataset.questions), len(dataset.records)) == ("gold", 2, 3)
    needed = {name for question in dataset.questions for name in question.documents} - {"밀.md"}
    assert (dataset.files, dataset.beside) == ((home / "밀.md",), tuple(home / name for name in needed))


def test_squad_and_beir(home: Path, capsys: Captured) -> None:
    asked = {"id": "a", "question": PRICE.question, "answers": [{"text": "96억 원", "answer_start": 22}]}
    nowhere = asked | {"id": "b", "answers": [{"text": "97억 원", "answer_start": 22}]}
    far = {"id": "c", "question": FAR.question, "is_impossible": True, "answers": []}
    squad = {"data": [{"paragraphs": [{"context": TEXTS["boat"], "qas": [asked, nowhere, far]}]}]}
    put(home / "squad.json", json.dumps(squad))
    put(home / "beir" / "corpus.jsonl", "\n".join(json.dumps(r | {"_id": r["id"]}) for r in RECORDS))
    put(home / "beir" / "queries.jsonl", json.dumps({"_id": "q", "text": FIELDS.question}))
    put(home / "beir" / "qrels" / "test.tsv", "query-id\tcorpus-id\tscore\nq\twheat\t1\n")
    assert main(home, "--squad", "@squad.json", "--no-texts", "--json", "@squad-out.json") == 0
    assert main(home, "--beir", "@beir", "--json", "@beir-out.json") == 0
    capsys.readouterr()
    rows = json.loads((home / "squad-out.json").read_text("utf-8"))["rows"]
    assert [(row["right"], row["outcome"]) for row in rows] == [
        (True, "right"),
        (None, None),
        (True, "rightly_declined"),
    ]
    assert [row["question"] for row in rows] == [None] * 3  # the questions are the data's too
    (row,) = json.loads((home / "beir-out.json").read_text("utf-8"))["rows"]
    assert (row["question"], row["ranks"]["full"]["document"]) == (FIELDS.question, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--gold", "@none.jsonl"], "none.jsonl: 읽을 수 없습니다 / cannot be read (No such file"),
        (["--gold", "@"], "읽을 수 없습니다 / cannot be read (Is a directory)"),
        (["--gold", "@도서관.txt"], "도서관.txt:1: JSON이 아닙니다 / not JSON"),
        (["--squad", "@gold.jsonl"], "gold.jsonl:1: context이(가) 비었거나 글이 아닙니다"),
        (["--squad", "@도서관.txt"], "JSON이 아닙니다 / not JSON"),
        (["--beir", "@gold.jsonl"], "cannot be read (Not a directory)"),
        (["--gold", "@gold.jsonl", "--corpus", "@none.txt"], "none.txt: 파일이 없습니다 / there is no such file"),
        (["--gold", "@gold.jsonl", "--corpus", "@gold.jsonl"], "gold.jsonl:1: text이(가) 비었거나"),
        (
            ["--gold", "@astray.jsonl"],
            "astray.jsonl:1 (1): 문서 astray.txt이(가) 없습니다 (--corpus) / the document is not there (--corpus)\n",
        ),
        (
            ["--gold", "@wrong.jsonl"],
            "wrong.jsonl:1 (1): 문서 도서관.txt에 없는 글: 97억 원 / this text does not stand in the document",
        ),
        (
            ["--gold", "@long.jsonl"],
            "long.jsonl:1 (1): 질문이 2001자입니다. 2000자까지 물을 수 있으니 줄여 주세요. / The question is 2001",
        ),
        (["--gold", "@gold.jsonl", "--index", "@도서관.txt"], " 색인에 쓸 수 없습니다: "),
        (
            ["--gold", "@gold.jsonl", "--json", "@도서관.txt/out.json"],
            "도서관.txt: 읽거나 쓸 수 없습니다 / cannot be read",
        ),
        (["--gold", "@gold.jsonl", "--json", "@"], ": 파일이 아니라 폴더입니다 / it is a folder"),
        (["--gold", "@gold.jsonl", "--html", "@"], ": 파일이 아니라 폴더입니다 / it is a folder"),
    ],
)
def test_a_mistake_is_one_line_and_status_1(arguments: list[str], said: str, home: Path, capsys: Captured) -> None:
    put(home / "astray.jsonl", '{"question": "어디?", "document": "astray.txt", "answers": ["글"]}')
    put(home / "wrong.jsonl", '{"question": "얼마?", "document": "도서관.txt", "answers": ["97억 원"]}')
    long = {"question": "가" * 2001, "document": "도서관.txt", "answers": ["96억 원"]}
    put(home / "long.jsonl", json.dumps(long))
    assert main(home, *arguments) == 1
    printed, errors = capsys.readouterr()
    assert (printed, errors.count("\n")) == ("", 1) and said in errors


def test_a_model_that_cannot_be_loaded_is_status_1(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def models() -> Models:
        raise ModelError(model="모델", detail="weights are missing")

    monkeypatch.setattr(run, "Models", models)
    assert main(home, "--gold", "@gold.jsonl") == 1
    errors = capsys.readouterr().err
    assert errors.startswith("모델 ") and " / The model 모델 cannot be loaded" in errors and errors.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--gold", "@gold.jsonl", "--squad", "@gold.jsonl"],
        ["--gold", "@gold.jsonl", "--limit", "0"],
        ["--gold", "@gold.jsonl", "--limit", "many"],
        ["--gold", "@gold.jsonl", "--distractors", "-1"],
        ["--gold", "@gold.jsonl", "--arms", "sparse"],
        ["--gold", "@gold.jsonl", "--arms", ""],
        ["--gold", "@gold.jsonl", "--arms", "dense,removed"],
        ["--gold", "@gold.jsonl", "--seed", "x"],
        ["--gold", "@gold.jsonl", "extra"],
    ],
)
def test_a_wrong_command_is_status_2(arguments: list[str], home: Path, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as caught:
        main(home, *arguments)
    assert caught.value.code == 2
    assert "usage: python -m evals.run" in capsys.readouterr().err
