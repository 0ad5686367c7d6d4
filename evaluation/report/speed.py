"""Performance: latency with its stages, throughput, memory, calls in a row (figures of evaluation/performance.py)."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from evaluation.criteria import Line
from evaluation.report.charts import cumulative_chart
from evaluation.report.document import Block, Cell, Chart, Facts, Section, Table, Text
from evaluation.report.measuring import Measured
from evaluation.report.numbers import NOTHING, count, plain

SPREAD = ("mean", "p50", "p95", "p99", "min", "max")
PERCENTILES = 101


def performance(measured: Measured) -> Section:
    title, run = _("Performance"), measured.report.performance
    if run is None:
        words = _(
            "Not measured: run “manage.py benchmark service --encoder SLUG” and choose its result for the report."
        )
        return Section("performance", title, (Text(words, quiet=True),))
    latency: Mapping[str, Mapping[str, Any]] = run.figures.get("latency") or {}
    blocks: list[Block] = [Facts(tuple(_facts(run.encoder_slug, run.figures)))]
    if latency:
        blocks += [_latency(latency), *_stages(latency), *_distribution(measured, latency)]
    return Section("performance", title, tuple(blocks))


def _facts(encoder: str, figures: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    yield _("encoder"), encoder
    if figures.get("calls"):
        words = _("%(answered)s of %(calls)s answered, %(row)s of them before the first failure")
        yield _("Calls in a row"), words % {
            "answered": f"{figures.get('answered', 0):,}", "calls": f"{figures['calls']:,}",
            "row": f"{figures.get('calls_ok', 0):,}"}  # fmt: skip
    for clients, found in (figures.get("throughput") or {}).items():
        if found is not None:
            yield _("Throughput, clients: %(n)s") % {"n": clients}, _("%(n)s queries a second") % {"n": plain(found)}
    memory, growth = figures.get("memory") or {}, figures.get("rss") or {}
    yield from _memory(memory)
    if figures.get("cold_ms") is not None:
        yield _("First call, which loads the model"), f"{plain(figures['cold_ms'], 0)} ms"
    if growth.get("slope_mb_per_1000") is not None:
        yield _("Growth of main memory in 1,000 calls"), f"{growth['slope_mb_per_1000']:+,.1f} MB"


def _memory(memory: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for label, key in ((_("Memory after load"), "after_load_gb"), (_("Memory at peak"), "peak_gb")):
        if memory.get(key) is not None:
            yield label, f"{plain(memory[key], 2)} GB" + (f" ({memory['of']})" if memory.get("of") else "")


def kind_name(kind: str) -> str:
    return {"text": _("Text"), "image": _("Image"), "both": _("Text and image")}.get(kind, kind)


def _latency(latency: Mapping[str, Mapping[str, Any]]) -> Table:
    columns = (_("Query"), _("calls"), _("mean"), "P50", "P95", "P99", _("min"), _("max"))
    rows = tuple((kind_name(kind), count(found.get("calls", 0)), *_spread(found)) for kind, found in latency.items())
    return Table(_("Latency of a single query (ms)"), columns, rows)


def _spread(found: Mapping[str, Any]) -> tuple[Cell, ...]:
    return tuple(plain(found[name]) if found.get(name) is not None else NOTHING for name in SPREAD)


def _stages(latency: Mapping[str, Mapping[str, Any]]) -> Iterable[Table]:
    rows = tuple(
        (kind_name(kind), stage, *_spread(times))
        for kind, found in latency.items()
        for stage, times in (found.get("stages") or {}).items()
        if stage != "total"  # which the table of latencies has
    )
    if rows:
        columns = (_("Query"), _("Stage"), _("mean"), "P50", "P95", "P99", _("min"), _("max"))
        yield Table(_("Time of each stage (ms)"), columns, rows)


def _distribution(measured: Measured, latency: Mapping[str, Mapping[str, Any]]) -> Iterable[Chart]:
    curves = [
        (kind_name(kind), found["quantiles"])
        for kind, found in latency.items()
        if len(found.get("quantiles") or ()) == PERCENTILES
    ]
    if not curves:
        return
    lines = [Line.from_json(each) for each in measured.report.criteria if each["measure"] == "p95_ms"]
    limit = (lines[0].threshold, lines[0].title) if lines else None
    title = _("Distribution of the latency")
    note = _("How many percent of the calls were answered within so many milliseconds. Markers: half, and 95%.")
    yield Chart(title, cumulative_chart(title, curves, limit, "ms"), note)
