"""The charts of a report, as SVG that needs nothing but itself.

Readable without colour: each series has a dash and a marker of its own, and is named beside its sample. The colours are
those of Okabe and Ito (2008), which people with any kind of colour vision tell apart. Axes and words take the colour of
the text around them. There are no `style` attributes, which pages of the admin forbid.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString

from evaluation.report.svg import Plane, document, legend, marker, path, round_ticks, text

WIDTH = 720
DASHES = ("", "7 4", "2 3", "10 3 2 3", "12 4", "4 2", "1 4", "9 2 2 2 2 2")


@dataclass(frozen=True, slots=True)
class Point:
    """`low` and `high` are the ends of the interval; equal to `value` where there is none."""

    x: float
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Series:
    name: str
    points: tuple[Point, ...]


def line_chart(title: str, ticks: Sequence[tuple[float, str]], series: Sequence[Series], x_title: str) -> SafeString:
    """One line a series over the same ticks, with intervals. Intervals at one place stand beside each other."""
    points = [point for each in series for point in each.points]
    plane = Plane.around(points, [place for place, _label in ticks], top=12, left=56, right=WIDTH - 12, bottom=290)
    step = 6.0 if len(series) > 1 else 0.0
    drawn = [plane.grid(), *(plane.x_label(place, label) for place, label in ticks)]
    for number, each in enumerate(series):
        shift = (number - (len(series) - 1) / 2) * step
        places = [(plane.x(point.x) + shift, plane.y(point.value)) for point in each.points]
        drawn.append(path(places, number, DASHES[number % len(DASHES)]))
        drawn += [
            plane.interval(x, point.low, point.high, number) + marker(x, y, number)
            for (x, y), point in zip(places, each.points, strict=True)
        ]
    drawn.append(text(WIDTH / 2, 326, x_title, anchor="middle", quiet=True))
    samples, height = legend([each.name for each in series], 56, 350, WIDTH - 70, DASHES)
    return document(title, WIDTH, 340 + height, [*drawn, samples])


def dot_chart(title: str, rows: Sequence[str], series: Sequence[Series]) -> SafeString:
    """One row a model; the points' `x` is the row. Dots with intervals, so that overlaps are seen at once."""
    line = 22 * len(series) + 34
    plane = Plane.sideways([point for each in series for point in each.points], left=24, right=WIDTH - 64)
    drawn = [plane.vertical_grid(8, line * len(rows) + 4)]
    for place, label in enumerate(rows):
        drawn.append(text(24, 24 + line * place, label, width=WIDTH - 48, strong=True))
        for number, each in enumerate(series):
            drawn += [
                plane.flat_interval(42 + line * place + 22 * number, point.low, point.high, number)
                + marker(plane.x(point.value), 42 + line * place + 22 * number, number)
                + text(plane.x(point.high) + 8, 46 + line * place + 22 * number, f"{point.value:.3f}")
                for point in each.points if int(point.x) == place
            ]  # fmt: skip
    bottom = line * len(rows) + 36
    samples, height = legend([each.name for each in series], 24, bottom + 12, WIDTH - 48, None)
    return document(title, WIDTH, bottom + height, [*drawn, samples])


def cumulative_chart(
    title: str, curves: Sequence[tuple[str, Sequence[float]]], line: tuple[float, str] | None, x_title: str
) -> SafeString:
    """Share of calls (upward, in percent) that took no longer than so much (to the right).

    A curve is 101 values: the percentiles from 0 to 100. `line` is a place to the right with its name.
    """
    reach = max([*(values[99] for _name, values in curves), *([line[0]] if line else [])]) * 1.08 or 1.0
    plane = Plane(0.0, 100.0, 0.0, reach, 56, WIDTH - 24, 26, 290)
    drawn = [plane.percent_grid(), *(plane.x_label(tick, f"{tick:,g}") for tick in round_ticks(reach))]
    for number, (_name, values) in enumerate(curves):
        places = [(plane.x(value), plane.y(percent)) for percent, value in enumerate(values) if value <= reach]
        drawn.append(path(places, number, DASHES[number % len(DASHES)]))
        drawn += [marker(*places[percent], number) for percent in (50, 95) if percent < len(places)]
    if line:
        drawn.append(plane.mark(*line))
    drawn.append(text(WIDTH / 2, 326, x_title, anchor="middle", quiet=True))
    samples, height = legend([name for name, _values in curves], 56, 350, WIDTH - 70, DASHES)
    return document(title, WIDTH, 340 + height, [*drawn, samples])
