"""Verdicts and decisions, against arithmetic done by hand."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from django.utils import translation

from evaluation.bounds import Bounds
from evaluation.criteria import SHIPPED_NAMES, Figure, Line, performance_figure
from evaluation.gates import CONDITIONAL_GO, FAIL, GO, INSUFFICIENT, NO_GO, PASS, Verdict, decide, judge
from evaluation.intervals import Interval, interval, wilson
from evaluation.models import Criterion

RECALL = Line(name="Top-5 recall", kind="metric", measure="R@5", threshold=0.8, no_go=0.7)
BASELINE = Line(name="against", kind="baseline", measure="R@5", threshold=-0.05, no_go=-0.15)
SPEED = Line(name="P95", kind="performance", measure="p95_ms", direction="at-most", threshold=200)
CALLS = Line(name="calls", kind="performance", measure="calls_ok", threshold=1000)


def proportion(successes: int, n: int, **bounds: Any) -> Figure:
    return replace(Figure.of(wilson(successes, n)), **bounds)


def mean(value: float, half: float, n: int = 100) -> Figure:
    return Figure.of(Interval(value, value - half, value + half, "bootstrap", n))


# ---- one criterion


def test_a_line_that_no_search_could_reach_says_nothing_of_this_one() -> None:
    """R@5 where every query has 32 relevant items: 5/32 at best, beyond the no-go line of 0.7 too."""
    verdict = judge(RECALL, replace(mean(0.15, 0.001), ceiling=5 / 32))
    assert (verdict.state, verdict.no_go, verdict.more) == (INSUFFICIENT, False, None)
    assert "0.156" in verdict.reason


def test_a_no_go_line_within_reach_is_broken_though_the_line_is_not() -> None:
    assert judge(RECALL, replace(mean(0.5, 0.01), ceiling=0.78)).no_go


def test_a_ceiling_above_the_line_changes_nothing() -> None:
    assert judge(RECALL, replace(mean(0.5, 0.01), ceiling=0.8)).state == FAIL


def test_52_of_61_do_not_prove_80_percent() -> None:
    """The Wilson interval is 0.743 to 0.920."""
    assert judge(RECALL, proportion(52, 61)).state == INSUFFICIENT


def test_the_queries_named_are_the_fewest_that_decide_for_a_proportion() -> None:
    share = 52 / 61
    more = judge(RECALL, proportion(52, 61)).more
    assert more is not None
    assert wilson(share * (61 + more), 61 + more).low >= 0.8
    assert wilson(share * (60 + more), 60 + more).low < 0.8


def test_the_queries_named_decide_for_a_proportion_below_its_line() -> None:
    verdict = judge(RECALL, proportion(47, 61))
    assert verdict.more is not None
    n = 61 + verdict.more
    assert wilson(47 / 61 * n, n).high == pytest.approx(0.8, abs=1e-3)


def test_a_mean_twice_as_uncertain_as_allowed_needs_four_times_the_queries() -> None:
    assert judge(RECALL, mean(0.85, 0.1, n=100)).more == 300


def test_an_uneven_interval_counts_on_the_side_of_the_line() -> None:
    figure = Figure(0.85, 0.75, 0.86, 100, "bootstrap")
    assert judge(RECALL, figure).more == 300


def test_no_number_of_queries_decides_a_mean_on_the_line() -> None:
    verdict = judge(RECALL, proportion(80, 100))
    assert (verdict.state, verdict.more) == (INSUFFICIENT, None)
    assert "no number of queries" in verdict.reason


@pytest.mark.parametrize(("half", "state"), [(0.05, PASS), (0.051, INSUFFICIENT)])
def test_an_interval_that_ends_on_the_line_meets_it(half: float, state: str) -> None:
    assert judge(RECALL, mean(0.85, half)).state == state


def test_an_interval_wholly_below_the_line_fails() -> None:
    assert judge(RECALL, mean(0.75, 0.04)).state == FAIL


def test_lower_is_better_where_the_line_is_at_most() -> None:
    errors = Line(name="e", kind="metric", measure="P@1", direction="at-most", threshold=0.2)
    assert [judge(errors, mean(value, 0.05)).state for value in (0.1, 0.3, 0.22)] == [PASS, FAIL, INSUFFICIENT]


def test_the_queries_named_hold_where_the_line_is_at_most() -> None:
    errors = Line(name="e", kind="metric", measure="Success@1", direction="at-most", threshold=0.2)
    assert judge(errors, proportion(9, 61)).more == judge(RECALL, proportion(52, 61)).more


def test_a_bootstrap_of_few_queries_decides_nothing() -> None:
    verdict = judge(RECALL, mean(0.95, 0.01, n=5))
    assert (verdict.state, verdict.more) == (INSUFFICIENT, 15)


def test_a_run_equal_to_its_baseline_passes_once_there_are_enough_queries() -> None:
    """Rule of three: 3/60 is the 5 points allowed."""

    def equal(n: int) -> Verdict:
        return judge(BASELINE, Figure.of(Interval(0.0, 0.0, 0.0, "bootstrap", n)))

    assert equal(60).state == PASS
    assert (equal(50).state, equal(50).more) == (INSUFFICIENT, 10)


def test_rounding_decides_nothing() -> None:
    low = 0.85 - 0.9  # -0.05000000000000004
    assert judge(BASELINE, Figure(0.0, low, 0.1, 100, "bootstrap")).state == PASS


@pytest.mark.parametrize("line", [RECALL, BASELINE, SPEED])
def test_what_was_not_measured_is_insufficient_and_says_what_to_run(line: Line) -> None:
    verdict = judge(line, None)
    assert (verdict.state, verdict.figure) == (INSUFFICIENT, None)
    assert "Not measured" in verdict.reason


def test_the_mean_of_no_query_is_not_measured() -> None:
    assert "Not measured" in judge(RECALL, Figure.of(interval("R@5", []))).reason


# ---- unjudged results


def test_unjudged_results_that_could_lift_a_failure_leave_it_open() -> None:
    failing = mean(0.75, 0.04)
    assert judge(RECALL, replace(failing, least=0.75, most=0.78)).state == INSUFFICIENT
    assert judge(RECALL, replace(failing, least=0.75, most=0.755)).state == FAIL


def test_unjudged_results_that_could_lower_a_pass_leave_it_open() -> None:
    verdict = judge(RECALL, replace(mean(0.85, 0.04), least=0.82, most=0.9))
    assert verdict.state == INSUFFICIENT
    assert "judged" in verdict.reason


def test_bounds_without_unjudged_results_change_nothing() -> None:
    found = Interval(0.75, 0.71, 0.79, "bootstrap", 100)
    assert Figure.of(found, Bounds(0.75, 0.75, 0)) == Figure.of(found)


def test_bounds_turn_with_the_direction() -> None:
    errors = Line(name="e", kind="metric", measure="P@1", direction="at-most", threshold=0.2)
    assert judge(errors, replace(mean(0.1, 0.05), least=0.1, most=0.17)).state == INSUFFICIENT


# ---- the no-go line


def test_a_mean_beyond_the_no_go_line_breaks_it_though_the_interval_reaches_over() -> None:
    verdict = judge(RECALL, mean(0.69, 0.12))
    assert (verdict.state, verdict.no_go, verdict.no_go_supported) == (INSUFFICIENT, True, False)
    assert "does not exclude" in verdict.reason


def test_an_interval_beyond_the_no_go_line_supports_it() -> None:
    verdict = judge(RECALL, mean(0.6, 0.05))
    assert (verdict.no_go, verdict.no_go_supported) == (True, True)


def test_a_mean_on_the_no_go_line_does_not_break_it() -> None:
    assert not judge(BASELINE, mean(0.7 - 0.85, 0.01)).no_go


def test_unjudged_results_speak_for_a_model_at_the_no_go_line() -> None:
    assert not judge(RECALL, replace(mean(0.69, 0.12), least=0.69, most=0.71)).no_go


# ---- performance


def test_a_figure_without_an_interval_is_compared_as_it_is() -> None:
    states = [judge(SPEED, performance_figure("p95_ms", {"p95_ms": ms})).state for ms in (200, 200.1)]
    assert states == [PASS, FAIL]


def test_too_few_calls_that_were_all_answered_ask_for_more() -> None:
    verdict = judge(CALLS, performance_figure("calls_ok", {"calls_ok": 100, "calls": 100}))
    assert (verdict.state, verdict.more) == (INSUFFICIENT, 900)


@pytest.mark.parametrize(("answered", "calls", "state"), [(1000, 1000, PASS), (999, 1000, FAIL), (99, 100, FAIL)])
def test_one_failed_call_of_a_thousand_fails(answered: int, calls: int, state: str) -> None:
    assert judge(CALLS, performance_figure("calls_ok", {"calls_ok": answered, "calls": calls})).state == state


def test_a_figure_that_the_run_did_not_measure_is_none() -> None:
    assert performance_figure("memory_gb", {"memory_gb": None}) is None


# ---- the decision

GOOD, OPEN, BAD = mean(0.9, 0.02), mean(0.82, 0.05), mean(0.76, 0.02)
FAST, SLOW = Figure.plain(150), Figure.plain(250)


def decided(recall: Figure | None, speed: Figure | None) -> str:
    return decide([RECALL, SPEED], lambda line: recall if line is RECALL else speed).outcome


@pytest.mark.parametrize(
    ("recall", "speed", "outcome"),
    [
        (GOOD, FAST, GO),
        (OPEN, FAST, CONDITIONAL_GO),
        (None, FAST, CONDITIONAL_GO),
        (GOOD, None, CONDITIONAL_GO),
        (GOOD, SLOW, CONDITIONAL_GO),
        (BAD, FAST, CONDITIONAL_GO),
        (mean(0.69, 0.12), FAST, NO_GO),
    ],
)
def test_a_broken_no_go_line_rules_out_and_the_rest_makes_conditions(
    recall: Figure | None, speed: Figure | None, outcome: str
) -> None:
    assert decided(recall, speed) == outcome


def test_a_performance_criterion_rules_out_by_its_no_go_line() -> None:
    assert decide([replace(SPEED, no_go=220)], lambda _line: SLOW).outcome == NO_GO


def test_the_reasons_of_a_no_go_are_what_rules_it_out_and_the_conditions_are_all_that_is_open() -> None:
    decision = decide([RECALL, SPEED], lambda line: mean(0.65, 0.02) if line is RECALL else SLOW)
    assert [reason.split(":")[0] for reason in decision.reasons] == ["Top-5 recall"]
    assert [condition.split(":")[0] for condition in decision.conditions] == ["Top-5 recall", "P95"]


def test_a_go_gives_every_reason_and_no_condition() -> None:
    decision = decide([RECALL, SPEED], lambda line: GOOD if line is RECALL else FAST)
    assert (len(decision.reasons), decision.conditions) == (2, ())


def test_nothing_goes_live_without_a_criterion() -> None:
    assert decide([], lambda _line: None).outcome == CONDITIONAL_GO


# ---- the criteria that the program brings


@pytest.mark.django_db
def test_the_shipped_criteria_survive_the_way_through_a_report() -> None:
    lines = [Line.of(row) for row in Criterion.objects.all()]
    assert [line.name for line in lines] == list(SHIPPED_NAMES)
    assert [Line.from_json(line.as_json()) for line in lines] == lines


@pytest.mark.django_db
def test_the_shipped_lines_are_the_agreed_ones() -> None:
    rows = Criterion.objects.values_list("measure", "direction", "threshold", "no_go")
    assert list(rows) == [
        ("R@5", "at-least", 0.8, 0.7),
        ("R@10", "at-least", 0.9, None),
        ("RR", "at-least", 0.65, None),
        ("R@5", "at-least", -0.05, -0.15),
        ("p95_ms", "at-most", 200, None),
        ("memory_gb", "at-most", 8, None),
        ("calls_ok", "at-least", 1000, None),
    ]


def test_figures_are_shown_as_a_person_reads_them() -> None:
    shown = (RECALL.shown(0.8), BASELINE.shown(0.0123), *map(SPEED.shown, (200, 1234.56, 8, 0.112)))
    assert shown == ("0.800", "+0.012", "200", "1,234.6", "8", "0.112")


def test_an_open_figure_has_no_upper_end() -> None:
    assert math.isinf(Figure.of_calls(100, 100).high)
    assert np.isfinite(Figure.of_calls(99, 100).high)


def test_names_that_an_admin_wrote_are_shown_as_written() -> None:
    with translation.override("ko"):
        assert replace(RECALL, name="우리 기준").title == "우리 기준"
