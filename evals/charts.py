"""Charts of a report: matplotlib's drawings as SVG that stands in an HTML page and follows its style sheet.

Words and colours are placeholders while matplotlib draws. Words are put in afterwards, escaped, because matplotlib measures
them, warns about letters that its own font lacks and reads dollar signs as formulas. Colours become variables of the style
sheet, which know light from dark. A unit is a CSS pixel at full size, and the same figures give the same text.
"""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evals.words import Words


class Row(NamedTuple):
    """A line of a chart of dots: a value with its interval, 0 to 1, and how both are written."""

    words: Words
    value: float
    low: float | None
    high: float | None
    shown: str
    interval: str
    strong: bool = True


class Layout(NamedTuple):
    """Pixels of a chart of dots. Where ``label`` is 0, names and values stand over their lines instead of beside them."""

    width: int
    columns: int
    label: int
    value: int
    step: int


class Stage(NamedTuple):
    """How long a part of the work takes, in milliseconds."""

    words: Words
    p50: float
    p95: float
    strong: bool = False


STARTS = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8)  # of a scale up to 1: round, and so is the middle
Panels = Sequence[tuple[Words, Sequence[Row]]]
Point = Mapping[
    str, float
]  # of a risk-coverage curve: "coverage", "risk"; of a reliability chart: "confidence", "right"


class Now(NamedTuple):
    """The share of questions that were answered, and of those the share answered wrongly, where that is known."""

    coverage: float
    risk: float | None


def width_of(text: str) -> int:
    """About how many pixels a text takes: the page's font is not known here."""
    return sum(14 if letter >= "\u1100" else 8 for letter in text)


def pair(words: Words, room: int, english: bool = True) -> Markup:
    """Both names, the English one small; a first one too long for the room is cut short."""
    name = words.ko
    while width_of(name) > room:
        name = name.removesuffix("…")[:-1] + "…"
    small = Markup(' <tspan class="s">{}</tspan>').format(words.en) if english and words.en else Markup()
    return escape(name) + small


class Sheet:
    """A drawing of ``width`` by ``height`` pixels whose words and colours are placeholders until ``svg`` fills them in."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / 72, height / 72), dpi=72)  # so that a point is a pixel
        self.figure.patch.set_visible(False)
        self.said: list[Markup] = []
        self.variables: list[str] = []

    def panel(self, box: tuple[float, float, float, float], x: tuple[float, float], y: tuple[float, float]) -> Axes:
        """Axes without a frame, ``box`` being left, top, width and height in pixels; y runs down, from y[0] to y[1]."""
        left, top, width, height = box
        below = self.height - top - height
        axes = self.figure.add_axes((left / self.width, below / self.height, width / self.width, height / self.height))
        axes.axis("off")
        axes.set_xlim(*x)
        axes.set_ylim(y[1], y[0])
        return axes

    def colour(self, variable: str) -> str:
        """The colour that will be this variable of the style sheet."""
        if variable not in self.variables:
            self.variables.append(variable)
        return f"#0000{self.variables.index(variable) + 1:02x}"  # black would be left out, being what SVG fills with

    def line(self, axes: Axes, x: Sequence[float], y: Sequence[float], variable: str, width: float = 1) -> None:
        """A line with round ends."""
        axes.plot(x, y, color=self.colour(variable), linewidth=width, solid_capstyle="round", clip_on=False)

    def dot(self, axes: Axes, x: float, y: float, variable: str, size: float = 10) -> None:
        """A disc with a rim in the colour of the page."""
        face, rim = self.colour(variable), self.colour("room")
        axes.plot([x], [y], marker="o", markersize=size, color=face, markeredgecolor=rim, clip_on=False)

    def say(
        self,
        axes: Axes,
        at: tuple[float, float],
        text: str,
        shift: tuple[float, float] = (0, -4.5),
        style: str = "",
        anchor: str = "left",
    ) -> None:
        """Words at a place of the axes, moved by pixels to the right and up; ``style`` is classes of the style sheet."""
        self.said.append(Markup('<tspan class="{}">{}</tspan>').format(style, text))
        token = f"@{len(self.said) - 1}@"
        axes.annotate(token, at, shift, textcoords="offset points", ha=anchor, annotation_clip=False)

    def svg(self, name: str, label: str) -> Markup:
        """The drawing; ``name`` is its classes, and keeps its ids apart from those of other drawings."""
        file = io.BytesIO()
        with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
            self.figure.savefig(
                file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
            )
        drawn = file.getvalue().decode("utf-8")
        drawn = drawn[drawn.index(">", drawn.index("<svg")) + 1 :]
        drawn = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", drawn, flags=re.DOTALL)
        drawn = re.sub(r' id="\w+_\d+"| transform="rotate\(-0[^"]*"|font-(size|family): [^;]+; ', "", drawn)
        drawn = re.sub(r"(\.\d\d)\d+", r"\1", drawn)
        drawn = re.sub(r"#0000([0-9a-f]{2})", lambda found: f"var(--{self.variables[int(found[1], 16) - 1]})", drawn)
        drawn = re.sub(r"@(\d+)@", lambda found: self.said[int(found[1])], drawn)
        head = Markup('<svg class="{}" role="img" aria-label="{}" viewBox="0 0 {:g} {:g}">')
        return head.format(name, label, self.width, self.height) + Markup(drawn)  # noqa: S704 - its words are escaped


def dots(panels: Panels, layout: Layout) -> Sheet:
    """A dot and its interval a row, every panel on the same scale, which begins below the lowest of them."""
    width, columns, label, value, step = layout = _with_room(layout, [row for _, rows in panels for row in rows])
    over, under, apart = 38, 44, 56
    each = (width - apart * (columns - 1)) / columns
    scale = (start_of(panels), 1.0)
    shelves = [panels[at : at + columns] for at in range(0, len(panels), columns)]
    heights = [over + step * max(len(rows) for _, rows in shelf) + under for shelf in shelves]
    sheet = Sheet(width, sum(heights) - 16)
    for top, shelf in zip(itertools.accumulate(heights, initial=0), shelves, strict=False):
        for column, (words, rows) in enumerate(shelf):
            box = ((each + apart) * column + label + 8, top + over, each - label - value - 16, step * len(rows))
            axes = sheet.panel(box, scale, (0, len(rows)))
            sheet.say(axes, (scale[0], 0), pair(words, int(each)), (-label - 8, over - 16), "t")
            for tick in (scale[0], sum(scale) / 2, 1.0):
                sheet.line(axes, (tick, tick), (0, len(rows)), "line")
                sheet.say(axes, (tick, len(rows)), f"{100 * tick:g}", (0, -15), "s", "center")
            for place, row in enumerate(rows):
                _draw(sheet, axes, place + (0.5 if label else 0.7), row, layout)
    return sheet


def start_of(panels: Panels) -> float:
    """Where the scale of a chart of dots begins."""
    lowest = min(row.value if row.low is None else row.low for _, rows in panels for row in rows)
    return max(start for start in STARTS if start <= max(0, lowest))


def _with_room(layout: Layout, rows: Sequence[Row]) -> Layout:
    """The layout with room for these names, within reason, and for figures that keep off a dot at the end of the scale."""
    name = min(max(width_of(row.words.ko) for row in rows) + 8, layout.width // 8 + 50)
    value = max(_width_of_figures(row) for row in rows) + 8 if layout.value > 100 else 0
    return layout._replace(label=layout.label and max(layout.label, name), value=max(layout.value, value))


def _width_of_figures(row: Row) -> int:
    """Of the value and, in smaller letters, its interval."""
    return width_of(row.shown) + (4 + width_of(row.interval) * 12 // 14 if row.interval else 0)


def _draw(sheet: Sheet, axes: Axes, y: float, row: Row, layout: Layout) -> None:
    """The interval as a band, the value as a dot on it, the name on the left and the figures on the right."""
    if row.low is not None and row.high is not None:
        sheet.line(axes, (row.low, row.high), (y, y), "band" if row.strong else "faint", 7)
    sheet.dot(axes, row.value, y, "accent" if row.strong else "soft")
    left, right = axes.get_xlim()
    lift = -4.5 if layout.label else 12
    room = layout.label or min(190, layout.width - _width_of_figures(row) - 8)
    name = pair(row.words, room, english=layout.label > 200)
    sheet.say(axes, (left, y), name, (-layout.label - 8, lift), "b" if row.strong and 0 < layout.label < 200 else "")
    figures = Markup('<tspan class="{}">{}</tspan>').format("b" if row.strong else "", row.shown)
    if layout.value > 100 or not layout.label:
        figures += Markup(' <tspan class="s">{}</tspan>').format(row.interval)
    sheet.say(axes, (right, y), figures, (layout.value + 8, lift), anchor="right")


def outcome_bar(outcomes: Mapping[str, int], good: int, width: int) -> Sheet:
    """One bar of all questions; of them ``good`` are right and come first. Counts stand in the parts with room for them."""
    total = sum(outcomes.values())
    sheet = Sheet(width, 92)
    axes = sheet.panel((0, 34, width, 56), (0, total), (0, 1))
    sheet.say(axes, (0, 0), f"맞음 {good:,}", (0, 14), "t")
    sheet.say(axes, (total, 0), f"틀림 {total - good:,}", (0, 14), "t", "right")
    done = 0
    for name, count in outcomes.items():
        axes.barh(0.5, count, 1, left=done, color=sheet.colour(name), edgecolor=sheet.colour("room"), linewidth=1.5)
        if count * width / total > 12 + 9 * len(str(count)):
            sheet.say(axes, (done + count / 2, 0.5), f"{count:,}", (0, -5), f"b on-{name}", "center")
        done += count
    return sheet


def risk_curve(points: Sequence[Point], now: Now | None, width: int) -> Sheet:
    """Risk against coverage, the area under it washed, and what was answered marked: off the curve, if by several thresholds."""
    x, y = [point["coverage"] for point in points], [point["risk"] for point in points]
    highest = max([*y, now.risk or 0.0] if now else y)
    step = 0.2 if highest > 0.5 else 0.1
    top = step * max(1, math.ceil(highest / step))
    sheet = Sheet(width, 340 if width > 500 else 300)
    axes = sheet.panel((40, 34, width - 64, sheet.height - 92), (0, 1), (top, 0))
    axes.fill_between(x, y, color=sheet.colour("wash"), linewidth=0)
    for tick in range(round(top / step) + 1):
        sheet.line(axes, (0, 1), (tick * step, tick * step), "line")
        sheet.say(axes, (0, tick * step), f"{tick * step:.0%}", (-8, -4), "s", "right")
    for quarter in range(5):
        sheet.say(axes, (quarter / 4, 0), f"{25 * quarter}%", (0, -20), "s", "center")
    sheet.say(axes, (0, top), "↑ 답한 것 가운데 틀린 비율", (-36, 16), "s")
    sheet.say(axes, (1, 0), "답한 질문의 비율 →", (0, -42), "s", "right")
    sheet.line(axes, x, y, "accent", 2.2)
    if now:
        at, (side, anchor) = now.coverage, (-12, "right") if now.coverage > 0.5 else (12, "left")
        wrong = "" if now.risk is None else f" · 그 가운데 {now.risk:.1%} 틀림"
        sheet.line(axes, (at, at), (0, top), "soft")
        if now.risk is not None:
            sheet.dot(axes, at, now.risk, "accent", 13)
        sheet.say(axes, (at, top), "지금 답하는 비율", (side, -14), "b halo", anchor)
        sheet.say(axes, (at, top), f"{at:.1%}{wrong}", (side, -32), "s halo", anchor)
    return sheet


def reliability(points: Sequence[Point], width: int) -> Sheet:
    """The share right against the mean confidence of each bin; on the diagonal the two are equal."""
    sheet = Sheet(width, 340 if width > 500 else 300)
    axes = sheet.panel((40, 34, width - 64, sheet.height - 92), (0, 1), (1, 0))
    for quarter in range(5):
        sheet.line(axes, (0, 1), (quarter / 4, quarter / 4), "line")
        sheet.say(axes, (0, quarter / 4), f"{25 * quarter}%", (-8, -4), "s", "right")
        sheet.say(axes, (quarter / 4, 0), f"{25 * quarter}%", (0, -20), "s", "center")
    sheet.say(axes, (0, 1), "↑ 맞은 비율", (-36, 16), "s")
    sheet.say(axes, (1, 0), "확신 →", (0, -42), "s", "right")
    sheet.line(axes, (0, 1), (0, 1), "soft")
    x, y = [point["confidence"] for point in points], [point["right"] for point in points]
    sheet.line(axes, x, y, "accent", 2.2)
    for at in zip(x, y, strict=True):
        sheet.dot(axes, *at, "accent")
    return sheet


def stage_lines(stages: Sequence[Stage], width: int) -> Sheet:
    """Median and 95th percentile of each stage, joined by a band."""
    label, value = (190, 100) if width > 500 else (92, 84)
    sheet = Sheet(width, 36 * len(stages) + 34)
    longest = max([stage.p95 for stage in stages] + [0.1])
    axes = sheet.panel((label, 30, width - label - value, 36 * len(stages)), (0, longest), (0, len(stages)))
    sheet.say(axes, (longest, 0), "p50 · p95, ms", (value, 10), "s", "right")
    for place, stage in enumerate(stages):
        y = place + 0.5
        sheet.line(axes, (0, longest), (y, y), "line")
        sheet.line(axes, (stage.p50, stage.p95), (y, y), "band" if stage.strong else "faint", 7)
        sheet.dot(axes, stage.p50, y, "accent" if stage.strong else "soft")
        sheet.say(
            axes, (0, y), pair(stage.words, label - 8, english=width > 500), (-label, -4.5), "b" if stage.strong else ""
        )
        figures = Markup('<tspan class="b">{:.1f}</tspan> <tspan class="s">{:.1f}</tspan>').format(stage.p50, stage.p95)
        sheet.say(axes, (longest, y), figures, (value, -4.5), anchor="right")
    return sheet
