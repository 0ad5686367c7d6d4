"""Runs side by side: with tests over the same queries, or as a table over several truth sets."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from evaluation.admin.harm import harm_context
from evaluation.admin.pairs import (
    Chosen,
    chosen_of,
    kept,
    named_runs,
    same_queries,
    second_by_slice,
    settings_of,
    values_by_run,
)
from evaluation.admin.query_pages import SHOWN, places, query_or_404, render
from evaluation.admin.words import (
    DIMENSION_NAMES,
    State,
    chosen,
    number,
    p_value,
    scope_label,
    short_settings,
    shown,
    signed,
)
from evaluation.causes import standings_of
from evaluation.comparison import (
    BETTER,
    NOT_SHOWN,
    WORSE,
    Advice,
    Change,
    Difference,
    changed_most,
    compare,
    do_no_harm,
)
from evaluation.figures import KEY_METRICS, key_figures
from evaluation.metrics import PerQuery
from evaluation.models import EvaluationRun
from groundtruth.models import TruthQuery

MOST_RUNS = 12  # that are tested against each other
MOST_TESTED = 20_000  # differences of queries: beyond, the chosen metric alone is tested, which takes 1.7 s for 10,000
MOST_IN_TABLE = 300
SECONDS_FOR_FIGURES = 20.0
CHANGED = 20
VERDICTS = {
    BETTER: ("ib-good", gettext_lazy("better")),
    WORSE: ("ib-bad", gettext_lazy("worse")),
    NOT_SHOWN: ("", gettext_lazy("not shown")),
}
LETTERS = "ABCDEFGHIJKL"


@permission_required("evaluation.view_evaluationrun", raise_exception=True)
def compare_view(request: HttpRequest) -> HttpResponse:
    runs = named_runs(request, MOST_RUNS)
    context: dict[str, Any] = {
        "title": _("Comparison of runs"),
        "unfinished": [run for run in runs if run.state != State.COMPLETED],
        "metrics": KEY_METRICS,
        "thresholds": (1, 2, 3),
        "dimensions": DIMENSION_NAMES.items(),
    }
    asked = chosen_of(request, runs)
    return render(request, "compare.html", context | (_compared(asked) if asked else {"too_few": True}))


def _compared(asked: Chosen) -> dict[str, Any]:
    values = values_by_run(asked, asked.runs)
    letters = dict(zip(values, LETTERS, strict=False))
    context: dict[str, Any] = {
        "asked": asked,
        "address": f"runs={','.join(values)}&baseline={asked.baseline.pk}&relevance={asked.relevance}",
        "runs": [
            {"run": run, "letter": letters[str(run.pk)], "settings": short_settings(settings_of(run))}
            for run in asked.runs
        ],
        "second_letter": letters[str(asked.second.pk)],
    }
    base = values[str(asked.baseline.pk)]
    if odd := [run for run in asked.runs if not same_queries(base, values[str(run.pk)], asked.baseline, run)]:
        return context | {"odd": odd}
    many = len(base.queries) * (len(values) - 1) > MOST_TESTED
    tested = (asked.metric,) if many else KEY_METRICS
    differences = kept(asked, "all", lambda: compare(values, tested, str(asked.baseline.pk)))
    return context | {
        "queries": len(base.queries),
        "tested": asked.metric if many else "",
        "table": [
            {"run": row["run"], "letter": row["letter"], "cells": _cells(values, differences, str(row["run"].pk))}
            for row in context["runs"]
        ],
        **_pairwise(asked, values),
    }


def _cells(values: dict[str, PerQuery], differences: Sequence[Difference], run: str) -> list[dict[str, Any]]:
    against = {each.metric: each for each in differences if each.second == run}
    return [
        {"metric": name, "mean": f"{values[run].mean(name):.3f}", "difference": _shown(against.get(name))}
        for name in KEY_METRICS
    ]


def _shown(found: Difference | None) -> dict[str, Any] | None:
    if found is None:
        return None
    look, words = VERDICTS[found.verdict]
    return {
        "mean": signed(found.mean),
        "low": signed(found.interval.low),
        "high": signed(found.interval.high),
        "holm": p_value(found.holm),
        "look": look,
        "verdict": words,
        "of": found,
    }


def _pairwise(asked: Chosen, values: dict[str, PerQuery]) -> dict[str, Any]:
    """The second run against the baseline, by slice and by query."""
    one, other = str(asked.baseline.pk), str(asked.second.pk)
    found = second_by_slice(asked, values)
    changes = changed_most(values[one], values[other], asked.metric, CHANGED)
    return {
        "slices": [{"name": scope_label(each.slice or "", asked.by), **(_shown(each) or {})} for each in found],
        "advice": _advice(asked, found),
        "harm": harm_context(asked, found),
        "changes": _changes(asked, changes),
    }


def _advice(asked: Chosen, found: Sequence[Difference]) -> Advice | None:
    """Only where a reranker came in: the rest of the settings is no switch to turn on by slice."""
    if not settings_of(asked.second).reranker or settings_of(asked.baseline).reranker:
        return None
    named = [_renamed(each, asked.by) for each in found]
    return do_no_harm(named)


def _renamed(each: Difference, by: str) -> Difference:
    return replace(each, slice=scope_label(each.slice or "", by))


def _changes(asked: Chosen, changes: Sequence[Change]) -> list[dict[str, Any]]:
    queries = TruthQuery.objects.filter(
        truth_set=asked.baseline.truth_set, query_id__in=[each.query for each in changes]
    ).select_related("item")
    by_id = {query.query_id: query for query in queries}
    return [
        {
            "query": by_id[each.query],
            "first": f"{each.first:.3f}",
            "second": f"{each.second:.3f}",
            "difference": signed(each.difference),
            "look": "ib-good" if each.difference > 0 else "ib-bad",
        }
        for each in changes
        if each.query in by_id
    ]


@permission_required("evaluation.view_evaluationrun", raise_exception=True)
def query_view(request: HttpRequest) -> HttpResponse:
    """One query in two runs, both rankings next to each other."""
    runs = named_runs(request, 2)
    if len(runs) != 2 or runs[0].truth_set_id != runs[1].truth_set_id:
        raise Http404
    asked = query_or_404(runs[0], number(request.GET.get("query"), 0, least=0, most=2**62))
    relevance = number(request.GET.get("relevance"), 1, most=3)
    columns = []
    for run in runs:
        standing = standings_of(run, [asked], relevance)[asked.pk]
        ranking = run.rankings.filter(query=asked).first()
        columns.append({
            "run": run,
            "settings": short_settings(settings_of(run)),
            "standing": standing,
            "places": places(ranking.items, ranking.scores, standing, SHOWN, relevance) if ranking else [],
        })  # fmt: skip
    context = {
        "title": _("Query %(query)s in two runs") % {"query": asked.query_id},
        "query": asked,
        "columns": columns,
        "relevance": relevance,
    }
    return render(request, "compare_query.html", context)


@permission_required("evaluation.view_evaluationrun", raise_exception=True)
def truths_view(request: HttpRequest) -> HttpResponse:
    """The same settings on several truth sets: a row for the settings, a column for the truth."""
    runs = named_runs(request, MOST_IN_TABLE)
    metric = chosen(request.GET.get("metric"), KEY_METRICS, KEY_METRICS[0])
    found = key_figures(runs, seconds=SECONDS_FOR_FIGURES)
    truths = sorted({run.truth_set for run in runs}, key=str)
    rows: dict[str, dict[int, EvaluationRun]] = {}
    for run in sorted(runs, key=lambda run: run.pk):  # the newest of equal settings is shown
        rows.setdefault(_settings_key(run), {})[run.truth_set_id] = run
    best = {
        truth.pk: max((found[run.pk][metric].mean for run in runs
                       if run.truth_set_id == truth.pk and run.pk in found), default=None)
        for truth in truths
    }  # fmt: skip
    context = {
        "title": _("Truth sets side by side"),
        "truths": truths,
        "rows": [
            {
                "settings": short_settings(settings_of(next(iter(row.values())))),
                "cells": [_cell(row.get(truth.pk), found, metric, best[truth.pk]) for truth in truths],
            }
            for row in rows.values()
        ],
        "metric": metric,
        "metrics": KEY_METRICS,
        "address": f"runs={','.join(str(run.pk) for run in runs)}",
        "missing": any(run.state == State.COMPLETED and run.pk not in found for run in runs),
    }
    return render(request, "truths.html", context)


def _cell(run: EvaluationRun | None, found: dict[int, Any], metric: str, best: float | None) -> dict[str, Any]:
    if run is None:
        return {}
    interval = found[run.pk][metric] if run.pk in found else None
    return {
        "run": run,
        "figure": shown(interval) if interval else None,
        "best": interval is not None and interval.mean == best,
    }


def _settings_key(run: EvaluationRun) -> str:
    return json.dumps({**run.configuration, "fingerprints": None}, sort_keys=True)
