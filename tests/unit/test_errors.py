"""Messages: one tree, two languages, one line."""

from __future__ import annotations

import string
from collections.abc import Iterator

import pytest

from rag import errors
from rag.errors import DocumentNotFoundError, GeungeoError, HistoryError, UnreadableFileError


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
