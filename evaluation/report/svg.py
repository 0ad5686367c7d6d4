"""Strokes, markers and words of the charts."""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

# Okabe and Ito: blue, vermilion, green, orange, purple, sky; report.css has lighter ones for dark grounds.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9")
FONT = "system-ui, 'Apple SD Gothic Neo', 'Malgun Gothic', 'Noto Sans KR', 'Noto Sans CJK KR', sans-serif"
FONT_SIZE = 13
SHAPES = (
    "M{x} {y}m-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0",  # disc
    "M{x} {y}m-4.5-4.5h9v9h-9z",  # square
    "M{x} {y}m0-5.5l5.5 9.5h-11z",  # triangle
    "M{x} {y}m0-6l6 6-6 6-6-6z",  # diamond
    "M{x} {y}m-5.5-4h11l-5.5 9.5z",  # triangle, down
    "M{x} {y}m-5-1.5h3.5v-3.5h3v3.5h3.5v3h-3.5v3.5h-3v-3.5h-3.5z",  # cross
)


class Ranged(Protocol):
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def name_of(number: int) -> str:
    """The class of a series; after the sixth, colours and markers come again, with other dashes."""
    return f"ib-chart-{number % len(COLOURS)}"


def marker(x: float, y: float, number: int) -> str:
    shape = SHAPES[number % len(SHAPES)].format(x=f"{x:.1f}", y=f"{y:.1f}")
    return f'<path class="{name_of(number)}" d="{shape}" fill="{colour(number)}"/>'


def path(places: Sequence[tuple[float, float]], number: int, dash: str) -> str:
    drawn = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<path class="{name_of(number)}-line" d="M{drawn}" fill="none" stroke="{colour(number)}" '
        f'stroke-width="2"{dashed}/>'
    )


def text(
    x: float, y: float, words: str, *, anchor: str = "start", quiet: bool = False, strong: bool = False,
    width: float | None = None,
) -> str:  # fmt: skip
    """`width` in pixels is what there is room for: longer words are cut, and whole in the tip."""
    short = fitting(words, width) if width else words
    tip = f"<title>{escape(words)}</title>" if short != words else ""
    weight = ' font-weight="600"' if strong else ""
    opacity = ' fill-opacity="0.75"' if quiet else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor"{opacity}{weight}>'
        f"{escape(short)}{tip}</text>"
    )


def width_of(words: str) -> float:
    """Pixels, estimated: Korean letters are as wide as they are high, others a little over half of it."""
    return sum(FONT_SIZE * (1.0 if unicodedata.east_asian_width(each) in "WF" else 0.58) for each in words)


def fitting(words: str, width: float) -> str:
    if width_of(words) <= width:
        return words
    kept = words
    while kept and width_of(kept + "…") > width:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def legend(
    names: Sequence[str], left: float, top: float, width: float, dashes: Sequence[str] | None
) -> tuple[str, float]:
    """(samples with their names, one a line; the height that they take). Without `dashes`, markers alone."""
    drawn = []
    for number, name in enumerate(names):
        y = top + 20 * number
        if dashes:
            drawn.append(path([(left, y), (left + 34, y)], number, dashes[number % len(dashes)]))
        drawn.append(marker(left + 17, y, number) + text(left + 44, y + 4.5, name, width=width - 44))
    return "".join(drawn), 20.0 * len(names) + 10


def document(title: str, width: float, height: float, drawn: Sequence[str]) -> SafeString:
    words = escape(title)
    return mark_safe(  # noqa: S308  words are escaped where they are put in, all else is numbers
        f'<svg class="ib-chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'aria-label="{words}" font-family="{FONT}" font-size="{FONT_SIZE}">{"".join(drawn)}</svg>'
    )


@dataclass(frozen=True, slots=True)
class Plane:
    """Maps figures to pixels. `lowest` to `highest` is what the axis of the figures shows."""

    lowest: float
    highest: float
    first: float
    last: float
    left: float
    right: float
    top: float = 0.0
    bottom: float = 0.0

    @classmethod
    def around(
        cls, points: Sequence[Ranged], places: Sequence[float], *, top: float, left: float, right: float, bottom: float
    ) -> "Plane":
        """Figures upward, with room at both sides of the first and the last place."""
        room = (max(places) - min(places)) * 0.06 or 1.0
        return cls(*span(points), min(places) - room, max(places) + room, left, right, top, bottom)

    @classmethod
    def sideways(cls, points: Sequence[Ranged], *, left: float, right: float) -> "Plane":
        low, high = span(points)
        return cls(low, high, low, high, left, right)

    def x(self, place: float) -> float:
        return self.left + (place - self.first) / (self.last - self.first) * (self.right - self.left)

    def y(self, figure: float) -> float:
        return self.bottom - (figure - self.lowest) / (self.highest - self.lowest) * (self.bottom - self.top)

    def steps(self) -> list[float]:
        wide = 0.05 if self.highest - self.lowest <= 0.3 + 1e-9 else 0.1 if self.highest - self.lowest <= 0.6 else 0.2
        count = math.floor((self.highest - self.lowest) / wide + 1e-9)
        return [self.lowest + wide * step for step in range(count + 1)]

    def grid(self) -> str:
        lines = "".join(
            f'<path d="M{self.left} {self.y(step):.1f}H{self.right}" stroke="currentColor" stroke-opacity="0.18"/>'
            + text(self.left - 8, self.y(step) + 4.5, f"{step:.2f}", anchor="end", quiet=True)
            for step in self.steps()
        )
        return lines + f'<path d="M{self.left} {self.bottom}H{self.right}" stroke="currentColor"/>'

    def percent_grid(self) -> str:
        lines = "".join(
            f'<path d="M{self.left} {self.y(step):.1f}H{self.right}" stroke="currentColor" stroke-opacity="0.18"/>'
            + text(self.left - 8, self.y(step) + 4.5, f"{step}%", anchor="end", quiet=True)
            for step in (0, 25, 50, 75, 95)
        )
        return lines + f'<path d="M{self.left} {self.bottom}H{self.right}" stroke="currentColor"/>'

    def mark(self, place: float, name: str) -> str:
        """A line across, with its name at the top."""
        x = self.x(place)
        anchor, away = ("end", -6) if x > (self.left + self.right) / 2 else ("start", 6)
        return (
            f'<path d="M{x:.1f} {self.top - 16}V{self.bottom}" stroke="currentColor" stroke-dasharray="3 3"/>'
            + text(x + away, self.top - 6, name, anchor=anchor)
        )

    def vertical_grid(self, top: float, bottom: float) -> str:
        return "".join(
            f'<path d="M{self.x(step):.1f} {top}V{bottom}" stroke="currentColor" stroke-opacity="0.18"/>'
            + text(self.x(step), bottom + 16, f"{step:.2f}", anchor="middle", quiet=True)
            for step in self.steps()
        )

    def x_label(self, place: float, label: str) -> str:
        return text(self.x(place), self.bottom + 18, label, anchor="middle")

    def interval(self, x: float, low: float, high: float, number: int) -> str:
        top, bottom = self.y(high), self.y(low)
        return (
            f'<path class="{name_of(number)}-line" d="M{x:.1f} {top:.1f}V{bottom:.1f}M{x - 4:.1f} {top:.1f}h8'
            f'M{x - 4:.1f} {bottom:.1f}h8" stroke="{colour(number)}" stroke-width="1.3" fill="none"/>'
        )

    def flat_interval(self, y: float, low: float, high: float, number: int) -> str:
        left, right = self.x(low), self.x(high)
        return (
            f'<path class="{name_of(number)}-line" d="M{left:.1f} {y:.1f}H{right:.1f}M{left:.1f} {y - 4:.1f}v8'
            f'M{right:.1f} {y - 4:.1f}v8" stroke="{colour(number)}" stroke-width="1.6" fill="none"/>'
        )


def span(points: Sequence[Ranged]) -> tuple[float, float]:
    """(lowest, highest) in tenths, at least 0.3 apart, around all intervals; within 0 to 1."""
    low = math.floor(min((point.low for point in points), default=0.0) * 10 + 1e-9) / 10
    high = math.ceil(max((point.high for point in points), default=1.0) * 10 - 1e-9) / 10
    while high - low < 0.3 - 1e-9:
        low, high = max(low - 0.1, 0.0), min(high + 0.1, 1.0)
    return max(low, 0.0), min(high, 1.0)


def round_ticks(reach: float) -> list[float]:
    """About five round figures from 0 on."""
    power = 10.0 ** math.floor(math.log10(reach / 5))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= reach / 6)
    return [step * number for number in range(int(reach / step) + 1)]
