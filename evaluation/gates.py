"""Whether a model may go live: each criterion's verdict, and the decision that follows from all of them.

A criterion says PASS where the figure's whole 95% interval meets the line, FAIL where all of it misses the line, and
INSUFFICIENT where the interval spans the line, where the figure is unmeasured, or where unjudged results could move it
across. 52 of 61 queries are 85%, but their interval is 74-92%: "at least 80%" is INSUFFICIENT, not PASS. Figures of
speed and memory have no interval and are compared as measured.

A no-go line is broken as soon as the figure itself is beyond it, with every unjudged result counted in its favour. The
verdict says whether the interval supports that, or more queries might still lift the figure.

A line that not even a perfect search could reach on this truth (R@5 where queries have 32 relevant items) is
INSUFFICIENT, since missing it says nothing about the search; such a no-go line is not broken either.

The decision:
- GO: every criterion is PASS.
- NO-GO: a no-go line is broken.
- CONDITIONAL GO: the rest. Nothing rules the model out, but something misses its line or is not shown yet. The
  conditions are the criteria that are not PASS.

Pure: no database. Sentences are in the language of the moment.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from django.utils.translation import gettext as _

from evaluation.criteria import BOOTSTRAP, COUNT, EQUAL, WILSON, Figure, Line
from evaluation.intervals import LEVEL
from evaluation.slices import MINIMUM

PASS, FAIL, INSUFFICIENT = "PASS", "FAIL", "INSUFFICIENT"
GO, CONDITIONAL_GO, NO_GO = "GO", "CONDITIONAL GO", "NO-GO"
Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
ROUNDING = 1e-9  # figures closer to a line than this are on it: 0.85 - 0.9 is not quite -0.05


@dataclass(frozen=True, slots=True)
class Verdict:
    """`more`: queries (or calls) that would decide if the mean stayed as it is; None where that is no remedy.

    `no_go` says that the figure is beyond the no-go line, `no_go_supported` that its whole interval is.
    `reason` says why, and what to do where the state is not PASS.
    """

    line: Line
    figure: Figure | None
    state: str
    reason: str
    more: int | None = None
    no_go: bool = False
    no_go_supported: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """`reasons` are of the outcome, `conditions` what must happen before a GO: one sentence a criterion."""

    outcome: str
    summary: str
    verdicts: tuple[Verdict, ...]
    reasons: tuple[str, ...]
    conditions: tuple[str, ...]


# ---- one criterion


def judge(line: Line, figure: Figure | None) -> Verdict:
    """The verdict on one criterion; `figure` is None (or its value NaN) where nothing was measured."""
    if figure is None or math.isnan(figure.value):
        return Verdict(line, None, INSUFFICIENT, _unmeasured(line))
    turned, threshold = figure.turned(line.sign), line.threshold * line.sign
    state = _side(turned.low, turned.high, threshold)
    if turned.ceiling is not None and turned.ceiling < threshold - ROUNDING:
        return _with_no_go(Verdict(line, figure, INSUFFICIENT, _out_of_reach(line, turned.ceiling)))
    if state == INSUFFICIENT:
        more = queries_missing(turned, threshold)
        return _with_no_go(Verdict(line, figure, state, _spanning(figure, more), more))
    if figure.method in {BOOTSTRAP, EQUAL} and figure.n < MINIMUM:
        reason = _("A mean of %(n)s queries has no interval to rely on: use at least %(least)s.") % {
            "n": figure.n, "least": MINIMUM}  # fmt: skip
        return _with_no_go(Verdict(line, figure, INSUFFICIENT, reason, MINIMUM - figure.n))
    if state != _side(*_with_unjudged(turned), threshold):
        reason = _("Unjudged results could move the figure across the line: have them judged.")
        return _with_no_go(Verdict(line, figure, INSUFFICIENT, reason))
    return _with_no_go(Verdict(line, figure, state, _decided(line, figure, state)))


def queries_missing(figure: Figure, line: float) -> int | None:
    """How many queries (or calls) beyond `n` would bring the interval off the line, if the mean stayed as it is.

    A Wilson interval ends at the line L where |p - L| = z sqrt(L (1 - L) / n); the half-width of other means shrinks
    with 1 / sqrt(n), and with 1 / n where all values are equal. None where the mean is on the line.
    """
    distance = abs(figure.value - line)
    if figure.method == COUNT:
        return math.ceil(line) - figure.n
    if distance < ROUNDING or not figure.n:
        return None
    if figure.method == WILSON:
        needed = Z * Z * abs(line) * (1 - abs(line)) / distance**2
    else:
        half = figure.value - figure.low if figure.value > line else figure.high - figure.value
        shrinking = half / distance
        needed = max(MINIMUM, figure.n * (shrinking if figure.method == EQUAL else shrinking**2))
    return max(math.ceil(needed - ROUNDING) - figure.n, 1)


def _side(low: float, high: float, line: float) -> str:
    if low >= line - ROUNDING:
        return PASS
    return FAIL if high < line - ROUNDING else INSUFFICIENT


def _with_unjudged(figure: Figure) -> tuple[float, float]:
    """The interval, moved as far as the mean may move: it is as wide around any value near."""
    low, high = figure.low, figure.high
    return (
        low if figure.least is None else low + min(figure.least - figure.value, 0),
        high if figure.most is None else high + max(figure.most - figure.value, 0),
    )


def _with_no_go(verdict: Verdict) -> Verdict:
    """The same verdict, with what the no-go line says."""
    line, figure = verdict.line, verdict.figure
    if figure is None or line.no_go is None:
        return verdict
    turned, no_go = figure.turned(line.sign), line.no_go * line.sign
    best = max(turned.value, turned.value if turned.most is None else turned.most)
    out_of_reach = turned.ceiling is not None and turned.ceiling < no_go - ROUNDING
    if out_of_reach or best >= no_go - ROUNDING:
        return verdict
    supported = _with_unjudged(turned)[1] < no_go - ROUNDING
    sentence = (
        _("Beyond the no-go line %(line)s, and so is its whole interval.")
        if supported
        else _("Beyond the no-go line %(line)s, though its interval does not exclude the other side.")
    ) % {"line": line.shown(line.no_go)}
    reason = f"{sentence} {verdict.reason}"
    return Verdict(line, figure, verdict.state, reason, verdict.more, no_go=True, no_go_supported=supported)


# ---- sentences


def _unmeasured(line: Line) -> str:
    if line.kind == "performance":
        return _("Not measured: run “manage.py benchmark service --encoder SLUG” and choose its result for the report.")
    if line.kind == "baseline":
        return _("Not measured: choose a baseline run over the same truth set.")
    return _("Not measured: the run has no query with a relevant item.")


def _out_of_reach(line: Line, ceiling: float) -> str:
    return _(
        "Out of reach on this truth: even a perfect search has %(ceiling)s, since queries have more relevant items "
        "than fit. Ask for a higher relevance or for Success@k, or use another truth set."
    ) % {"ceiling": line.shown(ceiling)}


def _spanning(figure: Figure, more: int | None) -> str:
    if figure.method == COUNT:
        return _("All calls were answered, but more are asked for: repeat the benchmark with %(more)s more.") % {
            "more": f"{more:,}"}  # fmt: skip
    if more is None:
        return _("The mean is on the line: no number of queries would decide.")
    return _("The interval spans the line: about %(more)s more queries would decide, if the mean stays.") % {
        "more": f"{more:,}"}  # fmt: skip


def _decided(line: Line, figure: Figure, state: str) -> str:
    if state == PASS:
        return _("The whole interval meets the line.") if figure.method else _("The measured figure meets the line.")
    if line.kind == "performance":
        return _("The measured figure misses the line: change precision, model or machine and measure again.")
    return _("The whole interval misses the line.")


# ---- all of them


def decide(lines: Sequence[Line], figure_of: Callable[[Line], Figure | None]) -> Decision:
    """The decision over all criteria, by the rule at the top of this module."""
    verdicts = tuple(judge(line, figure_of(line)) for line in lines)
    outcome = _outcome(verdicts)
    decisive = [each for each in verdicts if each.no_go] if outcome == NO_GO else verdicts
    return Decision(
        outcome,
        _summary(outcome, verdicts),
        verdicts,
        tuple(_sentence(each) for each in decisive if outcome == GO or each.state != PASS or each.no_go),
        tuple(_sentence(each) for each in verdicts if each.state != PASS or each.no_go),
    )


def _outcome(verdicts: Sequence[Verdict]) -> str:
    if any(each.no_go for each in verdicts):
        return NO_GO
    return GO if verdicts and all(each.state == PASS for each in verdicts) else CONDITIONAL_GO


def _summary(outcome: str, verdicts: Sequence[Verdict]) -> str:
    if not verdicts:
        return _("There is no criterion to decide by.")
    if outcome == GO:
        return _("Every criterion is met.")
    if outcome == NO_GO:
        return _("A no-go line is broken.")
    return _("No no-go line is broken, but not every criterion is met yet.")


def _sentence(verdict: Verdict) -> str:
    return f"{verdict.line.title}: {verdict.state}. {verdict.reason}"
