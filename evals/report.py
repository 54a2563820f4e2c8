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
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from evals import charts, words
from evals.charts import Layout, Now, Panels, Row, Sheet, Stage
from evals.compare import ResultError, read_result
from evals.datasets import both
from evals.words import (
    ARMS,
    FEW,
    KINDS,
    LANGUAGES,
    MEASURES,
    OUTCOMES,
    RIGHT,
    STAGES,
    Figure,
    Words,
    interval,
    is_few,
    named,
    number,
)

HERE = Path(__file__).parent
Result = Mapping[str, Any]
Arms = Mapping[str, Mapping[str, Figure | None]]

RETRIEVAL = ("hit@1", "passage_hit@1", "hit@5", "passage_hit@5", "mrr@10", "passage_mrr@10", "ndcg@10")
DOCUMENTS = frozenset({"hit@1", "hit@5", "mrr@10", "ndcg@10"})  # say nothing where there is one document
ANSWERS = {
    Words("답", "answers"): ("em", "f1", "list_f1", "yesno", "followup"),
    Words("인용", "citations"): ("citation_precision", "citation_recall", "verbatim"),
    Words("답이 없을 때", "declining"): ("abstention.precision", "abstention.recall", "abstention.f1"),
}
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
GROUP_FIGURES = ("right", "em", "f1", "citation_precision", "citation_recall", "list_f1", "yesno")
WIDTHS = (860, 328)  # of a chart: beside a computer's text, and on a phone
ARM_LAYOUTS = (Layout(860, 2, 46, 128, 26), Layout(328, 1, 46, 60, 24))
ANSWER_LAYOUTS = (Layout(860, 1, 270, 150, 34), Layout(328, 1, 0, 0, 44))
ONE_DOCUMENT = (
    "문서가 하나뿐이라 무엇을 찾든 그 문서다. 그래서 문서의 순위는 그리지 않고 ‘모든 숫자’에만 적었다.",
    "With one document, whatever is found is in it: ranks of documents are left out of the chart.",
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

    @property
    def n(self) -> int | None:
        """How many there are, at least, of each."""
        known = [figure.get("n") for figure in (self.before, self.after, self.ratio) if figure]
        return min((n for n in known if n is not None), default=None)


class Drawn(NamedTuple):
    """A chart at both widths, the sentence that says what it shows, and what else is to be known (Korean, English)."""

    finding: str
    svg: Markup
    notes: Sequence[tuple[str, str]]


def write(result: Result, path: Path | str) -> None:
    """Write the report of a result as UTF-8; OSError where it cannot be written."""
    Path(path).write_text(html(result), "utf-8", newline="\n")


def html(result: Result) -> str:
    """The whole page."""
    arms = arms_of(result)
    first = next(iter(arms), None)  # what the product does, where that was run
    answers = flat(result.get("answers") or {})
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


def in_order(names: Mapping[str, Words], given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What is given, in the order of the table of names; those it does not know come last, as they come."""
    for name in [*(name for name in names if name in given), *(name for name in given if name not in names)]:
        yield name, given[name]


def arms_of(result: Result) -> Arms:
    """The arms that were run, what the product does first."""
    return {name: figures or {} for name, figures in in_order(ARMS, result.get("arms") or {})}


def flat(answers: Mapping[str, Any]) -> dict[str, Figure]:
    """The figures of answers by the names of ``MEASURES``, without those that are null."""
    abstention = {f"abstention.{key}": figure for key, figure in (answers.get("abstention") or {}).items()}
    known = {**answers, **abstention}
    return {key: known[key] for key in MEASURES if known.get(key)}


def pairs(answers: Mapping[str, Any]) -> list[Pair]:
    """What was asked in two ways."""
    found: list[Pair] = []
    if typing := answers.get("typing"):
        called = Words("잘못 친 질문", "typing errors", "같은 질문을 바르게 칠 때와 잘못 칠 때.")
        found.append(Pair(called, typing.get("clean"), typing.get("typed"), typing.get("ratio")))
    for language, figures in (answers.get("crosslingual") or {}).items():
        ko, en, _ = named(LANGUAGES, language)
        figures = figures or {}
        called = Words(f"{ko} 질문", f"asked in {en or language}", "같은 질문을 한국어로 물을 때와 이 언어로 물을 때.")
        found.append(Pair(called, figures.get("korean"), figures.get("value"), figures.get("ratio")))
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
                {**((group.get("arms") or {}).get(first) or {}), **(group.get("answers") or {})},
            )
            for name, group in in_order(names, (result.get("groups") or {}).get(by) or {})
        ]
        if lines:
            found.append((by, title, lines))
    return found


def panels(titles: Iterable[tuple[Words, Iterable[Row]]]) -> Panels:
    """Those that have rows."""
    return [(title, rows) for title, given in titles if (rows := list(given))]


def row_of(called: Words, key: str, figure: Figure, strong: bool = True) -> Row:
    """A line of a chart of dots."""
    value = figure["value"]
    low, high = (None, None) if is_few(figure) else (figure.get("low"), figure.get("high"))
    return Row(called, value, low, high, number(key, value), interval(key, figure), strong)


def notes_of(shown: Panels, figures: Iterable[Figure | None]) -> list[tuple[str, str]]:
    """What a reader of a chart of dots must know not to be misled."""
    notes = []
    if start := charts.start_of(shown):
        notes.append(
            (f"가로축은 0이 아니라 {100 * start:g}에서 시작한다.", f"The axes start at {100 * start:g}, not at 0.")
        )
    if any(figure and is_few(figure) for figure in figures):
        few = f"질문이 {FEW}개보다 적은 값은 질문이 너무 적어 구간이 없다."
        notes.append((few, f"Of fewer than {FEW} questions no interval is given."))
    return notes


def drawings(
    result: Result,
    arms: Arms,
    answers: Mapping[str, Figure],
    outcomes: Mapping[str, int],
    left_out: Collection[str] = (),
) -> dict[str, Drawn]:
    """Each chart that there are figures for, at both widths, with the sentence that says what it shows."""
    drawn: dict[str, Drawn] = {}

    def add(
        name: str,
        finding: str,
        more: Iterable[str],
        sheets: Iterable[Sheet],
        notes: Sequence[tuple[str, str]] = (),
    ) -> None:
        label = " ".join([finding.removesuffix(".") + ".", *more])
        svg = (sheet.svg(f"{name} {width}", label) for width, sheet in zip(("wide", "narrow"), sheets, strict=True))
        drawn[name] = Drawn(finding, Markup().join(svg), notes)

    compared = panels(
        (
            MEASURES[key],
            (row_of(named(ARMS, arm), key, figure, arm == next(iter(arms))) for arm, figure in by_arm(arms, key)),
        )
        for key in RETRIEVAL
        if key not in left_out
    )
    if compared:
        best = sorted(compared[0][1], key=lambda row: -row.value)
        finding = f"{compared[0][0].ko}: " + ", ".join(f"{row.words.ko} {row.shown}" for row in best)
        sheets = [charts.dots(compared, layout) for layout in ARM_LAYOUTS]
        notes = notes_of(compared, (arm.get(key) for arm in arms.values() for key in RETRIEVAL if key not in left_out))
        if left_out:
            notes.append(ONE_DOCUMENT)
        add("retrieval", finding, spoken(compared[1:]), sheets, notes)
    scored = panels(
        (title, (row_of(MEASURES[key], key, answers[key]) for key in keys if key in answers))
        for title, keys in ANSWERS.items()
    )
    if scored:
        finding = ", ".join(f"{rows[0].words.ko} {rows[0].shown}" for _, rows in scored)
        sheets = [charts.dots(scored, layout) for layout in ANSWER_LAYOUTS]
        used = (answers.get(key) for keys in ANSWERS.values() for key in keys)
        add("answers", finding, spoken(scored), sheets, notes_of(scored, used))
    if total := sum(outcomes.values()):
        good = sum(outcomes[name] for name in RIGHT)
        finding = f"맞게 처리한 질문: {total:,}개 가운데 {good:,}개 ({good / total:.1%})"
        counts = [f"{OUTCOMES[name].ko} {count:,}개." for name, count in outcomes.items()]
        add("outcomes", finding, counts, [charts.outcome_bar(outcomes, good, width) for width in WIDTHS])
    if points := result.get("risk_coverage"):
        now = answered_now(result.get("rows") or [])
        add("risk", risk_sentence(points, now), [], [charts.risk_curve(points, now, width) for width in WIDTHS])
    if stages := stages_of(result):
        slowest = max((stage for stage in stages if not stage.strong), key=lambda stage: stage.p50, default=stages[0])
        said = [f"{stage.words.ko} p50 {stage.p50:.1f} ms, p95 {stage.p95:.1f} ms." for stage in stages]
        finding = f"가장 오래 걸리는 단계: {slowest.words.ko} {slowest.p50:.1f} ms"
        add("latency", finding, said, [charts.stage_lines(stages, width) for width in WIDTHS])
    return drawn


def by_arm(arms: Arms, key: str) -> Iterator[tuple[str, Figure]]:
    """The figure of a measure in each arm that has it."""
    for arm, figures in arms.items():
        if figure := figures.get(key):
            yield arm, figure


def spoken(shown: Panels) -> list[str]:
    """The figures of a chart as a listener hears them."""
    return [f"{title.ko}: " + ", ".join(f"{row.words.ko} {row.shown}" for row in rows) + "." for title, rows in shown]


def answered_now(rows: Iterable[Mapping[str, Any]]) -> Now | None:
    """What was answered, each question by its own threshold."""
    asked = [row for row in rows if row.get("confidence") is not None]
    if not asked:
        return None
    answered = [row for row in asked if row.get("answered")]
    right = [row["right"] for row in answered if row.get("right") is not None]
    return Now(len(answered) / len(asked), 1 - sum(right) / len(right) if right else None)


def threshold_of(row: Mapping[str, Any], result: Result) -> float | None:
    """What a row's confidence was judged by; older results have one for all."""
    own: float | None = row.get("threshold")
    return result.get("threshold") if own is None else own


def thresholds_of(result: Result) -> list[float]:
    """Those in use, the lowest first."""
    used = {threshold_of(row, result) for row in result.get("rows") or [] if row.get("confidence") is not None}
    return sorted(threshold for threshold in used or {result.get("threshold")} if threshold is not None)


def risk_sentence(points: Sequence[charts.Point], now: Now | None) -> str:
    """What the curve means in words."""
    everything = f"모두 답하게 하면 틀린 답 {points[-1]['risk']:.1%}."
    if now is None:
        return everything
    wrong = "" if now.risk is None else f", 그 가운데 틀린 답 {now.risk:.1%}"
    return f"지금 답하는 비율 {now.coverage:.1%}{wrong}. {everything}"


def in_time(laps: Mapping[str, Any]) -> dict[str, Any]:
    """Stages in the order they happen, then those that are not known, the whole last."""
    parts = {name: lap for name, lap in laps.items() if name != "total"}
    return dict(in_order(STAGES, parts)) | {name: laps[name] for name in laps if name == "total"}


def stages_of(result: Result) -> list[Stage]:
    """The stages that were measured, and the whole."""
    laps = in_time({**(result.get("stages_ms") or {}), "total": result.get("latency_ms")})
    return [
        Stage(named(STAGES, name), lap["p50"], lap["p95"], name == "total")
        for name, lap in laps.items()
        if lap and lap.get("p50") is not None and lap.get("p95") is not None
    ]


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
            "nearest": shown(row.get("nearest")),
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
