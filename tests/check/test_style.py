"""What no linter is asked: nothing is printed, pickled or swallowed in the library, and files stay readable in one go."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(ROOT.glob("rag/**/*.py"))
LINES = 350
LONGER = {"rag/store.py": 480, "rag/assistant.py": 370}  # each is one class, whose methods belong together

PICKLING = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


def prints(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"print", "pprint"}


def pickles(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.split(".")[0] in PICKLING for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").split(".")[0] in PICKLING
    return isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False"


def swallows(node: ast.AST) -> bool:
    """``except`` without a class, or of all errors, that does not end in raising one."""
    if not isinstance(node, ast.ExceptHandler):
        return False
    caught = set() if node.type is None else {ast.unparse(node.type)}
    if isinstance(node.type, ast.Tuple):
        caught = {ast.unparse(item) for item in node.type.elts}
    return (not caught or bool(caught & {"Exception", "BaseException"})) and not isinstance(node.body[-1], ast.Raise)


@pytest.mark.parametrize("bad", [prints, pickles, swallows])
def test_rag_does_not(bad: Callable[[ast.AST], bool]) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if bad(node)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (prints, "print(1)"),
        (pickles, "from pickle import load"),
        (pickles, "import joblib.numpy_pickle"),
        (pickles, "np.load(path, allow_pickle=True)"),
        (swallows, "try: f()\nexcept: pass"),
        (swallows, "try: f()\nexcept (ValueError, Exception): g()"),
        (swallows, "try: f()\nexcept BaseException as e: g(e)"),
    ],
)
def test_the_checks_see(bad: Callable[[ast.AST], bool], code: str) -> None:
    assert any(bad(node) for node in ast.walk(ast.parse(code)))


def test_files_are_short() -> None:
    lines = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8").count("\n") for path in FILES}
    assert {name: count for name, count in lines.items() if count > LONGER.get(name, LINES)} == {}
    assert {name for name in LONGER if lines[name] <= LINES} == set()  # no exception that is not needed
