"""Who may import whom: only downwards, one importer for each library, and nothing heavy before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

TIERS: tuple[frozenset[str], ...] = (
    frozenset({"types", "errors", "outliers"}),
    frozenset({"interfaces", "settings", "citations", "pace", "rows", "changes", "postings"}),
    frozenset({"weights", "morphology", "furniture", "schema", "segments", "lists", "graphs"}),
    frozenset({"loaders", "splitting", "tokenizer", "encoder", "store", "dense", "lexical", "fakes"}),
    frozenset({"indexes", "indexing", "conversation", "answering", "adding", "sentence_models", "reader"}),
    frozenset({"retrieval", "embedding", "exact"}),
    frozenset({"loading"}),
    frozenset({"assistant", "options"}),
    frozenset({"page", ""}),  # "" is ``rag`` itself, the public names
    frozenset({"cli", "adapters", "app", "evals", "benchmarks"}),
    frozenset({"training", "__main__"}),
)
TIER = {name: number for number, names in enumerate(TIERS) for name in names}

OWNERS = {
    "faiss": {"lists"},
    "gradio": {"page"},
    "kiwipiepy": {"morphology"},
    "langchain_core": {"adapters"},
    "langchain_text_splitters": {"splitting"},
    "pydantic": {"adapters"},
    "onnx": {"graphs"},
    "onnxruntime": {"graphs"},
    "safetensors": {"reader"},
    "sentence_transformers": {"sentence_models"},
    "starlette": {"page"},
    "tokenizers": {"tokenizer", "sentence_models", "reader"},
    "torch": {"sentence_models"},
    "transformers": {"sentence_models"},
}
EVERYWHERE = {"numpy"}


def unit_of(path: Path) -> str:
    """What stands in the table of tiers: a module of rag, a package in it, or a program beside it."""
    first, *rest = path.relative_to(ROOT).with_suffix("").parts
    if first != "rag":
        return first
    return "" if rest == ["__init__"] else rest[0]


def imports(path: Path) -> Iterator[str]:
    """Absolute dotted names of all that a file imports, in functions and ``if TYPE_CHECKING`` too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            assert node.module
            for alias in node.names:
                below = ROOT.joinpath(*node.module.split("."), alias.name)
                is_module = below.is_dir() or below.with_suffix(".py").is_file()
                yield f"{node.module}.{alias.name}" if is_module else node.module


def units_imported(path: Path) -> Iterator[str]:
    for name in imports(path):
        first, *rest = name.split(".")
        if first == "rag":
            yield rest[0] if rest else ""
        elif first in TIER:
            yield first


FILES = [
    path
    for path in [
        *ROOT.glob("rag/**/*.py"),
        *ROOT.glob("evals/**/*.py"),
        *ROOT.glob("benchmarks/**/*.py"),
        *ROOT.glob("training/**/*.py"),
        ROOT / "app.py",
    ]
    if path != ROOT / "rag/__init__.py"
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_go_downwards(path: Path) -> None:
    unit = unit_of(path)
    assert unit in TIER, f"give {unit} a place in the table of tiers"
    upwards = {other or "rag" for other in units_imported(path) if other != unit and TIER[other] >= TIER[unit]}
    assert not upwards


def test_the_table_names_nothing_that_is_gone() -> None:
    units = {unit_of(path) for path in FILES} | {""}
    assert set(TIER) - units == set()


def test_each_library_has_one_importer() -> None:
    importers: dict[str, set[str]] = defaultdict(set)
    for path in ROOT.glob("rag/**/*.py"):
        for name in imports(path):
            library = name.split(".")[0]
            if library != "rag" and library not in sys.stdlib_module_names and library not in EVERYWHERE:
                importers[library].add(unit_of(path))
    assert importers == OWNERS


def test_importing_takes_no_heavy_library() -> None:
    heavy = {"torch", "sentence_transformers", "transformers", "faiss", "kiwipiepy", "onnx", "onnxruntime", "gradio"}
    script = f"import sys, rag, rag.cli; print(*sorted({heavy!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.split() == []
