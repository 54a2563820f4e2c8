"""The JSON of a run -> one HTML file to look at: figures with their intervals, charts, and every question with its trace.

    python -m evals.report RESULT.json OUT.html

The file asks for nothing else, and the same result gives the same bytes. The template escapes all it is given. Rows travel as
JSON, which ``report.js`` reads and writes into text nodes; where a citation is to be marked in its passage is worked out
here, in code points. What a result leaves out (texts, answers, arms, single figures) is left out or said to be missing.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from evals import words
from evals.datasets import both
from evals.drawings import AGAIN, ANSWERS, DOCUMENTS, RETRIEVAL, Arms, Result, by_arm, drawings, in_order, in_time
from evals.measures import TOGETHER
from evals.result import APART, ResultError, read_result
from evals.words import (
    ARMS,
    CERTAINTIES,
    KINDS,
    LANGUAGES,
    MEASURES,
    OUTCOMES,
    REASONS,
    STAGES,
    Figure,
    Words,
    named,
)

HERE = Path(__file__).parent

HEADLINES = ("hit@1", "passage_hit@5", "citation_precision", "f1", "verbatim", "abstention.recall")
SPARE = ("hit@5", "passage_hit@1", "ndcg@10", "mrr@10", "passage_mrr@10", "em", "citation_recall")  # for any not there
COLUMNS = (
    "right",
    "hit@1",
    "passage_hit@1",
    "passage_hit@5",
    "f1",
    "citation_precision",
    "citation_recall",
)  # of groups
GROUP_FIGURES = (
    "right",
    "em",
    "f1",
    "citation_precision",
    "citation_recall",
    "list_f1",
    "yesno",
    "reading.em",
    "reading.f1",
)
GROUPINGS: tuple[tuple[str, Words, Mapping[str, Words]], ...] = (
    ("kind", Words("질문의 종류", "kind"), KINDS),
    ("language", Words("질문의 언어", "language"), LANGUAGES),
    ("source", Words("질문이 온 곳", "source"), {}),
)


class Line(NamedTuple):
    """A group of questions in a table."""

    name: str
    words: Words
    questions: int
    arms: Arms
    figures: Mapping[str, Figure | None]  # of the first arm and of the answers


class Pair(NamedTuple):
    """Questions asked plainly in Korean and in another way, and how much of the first the second keeps."""

    words: Words
    before: Figure | None
    after: Figure | None
    ratio: Figure | None
    key: str = "right"  # the measure

    @property
    def n(self) -> int | None:
        """How many there are, at least, of each."""
        known = [figure.get("n") for figure in (self.before, self.after, self.ratio) if figure]
        return min((n for n in known if n is not None), default=None)


def write(result: Result, path: Path | str) -> None:
    """Write the report of a result as UTF-8; OSError where it cannot be written."""
    Path(path).write_text(html(result), "utf-8", newline="\n")


def html(result: Result) -> str:
    """The whole page."""
    arms = arms_of(result)
    first = next(iter(arms), None)  # what the product does, where that was run
    answers = flat(result)
    measured = {key: figure for key, figure in {**arms.get(first or "", {}), **answers}.items() if figure}
    outcomes = {name: (result.get("outcomes") or {}).get(name) or 0 for name in OUTCOMES}
    grouped = tables(result, first)
    ranked = [key for key in RETRIEVAL if any(by_arm(arms, key))]
    left_out = DOCUMENTS if about_one(result) and not DOCUMENTS.issuperset(ranked) else frozenset[str]()
    script = (HERE / "report.js").read_text("utf-8")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.j2").render(
        result=defaultdict(lambda: None, result),
        about=defaultdict(lambda: None, result.get("about") or {}),
        arms=arms,
        first=first,
        measured=measured,
        headlines=sorted(
            [key for key in (*HEADLINES, *SPARE) if key in measured and key not in left_out][:6],
            key=lambda key: (key not in RETRIEVAL, key not in ("hit@1", "passage_hit@1")),
        ),
        left_out=left_out,
        charted=[key for key in ranked if key not in left_out],
        thresholds=thresholds_of(result),
        pairs=pairs(result.get("answers") or {}),
        outcomes=outcomes,
        tables=grouped,
        drawings=defaultdict(lambda: None, drawings(result, arms, answers, outcomes, left_out)),
        words=words,
        retrieval=RETRIEVAL,
        answers=answers,
        explained={
            name: [key for key in MEASURES if key in answers and any(key in keys for keys in titles.values())]
            for name, titles in (("answers", ANSWERS), ("again", AGAIN))
        },
        columns=columns_of(grouped, left_out),
        group_figures=GROUP_FIGURES,
        style=Markup((HERE / "report.css").read_text("utf-8")),  # noqa: S704 - our own
        script=Markup(script),  # noqa: S704 - our own
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=Markup(data(result, arms, "passage" if left_out else "document")),  # noqa: S704 - no < in it
    )
    return re.sub("[\0\ud800-\udfff]", "\ufffd", page)  # which neither HTML nor UTF-8 may hold


def about_one(result: Result) -> bool:
    """Whether there is only one document, so that whatever was found is of the right one."""
    return (result.get("about") or {}).get("documents") == 1


def columns_of(grouped: Iterable[tuple[str, Words, Sequence[Line]]], left_out: Iterable[str]) -> list[str]:
    """The measures of tables of groups: what comes first is shown of documents, or of passages where there is one document."""
    out = {"hit@1"} if set(left_out) else {"passage_hit@1"}
    there = {key for *_, lines in grouped for line in lines for key, figure in line.figures.items() if figure}
    return [key for key in COLUMNS if key in there - out]


def arms_of(result: Result) -> Arms:
    """The arms that were run, what the product does first."""
    return {name: figures or {} for name, figures in in_order(ARMS, result.get("arms") or {})}


def flat(result: Result) -> dict[str, Figure]:
    """The figures of answers and those beside them by the names of ``MEASURES``, without those that are null."""
    known = dict(result.get("answers") or {})
    parts = {"abstention": known.get("abstention"), **{name: result.get(name) for name in APART}}
    known |= {f"{name}.{key}": figure for name, part in parts.items() for key, figure in (part or {}).items()}
    return {key: known[key] for key in MEASURES if known.get(key)}


def pairs(answers: Mapping[str, Any]) -> list[Pair]:
    """What was asked in two ways, and how many were right; then how much of the answers' F1 was kept."""
    asked: list[tuple[Words, Mapping[str, Any], tuple[str, str]]] = []
    if typing := answers.get("typing"):
        called = Words("잘못 친 질문", "typing errors", "같은 질문을 바르게 칠 때와 잘못 칠 때.")
        asked.append((called, typing, ("clean", "typed")))
    names = {**LANGUAGES, TOGETHER: Words("다른 언어", "another language")}
    for language, figures in (answers.get("crosslingual") or {}).items():
        ko, en, _ = named(names, language)
        called = Words(f"{ko} 질문", f"asked in {en or language}", "같은 질문을 한국어로 물을 때와 이 언어로 물을 때.")
        asked.append((called, figures or {}, ("korean", "value")))
    found = [Pair(called, of.get(plain), of.get(other), of.get("ratio")) for called, of, (plain, other) in asked]
    for called, of, (plain, other) in asked:
        if kept := of.get("f1"):
            called = called._replace(ko=f"{called.ko}, 겹친 글자", en=f"{called.en}, F1")
            found.append(Pair(called, kept.get(plain), kept.get(other), kept.get("ratio"), "f1"))
    return found


def tables(result: Result, first: str | None) -> list[tuple[str, Words, list[Line]]]:
    """A table for each way to group the questions, with the figures of the first arm and of the answers."""
    found = []
    for by, title, names in GROUPINGS:
        lines = [
            Line(
                name,
                named(names, name),
                group.get("questions") or 0,
                dict(in_order(ARMS, group.get("arms") or {})),
                {**((group.get("arms") or {}).get(first) or {}), **(group.get("answers") or {}), **read_of(group)},
            )
            for name, group in in_order(names, (result.get("groups") or {}).get(by) or {})
        ]
        if lines:
            found.append((by, title, lines))
    return found


def read_of(group: Mapping[str, Any]) -> dict[str, Figure | None]:
    """The figures of a group's own documents alone, by the names of ``MEASURES``."""
    return {f"reading.{key}": figure for key, figure in (group.get("reading") or {}).items()}


def threshold_of(row: Mapping[str, Any], result: Result) -> float | None:
    """What a row's confidence was judged by; older results have one for all."""
    own: float | None = row.get("threshold")
    return result.get("threshold") if own is None else own


def thresholds_of(result: Result) -> list[float]:
    """Those in use, the lowest first."""
    used = {threshold_of(row, result) for row in result.get("rows") or [] if row.get("confidence") is not None}
    return sorted(threshold for threshold in used or {result.get("threshold")} if threshold is not None)


def pieces(citation: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The passage of a citation, or its quote where there is none, cut into ("", "quote" or "answer", text).

    All offsets are code points of the document; what lies outside the text at hand is left out.
    """
    passage = citation.get("passage") or {}
    text, origin = passage.get("text"), passage.get("start")
    if text is None or origin is None:
        text, origin = citation.get("quote") or "", citation.get("start")
    spans = []
    for kind, first, last in (("answer", "answer_start", "answer_end"), ("quote", "start", "end")):
        start, end = citation.get(first), citation.get(last)
        if start is not None and end is not None:
            spans.append((kind, *(min(max(0, place - origin), len(text)) for place in (start, end))))
    places = sorted({0, len(text), *(place for _, *ends in spans for place in ends)})
    return [
        (next((kind for kind, start, end in spans if start <= low and high <= end), ""), text[low:high])
        for low, high in itertools.pairwise(places)
    ]


def unmarked(nearest: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The nearest sentence without its words marked, as the product shows it: none of them answers."""
    return {**nearest, "answer_start": None, "answer_end": None} if nearest else None


def data(result: Result, arms: Arms, unit: str) -> str:
    """What the script of the page shows, as JSON that may stand in a script element; ``unit`` is whose rank a row tells first."""

    def shown(citation: Mapping[str, Any] | None) -> dict[str, Any] | None:
        if citation is None:
            return None
        return {key: value for key, value in citation.items() if key != "passage"} | {"pieces": pieces(citation)}

    rows = [
        {
            **row,
            "citations": [shown(each) for each in row.get("citations") or []],
            "nearest": shown(unmarked(row.get("nearest"))),
            "threshold": threshold_of(row, result),
            "timings_ms": in_time(row.get("timings_ms") or {}),
        }
        for row in result.get("rows") or []
    ]
    called = {
        name: {key: [ko, en] for key, (ko, en, _) in table.items()}
        for name, table in (
            ("kind", KINDS),
            ("outcome", OUTCOMES),
            ("arm", ARMS),
            ("stage", STAGES),
            ("language", LANGUAGES),
            ("certainty", CERTAINTIES),
            ("reason", REASONS),
        )
    }
    packed = {"rows": rows, "arms": list(arms), "unit": unit, "words": called}
    return json.dumps(packed, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def main(argv: Sequence[str] | None = None) -> int:
    """Read a result and write its report. Returns the exit status: 1 where that cannot be done, 2 for wrong usage."""
    if hasattr(sys.stderr, "reconfigure"):  # a terminal that cannot show a character must not be a reason to fail
        sys.stderr.reconfigure(encoding="utf-8", errors="replace")
    given = sys.argv[1:] if argv is None else argv
    if len(given) != 2:
        sys.stderr.write("python -m evals.report RESULT.json OUT.html\n")
        return 2
    source, target = given
    try:
        write(read_result(Path(source)), target)
    except ResultError as error:
        said = str(error)
    except OSError as error:
        said = both(target, "쓸 수 없습니다", f"cannot be written ({error.strerror or error})")
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, jinja2.TemplateError) as error:
        said = both(source, "값이 깨졌습니다", f"a value is damaged ({type(error).__name__}: {error})")
    else:
        return 0
    sys.stderr.write(f"{said}\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
