"""Files of questions and documents: every form read field by field, and whatever is wrong with one said in one line."""

from __future__ import annotations

import codecs
import gzip
import json
import random
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.datasets import KINDS, Dataset, DatasetError, Place, Question
from evals.readers import FIELDS, read_beir, read_corpus, read_gold, read_squad
from rag.loaders import normalise

Json = dict[str, Any]
Read = Callable[[Path], Dataset | list[dict[str, str]]]

SKY = "하늘은 파랗다. 바다도 파랗다."  # 하늘은 [0:3], the first 파랗다 [4:7], the second [13:16]
GOLD: Json = {"question": "하늘은 무슨 색인가요?", "document": "하늘.txt", "answers": ["파랗다"]}
FLAT: Json = {
    "id": "s-1",
    "title": "하늘",
    "context": SKY,
    "question": "바다는 무슨 색인가요?",
    "answers": [{"text": "파랗다", "answer_start": 13}],
}
FIRST = [{"text": "하늘은", "answer_start": 0}]  # in composed and decomposed text alike
RECORD: Json = {"id": "하늘", "title": "하늘 글", "text": SKY}


def put(path: Path, data: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def lines(*rows: object) -> str:
    return "".join(f"{row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def nested(*asked: Json, context: object = SKY, **more: object) -> str:
    """SQuAD's own form, of one paragraph."""
    article = {"title": "하늘", "paragraphs": [{"context": context, "qas": list(asked)}]}
    return json.dumps({"version": "1.1", "data": [article], **more}, ensure_ascii=False)


def without(row: Mapping[str, Any], *names: str, **others: object) -> Json:
    return {name: value for name, value in row.items() if name not in names} | others


def beir(folder: Path, *, corpus: str | None = None, queries: str | None = None, qrels: str | None = None) -> Path:
    """A BEIR folder of two documents and two questions, or with other files."""
    sea = {"_id": "d2", "title": "바다 글", "text": "바다는 깊다."}
    put(folder / "corpus.jsonl", corpus if corpus is not None else lines({"_id": "d1", "title": "", "text": SKY}, sea))
    asked = lines(
        {"_id": "q1", "text": "하늘은 무슨 색?"}, {"_id": "q2", "text": "바다는?"}, {"_id": "q3", "text": "산?"}
    )
    put(folder / "queries.jsonl", queries if queries is not None else asked)
    rated = "query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t2\nq2\td1\t1\nq3\td2\t0\n"
    put(folder / "qrels" / "test.tsv", qrels if qrels is not None else rated)
    return folder


def refusal(read: Read, path: Path) -> str:
    """What is said of the file: one line, in Korean and English."""
    with pytest.raises(DatasetError) as caught:
        read(path)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    korean, _, english = message.partition(" / ")
    assert any("가" <= letter <= "힣" for letter in korean) and english
    return message


def is_text(text: object) -> bool:
    """A composed text that UTF-8 and SQLite hold, with something in it."""
    return isinstance(text, str) and b"\0" not in text.encode() and bool(text.strip()) and text == normalise(text)


def check(dataset: Dataset) -> None:
    """Everything that may be relied upon of what a reader gives."""
    texts = {record["id"]: record["text"] for record in dataset.records}
    assert dataset.questions and len({question.id for question in dataset.questions}) == len(dataset.questions)
    for record in dataset.records:
        assert is_text(record["id"]) and is_text(record["text"])
        assert record["title"] == normalise(record["title"])
    for question in dataset.questions:
        assert is_text(question.id) and is_text(question.question) and any(c.isalnum() for c in question.question)
        assert question.kind in KINDS and isinstance(question.typed, bool)
        assert all(value is None or isinstance(value, str) for value in (question.source, question.miss))
        assert is_text(question.language) and question.yesno in (None, "yes", "no")
        assert question.pair is None or question.pair in {other.id for other in dataset.questions}
        assert all(is_text(name) and relevance > 0 for name, relevance in question.documents.items())
        spans = [
            *question.history,
            *question.answers,
            *question.evidence,
            *(s for item in question.items for s in item),
        ]
        assert all(is_text(text) for text in spans) and all(question.items)
        assert all(texts[at.document][at.start : at.end] in question.answers for at in question.every_place)


# --- what no reader can read

SINGLE: Mapping[str, tuple[str, Read, str]] = {
    "gold": ("q.jsonl", read_gold, lines(GOLD)),
    "squad": ("q.json", read_squad, nested(without(FLAT, "context", "title", answers=FIRST))),
    "flat": ("q.jsonl", read_squad, lines(FLAT | {"answers": FIRST})),
    "corpus": ("q.jsonl", read_corpus, lines(RECORD)),
}
single = pytest.mark.parametrize(("name", "read", "good"), SINGLE.values(), ids=SINGLE)


@single
def test_a_good_file_is_read(name: str, read: Read, good: str, tmp_path: Path) -> None:
    assert read(put(tmp_path / name, good))


@single
def test_with_a_mark_in_front_windows_line_ends_or_compressed_it_reads_the_same(
    name: str, read: Read, good: str, tmp_path: Path
) -> None:
    plain = read(put(tmp_path / name, good))
    assert read(put(tmp_path / name, codecs.BOM_UTF8 + good.encode())) == plain
    assert read(put(tmp_path / name, good.replace("\n", "\r\n"))) == plain
    compressed = read(put(tmp_path / f"{name}.gz", gzip.compress(good.encode())))
    if isinstance(plain, Dataset) and isinstance(compressed, Dataset):
        questions = [replace(q, where=q.where.replace(f"{name}.gz", name)) for q in compressed.questions]
        assert (questions, compressed.records) == ([*plain.questions], plain.records)
        assert all(q.where.startswith(f"{name}.gz:") for q in compressed.questions)
    else:
        assert compressed == plain


@single
def test_decomposed_syllables_are_composed(name: str, read: Read, good: str, tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", good)
    assert decomposed != good
    assert read(put(tmp_path / "a" / name, decomposed)) == read(put(tmp_path / "b" / name, good))


@single
def test_a_file_that_is_not_there_or_a_folder(name: str, read: Read, good: str, tmp_path: Path) -> None:
    assert "No such file" in (message := refusal(read, tmp_path / name))
    assert message.startswith(f"{tmp_path / name}: 읽을 수 없습니다")
    (tmp_path / "b" / name).mkdir(parents=True)
    assert "Is a directory" in refusal(read, tmp_path / "b" / name)


@single
def test_a_file_that_is_not_utf_8(name: str, read: Read, good: str, tmp_path: Path) -> None:
    for encoding in ("cp949", "utf-16"):
        assert "not UTF-8" in refusal(read, put(tmp_path / name, good.encode(encoding)))


@single
def test_a_damaged_gzip_file(name: str, read: Read, good: str, tmp_path: Path) -> None:
    data = gzip.compress(good.encode(), mtime=0)
    path = tmp_path / f"{name}.gz"
    assert "cannot be read" in refusal(read, put(path, data[:-12]))  # cut off
    assert "Not a gzipped file" in refusal(read, put(path, good))
    assert "CRC" in refusal(read, put(path, data[:-8] + b"abcd" + data[-4:]))
    assert "cannot be read" in refusal(read, put(path, data[:10] + b"\xff" * 20 + data[30:]))  # zlib's own error


@pytest.mark.parametrize("read", [read_gold, read_squad])
@pytest.mark.parametrize("data", ["", "\n \n\n", codecs.BOM_UTF8])
def test_a_file_without_questions(read: Read, data: str | bytes, tmp_path: Path) -> None:
    assert "there are no questions" in refusal(read, put(tmp_path / "q.jsonl", data))


def test_a_corpus_may_be_empty(tmp_path: Path) -> None:
    assert read_corpus(put(tmp_path / "q.jsonl", "\n")) == []


NO_OBJECT = [
    ('{"question": ', "not JSON (Expecting value: line 1 column 14"),
    ("{'question': 1}", "not JSON"),
    ('{"id": 1} {"id": 2}', "not JSON (Extra data"),
    ("[" * 100_000, "not JSON"),
    ("1" * 5_000, "not JSON"),
    ('["question"]', "not a JSON object"),
    ('"question"', "not a JSON object"),
    ("3", "not a JSON object"),
    ("null", "not a JSON object"),
]


@pytest.mark.parametrize(("line", "detail"), NO_OBJECT)
@pytest.mark.parametrize("kind", ["gold", "flat", "corpus"])
def test_a_line_that_is_no_object_is_named(kind: str, line: str, detail: str, tmp_path: Path) -> None:
    _, read, good = SINGLE[kind]
    message = refusal(read, put(tmp_path / "q.jsonl", lines(good.strip(), "", line)))
    assert message.startswith("q.jsonl:3: JSON") and detail in message  # the blank line counts


# --- our own format


def gold(path: Path, *rows: object) -> tuple[Question, ...]:
    return read_gold(put(path / "질문.jsonl", lines(*rows))).questions


def test_gold_field_by_field(tmp_path: Path) -> None:
    plain = {"id": "a", "question": "언제 쉬나요?", "document": "규정.txt", "answers": ["월요일"], "source": "우리"}
    full = {
        "id": 2,
        "kind": "list",
        "question": "그럼 어디에서 타나요?",
        "history": ["막차는 언제인가요?", "몇 분 늦나요?"],
        "document": "규정.txt",
        "also": ["둘.txt", "셋.txt"],
        "answers": ["갈대역, 북문역"],
        "items": [["갈대역", "갈대"], ["북문역"]],
        "evidence": ["갈대역에서 탄다.", "북문역에서 탄다."],
        "language": "en",
        "source": None,
        "pair": "a",
        "typed": True,
    }
    missed = {"id": "c", "kind": "unanswerable", "question": "값은?", "document": "규정.txt", "miss": "near"}
    assert gold(tmp_path, plain, full, missed) == (
        Question(
            "a", "언제 쉬나요?", documents={"규정.txt": 1}, answers=("월요일",), source="우리", where="질문.jsonl:1"
        ),
        Question(
            "2",
            "그럼 어디에서 타나요?",
            kind="list",
            history=("막차는 언제인가요?", "몇 분 늦나요?"),
            documents={"규정.txt": 1, "둘.txt": 1, "셋.txt": 1},
            answers=("갈대역, 북문역",),
            items=(("갈대역", "갈대"), ("북문역",)),
            evidence=("갈대역에서 탄다.", "북문역에서 탄다."),
            language="en",
            pair="a",
            typed=True,
            where="질문.jsonl:2",
        ),
        Question("c", "값은?", kind="unanswerable", documents={"규정.txt": 1}, miss="near", where="질문.jsonl:3"),
    )


def test_where_a_question_stands_counts_blank_lines(tmp_path: Path) -> None:
    first, second = gold(tmp_path, "", GOLD, " ", GOLD | {"id": "b"})
    assert (first.called, second.called) == ("질문.jsonl:2 (2)", "질문.jsonl:4 (b)")


def test_gold_needs_no_more_than_a_question(tmp_path: Path) -> None:
    yesno = {"question": "육아휴직도 되나요?", "yesno": "yes", "kind": "yesno"}
    span, verdict, missed = gold(tmp_path, GOLD, "", yesno, {"question": "구내식당 메뉴는?"})
    assert [(q.id, q.kind) for q in (span, verdict, missed)] == [("1", "span"), ("3", "yesno"), ("4", "unanswerable")]
    assert (verdict.documents, verdict.yesno, missed.answerable) == ({}, "yes", False)


@pytest.mark.parametrize(
    ("row", "detail"),
    [
        (without(GOLD, "question"), "question is empty or not a text"),
        (GOLD | {"question": None}, "question is empty or not a text"),
        (GOLD | {"question": " \n"}, "question is empty or not a text"),
        (GOLD | {"question": ["하늘은?"]}, "question is empty or not a text"),
        (GOLD | {"question": "?!…"}, "question holds no letter or digit"),
        (GOLD | {"question": "반쪽 \ud83d"}, "question holds a zero or half a character"),
        (GOLD | {"question": "하늘\0은?"}, "question holds a zero or half a character"),
        (GOLD | {"id": ""}, "id is empty or not a text"),
        (GOLD | {"id": None}, "id is empty or not a text"),
        (GOLD | {"id": True}, "id is empty or not a text"),
        (GOLD | {"id": ["a"]}, "id is empty or not a text"),
        (GOLD | {"kind": "spam"}, "it is one of span, list, yesno, reason, summary, followup"),
        (GOLD | {"kind": None}, "it is one of"),
        (GOLD | {"kind": ["span"]}, "it is one of"),
        (GOLD | {"answer": "파랗다"}, "answer / unknown fields"),
        (GOLD | {"가\n나": 1}, "가 나 / unknown fields"),
        (GOLD | {"kind": "unanswerable"}, "kind does not agree with what is expected"),
        (without(GOLD, "answers", kind="span"), "kind does not agree with what is expected"),
        (GOLD | {"answers": [], "kind": "span"}, "kind does not agree with what is expected"),
        (GOLD | {"answers": "파랗다"}, "answers is not a list of texts"),
        (GOLD | {"answers": None}, "answers is not a list of texts"),
        (GOLD | {"answers": [""]}, "answers is empty or not a text"),
        (GOLD | {"answers": ["파랗다", 3]}, "answers is empty or not a text"),
        (GOLD | {"answers": [["파랗다"]]}, "answers is empty or not a text"),
        (GOLD | {"answers": ["\udead"]}, "answers holds a zero or half a character"),
        (GOLD | {"evidence": {"0": "하늘은 파랗다."}}, "evidence is not a list of texts"),
        (GOLD | {"evidence": ["\t"]}, "evidence is empty or not a text"),
        (GOLD | {"evidence": ["\ufeff"]}, "evidence is empty or not a text"),  # a byte order mark is nothing
        (GOLD | {"history": "하늘은?"}, "history is not a list of texts"),
        (GOLD | {"history": [None]}, "history is empty or not a text"),
        (GOLD | {"also": "둘.txt"}, "also is not a list of texts"),
        (GOLD | {"document": ""}, "document is empty or not a text"),
        (GOLD | {"document": None}, "document is empty or not a text"),
        (GOLD | {"document": 3}, "document is empty or not a text"),
        (GOLD | {"items": ["파랗다"]}, "items is not a list of lists"),
        (GOLD | {"items": "파랗다"}, "items is not a list of lists"),
        (GOLD | {"items": [[]]}, "items is not a list of lists with texts"),
        (GOLD | {"items": [[""]]}, "items is empty or not a text"),
        (GOLD | {"kind": "span", "yesno": "yes"}, "yesno is yes or no, of yesno questions"),
        (GOLD | {"kind": "yesno"}, "yesno is yes or no, of yesno questions"),
        (GOLD | {"kind": "yesno", "yesno": "네"}, "yesno is yes or no, of yesno questions"),
        (GOLD | {"kind": "yesno", "yesno": ["yes"]}, "yesno is yes or no, of yesno questions"),
        (GOLD | {"typed": "true"}, "typed is true or false"),
        (GOLD | {"typed": 1}, "typed is true or false"),
        (GOLD | {"language": 3}, "language is empty or not a text"),
        (GOLD | {"source": {}}, "source is empty or not a text"),
        (GOLD | {"miss": 1}, "miss is empty or not a text"),
        (GOLD | {"pair": ["a"]}, "pair is empty or not a text"),
    ],
)
def test_a_bad_gold_row_is_refused_and_named(row: Json, detail: str, tmp_path: Path) -> None:
    good = GOLD | {"id": "good"}
    # As ASCII, in which half a character can be written.
    message = refusal(read_gold, put(tmp_path / "q.jsonl", lines(good) + json.dumps(row) + "\n"))
    assert message.startswith("q.jsonl:2: ") and detail in message


def test_gold_ids_are_there_once_and_pairs_are_there(tmp_path: Path) -> None:
    twice = lines(GOLD | {"id": "2"}, GOLD)  # the second is called by its line
    assert "id 2이(가) 두 번" in refusal(read_gold, put(tmp_path / "q.jsonl", twice))
    unpaired = lines(GOLD | {"id": "a", "pair": "b"})
    assert "a의 pair가 없습니다 / no question b" in refusal(read_gold, put(tmp_path / "q.jsonl", unpaired))
    paired = gold(tmp_path, GOLD | {"id": "a", "pair": 7}, GOLD | {"id": 7})
    assert [(question.id, question.pair) for question in paired] == [("a", "7"), ("7", None)]


# --- SQuAD


def squad(path: Path, *rows: object) -> Dataset:
    return read_squad(put(path / "kor.jsonl", lines(*rows)))


def test_squad_1(tmp_path: Path) -> None:
    blue = {"id": "a", "question": "하늘은 무슨 색?", "answers": [{"text": "파랗다", "answer_start": 4}]}
    deep = {
        "id": "b",
        "question": "바다는?",
        "answers": [
            {"text": "깊다", "answer_start": 4},
            {"text": "깊다", "answer_start": 4},
            {"text": "바다는 깊다", "answer_start": 0},
        ],
    }
    paragraphs = [{"context": SKY, "qas": [blue]}, {"context": "바다는 깊다.", "qas": [deep]}]
    again = {"context": SKY, "qas": [blue | {"id": "c"}]}  # the same context, in another article
    data = {"data": [{"title": "하늘", "paragraphs": paragraphs}, {"paragraphs": [again]}]}
    dataset = read_squad(put(tmp_path / "kor.v1.json", json.dumps(data)))
    assert dataset.name == "kor"
    assert dataset.records == (
        {"id": "kor-0001", "title": "하늘", "text": SKY},
        {"id": "kor-0002", "title": "하늘", "text": "바다는 깊다."},
    )
    sky = Question(
        "a",
        "하늘은 무슨 색?",
        documents={"kor-0001": 1},
        answers=("파랗다",),
        evidence=("파랗다",),
        places=((Place("kor-0001", 4, 7),),),
        placed=True,
        where="kor.v1.json: data[0].paragraphs[0].qas[0]",
    )
    first, second, third = dataset.questions
    assert first == sky
    assert (second.answers, second.documents) == (("깊다", "바다는 깊다"), {"kor-0002": 1})
    assert second.places == ((Place("kor-0002", 4, 6),), (Place("kor-0002", 0, 6),))
    assert (third.id, third.documents, third.places) == ("c", sky.documents, sky.places)
    assert second.where == "kor.v1.json: data[0].paragraphs[1].qas[0]"
    assert third.called == "kor.v1.json: data[1].paragraphs[0].qas[0] (c)"


def test_a_paragraph_without_questions_is_a_document_too(tmp_path: Path) -> None:
    asked = without(FLAT, "context", "title", answers=FIRST)
    paragraphs: list[Json] = [
        {"context": "산은 높다.", "qas": []},
        {"context": SKY, "qas": [asked]},
        {"context": SKY, "qas": []},  # the same again
    ]
    data = {"data": [{"title": "하늘", "paragraphs": paragraphs}, {"paragraphs": [{"context": "강", "qas": []}]}]}
    dataset = read_squad(put(tmp_path / "q.json", json.dumps(data)))
    assert dataset.records == (
        {"id": "q-0001", "title": "하늘", "text": "산은 높다."},
        {"id": "q-0002", "title": "하늘", "text": SKY},
        {"id": "q-0003", "title": "", "text": "강"},
    )
    (question,) = dataset.questions
    assert (question.id, question.documents) == ("s-1", {"q-0002": 1})
    check(dataset)


def test_no_field_of_a_row_makes_it_a_document_only(tmp_path: Path) -> None:
    assert [q.id for q in squad(tmp_path, FLAT | {"\0": True, "": 1}).questions] == ["s-1"]


def test_squad_2(tmp_path: Path) -> None:
    plausible = {"text": "파랗다", "answer_start": 4}
    asked: list[Json] = [
        {
            "id": "a",
            "question": "산은 무슨 색?",
            "is_impossible": True,
            "answers": [],
            "plausible_answers": [plausible],
        },
        {"id": "b", "question": "강은 무슨 색?", "is_impossible": True, "answers": [plausible]},  # what it says counts
        {"id": "c", "question": "하늘은 무슨 색?", "is_impossible": False, "answers": [plausible]},
        {"id": "d", "question": "들은 무슨 색?", "is_impossible": True},
        {"id": "e", "question": "밭은 무슨 색?", "answers": []},
    ]
    dataset = read_squad(put(tmp_path / "q.json", nested(*asked)))
    assert [(q.id, q.kind) for q in dataset.questions if q.answerable] == [("c", "span")]
    assert not any(q.answers or q.evidence or q.places for q in dataset.questions if not q.answerable)
    assert all(q.documents == {"q-0001": 1} for q in dataset.questions)


def test_flat_squad(tmp_path: Path) -> None:
    dataset = squad(tmp_path, without(FLAT, "id", "title", source="klue_mrc"), FLAT)
    assert dataset.records == ({"id": "kor-0001", "title": "", "text": SKY},)
    assert [(q.id, q.source, q.places, q.where) for q in dataset.questions] == [
        ("1", "klue_mrc", ((Place("kor-0001", 13, 16),),), "kor.jsonl:1"),
        ("s-1", None, ((Place("kor-0001", 13, 16),),), "kor.jsonl:2"),
    ]


@pytest.mark.parametrize(
    ("given_start", "start"), [(4, 4), (0, 4), (-5, 4), (8, 4), (9, 13), (13, 13), (12, 13), (16, 13), (999, 13)]
)
def test_an_answer_is_taken_where_it_stands_nearest(given_start: int, start: int, tmp_path: Path) -> None:
    # 파랗다 stands at 4 and at 13; 8 is nearer to the first, 9 to the second.
    dataset = squad(tmp_path, FLAT | {"answers": [{"text": "파랗다", "answer_start": given_start}]})
    assert dataset.questions[0].places == ((Place("kor-0001", start, start + 3),),)


def test_an_answer_that_stands_nowhere_is_kept_without_a_place(tmp_path: Path) -> None:
    blue, grey = {"text": "파랗다", "answer_start": 4}, {"text": "회색이다", "answer_start": 4}
    nowhere, one = squad(tmp_path, FLAT | {"answers": [grey]}, FLAT | {"id": 2, "answers": [grey, blue]}).questions
    assert (nowhere.kind, nowhere.answers, nowhere.evidence, nowhere.places) == ("span", ("회색이다",), (), ())
    assert (one.answers, one.evidence) == (("회색이다", "파랗다"), ("파랗다",))
    assert one.places == ((Place("kor-0001", 4, 7),),)


@pytest.mark.parametrize(("which", "start"), [("index", 4), ("rindex", 13)])
def test_offsets_count_the_composed_text(which: str, start: int, tmp_path: Path) -> None:
    raw = unicodedata.normalize("NFD", SKY)
    given_start = getattr(raw, which)(unicodedata.normalize("NFD", "파랗다"))
    assert given_start > start + 4  # the first is given as 9, which is nearer to 13
    for answer in (unicodedata.normalize("NFD", "파랗다"), "파랗다"):
        asked = {"text": answer, "answer_start": given_start}
        dataset = squad(tmp_path, FLAT | {"context": raw, "answers": [asked]})
        assert (dataset.records[0]["text"], dataset.questions[0].answers) == (SKY, ("파랗다",))
        assert dataset.questions[0].places == ((Place("kor-0001", start, start + 3),),)


def test_offsets_count_one_character_a_line_end_and_no_mark_in_front(tmp_path: Path) -> None:
    raw = "\ufeff하나\r\n둘\r셋\n둘\r\n넷"  # kept as 하나·둘·셋·둘·넷: 둘 at 3 and at 7
    answers = [{"text": "둘\r\n넷", "answer_start": raw.index("둘\r\n넷")}, {"text": "둘", "answer_start": 5}]
    dataset = squad(tmp_path, FLAT | {"context": raw, "answers": answers})
    assert dataset.records[0]["text"] == "하나\n둘\n셋\n둘\n넷"
    assert dataset.questions[0].answers == ("둘\n넷", "둘")
    assert dataset.questions[0].places == ((Place("kor-0001", 7, 10),), (Place("kor-0001", 3, 4),))


PIECES = ["가", "나", "다", "한", "a", " ", ".", "\n", "\r\n", "\u1112\u1161\u11ab", "e\u0301", "\u00e9"]
LETTERS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@given(before=LETTERS, answer=LETTERS, after=LETTERS, off=st.integers(-9, 9))
def test_places_are_exact(before: str, answer: str, after: str, off: int, scratch: Path) -> None:
    context, answer = before + "·" + answer + "가" + "·" + after, answer + "가"
    asked = {"text": answer, "answer_start": len(before) + 1 + off}
    dataset = squad(scratch, FLAT | {"context": context, "answers": [asked]})
    text, ((place,),) = dataset.records[0]["text"], dataset.questions[0].places
    assert text[place.start : place.end] == normalise(answer)
    if not off:  # then it is that very one, though the same letters may stand nearby
        assert place.start == len(normalise(before + "·"))


@pytest.mark.parametrize(
    ("row", "detail"),
    [
        (without(FLAT, "context"), "context is empty or not a text"),
        (FLAT | {"context": ""}, "context is empty or not a text"),
        (FLAT | {"context": [SKY]}, "context is empty or not a text"),
        (FLAT | {"context": "…"}, "context holds no letter or digit"),
        (FLAT | {"context": SKY + "\ud83d"}, "context holds a zero or half a character"),
        (without(FLAT, "question"), "question is empty or not a text"),
        (FLAT | {"question": 3}, "question is empty or not a text"),
        (FLAT | {"question": "?"}, "question holds no letter or digit"),
        (FLAT | {"id": ""}, "id is empty or not a text"),
        (FLAT | {"id": 1.5}, "id is empty or not a text"),
        (FLAT | {"title": ["하늘"]}, "title is empty or not a text"),
        (FLAT | {"source": 3}, "source is empty or not a text"),
        (without(FLAT, "answers"), "answers is not a list of objects"),
        (FLAT | {"answers": None}, "answers is not a list of objects"),
        (FLAT | {"answers": {"text": ["파랗다"], "answer_start": [4]}}, "answers is not a list of objects"),
        (FLAT | {"answers": ["파랗다"]}, "answers is not a list of objects"),
        (FLAT | {"answers": [{"answer_start": 4}]}, "text is empty or not a text"),
        (FLAT | {"answers": [{"text": "", "answer_start": 4}]}, "text is empty or not a text"),
        (FLAT | {"answers": [{"text": 3, "answer_start": 4}]}, "text is empty or not a text"),
        (FLAT | {"answers": [{"text": "파랗다"}]}, "answer_start is not a number"),
        (FLAT | {"answers": [{"text": "파랗다", "answer_start": "4"}]}, "answer_start is not a number"),
        (FLAT | {"answers": [{"text": "파랗다", "answer_start": 4.0}]}, "answer_start is not a number"),
        (FLAT | {"answers": [{"text": "파랗다", "answer_start": True}]}, "answer_start is not a number"),
        (FLAT | {"is_impossible": "false"}, "is_impossible is true or false"),
        (FLAT | {"is_impossible": []}, "is_impossible is true or false"),
    ],
)
def test_a_bad_squad_row_is_refused_and_named(row: Json, detail: str, tmp_path: Path) -> None:
    flat = lines(FLAT | {"id": "good"}) + json.dumps(row) + "\n"
    message = refusal(read_squad, put(tmp_path / "q.jsonl", flat))
    assert message.startswith("q.jsonl:2: ") and detail in message
    if isinstance(row.get("context"), str) and "title" not in detail:  # the same in the nested form
        asked = without(row, "context", "title")
        tree = json.loads(nested(asked, context=row["context"]))
        message = refusal(read_squad, put(tmp_path / "q.json", json.dumps(tree)))
        assert message.startswith("q.json: data[0].paragraphs[0].qas[0]: ") and detail in message
        good = json.loads(nested(without(FLAT, "context", "title") | {"id": "good"}))
        paragraph = {"context": SKY, "qas": []}
        tree["data"][0]["paragraphs"][:0] = [paragraph, paragraph]
        tree["data"][:0] = good["data"]
        message = refusal(read_squad, put(tmp_path / "q.json", json.dumps(tree)))
        assert message.startswith("q.json: data[1].paragraphs[2].qas[0]: ") and detail in message


def test_squad_ids_are_there_once(tmp_path: Path) -> None:
    assert "id s-1이(가) 두 번" in refusal(read_squad, put(tmp_path / "q.jsonl", lines(FLAT, FLAT)))
    asked = without(FLAT, "context", "title")
    assert "id s-1이(가) 두 번" in refusal(read_squad, put(tmp_path / "q.json", nested(asked, asked)))


@pytest.mark.parametrize(
    ("data", "lacking"),
    [
        ({}, "data"),
        ([], "data"),
        (3, "data"),
        (None, "data"),
        ({"data": None}, "data"),
        ({"data": "하늘"}, "data"),
        ({"data": {"title": "하늘"}}, "data"),
        ([FLAT], "data"),
        ({"data": [{}]}, "data[0]: paragraphs"),
        ({"data": [{"paragraphs": []}, None]}, "data[1]: paragraphs"),
        ({"data": ["하늘"]}, "data[0]: paragraphs"),
        ({"data": [{"paragraphs": 3}]}, "data[0]: paragraphs"),
        ({"data": [{"paragraphs": [{"context": SKY}]}]}, "data[0].paragraphs[0]: qas"),
        ({"data": [{"paragraphs": [{"context": SKY, "qas": []}, 3]}]}, "data[0].paragraphs[1]: qas"),
        ({"data": [{"paragraphs": [None]}]}, "data[0].paragraphs[0]: qas"),
        ({"data": [{"paragraphs": [{"context": SKY, "qas": {"id": "a"}}]}]}, "data[0].paragraphs[0]: qas"),
    ],
)
def test_json_of_another_shape(data: object, lacking: str, tmp_path: Path) -> None:
    message = refusal(read_squad, put(tmp_path / "q.json", json.dumps(data)))
    place, _, name = lacking.rpartition(": ")
    where = f"q.json: {place}" if place else "q.json"
    assert message == f"{where}: SQuAD 형식이 아닙니다: {name}이(가) 없습니다 / not SQuAD JSON: no list {name}"


@pytest.mark.parametrize(
    ("paragraph", "said"),
    [
        ({"qas": [{"id": "a"}]}, "data[0].paragraphs[0].qas[0]: context이(가) 비었거나"),
        ({"qas": []}, "data[0].paragraphs[0]: context이(가) 비었거나"),
        ({"context": SKY, "qas": ["하늘은?"]}, "data[0].paragraphs[0].qas[0]: JSON 객체가 아닙니다"),
        (
            {"context": SKY, "qas": [without(FLAT, "context", "title"), ["하늘은?"]]},
            "data[0].paragraphs[0].qas[1]: JSON 객체가 아닙니다",
        ),
    ],
)
def test_a_paragraph_of_another_shape(paragraph: Json, said: str, tmp_path: Path) -> None:
    path = put(tmp_path / "q.json", json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    assert refusal(read_squad, path).startswith(f"q.json: {said}")


@pytest.mark.parametrize("data", ['{"data": []}', '{"data": [{"paragraphs": []}]}', nested()])
def test_squad_without_questions(data: str, tmp_path: Path) -> None:
    assert "there are no questions" in refusal(read_squad, put(tmp_path / "q.json", data))


def test_broken_squad_json_says_where(tmp_path: Path) -> None:
    path = put(tmp_path / "q.json", '{"data": [\n  {"title" "하늘"}\n]}')
    assert refusal(read_squad, path).startswith("q.json: JSON이 아닙니다 / not JSON (Expecting ':' delimiter: line 2 ")


# --- BEIR


def test_beir(tmp_path: Path) -> None:
    dataset = read_beir(beir(tmp_path / "ko-set"))
    assert dataset.name == "ko-set"
    assert dataset.records == (
        {"id": "d1", "title": "", "text": SKY},
        {"id": "d2", "title": "바다 글", "text": "바다는 깊다."},
    )
    assert dataset.questions == (
        Question("q1", "하늘은 무슨 색?", documents={"d1": 1}, where="test.tsv"),
        Question("q2", "바다는?", documents={"d2": 2, "d1": 1}, where="test.tsv"),  # q3 has none that is relevant
    )
    check(dataset)


def test_beir_named_by_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beir(tmp_path / "ko-set")
    monkeypatch.chdir(tmp_path / "ko-set")
    assert read_beir(Path()).name == "ko-set"


def test_beir_documents_without_a_text(tmp_path: Path) -> None:
    corpus = lines(
        {"_id": "d1", "title": "제목뿐", "text": ""},
        {"_id": "d2", "title": "제목도", "text": "…"},
        {"_id": "d3", "title": "", "text": ""},
        {"_id": 4, "text": "글뿐"},
        {"_id": "d5", "title": None},
    )
    dataset = read_beir(beir(tmp_path, corpus=corpus))
    assert [(record["id"], record["text"]) for record in dataset.records] == [
        ("d1", "제목뿐"),
        ("d2", "제목도"),
        ("4", "글뿐"),
    ]


def test_beir_judgements_in_windows_lines_decomposed_and_with_blank_lines(tmp_path: Path) -> None:
    composed, decomposed = "질문", unicodedata.normalize("NFD", "질문")
    queries = lines({"_id": composed, "text": "하늘은?"})
    for id in (composed, decomposed):
        dataset = read_beir(beir(tmp_path, queries=queries, qrels=f"q\td\ts\r\n{id}\td1\t1\r\n\r\n{id}\td2\t0\r\n\r\n"))
        assert dataset.questions == (Question(composed, "하늘은?", documents={"d1": 1}, where="test.tsv"),)


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_beir_files_that_are_missing_folders_or_not_utf_8(name: str, tmp_path: Path) -> None:
    path = beir(tmp_path) / name
    path.write_bytes("글".encode("cp949"))
    assert "not UTF-8" in refusal(read_beir, tmp_path)
    path.unlink()
    assert f"{path}: 읽을 수 없습니다" in refusal(read_beir, tmp_path)
    path.mkdir()
    assert "Is a directory" in refusal(read_beir, tmp_path)


def test_a_file_for_a_beir_folder(tmp_path: Path) -> None:
    assert "Not a directory" in refusal(read_beir, put(tmp_path / "beir.jsonl", lines(RECORD)))
    assert "No such file" in refusal(read_beir, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"corpus": lines({"text": SKY})}, "corpus.jsonl:1: _id이(가) 비었거나"),
        (
            {"corpus": lines({"_id": "d1", "text": SKY}, {"_id": " ", "text": SKY})},
            "corpus.jsonl:2: _id이(가) 비었거나",
        ),
        ({"corpus": lines({"_id": "d1", "text": 3})}, "corpus.jsonl:1: text이(가) 비었거나"),
        ({"corpus": lines({"_id": "d1", "text": SKY, "title": {}})}, "corpus.jsonl:1: title이(가) 비었거나"),
        ({"corpus": "[1]\n"}, "corpus.jsonl:1: JSON 객체가 아닙니다"),
        ({"corpus": '{"_id": "d1"'}, "corpus.jsonl:1: JSON이 아닙니다"),
        ({"queries": lines({"_id": "q1"})}, "queries.jsonl:1: text이(가) 비었거나"),
        ({"queries": lines({"_id": "q1", "text": "…"})}, "queries.jsonl:1: text에 글자가 없습니다"),
        ({"queries": lines({"text": "하늘은?"})}, "queries.jsonl:1: _id이(가) 비었거나"),
        ({"queries": ""}, "queries.jsonl에 q1이(가) 없습니다"),
        ({"qrels": "q\td\ts\nq9\td1\t1\n"}, "queries.jsonl에 q9이(가) 없습니다"),
        ({"qrels": "q\td\ts\nq1\td1\n"}, "test.tsv:2: 세 칸이 아닙니다"),
        ({"qrels": "q\td\ts\nq1\td1\t1\nq1 d2 1\n"}, "test.tsv:3: 세 칸이 아닙니다"),
        ({"qrels": "q\td\ts\nq1\t0\td1\t1\n"}, "test.tsv:2: 세 칸이 아닙니다"),  # as TREC writes them
        ({"qrels": "q\td\ts\nq1\td1\n"}, "세 칸이 아닙니다 / not query, document and score between tabs"),
        ({"qrels": "q\td\ts\nq1\td1\thigh\n"}, "test.tsv:2: 점수가 숫자가 아닙니다: high / the score is not a number"),
        ({"qrels": "q\td\ts\nq1\td1\t1\nq1\td2\tnan\n"}, "test.tsv:3: 점수가 숫자가 아닙니다: nan"),
        ({"qrels": "q\td\ts\nq1\td1\t-inf\n"}, "test.tsv:2: 점수가 숫자가 아닙니다: -inf"),
        ({"qrels": "q\td\ts\nq1\td1\t1e999\n"}, "test.tsv:2: 점수가 숫자가 아닙니다: 1e999"),
        ({"qrels": "q\td\ts\nq1\td9\t1\n"}, "질문이 없습니다 / there are no questions"),
        ({"qrels": "q\td\ts\nq1\td1\t\n"}, "test.tsv:2: 세 칸이 아닙니다"),
        ({"qrels": "q\td\ts\nq1\td1\t" + "9" * 5_000}, "test.tsv:2: 점수가 숫자가 아닙니다: 9"),
        ({"qrels": "q\td\ts\nq1\td1\t0\nq2\td1\t-1\n"}, "질문이 없습니다 / there are no questions"),
        ({"qrels": "q\td\ts\n"}, "질문이 없습니다 / there are no questions"),
        ({"qrels": "q\td\ts"}, "질문이 없습니다 / there are no questions"),
        ({"qrels": ""}, "질문이 없습니다 / there are no questions"),
    ],
)
def test_bad_beir_files(files: dict[str, str], message: str, tmp_path: Path) -> None:
    assert message in refusal(read_beir, beir(tmp_path, **files))


# --- documents


def test_corpus_ids_and_titles(tmp_path: Path) -> None:
    rows = [
        {"id": "하늘", "title": "하늘 글", "text": SKY, "date": "2024-05-01"},
        {"_id": "바다", "text": "바다는 깊다.", "url": "https://example.com/"},
        {"id": 0, "text": "영"},
        "",
        {"law": "민법", "section": "제3조", "count": 3, "empty": "", "text": "사람은"},
        {"id": "", "title": "", "name": "이름", "text": "글"},
    ]
    assert read_corpus(put(tmp_path / "laws.v2.jsonl", lines(*rows))) == [
        {"id": "하늘", "title": "하늘 글", "text": SKY},
        {"id": "바다", "title": "", "text": "바다는 깊다."},
        {"id": "0", "title": "", "text": "영"},
        {"id": "laws-0005", "title": "민법 - 제3조", "text": "사람은"},  # by its line
        {"id": "laws-0006", "title": "이름", "text": "글"},
    ]


@pytest.mark.parametrize(
    ("row", "detail"),
    [
        (without(RECORD, "text"), "text is empty or not a text"),
        (RECORD | {"text": None}, "text is empty or not a text"),
        (RECORD | {"text": " \r\n"}, "text is empty or not a text"),
        (RECORD | {"text": ["글"]}, "text is empty or not a text"),
        (RECORD | {"text": "…!"}, "text holds no letter or digit"),
        (RECORD | {"text": "글\0"}, "text holds a zero or half a character"),
        (RECORD | {"title": "\udc00"}, "title holds a zero or half a character"),
        (RECORD | {"title": 3}, "title is empty or not a text"),
        (RECORD | {"id": " "}, "id is empty or not a text"),
        (RECORD | {"id": ["하늘"]}, "id is empty or not a text"),
        (without(RECORD, "id", _id=1.5), "_id is empty or not a text"),
        (without(RECORD, "title", section="\ud800"), "section holds a zero or half a character"),
    ],
)
def test_a_bad_record_is_refused_and_named(row: Json, detail: str, tmp_path: Path) -> None:
    message = refusal(read_corpus, put(tmp_path / "laws.jsonl", lines(RECORD) + json.dumps(row)))
    assert message.startswith("laws.jsonl:2: ") and detail in message


# --- damage of any kind: refused in one line, or read whole


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


def judge(read: Read, path: Path) -> bool:
    """Whether the file was read, and well; if not, it must be refused properly."""
    try:
        found = read(path)
    except DatasetError:
        refusal(read, path)
        return False
    if isinstance(found, Dataset):
        check(found)
    assert isinstance(found, Dataset) or all(is_text(record["text"]) and is_text(record["id"]) for record in found)
    return True


def damageable() -> dict[str, tuple[str, Read, bytes]]:
    """A file of each kind, with syllables of two to three bytes, escapes and a decomposed one in it."""
    pair = GOLD | {
        "id": 1,
        "pair": "b",
        "items": [["파랗다"]],
        "kind": "list",
        "typed": True,
        "history": ["\u1112\u1161"],
    }
    rows = lines(pair, GOLD | {"id": "b"}).encode()
    two = without(FLAT, "context", "title")
    tree = nested(two, {"id": 2, "question": "\u1112\u1161?", "is_impossible": True, "answers": []}).encode()
    flat = lines(FLAT, FLAT | {"id": 2, "context": "\r\n둘\ufeff", "answers": []}).encode()
    corpus = lines(RECORD, {"text": "둘", "law": "\u1112\u1161"}).encode()
    files: dict[str, tuple[str, Read, bytes]] = {
        "gold": ("q.jsonl", read_gold, rows),
        "squad": ("q.json", read_squad, tree),
        "flat": ("q.jsonl", read_squad, flat),
        "corpus": ("c.jsonl", read_corpus, corpus),
    }
    zipped = {name: (f"{at}.gz", read, gzip.compress(data, mtime=0)) for name, (at, read, data) in files.items()}
    return files | {f"{name}-gz": file for name, file in zipped.items()}


DAMAGEABLE = damageable()
damaged = pytest.mark.parametrize("kind", DAMAGEABLE)


@damaged
def test_a_file_cut_off_anywhere(kind: str, scratch: Path) -> None:
    name, read, data = DAMAGEABLE[kind]
    assert judge(read, put(scratch / name, data))
    whole = [cut for cut in range(len(data)) if judge(read, put(scratch / name, data[:cut]))]
    if kind == "corpus":  # nothing, the first line, and all but the last line end
        first = data.index(b"\n")
        assert whole == [0, first, first + 1, len(data) - 1]
    if kind == "squad":
        assert whole == []
    if kind.endswith("-gz"):
        assert set(whole) <= {0}  # an empty file is an empty corpus


@damaged
def test_a_file_with_bytes_changed(kind: str, scratch: Path) -> None:
    name, read, data = DAMAGEABLE[kind]
    chance = random.Random(1)
    outcomes = set()
    for _ in range(150):
        changed = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            changed[chance.randrange(len(data))] = chance.choice(b'\x00\x0a\x0d "[]{},:0-\\u\x80\xff' + data)
        outcomes.add(judge(read, put(scratch / name, bytes(changed))))
    assert False in outcomes


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_a_beir_file_cut_off_anywhere(name: str, scratch: Path) -> None:
    data = (beir(scratch / "beir") / name).read_bytes()
    for cut in range(len(data)):
        put(scratch / "beir" / name, data[:cut])
        judge(read_beir, scratch / "beir")
    put(scratch / "beir" / name, data)
    assert judge(read_beir, scratch / "beir")


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters() | st.characters(categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@given(field=st.sampled_from(sorted(FIELDS)), value=ANYTHING)
def test_anything_in_a_gold_field(field: str, value: object, scratch: Path) -> None:
    judge(read_gold, put(scratch / "q.jsonl", json.dumps(GOLD | {field: value})))


@given(
    field=st.sampled_from([*FLAT, "source", "is_impossible"]),
    inside=st.sampled_from([None, "text", "answer_start"]),
    value=ANYTHING,
)
def test_anything_in_a_squad_field(field: str, inside: str | None, value: object, scratch: Path) -> None:
    row = FLAT | ({field: value} if inside is None else {"answers": [FLAT["answers"][0] | {inside: value}]})
    judge(read_squad, put(scratch / "q.jsonl", json.dumps(row)))
    asked = without(row, "context", "title")
    judge(read_squad, put(scratch / "q.json", json.dumps(json.loads(nested(asked)) | {"version": value})))


@given(value=ANYTHING, where=st.sampled_from(["", "data", "article", "paragraphs", "paragraph", "qas", "asked"]))
def test_anything_in_the_place_of_a_part_of_squad(value: object, where: str, scratch: Path) -> None:
    asked = value if where == "asked" else without(FLAT, "context", "title")
    qas = value if where == "qas" else [asked]
    paragraph = value if where == "paragraph" else {"context": SKY, "qas": qas}
    paragraphs = value if where == "paragraphs" else [paragraph]
    article = value if where == "article" else {"title": "하늘", "paragraphs": paragraphs}
    data = value if where == "data" else [article]
    judge(read_squad, put(scratch / "q.json", json.dumps(value if where == "" else {"data": data})))


@given(field=st.sampled_from(["id", "_id", "title", "text", "law"]), value=ANYTHING)
def test_anything_in_a_record_or_a_beir_row(field: str, value: object, scratch: Path) -> None:
    row = {field: value}
    judge(read_corpus, put(scratch / "c.jsonl", json.dumps({"text": SKY} | row)))
    judge(read_beir, beir(scratch / "any", corpus=json.dumps({"_id": "d1", "text": SKY} | row)))
    judge(read_beir, beir(scratch / "any", queries=json.dumps({"_id": "q1", "text": "하늘은?"} | row)))


@given(line=st.text(st.sampled_from("q1d\t\t\t0123.-naife\n ")))
def test_anything_in_judgements(line: str, scratch: Path) -> None:
    judge(read_beir, beir(scratch / "rated", qrels=f"q\td\ts\nq1\td1\t1\n{line}\n"))


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"yesno": "no", "evidence": ["파랗다"]}, "yesno"),
        ({"items": [["하늘"], ["바다"]]}, "list"),
        ({"history": ["하늘은?"], "answers": ["파랗다"]}, "followup"),
        ({"answers": ["파랗다"]}, "span"),
        ({"history": ["하늘은?"]}, "unanswerable"),
    ],
)
def test_a_question_that_does_not_say_its_kind(tmp_path: Path, fields: dict[str, object], kind: str) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps({"question": "그건 어때?"} | fields, ensure_ascii=False), "utf-8")
    (question,) = read_gold(path).questions
    assert question.kind == kind


def test_qrels_without_a_heading_lose_no_line(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d", "text": "하늘"}', "utf-8")
    (tmp_path / "queries.jsonl").write_text('{"_id": "1", "text": "하늘?"}\n{"_id": "2", "text": "바다?"}', "utf-8")
    (tmp_path / "qrels" / "test.tsv").write_text("1\td\t1\n2\td\t2\n", "utf-8")
    assert [dict(q.documents) for q in read_beir(tmp_path).questions] == [{"d": 1}, {"d": 2}]


@pytest.mark.parametrize("first", ["1\td\t1.0", "1\td\t0.5", "1\td\t1e0"])
def test_qrels_without_a_heading_lose_no_line_whose_score_has_a_point(first: str, tmp_path: Path) -> None:
    queries = lines({"_id": "1", "text": "하늘?"}, {"_id": "2", "text": "바다?"})
    folder = beir(tmp_path, corpus=lines({"_id": "d", "text": "하늘"}), queries=queries, qrels=f"{first}\n2\td\t2.0\n")
    assert [(q.id, dict(q.documents)) for q in read_beir(folder).questions] == [("1", {"d": 1}), ("2", {"d": 2})]


def test_scores_with_a_point_are_numbers(tmp_path: Path) -> None:
    rated = "q\td\ts\nq1\td1\t1.0\nq1\td2\t0.0\nq2\td1\t0.25\nq2\td2\t1.5\nq3\td1\t-1.0\n"
    questions = read_beir(beir(tmp_path, qrels=rated)).questions
    found = {q.id: dict(q.documents) for q in questions}
    assert found == {"q1": {"d1": 1}, "q2": {"d1": 1, "d2": 2}}  # rounded up: what is relevant at all stays so
    assert all(type(score) is int for judged in found.values() for score in judged.values())


def test_judgements_of_documents_that_are_not_there_are_dropped(tmp_path: Path) -> None:
    corpus = lines({"_id": "d1", "text": SKY}, {"_id": "empty", "text": " ", "title": "…"})
    rated = "q\td\ts\nq1\td9\t1\nq1\td1\t1\nq2\tempty\t2\nq2\td9\t1\nq3\td1\t0\n"
    dataset = read_beir(beir(tmp_path, corpus=corpus, qrels=rated))
    assert [record["id"] for record in dataset.records] == ["d1"]
    assert [(q.id, dict(q.documents)) for q in dataset.questions] == [("q1", {"d1": 1})]
