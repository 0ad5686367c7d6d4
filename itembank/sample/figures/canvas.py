"""A small drawing surface: pixels of the finished picture outside, twice as many inside.

Everything is drawn at `SCALE` times the size and then reduced, which smooths the edges. Labels are Latin letters and
digits in the typeface that Pillow carries, so a picture needs no installed font and is the same on every machine.
"""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont

SCALE = 2
WIDTH, HEIGHT = 480, 360

Point = tuple[float, float]
Colour = tuple[int, int, int]

INK: Colour = (33, 37, 41)
FAINT: Colour = (206, 212, 218)
ACCENT: Colour = (24, 100, 171)
SECOND: Colour = (201, 42, 42)
SHADE: Colour = (208, 235, 255)
PAPER: Colour = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture that is drawn only when its bytes are asked for."""

    draw: Callable[["Canvas"], None]

    def png(self) -> bytes:
        """PNG bytes, the same for the same figure."""
        canvas = Canvas()
        self.draw(canvas)
        return canvas.png()


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


class Canvas:
    """Drawing in pixels of the finished picture, origin at the top left."""

    def __init__(self) -> None:
        self._image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), PAPER)
        self._draw = ImageDraw.Draw(self._image)

    def png(self) -> bytes:
        buffer = io.BytesIO()
        self._image.reduce(SCALE).save(buffer, "PNG")
        return buffer.getvalue()

    def line(self, *points: Point, colour: Colour = INK, width: float = 2, dash: float = 0) -> None:
        if dash:
            for start, end in pairwise(points):
                self._dashed(start, end, colour, width, dash)
            return
        self._draw.line(_scaled(points), fill=colour, width=round(width * SCALE), joint="curve")

    def polygon(self, *points: Point, fill: Colour | None = None, outline: Colour | None = INK) -> None:
        if fill:
            self._draw.polygon(_scaled(points), fill=fill)
        if outline:
            self.line(*points, points[0], points[1], colour=outline)

    def circle(self, centre: Point, radius: float, *, fill: Colour | None = None, outline: Colour | None = INK) -> None:
        self._draw.ellipse(_box(centre, radius), fill=fill, outline=outline, width=2 * SCALE)

    def arc(self, centre: Point, radius: float, start: float, end: float, colour: Colour = INK) -> None:
        """Part of a circle, from `start` to `end` degrees, counter-clockwise from the right."""
        self._draw.arc(_box(centre, radius), -end, -start, fill=colour, width=2 * SCALE)

    def slice(self, centre: Point, radius: float, start: float, end: float, fill: Colour) -> None:
        self._draw.pieslice(_box(centre, radius), -end, -start, fill=fill, outline=INK, width=2 * SCALE)

    def dot(self, centre: Point, colour: Colour = INK) -> None:
        self.circle(centre, 4, fill=colour, outline=None)

    def label(
        self, point: Point, text: str, *, anchor: str = "mm", size: int = 18, colour: Colour = INK, halo: bool = False
    ) -> None:
        """Text at `point`; `anchor` as in Pillow: l, m, r across, then a, m, s down. A halo clears what is behind."""
        stroke = 4 * SCALE if halo else 0
        position = (point[0] * SCALE, point[1] * SCALE)
        font = _font(size * SCALE)
        self._draw.text(position, text, colour, font, anchor, stroke_width=stroke, stroke_fill=PAPER)

    def arrow(self, start: Point, end: Point, *, colour: Colour = INK, width: float = 2) -> None:
        self.line(start, end, colour=colour, width=width)
        angle = math.atan2(end[1] - start[1], end[0] - start[0])
        wings = [towards(end, math.degrees(-angle) + 180 + turn, 11) for turn in (-22, 22)]
        self.polygon(end, *wings, fill=colour, outline=colour)

    def box(self, left: float, top: float, right: float, bottom: float, fill: Colour | None = None) -> None:
        self.polygon((left, top), (right, top), (right, bottom), (left, bottom), fill=fill)

    def _dashed(self, start: Point, end: Point, colour: Colour, width: float, dash: float) -> None:
        length = math.dist(start, end)
        for k in range(0, max(1, round(length / dash)), 2):
            ends = (between(start, end, min(1, (k + i) * dash / length)) for i in (0, 1))
            self.line(*ends, colour=colour, width=width)


def towards(origin: Point, degrees: float, distance: float) -> Point:
    """The point `distance` away in a direction, counter-clockwise from the right as it is seen."""
    angle = math.radians(degrees)
    return origin[0] + distance * math.cos(angle), origin[1] - distance * math.sin(angle)


def between(start: Point, end: Point, share: float = 0.5) -> Point:
    """The point at `share` of the way from `start` to `end`."""
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def _scaled(points: Sequence[Point]) -> list[Point]:
    return [(x * SCALE, y * SCALE) for x, y in points]


def _box(centre: Point, radius: float) -> list[float]:
    x, y = centre
    return [(x - radius) * SCALE, (y - radius) * SCALE, (x + radius) * SCALE, (y + radius) * SCALE]
