"""Questions, their places and their documents: exact, complete, and the same for the same seed."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.corpus import collect
from evals.datasets import (
    Dataset,
    DatasetError,
    Place,
    Question,
    both,
    find_all,
    located,
    message,
    sampled,
    thinned,
)
from rag.errors import UnreadableFileError

SKY = "하늘은 파랗다. 바다도 파랗다."  # 파랗다 at [4:7] and [13:16]
SEA = "바다는 깊고 파랗다."  # 파랗다 at [7:10], 깊고 at [4:6]
ASKED = Question("q", "하늘은?", documents={"sky": 1}, answers=("파랗다",))


def refused(question: Question, texts: dict[str, str]) -> str:
    with pytest.raises(DatasetError) as caught:
        located(question, texts)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


# --- places


def test_find_all_sees_overlapping_ones() -> None:
    assert find_all("aaab", "aa") == [0, 1]
    assert find_all("가나다", "라") == []
    assert find_all("가나다", "") == []


LETTERS = st.text("가나. \n", max_size=30)


@given(text=LETTERS, start=st.integers(0, 29), length=st.integers(1, 4), other=LETTERS)
def test_places_are_exact_and_all_there_are(text: str, start: int, length: int, other: str) -> None:
    text += "가"
    start = min(start, len(text) - 1)
    evidence = text[start : start + length]
    question = Question("q", "?", documents={"a": 1, "b": 1}, evidence=(evidence,))
    found = located(question, {"a": text, "b": other, "c": text})
    ((*own,),) = found.places
    assert own == [Place("a", at, at + len(evidence)) for at in range(len(text)) if text.startswith(evidence, at)]
    assert Place("a", start, start + len(evidence)) in own
    assert [p for p in found.elsewhere if other[p.start : p.end] != evidence or p.document != "b"] == []
    assert len(found.elsewhere) == sum(other.startswith(evidence, at) for at in range(len(other)))


def test_evidence_is_placed_entry_by_entry() -> None:
    question = replace(ASKED, evidence=("바다도 파랗다.", "파랗다"))
    found = located(question, {"sky": SKY})
    assert found.places == ((Place("sky", 9, 17),), (Place("sky", 4, 7), Place("sky", 13, 16)))
    assert found.every_place == (Place("sky", 9, 17), Place("sky", 4, 7), Place("sky", 13, 16))
    assert replace(found, places=()) == question


def test_without_evidence_the_answers_are_placed() -> None:
    assert located(ASKED, {"sky": SKY}).places == ((Place("sky", 4, 7), Place("sky", 13, 16)),)


def test_other_documents_give_the_answer_where_any_of_its_words_stands() -> None:
    question = replace(ASKED, documents={"sky": 1, "sea": 1}, items=(("하늘", "깊고"),), evidence=("하늘은 파랗다.",))
    found = located(question, {"sky": SKY + " 깊고", "sea": SEA})
    assert found.places == ((Place("sky", 0, 8),),)
    assert found.elsewhere == (Place("sea", 7, 10), Place("sea", 4, 6))
    assert found.every_place == (Place("sky", 0, 8), Place("sea", 7, 10), Place("sea", 4, 6))


@pytest.mark.parametrize(
    "question",
    [
        Question("q", "값은?", kind="unanswerable", documents={"sky": 1}),
        Question("q", "바다는?", documents={"sky": 2, "sea": 1}),  # as of BEIR: nothing but documents
        Question("q", "값은?", answers=("파랗다",)),
        Question("q", "값은?", documents={"sky": 1}, answers=("회색",), placed=True),  # as of SQuAD
        Question("q", "값은?", documents={"sky": 1}, places=((Place("sky", 0, 1),),), placed=True),
    ],
)
def test_what_has_no_evidence_or_has_its_places_is_left_as_it_is(question: Question) -> None:
    assert located(question, {"sky": SKY, "sea": SEA}) == question


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (replace(ASKED, answers=("파랗다", "회색")), "q: 문서 sky에 없는 글: 회색 / "),
        (
            replace(ASKED, items=(("하늘", "깊고"),)),
            "문서 sky에 없는 글: 깊고",
        ),  # another document does not make up for it
        (replace(ASKED, evidence=("하늘은 파랗다!",)), "문서 sky에 없는 글: 하늘은 파랗다!"),
        (replace(ASKED, evidence=(unicodedata.normalize("NFD", "하늘은"),)), "문서 sky에 없는 글: "),
        (replace(ASKED, evidence=("파랗다.\n바다도",)), "문서 sky에 없는 글: 파랗다. 바다도"),
        (replace(ASKED, evidence=("하" * 300,)), f"문서 sky에 없는 글: {'하' * 60} / "),
        (
            replace(ASKED, documents={"sky": 1, "땅": 1}),
            "q: 문서 땅이(가) 없습니다 (--corpus) / the document is not there (--corpus)",
        ),
        (Question("q", "값은?", kind="unanswerable", documents={"땅": 1}), "문서 땅이(가) 없습니다"),
    ],
)
def test_what_does_not_stand_there_is_named(question: Question, said: str) -> None:
    assert said in refused(replace(question, documents={**question.documents, "sea": 1}), {"sky": SKY, "sea": SEA})


def test_what_is_wrong_is_called_by_its_line() -> None:
    asked = replace(ASKED, where="q.jsonl:3")
    assert (ASKED.called, asked.called) == ("q", "q.jsonl:3 (q)")
    assert refused(replace(asked, answers=("회색",)), {"sky": SKY}).startswith(
        "q.jsonl:3 (q): 문서 sky에 없는 글: 회색 / "
    )
    assert refused(asked, {}).startswith("q.jsonl:3 (q): 문서 sky이(가) 없습니다 (--corpus) / ")


# --- what is drawn


def many(count: int) -> Dataset:
    """Questions 0, 1, 2, ..; each tenth asks the same as the one after it."""
    return Dataset("d", tuple(Question(str(n), "?", pair=str(n + 1) if n % 10 == 0 else None) for n in range(count)))


def ids(dataset: Dataset) -> list[int]:
    return [int(question.id) for question in dataset.questions]


def test_all_when_the_limit_is_no_limit() -> None:
    dataset = many(20)
    assert sampled(dataset, 20, 1) == sampled(dataset, 999, 2) == dataset


@pytest.mark.parametrize("seed", range(20))
def test_a_sample_is_in_order_has_the_pairs_and_is_the_same_again(seed: int) -> None:
    dataset = many(40)
    found = ids(sampled(dataset, 8, seed))
    assert found == sorted(set(found)) == ids(sampled(dataset, 8, seed))
    tenths = [number for number in found if number % 10 == 0]
    assert all(number + 1 in found for number in tenths)
    assert len(found) == 8


@given(count=st.integers(1, 40), limit=st.integers(1, 40), seed=st.integers(0, 99))
def test_a_sample_is_never_larger_than_asked_for(count: int, limit: int, seed: int) -> None:
    paired = [Question(f"t{n}", "?", pair=f"q{n}") for n in range(count)]
    plain = [Question(f"q{n}", "?") for n in range(count)]
    dataset = Dataset("d", (*plain, *paired))
    found = {question.id: question for question in sampled(dataset, limit, seed).questions}
    assert all(question.pair in found for question in found.values() if question.pair)
    # As many as asked for: where a question and its pair are one too many, a plain one is there to fill the place.
    assert len(found) == min(limit, 2 * count)


@pytest.mark.parametrize("seed", range(10))
def test_where_a_pair_finds_no_room_it_stays_out(seed: int) -> None:
    dataset = Dataset("d", (Question("clean", "?"), Question("typed", "?", pair="clean"), Question("other", "?")))
    assert [q.id for q in sampled(dataset, 1, seed).questions] in (["clean"], ["other"])
    assert len(sampled(dataset, 2, seed).questions) == 2


def test_another_seed_draws_others() -> None:
    assert len({tuple(ids(sampled(many(40), 8, seed))) for seed in range(10)}) > 5


@given(count=st.integers(0, 30), others=st.integers(0, 40), seed=st.integers(0, 5), data=st.data())
def test_thinned_keeps_what_is_needed_and_so_many_others(
    count: int, others: int, seed: int, data: st.DataObject
) -> None:
    records = [{"id": str(number), "title": "", "text": "글"} for number in range(count)]
    needed = data.draw(st.sets(st.sampled_from([str(number) for number in range(count + 3)])))
    kept = [int(record["id"]) for record in thinned(records, needed, others, seed)]
    held = {int(id) for id in needed if int(id) < count}
    assert kept == sorted(kept) and held <= set(kept)
    assert len(set(kept) - held) == min(others, count - len(held))
    assert thinned(records, needed, others, seed) == [records[number] for number in kept]


def test_thinning_depends_on_the_seed() -> None:
    records = [{"id": str(number)} for number in range(50)]
    drawn = {tuple(r["id"] for r in thinned(records, ["7"], 5, seed)) for seed in range(10)}
    assert len(drawn) > 5 and all("7" in some for some in drawn)


# --- what is said


def test_what_is_said_is_one_line_whatever_the_values_are() -> None:
    assert both("a.jsonl:3", "글이 아닙니다", "not a text") == "a.jsonl:3: 글이 아닙니다 / not a text"
    hostile = both("두\n줄", f"탭\t과 \x1b[31m과 \u2028 {'길' * 500}", "nul \0")
    assert len(hostile.splitlines()) == 1 and "\x1b" not in hostile and len(hostile) < 450


def test_every_error_is_said_in_both_languages() -> None:
    assert message(DatasetError("가 / a")) == "가 / a"
    library = message(UnreadableFileError(path="a.txt", detail="not a file"))
    assert library == "a.txt 파일을 읽을 수 없습니다: 파일이 아닙니다. / Cannot read a.txt: not a file."
    with pytest.raises(OSError) as caught:
        Path("없는 폴더/a").read_text()
    assert message(caught.value).startswith("없는 폴더/a: 읽거나 쓸 수 없습니다 / cannot be read or written (No such")


# --- the documents of a run


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


RECORDS = '{"id": "sky", "text": "하늘"}\n{"id": "sea", "text": "바다"}\n{"id": "hill", "text": "산"}\n'


def test_documents_come_from_the_set_the_corpus_and_files_beside(tmp_path: Path) -> None:
    own = ({"id": "own", "title": "", "text": "제 글"},)
    named = Question("a", "?", documents={"own": 1, "sky": 1, "규정.txt": 1, "둘.md": 1})
    corpus = [put(tmp_path / "c.jsonl", RECORDS), put(tmp_path / "더.txt", "글"), tmp_path / "one"]
    put(tmp_path / "one" / "규정.txt", "하나")
    put(tmp_path / "one" / "둘.md", "둘")
    put(tmp_path / "two" / "둘.md", "다른 둘")
    places = [tmp_path / "none", tmp_path / "one", tmp_path / "two"]
    dataset = collect(Dataset("d", (named,), own), corpus, places, others=None, seed=1)
    assert (dataset.name, dataset.questions) == ("d", (named,))
    assert [record["id"] for record in dataset.records] == ["own", "sky", "sea", "hill"]
    assert dataset.files == (corpus[1], tmp_path / "one" / "규정.txt", tmp_path / "one" / "둘.md")
    assert dataset.beside == ()
    # Beside the questions they are told apart.
    dataset = collect(Dataset("d", (named,), own), corpus[:2], places, others=None, seed=1)
    assert dataset.files == (corpus[1],)
    assert dataset.beside == (tmp_path / "one" / "규정.txt", tmp_path / "one" / "둘.md")


def test_a_folder_is_its_files_but_for_the_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "docs"
    asked = put(folder / "질문.jsonl", '{"question": "하늘은?"}')
    put(folder / ".숨은.txt", "숨은 글")
    put(folder / "그림.png", "그림")
    kept = [put(folder / "a.txt", "하나"), put(folder / "in" / "b.md", "둘"), put(folder / "more.jsonl", RECORDS)]
    dataset = Dataset("d", (Question("a", "?"),))
    found = collect(dataset, [folder], [], others=None, seed=1, questions=asked)
    assert (found.files, found.records, found.beside) == (tuple(kept), (), ())
    monkeypatch.chdir(folder)  # the same file by another name
    assert collect(dataset, [folder], [], others=None, seed=1, questions=Path("질문.jsonl")).files == tuple(kept)
    assert asked in collect(dataset, [folder], [], others=None, seed=1).files


def test_a_folder_without_files_is_said(tmp_path: Path) -> None:
    (tmp_path / "빈").mkdir()
    with pytest.raises(DatasetError) as caught:
        collect(Dataset("d", (Question("a", "?"),)), [tmp_path / "빈"], [], others=None, seed=1)
    assert str(caught.value).startswith(f"{tmp_path / '빈'}: ") and " 폴더에 넣을 문서가 없습니다" in str(caught.value)


def wrong(tmp_path: Path, *questions: Question) -> str:
    """What is said of questions to records, before any of these is embedded."""
    with pytest.raises(DatasetError) as caught:
        collect(Dataset("d", questions), [put(tmp_path / "c.jsonl", RECORDS)], [], others=None, seed=1)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_records_are_checked_against_the_questions(tmp_path: Path) -> None:
    good = Question("good", "?", documents={"sky": 1}, answers=("하늘",), where="q.jsonl:1")
    first = Question("first", "?", documents={"sky": 1}, answers=("바다",), where="q.jsonl:2")
    second = Question("second", "?", documents={"sea": 1, "hill": 1}, evidence=("하늘",), where="q.jsonl:3")
    said = "q.jsonl:2 (first): 문서 sky에 없는 글: 바다 / this text does not stand in the document"
    assert wrong(tmp_path, good, first) == said
    assert wrong(tmp_path, good, first, second, first) == f"{said} (외 2건 / and 2 more)"


def test_what_records_do_not_hold_is_left_for_later(tmp_path: Path) -> None:
    questions = (
        Question("in a file", "?", documents={"규정.txt": 1}, answers=("없는 글",)),
        Question("in both", "?", documents={"sky": 1, "규정.txt": 1}, answers=("없는 글",)),
        Question("anywhere", "?", answers=("없는 글",)),
        Question("nowhere", "?", "unanswerable", documents={"sky": 1}),
        Question("placed", "?", documents={"sky": 1}, answers=("없는 글",), placed=True),
        Question("beir", "?", documents={"sky": 1}),
    )
    corpus = [put(tmp_path / "c.jsonl", RECORDS)]
    assert collect(Dataset("d", questions), corpus, [], others=None, seed=1).questions == questions


def test_records_are_checked_as_they_will_be_stored(tmp_path: Path) -> None:
    record = {"id": "d", "title": "", "text": unicodedata.normalize("NFD", "하늘은\r\n파랗다")}
    asked = Question("a", "?", documents={"d": 1}, evidence=("하늘은\n파랗다",))
    assert collect(Dataset("d", (asked,), (record,)), [], [], others=None, seed=1).records == (record,)


def test_a_document_that_is_given_is_not_looked_for(tmp_path: Path) -> None:
    put(tmp_path / "sky", "하늘")
    decomposed = put(tmp_path / unicodedata.normalize("NFD", "규정.txt"), "하나")
    questions = (Question("a", "?", documents={"sky": 1, "규정.txt": 1}),)
    corpus = [put(tmp_path / "c.jsonl", RECORDS), decomposed]
    dataset = collect(Dataset("d", questions), corpus, [tmp_path], others=None, seed=1)
    assert (dataset.files, dataset.beside) == ((decomposed,), ())


def test_a_document_is_looked_for_by_its_bare_name_only(tmp_path: Path) -> None:
    put(tmp_path / "비밀.txt", "밖")
    (tmp_path / "in" / "folder.txt").mkdir(parents=True)
    names = ("../비밀.txt", str(tmp_path / "비밀.txt"), "..", ".", "folder.txt", "없다.txt", "가" * 300)
    dataset = collect(
        Dataset("d", tuple(Question(name, "?", documents={name: 1}) for name in names)),
        [],
        [tmp_path / "in"],
        others=None,
        seed=1,
    )
    assert (dataset.files, dataset.beside) == ((), ())


def test_others_are_drawn_beside_what_questions_need(tmp_path: Path) -> None:
    questions = (Question("a", "?", documents={"sea": 1}), Question("b", "?", kind="unanswerable"))
    corpus = [put(tmp_path / "c.jsonl", RECORDS)]
    for others, count in ((0, 1), (1, 2), (2, 3), (9, 3)):
        records = collect(Dataset("d", questions), corpus, [], others=others, seed=3).records
        assert len(records) == count and "sea" in [record["id"] for record in records]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("없다.txt", None, "없다.txt: 파일이 없습니다 / there is no such file"),
        ("없다.jsonl", None, "없다.jsonl: 읽을 수 없습니다 / cannot be read"),
        ("없다.jsonl.gz", None, "없다.jsonl.gz: 읽을 수 없습니다 / cannot be read"),
        ("c.jsonl", '{"id": "sky"}', "c.jsonl:1: text이(가) 비었거나 글이 아닙니다"),
        ("c.jsonl", RECORDS + RECORDS, "d: 문서 id sky이(가) 두 번 있습니다 / a document's id stands twice"),
    ],
)
def test_a_bad_corpus_is_refused(name: str, text: str | None, said: str, tmp_path: Path) -> None:
    path = put(tmp_path / name, text) if text else tmp_path / name
    with pytest.raises(DatasetError) as caught:
        collect(Dataset("d", (Question("a", "?"),)), [path], [], others=None, seed=1)
    assert said in str(caught.value)
