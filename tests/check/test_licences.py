"""What installs with the package may be used in a closed product: permissive, or MPL file by file; its own weights are CC BY-SA."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from safetensors import safe_open

ROOT = Path(__file__).resolve().parents[2]

LGPL_ALLOWED: frozenset[str] = frozenset()  # packages that may be LGPL, by name; none is today
# The words that licences are recognised by, in SPDX expressions and in the older fields of metadata.
KNOWN = re.compile(
    r"\b(0BSD|Apache|BSD|BSL-1\.0|CC0-1\.0|CNRI-Python|ISC|MIT|MPL|Mozilla Public License 2\.0|PSF|Zlib)\b",
    re.IGNORECASE,
)
COPYLEFT = re.compile(r"GPL|Affero|General Public License", re.IGNORECASE)
LESSER = re.compile(r"LGPL|Lesser General Public License", re.IGNORECASE)


def runtime_packages() -> set[str]:
    """Names of all packages that the runtime dependencies bring, here, on this system."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    waiting = [Requirement(line) for line in project["dependencies"]]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        key = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if key not in seen:
            seen.add(key)
            waiting += needed(*key)
    return {name for name, _ in seen}


def needed(name: str, extras: frozenset[str]) -> Iterator[Requirement]:
    for line in distribution(name).requires or []:
        requirement = Requirement(line)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": e}) for e in {"", *extras}):
            yield requirement


def licence(name: str) -> str:
    """What the metadata says: the SPDX expression if there is one, else the classifiers and the first line of the text."""
    metadata = distribution(name).metadata.json
    if expression := metadata.get("license_expression"):
        return str(expression)
    classifiers = [line for line in metadata.get("classifier", []) if line.startswith("License ::")]
    return "; ".join([*classifiers, str(metadata.get("license", "")).partition("\n")[0]])


def is_copyleft(licence: str) -> bool:
    """Whether every alternative that the licence offers is a copyleft one."""
    return all(COPYLEFT.search(alternative) for alternative in licence.split(" OR "))


def test_the_walk_reaches_what_dependencies_depend_on() -> None:
    packages = runtime_packages()
    assert {"faiss-cpu", "torch", "gradio", "numpy"} <= packages
    assert {"fastapi", "starlette", "huggingface-hub"} <= packages  # of gradio, of fastapi, of transformers
    assert "pytest" not in packages


def test_no_copyleft() -> None:
    assert is_copyleft("AGPL-3.0-only")
    assert is_copyleft("License :: OSI Approved :: GNU General Public License v3 (GPLv3)")
    assert not is_copyleft("MIT OR GPL-2.0-or-later")
    found = {name: licence(name) for name in runtime_packages() if is_copyleft(licence(name))}
    lesser = {name for name, text in found.items() if LESSER.search(text)}
    assert {name: text for name, text in found.items() if name not in lesser} == {}
    assert lesser == LGPL_ALLOWED


def test_every_licence_is_known() -> None:
    assert {name: licence(name) for name in runtime_packages() if not KNOWN.search(licence(name))} == {}


def test_the_weights_are_declared_beside_the_code() -> None:
    """They are CC BY-SA, as what they learned from is: the package says so and holds the credits."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["license"] == "Apache-2.0 AND CC-BY-SA-4.0"
    (notice,) = [name for name in project["license-files"] if name.startswith("rag/")]
    text = (ROOT / notice).read_text("utf-8")
    assert all(name in text for name in ("KLUE-MRC", "KoBEST", "TyDi QA", "CC BY-SA 4.0"))
    with safe_open(ROOT / "rag" / "reader.safetensors", "numpy") as file:
        assert file.metadata()["license"] == f"CC-BY-SA-4.0; {notice} says what it was learned from"
