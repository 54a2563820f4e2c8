"""Whether results are as good as evals/gate.toml wants them.

    python -m evals.gate RESULT.json ... [--gate FILE]
    python -m evals.gate --run [--tier short|gold|long] [--results DIR] [--gate FILE]

The first judges finished results by the set they name; the second runs the sets of a tier and of those before it, and judges each.
Sets whose data is not there are left out, and said to be. What is asked of a result stands in ``evals.rules``. A pool of sets that
has floors or ceilings is judged by the figures of all its questions together, when all its sets are there.
"""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from evals.datasets import DatasetError, both, message
from evals.differences import Result, is_number
from evals.result import ResultError, pooled, read_result
from evals.rules import failures, out_of_bounds
from rag.errors import GeungeoError, one_line

ROOT = Path(__file__).resolve().parent.parent
GATE = ROOT / "evals" / "gate.toml"
DATA = "$GEUNGEO_DATA"
TIERS = ("short", "gold", "long")  # each holds those before it


class GateError(Exception):
    """A description of the gate that cannot be used; the message is one line, Korean and English."""


@dataclass(frozen=True, slots=True)
class SetSpec:
    """A set of questions, its documents, and how they are run. One of ``gold``, ``squad`` and ``beir`` is given."""

    gold: Path | None = None
    squad: Path | None = None
    beir: Path | None = None
    corpus: tuple[Path, ...] = ()
    distractors: int | None = None  # documents beside those that the questions need; None: all there are
    limit: int | None = None  # questions; None: all there are
    seed: int = 1
    credit: str | None = None  # of the data, as its licence wants it
    texts: bool = True  # whether the result may hold texts of the data
    tier: str = "short"

    @property
    def missing(self) -> tuple[Path, ...]:
        """The files and folders that are not there."""
        named = (self.gold, self.squad, self.beir, *self.corpus)
        return tuple(path for path in named if path is not None and not path.exists())


@dataclass(frozen=True, slots=True)
class Gate:
    """The sets, and by set or pool of sets the lowest and highest values that figures may have."""

    sets: Mapping[str, SetSpec] = field(default_factory=dict)
    floors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    ceilings: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    pools: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def load(path: Path = GATE) -> Gate:
    """The gate that a TOML file describes. Relative paths start at the project, ``$GEUNGEO_DATA`` at the data folder.

    Raises:
        GateError: the file cannot be read, or says something that is not understood.

    """
    where = one_line(path.name)
    try:
        described = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise GateError(both(where, "읽을 수 없습니다", f"cannot be read ({error.strerror or error})")) from error
    except ValueError as error:  # TOML's own, and UTF-8's
        raise GateError(both(where, "TOML이 아닙니다", f"not TOML ({one_line(error)})")) from error
    _check_keys(described, {"sets", "pools", "floors", "ceilings"}, where)
    sets = {name: _spec(table, f"{where}: sets.{name}") for name, table in _tables(described, "sets", where)}
    pools = {
        name: _pool(name, table, sets, f"{where}: pools.{name}") for name, table in _tables(described, "pools", where)
    }
    bounds: dict[str, dict[str, Mapping[str, float]]] = {"floors": {}, "ceilings": {}}
    for kind, found in bounds.items():
        for name, table in _tables(described, kind, where):
            place = f"{where}: {kind}.{name}"
            if name not in sets and name not in pools:
                raise GateError(both(place, "그런 집합이 없습니다", "there is no such set"))
            found[name] = {measure: _bound(value, f"{place}.{measure}") for measure, value in table.items()}
    return Gate(sets, bounds["floors"], bounds["ceilings"], pools)


def _pool(name: str, table: dict[str, Any], sets: Mapping[str, SetSpec], where: str) -> tuple[str, ...]:
    _check_keys(table, {"sets"}, where)
    named = table.get("sets")
    if name in sets:
        raise GateError(both(where, "집합의 이름입니다", "this is the name of a set"))
    if not isinstance(named, list) or not named or not all(isinstance(each, str) and each in sets for each in named):
        raise GateError(both(f"{where}.sets", "집합 이름의 목록이 아닙니다", "not a list of the names of sets"))
    return tuple(named)


def _tables(described: Mapping[str, Any], kind: str, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    tables = described.get(kind, {})
    if not isinstance(tables, dict):
        raise GateError(both(f"{where}: {kind}", "표가 아닙니다", "not a table"))
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise GateError(both(f"{where}: {kind}.{name}", "표가 아닙니다", "not a table"))
        yield name, table


def _check_keys(table: Iterable[str], known: set[str], where: str) -> None:
    if unknown := sorted(set(table) - known):
        raise GateError(
            both(where, f"모르는 항목 {one_line(', '.join(unknown))}", f"unknown; {sorted(known)} are known")
        )


def _bound(value: Any, where: str) -> float:
    if isinstance(value, dict):
        raise GateError(both(where, "이름 전체를 따옴표로 묶으세요", "put the whole name in quotes"))
    if not is_number(value):
        raise GateError(both(where, "숫자가 아닙니다", "not a number"))
    return float(value)


_FORMS: dict[str, Callable[[Any], bool]] = {
    "distractors": lambda value: type(value) is int and value >= 0,  # true is an int too
    "limit": lambda value: type(value) is int and value >= 1,
    "seed": lambda value: type(value) is int,
    "credit": lambda value: isinstance(value, str),
    "texts": lambda value: isinstance(value, bool),
    "tier": lambda value: value in TIERS,
}


def _spec(table: dict[str, Any], where: str) -> SetSpec:
    _check_keys(table, {each.name for each in fields(SetSpec)}, where)
    given = dict(table)
    for name, value in table.items():
        place = f"{where}.{name}"
        if name == "corpus":
            if not isinstance(value, list):
                raise GateError(both(place, "목록이 아닙니다", "not a list"))
            given[name] = tuple(_path(each, place) for each in value)
        elif name not in _FORMS:
            given[name] = _path(value, place)
        elif not _FORMS[name](value):
            raise GateError(both(place, f"쓸 수 없는 값입니다: {one_line(value)}", "this value cannot be used"))
    if len({"gold", "squad", "beir"} & set(table)) != 1:
        raise GateError(both(where, "gold, squad, beir 가운데 하나가 필요합니다", "wants one of gold, squad and beir"))
    return SetSpec(**given)


def _path(value: Any, where: str) -> Path:
    """The path meant. Without a data folder it keeps its ``$GEUNGEO_DATA``, and so is missing."""
    if not isinstance(value, str) or not value:
        raise GateError(both(where, "경로가 아닙니다", "not a path"))
    path = Path(value)
    if path.parts[:1] == (DATA,):
        folder = os.environ.get(DATA.removeprefix("$"))
        return Path(folder, *path.parts[1:]).absolute() if folder else path
    if "$" in value:
        raise GateError(both(where, f"{DATA}만 맨 앞에 쓸 수 있습니다", f"only {DATA} at the beginning is understood"))
    return ROOT / path


def _passes(gate: Gate, name: str, result: Result) -> bool:
    """Whether a result passes; what keeps it from passing is printed."""
    if name not in gate.sets:
        found = [both(one_line(name), "기준에 없는 집합입니다", "the gate has no such set")]
    else:
        found = failures(gate, name, result)
    for line in found or [both(one_line(name), "통과", "passed")]:
        _print(line)
    return not found


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()  # a run of all sets takes minutes


def _judge(gate: Gate, paths: Sequence[Path]) -> bool:
    """Whether all finished results pass."""
    passed, results = [], {}
    for path in paths:
        try:
            result = read_result(path)
        except ResultError as error:
            _print(str(error))
            passed.append(False)
        else:
            results[result["dataset"]] = result
            passed.append(_passes(gate, result["dataset"], result))
    return all([*passed, *_pools_pass(gate, results)])


def _pools_pass(gate: Gate, results: Mapping[str, Result]) -> Iterator[bool]:
    """Whether each pool that is bound passes; one that lacks a set is left out, and said to be where others of it are there."""
    for name, sets in gate.pools.items():
        if not gate.floors.get(name) and not gate.ceilings.get(name):
            continue
        if missing := [each for each in sets if each not in results]:
            if len(missing) < len(sets):
                said = one_line(", ".join(missing))
                _print(both(name, f"결과가 없어 뺐습니다: {said}", f"left out, there is no result of: {said}"))
            continue
        found = out_of_bounds(gate, name, pooled([results[each] for each in sets]))
        for line in found or [both(one_line(name), "통과", "passed")]:
            _print(line)
        yield not found


def _run(gate: Gate, tiers: Sequence[str], results: Path | None) -> bool:
    """Run the sets of the tiers whose data is there. Whether there are any, and all pass."""
    from evals.run import run_set  # brings the model and its libraries, which finished results do not need

    passed, results_of = [], {}
    for name, spec in gate.sets.items():
        if spec.tier not in tiers:
            continue
        if spec.missing:
            shown = one_line(", ".join(path.name for path in spec.missing))
            unset = "" if os.environ.get(DATA.removeprefix("$")) else f" ({DATA}: 없음 / not set)"
            _print(both(name, "자료가 없어 뺐습니다", f"left out, its data is not there: {shown}{unset}"))
            continue
        try:
            result = run_set(name, spec, results=results)
        except (DatasetError, GeungeoError, OSError) as error:
            _print(one_line(f"{name}: {message(error)}"))
            passed.append(False)
        else:
            results_of[name] = result
            passed.append(_passes(gate, name, result))
    if not passed:
        _print("돌릴 수 있는 집합이 없습니다 / there was no set to run")
    return bool(passed) and all([*passed, *_pools_pass(gate, results_of)])


def main(argv: Sequence[str] | None = None) -> int:
    """Judge. Returns the exit status: 0 all passed, 1 something failed or cannot be judged, 2 wrong usage."""
    description = "평가 결과가 기준에 드는지 봅니다 / judge results by evals/gate.toml"
    parser = argparse.ArgumentParser(prog="python -m evals.gate", description=description)
    parser.add_argument("files", type=Path, nargs="*", metavar="RESULT.json", help="다 된 결과 / finished results")
    parser.add_argument("--gate", type=Path, default=GATE, metavar="FILE", help="기준 / the gate (evals/gate.toml)")
    parser.add_argument("--run", action="store_true", help="집합을 돌려서 봄 / run the sets and judge them")
    parser.add_argument("--tier", choices=TIERS, help="돌릴 집합 / the sets to run (short)")
    parser.add_argument("--results", type=Path, metavar="DIR", help="결과를 둘 폴더 / where to keep the results")
    options = parser.parse_args(argv)
    if options.run == bool(options.files):
        parser.error("결과 파일이나 --run 가운데 하나가 필요합니다 / give result files, or --run")
    if not options.run and (options.tier or options.results):
        parser.error("--tier와 --results는 --run과 함께 씁니다 / --tier and --results go with --run")
    try:
        gate = load(options.gate)
    except GateError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    tiers = TIERS[: TIERS.index(options.tier or "short") + 1]
    passed = _run(gate, tiers, options.results) if options.run else _judge(gate, options.files)
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
