"""What a family of sample items is: one template of a question on one concept, and how its items are told.

A family's builder draws the numbers and works out the answer; the wordings are templates that say the same question
in different words. Items of one family are therefore near-duplicates that differ in numbers, names and wording.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random
from typing import Literal

from itembank.sample.figures.canvas import Figure
from itembank.sample.korean import Word

Form = Literal["figure", "latex", "text"]
Number = int | float | Fraction

WRONG_ANSWERS = 4


@dataclass(frozen=True, slots=True)
class Concept:
    """What an item asks about. Several concepts make a unit; `curriculum_code` is of the Korean 2022 curriculum."""

    subject: str
    grade: str
    unit: str
    name: str
    curriculum_code: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The right answer, and four wrong ones for the wordings that are multiple choice."""

    right: str
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """The numbers of one item: what fills the templates, the answer and the figure."""

    values: dict[str, Word]
    answer: Answer
    figure: Figure | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """A question template. Besides its draft's values a wording may use `name` and `pupil`, one of a class.

    A wording that asks (`?`) is multiple choice, one that says `서술하시오` an essay.
    """

    key: str
    concept: Concept
    form: Form
    difficulty: int
    cognitive_level: str
    wordings: tuple[str, ...]
    explanation: str
    build: Callable[[Random], Draft] = field(repr=False)


FAMILIES: list[Family] = []


def family(
    concept: Concept, form: Form, difficulty: int, cognitive_level: str, *wordings: str, explanation: str
) -> Callable[[Callable[[Random], Draft]], Callable[[Random], Draft]]:
    """Register the decorated builder as a family, named after the function."""

    def register(build: Callable[[Random], Draft]) -> Callable[[Random], Draft]:
        key = build.__name__.replace("_", "-")
        FAMILIES.append(Family(key, concept, form, difficulty, cognitive_level, wordings, explanation, build))
        return build

    return register


def draft(answer: Answer, figure: Figure | None = None, /, **values: Number | str) -> Draft:
    """A `Draft` whose templates may use `values`, the right `answer`, and inside of a formula its `value`."""
    told = {name: Word(value if isinstance(value, str) else shown(value)) for name, value in values.items()}
    return Draft({"answer": Word(answer.right), "value": Word(answer.right.strip("$")), **told}, answer, figure)


def numeric(
    rng: Random,
    right: Number,
    *mistakes: Number,
    unit: str = "",
    step: Number = 1,
    most: Number | None = None,
    tex: bool = False,
) -> Answer:
    """`right` with typical `mistakes` as wrong answers, filled up with values some `step`s away.

    Where the right answer is positive the wrong ones are; none is above `most` (1 for a probability).
    """
    fill = [right + abs(step) * k for k in (*rng.sample((-3, -2, -1, 1, 2, 3), 6), *range(4, 16))]
    label = _tex_label if tex else _label
    likely = (v for v in (*mistakes, *fill) if (v > 0 or right <= 0) and (most is None or v <= most))
    first, *others = dict.fromkeys(label(value, unit) for value in (right, *likely))
    return Answer(first, tuple(others[:WRONG_ANSWERS]))


def shown(value: Number) -> str:
    """A number as an exam prints it: `3`, `0.25`, `2/3`."""
    return f"{round(value, 6):.12g}" if isinstance(value, float) else str(value)


def _label(value: Number, unit: str) -> str:
    number = shown(value)
    return f"({number}){unit}" if "/" in number and unit.startswith("π") else number + unit


def _tex_label(value: Number, unit: str) -> str:
    return f"${fraction(value)}{unit}$"


def fraction(value: Number) -> str:
    """LaTeX of a number, a `Fraction` with a bar."""
    if not isinstance(value, Fraction) or value.denominator == 1:
        return shown(value)
    sign = "-" if value < 0 else ""
    return rf"{sign}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


def polynomial(*coefficients: int, variable: str = "x") -> str:
    """LaTeX of a polynomial, highest power first: `polynomial(1, 0, -3)` is `x^2-3`."""
    degree = len(coefficients) - 1
    terms = [_term(c, degree - i, variable) for i, c in enumerate(coefficients) if c]
    return "".join(terms).removeprefix("+") or "0"


def _term(coefficient: int, power: int, variable: str) -> str:
    symbol = "" if power == 0 else variable if power == 1 else f"{variable}^{power}"
    size = "" if abs(coefficient) == 1 and power else str(abs(coefficient))
    return ("-" if coefficient < 0 else "+") + size + symbol


def shift(start: int, variable: str = "x") -> str:
    """The variable counted from `start`: `shift(3)` is `x-3`."""
    return f"{variable}{-start:+d}" if start else variable


def square(a: int, p: int, q: int) -> str:
    """A quadratic with its vertex in the open: `square(-1, 2, 3)` is `-(x-2)^2+3`."""
    factor = {1: "", -1: "-"}.get(a, str(a))
    base = f"({shift(p)})" if p else "x"
    return f"{factor}{base}^2" + (f"{q:+d}" if q else "")


def in_text(formula: str) -> str:
    """A simple formula for plain text, its squares as `²`."""
    return formula.replace("^2", "²")


def nonzero(rng: Random, low: int, high: int) -> int:
    """A whole number between `low` and `high`, never 0."""
    value = rng.randint(low, high - 1)
    return value if value < 0 else value + 1
