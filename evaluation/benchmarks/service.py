"""Latency, throughput, memory and endurance of searches with an encoder, against the targets of the criteria.

Measures the bank as it is, through its worker where one runs, and stores a performance run for reports. Queries are
all different, so that none is answered from memory.
"""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError
from rich.console import Console
from rich.table import Table

from embeddings.search import SearchError
from evaluation.criteria import Line, performance_figure
from evaluation.gates import judge
from evaluation.models import Criterion, PerformanceRun
from evaluation.performance import Plan, measure
from evaluation.service_queries import PerformanceError

SPREAD = ("mean", "p50", "p95", "p99", "min", "max")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--encoder", required=True, metavar="SLUG")
    parser.add_argument("--calls", type=int, default=1_000, help="calls in a row (default 1000)")
    parser.add_argument("--clients", type=int, default=4, help="threads that ask at once (default 4)")
    parser.add_argument("--k", type=int, default=10, help="hits a search (default 10)")
    parser.add_argument("--seed", type=int, default=1, help="of the words that queries are made of")
    parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON")


def run(*, encoder: str, calls: int, clients: int, k: int, seed: int, as_json: bool, **options: Any) -> None:
    """Print the figures of a new performance run. Raises CommandError."""
    try:
        found = measure(encoder, Plan(calls=calls, clients=clients, k=k, seed=seed))
    except (PerformanceError, SearchError) as error:
        raise CommandError(str(error)) from error
    if as_json:
        print(json.dumps(as_plain(found), ensure_ascii=False))
    else:
        _print(found, Console(width=120))


def as_plain(run: PerformanceRun) -> dict[str, Any]:
    """All of the run, and the verdict on each criterion of performance."""
    verdicts = [
        {"criterion": line.title, "target": line.threshold, "value": run.figures.get(line.measure), "verdict": state}
        for line, state in _verdicts(run)
    ]
    stored = {name: getattr(run, name) for name in ("encoder_slug", "machine", "configuration", "figures")}
    return {"id": run.pk, **stored, "verdicts": verdicts}


def _verdicts(run: PerformanceRun) -> Iterator[tuple[Line, str]]:
    for row in Criterion.objects.filter(kind=Criterion.Kind.PERFORMANCE, active=True):
        line = Line.of(row)
        yield line, judge(line, performance_figure(line.measure, run.figures)).state


def _print(run: PerformanceRun, console: Console) -> None:
    console.print(_times(run), _targets(run), sep="\n")
    for line in _sentences(run.figures, run.configuration):
        console.print(line, markup=False, highlight=False)
    console.print(f"Stored as performance run {run.pk}.", style="dim", highlight=False)


def _times(run: PerformanceRun) -> Table:
    table = Table("ms", *SPREAD, title=str(run), box=None, title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for kind, found in run.figures["latency"].items():
        table.add_row(f"{kind} query ({found['calls']} calls)", *(f"{found[name]:.1f}" for name in SPREAD))
        for stage, times in found["stages"].items():
            if stage != "total":
                table.add_row(f"  {stage}", *(f"{times[name]:.1f}" for name in SPREAD))
    return table


def _targets(run: PerformanceRun) -> Table:
    table = Table("criterion", "measured", "target", "verdict", box=None)
    for line, state in _verdicts(run):
        value = run.figures.get(line.measure)
        target = f"{'≤' if line.sign < 0 else '≥'} {line.shown(line.threshold)}"
        table.add_row(line.title, "–" if value is None else line.shown(value), target, state)
    return table


def _sentences(figures: dict[str, Any], configuration: dict[str, Any]) -> Iterator[str]:
    memory, rss = figures["memory"], figures["rss"]
    rates = ", ".join(f"{rate} calls/s with {clients} at once" for clients, rate in figures["throughput"].items())
    yield f"Encoded by {configuration['encoded_by']}, {configuration['vectors']} vectors, {rates}."
    yield f"First call {figures['cold_ms']:.0f} ms; every query is new, none was answered from memory."
    yield f"Memory ({memory['of']}): {memory['after_load_gb']} GiB once loaded, {memory['peak_gb']} GiB at most."
    yield (
        f"{figures['answered']} of {figures['calls']} calls answered, {figures['calls_ok']} in a row; main memory "
        f"{rss['start_mb']} -> {rss['end_mb']} MiB, {rss['slope_mb_per_1000']} MiB per 1,000 calls in the second half."
    )
    if figures["failures"]:
        yield "Failures: " + ", ".join(f"{reason} ({count})" for reason, count in figures["failures"].items())
