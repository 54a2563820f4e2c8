"""What users import. A change here is a change for them, and belongs in CHANGELOG.md."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

import rag

PUBLIC = [
    "AddReport",
    "Answer",
    "Assistant",
    "Citation",
    "Document",
    "DocumentInfo",
    "Embedder",
    "GeungeoError",
    "Hit",
    "Passage",
    "Progress",
    "Settings",
    "Turn",
]
ASSISTANT = [
    "add",
    "ask",
    "check",
    "close",
    "document",
    "documents",
    "ensure_seeded",
    "load",
    "open",
    "rebuild",
    "remove",
    "search",
    "verify",
]


def public_methods(cls: type) -> Iterator[str]:
    """Names of the methods that the class itself defines."""
    for name, value in vars(cls).items():
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, classmethod | property)):
            yield name


def test_public_names_are_these_in_order() -> None:
    assert rag.__all__ == PUBLIC == sorted(PUBLIC)
    for name in PUBLIC:
        assert hasattr(rag, name)


def test_methods_of_the_assistant_are_these() -> None:
    assert sorted(public_methods(rag.Assistant)) == ASSISTANT


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_and_method_says_what_it_is(name: str) -> None:
    cls = getattr(rag, name)
    assert vars(cls).get("__doc__"), name
    assert not cls.__doc__.startswith(f"{name}("), f"{name} has only the docstring that dataclass writes"
    for method in public_methods(cls):
        assert inspect.getdoc(getattr(cls, method)), f"{name}.{method}"


def test_types_travel_with_the_package() -> None:
    assert (Path(inspect.getfile(rag)).parent / "py.typed").is_file()
