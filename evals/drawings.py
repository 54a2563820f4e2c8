"""The drawings of a report: which figures each shows, and the sentence that says what it shows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from evals import charts
from evals.charts import Layout, Now, Panels, Row, Sheet, Stage
from evals.words import ARMS, FEW, MEASURES, OUTCOMES, RIGHT, STAGES, Figure, Words, interval, is_few, named, number

Result = Mapping[str, Any]
Arms = Mapping[str, Mapping[str, Figure | None]]

RETRIEVAL = ("hit@1", "passage_hit@1", "hit@5", "passage_hit@5", "mrr@10", "passage_mrr@10", "ndcg@10")
DOCUMENTS = frozenset({"hit@1", "hit@5", "mrr@10", "ndcg@10"})  # say nothing where there is one document
ANSWERS = {
    Words("답", "answers"): ("em", "f1", "list_f1", "yesno", "followup"),
    Words("인용", "citations"): ("citation_precision", "citation_recall", "verbatim"),
    Words("답이 없을 때", "declining"): ("abstention.precision", "abstention.recall", "abstention.f1"),
}
AGAIN = {
    Words("자기 문서만 주고", "own documents only"): ("reading.em", "reading.f1"),
    Words("자기 문서를 빼고", "own documents left out"): (
        "declining.f1",
        "declining.precision",
        "declining.recall",
        "declining.answered",
    ),
    Words("비슷하지만 답이 없는 질문", "near misses"): (
        "near_misses.f1",
        "near_misses.precision",
        "near_misses.recall",
        "near_misses.answered",
    ),
}
WIDTHS = (860, 328)  # of a chart: beside a computer's text, and on a phone
ARM_LAYOUTS = (Layout(860, 2, 46, 128, 26), Layout(328, 1, 46, 60, 24))
ANSWER_LAYOUTS = (Layout(860, 1, 270, 150, 34), Layout(328, 1, 0, 0, 44))
ONE_DOCUMENT = (
    "문서가 하나뿐이라 무엇을 찾든 그 문서다. 그래서 문서의 순위는 그리지 않고 ‘모든 숫자’에만 적었다.",
    "With one document, whatever is found is in it: ranks of documents are left out of the chart.",
)


class Drawn(NamedTuple):
    """A chart at both widths, the sentence that says what it shows, and what else is to be known (Korean, English)."""

    finding: str
    svg: Markup
    notes: Sequence[tuple[str, str]]


def in_order(names: Mapping[str, Words], given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What is given, in the order of the table of names; those it does not know come last, as they come."""
    for name in [*(name for name in names if name in given), *(name for name in given if name not in names)]:
        yield name, given[name]


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
    for name, titles in (("answers", ANSWERS), ("again", AGAIN)):
        scored = panels(
            (title, (row_of(MEASURES[key], key, answers[key]) for key in keys if key in answers))
            for title, keys in titles.items()
        )
        if scored:
            finding = ", ".join(f"{rows[0].words.ko} {rows[0].shown}" for _, rows in scored)
            sheets = [charts.dots(scored, layout) for layout in ANSWER_LAYOUTS]
            used = (answers.get(key) for keys in titles.values() for key in keys)
            add(name, finding, spoken(scored), sheets, notes_of(scored, used))
    if total := sum(outcomes.values()):
        good = sum(outcomes[name] for name in RIGHT)
        finding = f"맞게 처리한 질문: {total:,}개 가운데 {good:,}개 ({good / total:.1%})"
        counts = [f"{OUTCOMES[name].ko} {count:,}개." for name, count in outcomes.items()]
        add("outcomes", finding, counts, [charts.outcome_bar(outcomes, good, width) for width in WIDTHS])
    if points := result.get("risk_coverage"):
        now = answered_now(result.get("rows") or [])
        add("risk", risk_sentence(points, now), [], [charts.risk_curve(points, now, width) for width in WIDTHS])
    if bins := bins_of(result):
        said = [f"확신 {each['confidence']:.0%}, 맞음 {each['right']:.0%}, {each['count']:,}개." for each in bins]
        add("calibration", sureness(bins), said, [charts.reliability(bins, width) for width in WIDTHS])
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


def risk_sentence(points: Sequence[charts.Point], now: Now | None) -> str:
    """What the curve means in words."""
    everything = f"모두 답하게 하면 틀린 답 {points[-1]['risk']:.1%}."
    if now is None:
        return everything
    wrong = "" if now.risk is None else f", 그 가운데 틀린 답 {now.risk:.1%}"
    return f"지금 답하는 비율 {now.coverage:.1%}{wrong}. {everything}"


def bins_of(result: Result) -> list[charts.Point]:
    """The bins of the calibration of which all is known."""
    points = (result.get("calibration") or {}).get("points") or []
    return [each for each in points if each.get("count") and None not in (each.get("confidence"), each.get("right"))]


def sureness(bins: Sequence[charts.Point]) -> str:
    """What the bins mean in words."""
    total = sum(each["count"] for each in bins)
    sure, right = (sum(each[key] * each["count"] for each in bins) / total for key in ("confidence", "right"))
    return f"확신은 평균 {sure:.1%}, 맞은 답은 {right:.1%}"


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
