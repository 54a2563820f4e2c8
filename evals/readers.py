"""Readers of questions and documents: our gold JSONL, SQuAD 1.1 and 2.0, BEIR folders, corpora of JSON lines.

What is wrong with a file is said in one line, Korean and English, with the place.
"""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evals.datasets import KINDS, Dataset, DatasetError, Place, Question, both, find_all
from rag.loaders import normalise

NOTHING_ASKED = object()  # the question of a row that is a document only
FIELDS = frozenset(
    {
        *("id", "kind", "question", "history", "document", "also", "language", "source", "pair", "typed", "miss"),
        *("answers", "items", "yesno", "evidence"),
    }
)


def read_gold(path: Path) -> Dataset:
    """Questions in the format that evals/README.md describes, one JSON object a line.

    Left out, ``id`` is the line number, and ``kind`` what the other fields say: yesno, list, followup or span, or unanswerable
    where nothing is expected.

    Raises:
        DatasetError: the file cannot be read, a line is not such a record, an id stands twice, or a pair is not there.

    """
    questions = [_gold(row, where) for row, where in _lines(path)]
    _check_ids(questions, path)
    ids = {question.id for question in questions}
    for question in questions:
        if question.pair is not None and question.pair not in ids:
            raise DatasetError(both(path, f"{question.id}의 pair가 없습니다", f"no question {question.pair}"))
    return Dataset(path.stem, tuple(questions))


def _gold(row: Mapping[str, Any], where: str) -> Question:
    if unknown := set(row) - FIELDS:
        raise DatasetError(both(where, f"모르는 항목: {', '.join(sorted(unknown))}", "unknown fields"))
    if not isinstance(typed := row.get("typed", False), bool):
        raise DatasetError(both(where, "typed는 true 또는 false입니다", "typed is true or false"))
    texts = {name: _texts(row, name, where) for name in ("history", "also", "answers", "evidence")}
    items = row.get("items", [])
    if not isinstance(items, list) or not all(isinstance(item, list) and item for item in items):
        raise DatasetError(both(where, "items는 목록의 목록이어야 합니다", "items is not a list of lists with texts"))
    expected = bool(texts["answers"] or texts["evidence"] or items or row.get("yesno"))
    kind = row.get("kind", _usual_kind(row) if expected else "unanswerable")
    if kind not in KINDS:
        raise DatasetError(both(where, f"kind가 {kind!r}입니다", f"it is one of {', '.join(KINDS)}"))
    if (kind == "unanswerable") == expected:
        raise DatasetError(
            both(where, "kind와 answers·evidence가 맞지 않습니다", "kind does not agree with what is expected")
        )
    if row.get("yesno") not in (None, "yes", "no") or (kind == "yesno") != (row.get("yesno") is not None):
        raise DatasetError(
            both(where, "yesno는 yesno 질문에 yes 또는 no로 적습니다", "yesno is yes or no, of yesno questions")
        )
    named = [*([_text(row, "document", where)] if "document" in row else []), *texts["also"]]
    return Question(
        id=_id(row, "id", where) if "id" in row else _line(where),
        question=_prose(row, "question", where),
        kind=kind,
        history=texts["history"],
        documents=dict.fromkeys(named, 1),
        answers=texts["answers"],
        items=tuple(_texts({"items": item}, "items", where) for item in items),
        yesno=row.get("yesno"),
        evidence=texts["evidence"],
        language=_optional(row, "language", where) or "ko",
        source=_optional(row, "source", where),
        pair=_id(row, "pair", where) if row.get("pair") is not None else None,
        typed=typed,
        miss=_optional(row, "miss", where),
        where=where,
    )


def _usual_kind(row: Mapping[str, Any]) -> str:
    """What a question is that does not say it."""
    telling = {"yesno": "yesno", "items": "list", "history": "followup"}
    return next((kind for name, kind in telling.items() if row.get(name)), "span")


def read_squad(path: Path) -> Dataset:
    """SQuAD 1.1 or 2.0 JSON, or its flat form of one question a line ({"id", "title", "context", "question", "answers":
    [{"text", "answer_start"}]}). Each distinct context becomes a document, and every question is asked over all.

    A question is unanswerable where ``is_impossible`` says so or its answers are empty. An answer that stands nowhere in its
    context is kept, without a place.

    Raises:
        DatasetError: the file cannot be read or is not of these forms.

    """
    contexts: dict[str, dict[str, str]] = {}
    questions: list[Question] = []
    for row, where in _lines(path) if ".jsonl" in path.suffixes else _flat(path):
        text = _prose(row, "context", where)
        name = f"{path.name.split('.')[0]}-{len(contexts) + 1:04d}"
        title = _optional(row, "title", where) or ""
        document = contexts.setdefault(text, {"id": name, "title": title, "text": text})
        if row.get("question") is NOTHING_ASKED:
            continue
        given = _answers(row, where)
        texts = [_text(answer, "text", where) for answer in given]
        found = [_place(answer, row["context"], document, where) for answer in given]
        standing = dict.fromkeys(place for place in found if place)
        questions.append(
            Question(
                id=_id(row, "id", where) if "id" in row else str(len(questions) + 1),
                question=_prose(row, "question", where),
                kind="span" if given else "unanswerable",
                documents={document["id"]: 1},
                answers=tuple(dict.fromkeys(texts)),
                evidence=tuple(dict.fromkeys(text for text, place in zip(texts, found, strict=True) if place)),
                places=tuple((place,) for place in standing),
                placed=True,
                source=_optional(row, "source", where),
                where=where,
            )
        )
    _check_ids(questions, path)
    return Dataset(path.name.split(".")[0], tuple(questions), tuple(contexts.values()))


def _flat(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """SQuAD's nested JSON as flat rows; a paragraph without questions is a row without one."""
    data = _json(_read(path), path.name)
    for a, article in enumerate(_list(data, "data", path.name)):
        for p, paragraph in enumerate(_list(article, "paragraphs", f"{path.name}: data[{a}]")):
            where = f"{path.name}: data[{a}].paragraphs[{p}]"
            asked = _list(paragraph, "qas", where)
            head = {"context": paragraph.get("context"), "title": article.get("title", "")}
            if not asked:
                yield head | {"question": NOTHING_ASKED}, where
            for q, question in enumerate(asked):
                if not isinstance(question, dict):
                    raise DatasetError(both(f"{where}.qas[{q}]", "JSON 객체가 아닙니다", "not a JSON object"))
                yield head | question, f"{where}.qas[{q}]"


def _list(value: Any, name: str, where: str) -> list[Any]:
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, list):
        raise DatasetError(
            both(where, f"SQuAD 형식이 아닙니다: {name}이(가) 없습니다", f"not SQuAD JSON: no list {name}")
        )
    return found


def _answers(row: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    if (impossible := row.get("is_impossible")) not in (None, True, False):
        raise DatasetError(both(where, "is_impossible은 true 또는 false입니다", "is_impossible is true or false"))
    given = [] if impossible else row.get("answers")
    if not isinstance(given, list) or not all(isinstance(answer, dict) for answer in given):
        raise DatasetError(both(where, "answers가 목록이 아닙니다", "answers is not a list of objects"))
    return given


def _place(answer: Mapping[str, Any], context: str, document: Mapping[str, str], where: str) -> Place | None:
    """Where the answer stands in the stored text, which may be composed otherwise than the context given.

    None when the text is not where the file says, nor anywhere: such a row has an answer but no evidence.
    """
    text = _text(answer, "text", where)
    start = answer.get("answer_start")
    if not isinstance(start, int) or isinstance(start, bool):
        raise DatasetError(both(where, "answer_start가 숫자가 아닙니다", "answer_start is not a number"))
    near = len(normalise(context[: max(start, 0)]))
    found = find_all(document["text"], text)
    if not found:
        return None
    at = min(found, key=lambda position: abs(position - near))
    return Place(document["id"], at, at + len(text))


def read_beir(folder: Path) -> Dataset:
    """A BEIR folder: corpus.jsonl, queries.jsonl, and qrels/test.tsv whose first line may be a heading. Questions without a
    relevant document that is there are left out, and documents with neither text nor title; a title alone is a text.

    Raises:
        DatasetError: a file is missing or damaged.

    """
    records = [_beir_record(row, where) for row, where in _lines(folder / "corpus.jsonl")]
    records = [record for record in records if _says(record["text"])]
    asked = {_id(row, "_id", where): _prose(row, "text", where) for row, where in _lines(folder / "queries.jsonl")}
    path = folder / "qrels" / "test.tsv"
    relevant = _relevance(path)
    if missing := [query for query in relevant if query not in asked]:
        raise DatasetError(both(path, f"queries.jsonl에 {missing[0]}이(가) 없습니다", "a query is missing"))
    held = {record["id"] for record in records}
    there = {query: {id: score for id, score in judged.items() if id in held} for query, judged in relevant.items()}
    questions = tuple(
        Question(query, asked[query], documents=judged, where=path.name) for query, judged in there.items() if judged
    )
    if not questions:
        raise DatasetError(both(path, "질문이 없습니다", "there are no questions"))
    return Dataset(folder.resolve().name, questions, tuple(records))


def _relevance(path: Path) -> dict[str, dict[str, int]]:
    """Query -> document -> how relevant it is, where it is at all."""
    relevant: dict[str, dict[str, int]] = {}
    for number, line in enumerate(_read(path).split("\n"), 1):
        columns = normalise(line).rstrip().split("\t")
        if columns == [""] or (number == 1 and _number(columns[-1]) is None):
            continue
        where = f"{path.name}:{number}"
        if len(columns) != 3:
            raise DatasetError(both(where, "세 칸이 아닙니다", "not query, document and score between tabs"))
        query, document, score = columns
        value = _number(score)
        if value is None:
            raise DatasetError(both(where, f"점수가 숫자가 아닙니다: {score}", "the score is not a number"))
        if value > 0:
            relevant.setdefault(query, {})[document] = math.ceil(value)
    return relevant


def _number(text: str) -> float | None:
    """The number that is written there; infinity and "nan" are none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _beir_record(row: Mapping[str, Any], where: str) -> dict[str, str]:
    title = _optional(row, "title", where) or ""
    text = _optional(row, "text", where) or ""
    return {"id": _id(row, "_id", where), "title": title, "text": text if _says(text) else title}


def read_corpus(path: Path) -> list[dict[str, str]]:
    """Documents of a ``.jsonl`` or ``.jsonl.gz`` file: {"id", "title", "text"}.

    Without an id a document is called by the file and its line ("laws-0012"); without a title by its other texts.

    Raises:
        DatasetError: the file cannot be read, or a line is not such a record.

    """
    records = []
    for row, where in _lines(path):
        apart = ("id", "_id", "title", "text", "url", "date")
        others = [
            _optional(row, name, where) for name, value in row.items() if name not in apart and isinstance(value, str)
        ]
        title = _optional(row, "title", where) or " - ".join(other for other in others if other)
        name = next((name for name in ("id", "_id") if row.get(name) not in (None, "")), None)
        id = _id(row, name, where) if name else f"{path.name.split('.')[0]}-{int(_line(where)):04d}"
        records.append({"id": id, "title": title, "text": _prose(row, "text", where)})
    return records


def _check_ids(questions: Sequence[Question], path: Path) -> None:
    if not questions:
        raise DatasetError(both(path, "질문이 없습니다", "there are no questions"))
    seen: set[str] = set()
    for question in questions:
        if question.id in seen:
            raise DatasetError(both(path, f"id {question.id}이(가) 두 번 있습니다", "an id stands twice"))
        seen.add(question.id)


def _lines(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """The objects of a file of JSON lines, each with where it stands."""
    for number, line in enumerate(_read(path).split("\n"), 1):
        if line.strip():
            where = f"{path.name}:{number}"
            row = _json(line, where)
            if not isinstance(row, dict):
                raise DatasetError(both(where, "JSON 객체가 아닙니다", "not a JSON object"))
            yield row, where


def _line(where: str) -> str:
    return where.rsplit(":", 1)[-1]


def _read(path: Path) -> str:
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return data.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        detail = getattr(error, "strerror", None) or error
        raise DatasetError(both(path, "읽을 수 없습니다", f"cannot be read ({detail})")) from error
    except UnicodeDecodeError as error:
        raise DatasetError(both(path, "UTF-8이 아닙니다", "not UTF-8")) from error


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DatasetError(both(where, "JSON이 아닙니다", f"not JSON ({error})")) from error


def _text(row: Mapping[str, Any], name: str, where: str) -> str:
    """A text that is not blank, as the library keeps texts."""
    text = _optional(row, name, where)
    if text is None or not text.strip():
        raise DatasetError(both(where, f"{name}이(가) 비었거나 글이 아닙니다", f"{name} is empty or not a text"))
    return text


def _prose(row: Mapping[str, Any], name: str, where: str) -> str:
    """A text that can be asked or searched."""
    text = _text(row, name, where)
    if not _says(text):
        raise DatasetError(both(where, f"{name}에 글자가 없습니다", f"{name} holds no letter or digit"))
    return text


def _says(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _id(row: Mapping[str, Any], name: str, where: str) -> str:
    """An id; some write it as a number."""
    number = row.get(name)
    return str(number) if isinstance(number, int) and not isinstance(number, bool) else _text(row, name, where)


def _optional(row: Mapping[str, Any], name: str, where: str) -> str | None:
    """A text, or None where there is none."""
    value = row.get(name)
    return None if value is None else _checked(value, name, where)


def _texts(row: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    value = row.get(name, [])
    if not isinstance(value, list):
        raise DatasetError(both(where, f"{name}이(가) 글의 목록이 아닙니다", f"{name} is not a list of texts"))
    return tuple(_text({name: text}, name, where) for text in value)


def _checked(value: object, name: str, where: str) -> str:
    if not isinstance(value, str):
        raise DatasetError(both(where, f"{name}이(가) 비었거나 글이 아닙니다", f"{name} is empty or not a text"))
    # What UTF-8 cannot hold, or SQLite would cut a text at, the library refuses: here the line is known.
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise DatasetError(
            both(where, f"{name}에 0인 글자나 반쪽 글자가 있습니다", f"{name} holds a zero or half a character")
        )
    return normalise(value)
