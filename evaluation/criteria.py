"""What a criterion asks for, and the figure that is held against it.

Pure: no database.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from evaluation.bounds import Bounds
from evaluation.intervals import Interval

CALLS = "calls_ok"  # of a performance run: calls that were answered before the first that was not
FEW_DIGITS = 10  # smaller figures of performance are shown with three digits
WILSON, BOOTSTRAP, EQUAL, COUNT = "wilson", "bootstrap", "equal", "calls"  # how an interval was made

# The criteria that the program brings (evaluation/migrations/0002_criteria.py), for the catalogues of translations.
SHIPPED_NAMES = (
    gettext_noop("Top-5 recall"),
    gettext_noop("Top-10 recall"),
    gettext_noop("MRR"),
    gettext_noop("Top-5 recall against the baseline"),
    gettext_noop("P95 latency (ms)"),
    gettext_noop("Memory (GB)"),
    gettext_noop("Calls in a row"),
)


class CriterionRow(Protocol):
    """What `Criterion` of evaluation/models.py has."""

    name: str
    kind: str
    measure: str
    direction: str
    threshold: float
    no_go: float | None
    minimum_relevance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A criterion as it was when a report was made: its row without id, position and activity."""

    name: str
    kind: str  # "metric", "baseline" or "performance"
    measure: str
    direction: str = "at-least"  # or "at-most"
    threshold: float
    no_go: float | None = None
    minimum_relevance: int = 1

    @classmethod
    def of(cls, row: CriterionRow) -> "Line":
        return cls(**{each.name: getattr(row, each.name) for each in fields(cls)})

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Line":
        return cls(**{each.name: stored[each.name] for each in fields(cls) if each.name in stored})

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def title(self) -> str:
        """The name, translated where it is one of the shipped."""
        return _(self.name) if self.name in SHIPPED_NAMES else self.name

    @property
    def sign(self) -> int:
        """Times a figure: higher is better then."""
        return -1 if self.direction == "at-most" else 1

    def shown(self, number: float) -> str:
        """A figure of this criterion as a person reads it."""
        if self.kind == "performance":
            return f"{number:,.1f}".removesuffix(".0") if abs(number) >= FEW_DIGITS else f"{number:.3g}"
        return f"{number:+.3f}" if self.kind == "baseline" else f"{number:.3f}"


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its interval; `low` and `high` are the figure itself where it has none, with `method` "".

    `least` and `most` are what it may become once the unjudged results are judged; None: nothing is unjudged.
    `ceiling` is what a perfect search would have here, None where that is no matter.
    """

    value: float
    low: float
    high: float
    n: int = 0
    method: str = ""
    least: float | None = None
    most: float | None = None
    ceiling: float | None = None

    @classmethod
    def plain(cls, value: float) -> "Figure":
        return cls(value, value, value)

    @classmethod
    def of(cls, found: Interval, bounds: Bounds | None = None) -> "Figure":
        """Of a metric's interval, or that of a difference (which has no bounds).

        A bootstrap of equal values knows no spread; by the rule of three, up to 3/n of all queries may differ by 1.
        """
        low, high, method = found.low, found.high, found.method
        if method == BOOTSTRAP and low == high and found.n:
            low, high, method = low - 3 / found.n, high + 3 / found.n, EQUAL
        least, most = (bounds.low, bounds.high) if bounds and bounds.unjudged else (None, None)
        return cls(found.mean, low, high, found.n, method, least, most)

    @classmethod
    def of_calls(cls, answered_in_a_row: int, calls: int) -> "Figure":
        """Where every call was answered, more calls in a row may be too: the figure is open above."""
        high = math.inf if answered_in_a_row == calls else answered_in_a_row
        return cls(answered_in_a_row, answered_in_a_row, high, calls, COUNT)

    def turned(self, sign: int) -> "Figure":
        """The figure times 1 or -1, without its ceiling, which is no ceiling then."""
        if sign == 1:
            return self
        least, most = (None if each is None else -each for each in (self.most, self.least))
        return Figure(-self.value, -self.high, -self.low, self.n, self.method, least, most)


def performance_figure(measure: str, figures: Mapping[str, Any]) -> Figure | None:
    """A figure of a performance run (evaluation/performance.py), None where it was not measured."""
    value = figures.get(measure)
    if value is None:
        return None
    return Figure.of_calls(int(value), int(figures["calls"])) if measure == CALLS else Figure.plain(float(value))
