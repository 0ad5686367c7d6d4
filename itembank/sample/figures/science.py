"""Circuits, blocks, waves, pedigrees and seismograms."""

import math
from collections.abc import Sequence

from itembank.sample.figures.canvas import (
    ACCENT,
    FAINT,
    HEIGHT,
    INK,
    PAPER,
    SECOND,
    SHADE,
    WIDTH,
    Canvas,
    Figure,
    Point,
    between,
)
from itembank.sample.figures.plots import Axes


def _resistor(canvas: Canvas, centre: Point, label: str) -> None:
    """A zigzag across a horizontal wire, its value above."""
    x, y = centre
    canvas.line((x - 36, y), (x + 36, y), colour=PAPER, width=6)
    zigzag = [(x - 36 + 12 * k, y + (0 if k in {0, 6} else (-10, 10)[k % 2])) for k in range(7)]
    canvas.line(*zigzag)
    canvas.label((x, y - 17), label, anchor="ms", size=17)


def _battery(canvas: Canvas, centre: Point, label: str) -> None:
    """The long and the short plate of a battery across a horizontal wire, its voltage below."""
    x, y = centre
    canvas.line((x - 5, y), (x + 5, y), colour=PAPER, width=6)
    canvas.line((x - 5, y - 20), (x - 5, y + 20))
    canvas.line((x + 5, y - 10), (x + 5, y + 10), width=5)
    canvas.label((x, y + 26), label, anchor="ma", size=17)


def _meter(canvas: Canvas, centre: Point) -> None:
    canvas.circle(centre, 17, fill=PAPER)
    canvas.label(centre, "A", size=17)


def series_circuit(voltage: str, resistances: Sequence[str], *, ammeter: bool = True) -> Figure:
    """A battery and resistors in one loop."""

    def draw(canvas: Canvas) -> None:
        left, top, right, bottom = 70, 110, WIDTH - 70, 260
        canvas.box(left, top, right, bottom)
        for position, resistance in enumerate(resistances, start=1):
            x = left + (right - left) * (2 * position - 1) / (2 * len(resistances))
            _resistor(canvas, (x, top), resistance)
        _battery(canvas, (WIDTH / 2, bottom), voltage)
        if ammeter:
            _meter(canvas, (left, (top + bottom) / 2))

    return Figure(draw)


def parallel_circuit(voltage: str, resistances: Sequence[str]) -> Figure:
    """A battery with each resistor on a branch of its own."""

    def draw(canvas: Canvas) -> None:
        left, right, bottom = 80, WIDTH - 80, 290
        rungs = [70 + 80 * k for k in range(len(resistances))]
        for y, resistance in zip(rungs, resistances, strict=True):
            canvas.line((left, y), (right, y))
            _resistor(canvas, (WIDTH / 2, y), resistance)
        canvas.line((left, rungs[0]), (left, bottom), (right, bottom), (right, rungs[0]))
        for y in rungs[1:]:
            canvas.dot((left, y))
            canvas.dot((right, y))
        _battery(canvas, (WIDTH / 2, bottom), voltage)
        _meter(canvas, (left, (rungs[-1] + bottom) / 2))

    return Figure(draw)


def pulled_blocks(masses: tuple[int, int], force: int) -> Figure:
    """Two blocks on a floor, joined by a string, pulled to the right."""

    def draw(canvas: Canvas) -> None:
        floor = 240
        sizes = [62 + 34 * mass / max(masses) for mass in masses]
        lefts = (60, 210)
        for left, size, mass, name in zip(lefts, sizes, masses, "AB", strict=True):
            canvas.box(left, floor - size, left + size, floor, fill=SHADE)
            canvas.label((left + size / 2, floor - size / 2), f"{mass} kg", size=16)
            canvas.label((left + size / 2, floor - size - 8), name, anchor="ms")
        canvas.line((lefts[0] + sizes[0], floor - 30), (lefts[1], floor - 30))
        start = (lefts[1] + sizes[1], floor - 30)
        canvas.arrow(start, (start[0] + 90, start[1]), colour=SECOND, width=3)
        canvas.label((start[0] + 45, start[1] - 10), f"{force} N", anchor="ms", colour=SECOND)
        canvas.line((30, floor), (WIDTH - 30, floor), width=3)

    return Figure(draw)


def wave(amplitude: int, wavelength: int, shift: float = 0.0) -> Figure:
    """Displacement over position for two wavelengths; `shift` in wavelengths moves the wave to the right."""

    def draw(canvas: Canvas) -> None:
        axes = Axes((0, 2.1 * wavelength), (-1.6 * amplitude, 1.6 * amplitude))
        for height in (amplitude, -amplitude):
            canvas.line(axes.at(0, height), axes.at(2 * wavelength, height), colour=FAINT, width=1.5)
            axes.y_tick(canvas, height, f"{height}")
        axes.draw(canvas, "x (m)", "y (cm)")
        axes.curve(canvas, lambda x: amplitude * math.sin(2 * math.pi * (x / wavelength - shift)))
        for quarter in (2, 4, 6, 8):
            position = quarter * wavelength / 4
            canvas.line(axes.at(position, -amplitude * 0.06), axes.at(position, amplitude * 0.06))
            axes.x_tick(canvas, position, f"{position:g}", above=quarter % 4 == 2, aside=1)

    return Figure(draw)


def pedigree(parents: tuple[bool, bool], children: Sequence[tuple[bool, bool]]) -> Figure:
    """Two parents and their children; squares are male, circles female, filled ones affected."""

    def draw(canvas: Canvas) -> None:
        parent_xs, top, bar, low = (WIDTH / 2 - 70, WIDTH / 2 + 70), 90, 170, 250
        canvas.line((parent_xs[0], top), (parent_xs[1], top))
        canvas.line((WIDTH / 2, top), (WIDTH / 2, bar))
        gap = 100
        xs = [WIDTH / 2 + gap * (k - (len(children) - 1) / 2) for k in range(len(children))]
        canvas.line((xs[0], bar), (xs[-1], bar))
        people = [((parent_xs[0], top), True, parents[0]), ((parent_xs[1], top), False, parents[1])]
        for x, (male, affected) in zip(xs, children, strict=True):
            canvas.line((x, bar), (x, low))
            people.append(((x, low), male, affected))
        for number, (centre, male, affected) in enumerate(people, start=1):
            _person(canvas, centre, male=male, affected=affected, name=str(number))

    return Figure(draw)


def _person(canvas: Canvas, centre: Point, *, male: bool, affected: bool, name: str) -> None:
    x, y = centre
    fill = ACCENT if affected else PAPER
    if male:
        canvas.box(x - 22, y - 22, x + 22, y + 22, fill=fill)
    else:
        canvas.circle(centre, 23, fill=fill)
    canvas.label((x, y + 30), name, anchor="ma", size=16)


def seismogram(p_time: int, s_time: int, seed: int) -> Figure:
    """A trace over seconds with the first P and S waves marked."""

    def draw(canvas: Canvas) -> None:
        end = s_time * 1.6
        axes = Axes((0, end), (-1, 1))
        trace = [axes.at(end * k / 900, _ground_motion(end * k / 900, p_time, s_time, seed)) for k in range(901)]
        canvas.line(*trace, colour=ACCENT, width=1.5)
        for name, time in (("P", p_time), ("S", s_time)):
            canvas.line(axes.at(time, -1), axes.at(time, 0.86), colour=SECOND, width=1.5, dash=6)
            canvas.label(axes.at(time, 0.92), name, anchor="ms", colour=SECOND)
            canvas.label(axes.at(time, -1.06), f"{time}", anchor="ma", size=16)
        canvas.arrow(axes.at(0, -1), axes.at(end * 1.02, -1))
        canvas.label((axes.at(end, -1)[0] + 12, HEIGHT - 40), "t (s)", anchor="ra", size=16)
        canvas.line(between(axes.at(0, -1), axes.at(0, 1), 0.1), axes.at(0, 1), colour=INK, width=1.5)

    return Figure(draw)


def _ground_motion(time: float, p_time: int, s_time: int, seed: int) -> float:
    """A small shake from the P wave on, a large one from the S wave on, both dying away."""
    shake = math.sin(time * 3.1 + seed) * 0.6 + math.sin(time * 7.7 + 2 * seed) * 0.4
    if time < p_time:
        return shake * 0.02
    p_part = 0.22 * math.exp(-(time - p_time) / (s_time - p_time))
    s_part = 0.75 * math.exp(-(time - s_time) / (0.4 * s_time)) if time >= s_time else 0.0
    return shake * (0.02 + p_part + s_part)
