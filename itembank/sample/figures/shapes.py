"""Triangles, circles, sectors and spinners."""

import math
from collections.abc import Sequence

from itembank.sample.figures.canvas import (
    ACCENT,
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
    towards,
)

CENTRE: Point = (WIDTH / 2, HEIGHT / 2)
RADIUS = 138.0


def right_triangle(base: float, height: float, labels: tuple[str, str, str]) -> Figure:
    """A triangle with the right angle at B; `labels` are of the base, the height and the hypotenuse."""

    def draw(canvas: Canvas) -> None:
        scale = min(320 / base, 240 / height)
        width, rise = base * scale, height * scale
        b = ((WIDTH - width) / 2, (HEIGHT + rise) / 2 - 6)
        c, a = (b[0] + width, b[1]), (b[0], b[1] - rise)
        canvas.polygon(a, b, c, fill=SHADE)
        canvas.line((b[0] + 16, b[1]), (b[0] + 16, b[1] - 16), (b[0], b[1] - 16), width=1.5)
        canvas.label((a[0], a[1] - 8), "A", anchor="ms")
        canvas.label((b[0] - 10, b[1] + 4), "B", anchor="rm")
        canvas.label((c[0] + 10, c[1] + 4), "C", anchor="lm")
        canvas.label((between(b, c)[0], b[1] + 10), labels[0], anchor="ma")
        canvas.label((b[0] - 10, between(a, b)[1]), labels[1], anchor="rm")
        middle = between(a, c)
        canvas.label((middle[0] + 10, middle[1] - 8), labels[2], anchor="ls")

    return Figure(draw)


def inscribed_angle(central: int, turn: int, known: str, asked: str) -> Figure:
    """A circle with the central angle AOB and the angle APB over the same arc; labels stand inside the angles."""

    def draw(canvas: Canvas) -> None:
        canvas.circle(CENTRE, RADIUS)
        directions = 270 - central / 2, 270 + central / 2, 90 + turn
        a, b, p = (towards(CENTRE, direction, RADIUS) for direction in directions)
        canvas.line(a, CENTRE, b)
        canvas.line(a, p, b, colour=ACCENT)
        canvas.arc(CENTRE, 24, directions[0], directions[1])
        canvas.dot(CENTRE)
        canvas.label((CENTRE[0], CENTRE[1] - 12), "O", anchor="ms", size=16)
        for name, direction in zip("ABP", directions, strict=True):
            canvas.label(towards(CENTRE, direction, RADIUS + 17), name)
        canvas.label((CENTRE[0], CENTRE[1] + 40), known, size=16, halo=True)
        canvas.label(_inside(p, a, b, 52), asked, size=16, colour=ACCENT, halo=True)

    return Figure(draw)


def _inside(corner: Point, one: Point, other: Point, distance: float) -> Point:
    """A point on the bisector of an angle."""
    sides = [between(corner, end, 1 / math.dist(corner, end)) for end in (one, other)]
    middle = between(sides[0], sides[1])
    return between(corner, middle, distance / math.dist(corner, middle))


def sector(degrees: int, radius_label: str, angle_label: str) -> Figure:
    """A sector of a circle, its radius and its central angle named."""

    def draw(canvas: Canvas) -> None:
        reach = 190 if degrees <= 180 else 140
        start = 90 - degrees / 2 if degrees <= 180 else 0
        centre = (WIDTH / 2, HEIGHT - 92) if degrees <= 180 else CENTRE
        canvas.slice(centre, reach, start, start + degrees, SHADE)
        canvas.arc(centre, 26, start, start + degrees)
        canvas.dot(centre)
        canvas.label(towards(centre, start + degrees / 2, 50), angle_label, size=16)
        canvas.label(towards(centre, start + degrees / 2 + 180, 16), "O", size=16)
        side = towards(towards(centre, start, reach / 2), start - 90, 20)
        canvas.label(side, radius_label, anchor="lm" if degrees <= 180 else "mm")
        for name, direction in (("A", start), ("B", start + degrees)):
            canvas.label(towards(centre, direction, reach + 16), name)

    return Figure(draw)


def spinner(labels: Sequence[str], marked: Sequence[bool]) -> Figure:
    """A disc in equal parts with an arrow; marked parts are shaded."""

    def draw(canvas: Canvas) -> None:
        step = 360 / len(labels)
        for position, (label, shaded) in enumerate(zip(labels, marked, strict=True)):
            start = 90 - (position + 1) * step
            canvas.slice(CENTRE, RADIUS, start, start + step, SHADE if shaded else PAPER)
            canvas.label(towards(CENTRE, start + step / 2, RADIUS * 0.72), label, size=20)
        canvas.arrow(CENTRE, towards(CENTRE, 62, RADIUS * 0.5), colour=SECOND, width=4)
        canvas.circle(CENTRE, 7, fill=INK)

    return Figure(draw)
