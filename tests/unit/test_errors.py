"""Messages: one tree, two languages, one line."""

from __future__ import annotations

import errno
import os
import string
from collections.abc import Iterator

import pytest

from rag import errors
from rag.errors import (
    BadRecordError,
    DocumentNotFoundError,
    GeungeoError,
    HistoryError,
    LibraryCorruptError,
    UnreadableFileError,
)


def below(cls: type[GeungeoError]) -> Iterator[type[GeungeoError]]:
    for child in cls.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from below(child)


CLASSES: list[type[GeungeoError]] = [GeungeoError, *below(GeungeoError)]


def drawn(cls: type[GeungeoError], indent: str = "") -> Iterator[str]:
    """The classes below ``cls`` as the module's documentation draws them."""
    children = [child for child in cls.__subclasses__() if child.__module__ == errors.__name__]
    for child in children:
        last = child is children[-1]
        yield f"{indent}{'└' if last else '├'}── {child.__name__}"
        yield from drawn(child, indent + ("    " if last else "│   "))


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_the_documented_tree_is_the_real_one() -> None:
    assert len(CLASSES) > 20
    tree = [line.removeprefix("    ") for line in (errors.__doc__ or "").split("\n") if "── " in line]
    assert tree == list(drawn(GeungeoError))


@pytest.mark.parametrize("cls", CLASSES)
def test_both_languages_say_the_same_fields_in_one_line(cls: type[GeungeoError]) -> None:
    names = fields(cls.english)
    assert fields(cls.korean) == names
    error = cls(**{name: f"<{name}\n\u2028\x85\x00>" for name in names})
    for message in (error.message("en"), error.message("ko")):
        assert len(message.splitlines()) == 1 and message.isprintable()
        assert all(f"<{name}" in message for name in names)
    assert str(error) == error.message("en")
    assert any("가" <= character <= "힣" for character in error.message("ko"))
    assert not any("가" <= character <= "힣" for character in error.message("en"))


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if fields(cls.english)])
def test_the_documentation_of_a_class_names_its_fields(cls: type[GeungeoError]) -> None:
    listed = (cls.__doc__ or "").partition("Field")[2].partition(":")[2].split("(")[0]
    assert {name.strip(" .\n") for name in listed.split(",")} == fields(cls.english)


def test_korean_is_what_users_read() -> None:
    error = DocumentNotFoundError(id="news-1")
    assert error.message() == "id가 news-1인 문서가 없습니다. `rag list`로 문서 목록을 볼 수 있습니다."
    assert str(error) == "There is no document with the id news-1. `rag list` shows the documents."


CODES = ["ENOENT", "EACCES", "EISDIR", "ENOSPC", "EIO", "ENAMETOOLONG", "ENOTDIR", "EROFS", "ELOOP"]


@pytest.mark.parametrize(
    "detail",
    [
        *(os.strerror(getattr(errno, code)) for code in CODES),
        "not a file",
        "the file is empty",
        "the text is empty",
        "not JSON",
        "not a JSON object",
        "not a list",
        "embedded null byte",
        "file is not a database",
        "database disk image is malformed",
        "database or disk is full",
        "unable to open database file",
        "attempt to write a readonly database",
        "the documents keep changing or do not agree with their index",
    ],
)
def test_details_are_told_in_korean(detail: str) -> None:
    for given in (detail, f"기록.json: {detail}"):
        error = LibraryCorruptError(path="색인", detail=given)
        assert detail not in error.message("ko")
        assert detail in error.message("en")


def test_details_with_values_are_told_in_korean() -> None:
    def told(detail: str) -> str:
        return BadRecordError(path="a.jsonl", line=2, detail=detail).message("ko").split(". ")[0]

    assert told('"text" is missing or not a text') == 'a.jsonl 2번째 줄: "text"가 없거나 글이 아닙니다'
    assert told("the id {x}: 7 stands twice") == "a.jsonl 2번째 줄: id {x}: 7가 두 번 나옵니다"
    assert told("something new") == "a.jsonl 2번째 줄: something new"


def test_only_details_are_put_into_korean() -> None:
    assert "not a file 파일" in UnreadableFileError(path="not a file", detail="not a file").message("ko")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\nb\tc\r\u2028\u2029", "a b c   "),
        ("\x1b[31m빨강\x00\x85", "�[31m빨강��"),
        ("a\u202eb", "a�b"),  # would turn the rest of the line around
        ("반쪽 \ud83d", "반쪽 �"),
        ("{path} {0}", "{path} {0}"),
        ("가" * 201, "가" * 199 + "…"),
        ("가" * 200, "가" * 200),
        (7, "7"),
    ],
)
def test_values_are_shown_on_one_line(value: object, shown: str) -> None:
    assert UnreadableFileError(path=value, detail="x").message("en") == f"Cannot read {shown}: x."


def test_braces_of_an_example_are_shown() -> None:
    assert '{"role": "user" or "assistant", "content": text}' in HistoryError(detail="not a list").message("en")
