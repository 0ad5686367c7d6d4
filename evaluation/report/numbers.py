"""Figures as people read them, the same in every section and format."""

import math

from django.utils.translation import gettext as _

from evaluation.gates import CONDITIONAL_GO, FAIL, GO, INSUFFICIENT, NO_GO, PASS
from evaluation.intervals import Interval
from evaluation.report.document import Number

NOTHING = "–"
FIRM = "\u00a0"  # a space at which no line breaks


def share(value: float) -> str:
    """A metric: three digits behind the point."""
    return NOTHING if math.isnan(value) else f"{value:.3f}"


def signed(value: float) -> str:
    return f"{value:+.3f}"


def between(low: float, high: float, form: str = ".3f") -> str:
    return f"[{low:{form}},{FIRM}{high:{form}}]"


def estimated(found: Interval) -> Number:
    if math.isnan(found.mean):
        return Number(found.mean, NOTHING)
    return Number(found.mean, f"{share(found.mean)} {between(found.low, found.high)}")


def count(value: int) -> Number:
    return Number(value, f"{value:,}")


def plain(value: float, digits: int = 1) -> Number:
    """A figure of speed or memory."""
    return Number(value, f"{value:,.{digits}f}".removesuffix(".0"))


def probability(p: float) -> Number:
    return Number(p, f"<{FIRM}0.001" if p < 0.001 else f"{p:.3f}")


def verdict_words(state: str) -> str:
    """The word of the state with its meaning in the reader's language: the capitals are those of the criteria."""
    words = {PASS: _("passed"), FAIL: _("missed"), INSUFFICIENT: _("not decided")}
    return f"{state} ({words[state]})"


def outcome_words(outcome: str) -> str:
    return {
        GO: _("Ready to go live"),
        CONDITIONAL_GO: _("Go live once the conditions below are met"),
        NO_GO: _("Do not go live"),
    }[outcome]
