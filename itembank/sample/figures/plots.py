"""Coordinate planes, line graphs and bar charts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from itembank.sample.figures.canvas import ACCENT, FAINT, HEIGHT, INK, SHADE, WIDTH, Canvas, Colour, Figure, Point

Curve = Callable[[float], float]
Range = tuple[float, float]

LEFT, RIGHT, TOP, BOTTOM = 58, WIDTH - 38, 34, HEIGHT - 48
_STEPS = 160


@dataclass(frozen=True, slots=True)
class Axes:
    """A coordinate plane: the ranges that it shows, and the way from values to pixels."""

    x: Range
    y: Range

    def at(self, x: float, y: float) -> Point:
        return (
            LEFT + (x - self.x[0]) / (self.x[1] - self.x[0]) * (RIGHT - LEFT),
            BOTTOM - (y - self.y[0]) / (self.y[1] - self.y[0]) * (BOTTOM - TOP),
        )

    def draw(self, canvas: Canvas, x_name: str = "x", y_name: str = "y") -> None:
        """Both axes with arrows and names, crossing at the origin."""
        x_start, x_end = self.at(self.x[0], 0), self.at(self.x[1], 0)
        y_start, y_end = self.at(0, self.y[0]), self.at(0, self.y[1])
        canvas.arrow((x_start[0] - 12, x_start[1]), (x_end[0] + 16, x_end[1]))
        canvas.arrow((y_start[0], y_start[1] + 12), (y_end[0], y_end[1] - 16))
        below = 10 if len(x_name) == 1 else 26  # a name with its unit is longer than the room beside the ticks
        canvas.label((x_end[0] + 22, x_end[1] + below), x_name, anchor="ra", halo=True)
        canvas.label((y_end[0] + 12, y_end[1] - 18), y_name, anchor="la")
        canvas.label((y_start[0] - 8, x_start[1] + 6), "O", anchor="ra", size=16)

    def curve(self, canvas: Canvas, function: Curve, colour: Colour = ACCENT) -> None:
        """The part of the graph that lies within the plane."""
        piece: list[Point] = []
        for x in self._grid(*self.x):
            y = function(x)
            if self.y[0] <= y <= self.y[1]:
                piece.append(self.at(x, y))
            elif piece:
                canvas.line(*piece, colour=colour, width=2.5)
                piece = []
        if len(piece) > 1:
            canvas.line(*piece, colour=colour, width=2.5)

    def shade(self, canvas: Canvas, function: Curve, start: float, end: float, colour: Colour = SHADE) -> None:
        """The area between the graph and the x axis."""
        xs = self._grid(start, end)
        edge = [self.at(x, function(x)) for x in xs]
        canvas.polygon(self.at(start, 0), *edge, self.at(end, 0), fill=colour, outline=None)

    def mark(self, canvas: Canvas, x: float, y: float, *, x_label: str = "", y_label: str = "") -> None:
        """A point with dashed lines to the axes, where the labels stand on the free side."""
        point = self.at(x, y)
        if x_label and y_label:
            canvas.line(self.at(x, 0), point, self.at(0, y), width=1.5, dash=6)
        canvas.dot(point)
        if x_label:
            self.x_tick(canvas, x, x_label, above=y < 0)
        if y_label:
            self.y_tick(canvas, y, y_label, right=x < 0)

    def x_tick(self, canvas: Canvas, x: float, label: str, *, above: bool = False, aside: int = 0) -> None:
        """A label at the x axis; `aside` moves it left (-1) or right (1) of a curve that crosses there."""
        position = self.at(x, 0)
        shift = -8 if above else 8
        anchor = "rml"[aside + 1] + "as"[above]
        canvas.label((position[0] + 6 * aside, position[1] + shift), label, anchor=anchor, size=16, halo=True)

    def y_tick(self, canvas: Canvas, y: float, label: str, *, right: bool = False) -> None:
        position = self.at(0, y)
        shift, anchor = (9, "lm") if right else (-9, "rm")
        canvas.label((position[0] + shift, position[1]), label, anchor=anchor, size=16, halo=True)

    def _grid(self, start: float, end: float) -> list[float]:
        return [start + (end - start) * k / _STEPS for k in range(_STEPS + 1)]


def padded(*values: float, margin: float = 0.18) -> Range:
    """A range that holds 0 and the values with a margin on both sides."""
    low, high = min(0.0, *values), max(0.0, *values)
    room = (high - low) * margin
    return low - room, high + room


def line_graph(points: Sequence[Point], x_name: str, y_name: str, *, dashes: bool = True) -> Figure:
    """Measured points joined by lines, each marked on both axes: for quantities that are not negative."""

    def draw(canvas: Canvas) -> None:
        axes = Axes((0, max(x for x, _ in points) * 1.12), (0, max(y for _, y in points) * 1.15))
        for x, y in points if dashes else ():
            canvas.line(axes.at(x, 0), axes.at(x, y), axes.at(0, y), colour=FAINT, width=1.5)
        axes.draw(canvas, x_name, y_name)
        canvas.line(*(axes.at(x, y) for x, y in points), colour=ACCENT, width=3)
        for x, y in points:
            if x:
                axes.x_tick(canvas, x, f"{x:g}")
            if y:
                axes.y_tick(canvas, y, f"{y:g}")
            canvas.dot(axes.at(x, y))

    return Figure(draw)


def bar_chart(names: Sequence[str], values: Sequence[float], y_name: str) -> Figure:
    """A bar for each name with its value on top."""

    def draw(canvas: Canvas) -> None:
        top = max(values) * 1.15
        axes = Axes((0, len(values)), (0, top))
        for share in (0.25, 0.5, 0.75, 1):
            canvas.line(axes.at(0, top * share), axes.at(len(values), top * share), colour=FAINT, width=1)
        for position, (name, value) in enumerate(zip(names, values, strict=True)):
            left, right = axes.at(position + 0.22, value), axes.at(position + 0.78, 0)
            canvas.box(*left, *right, fill=SHADE)
            canvas.label(((left[0] + right[0]) / 2, left[1] - 6), f"{value:g}", anchor="ms", size=16)
            canvas.label(((left[0] + right[0]) / 2, right[1] + 8), name, anchor="ma", size=16)
        canvas.line(axes.at(0, top), axes.at(0, 0), axes.at(len(values), 0), colour=INK)
        canvas.label((LEFT - 40, TOP - 12), y_name, anchor="ls", size=16)

    return Figure(draw)
