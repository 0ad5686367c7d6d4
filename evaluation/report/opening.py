"""The first sections: verdict, key figures, environment, data set."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from evaluation.gates import Verdict
from evaluation.metrics import split
from evaluation.report.document import Block, Bullets, Cell, Facts, Heading, Number, Section, Table, Text, Tile, Tiles
from evaluation.report.measuring import KEY_METRICS, Measured
from evaluation.report.numbers import FIRM, NOTHING, between, count, plain, share, verdict_words
from groundtruth.models import Relevance

NO_GO_FIRM = "NO\u2011GO"  # with a hyphen at which no line breaks
SHOWN_QUERIES = 20  # names of queries left out; the count is always there


def verdict(measured: Measured) -> Section:
    decision = measured.decision
    blocks: list[Block] = [Bullets(decision.reasons)] if decision.reasons else []
    if decision.verdicts:
        blocks.append(_criteria(decision.verdicts, measured.report.minimum_relevance))
    conditions = tuple(each for each in decision.conditions if each not in decision.reasons)
    if conditions:
        blocks += [Heading(_("Still open")), Bullets(conditions)]
    if measured.report.remarks:
        blocks += [Heading(_("Remarks")), Text(measured.report.remarks)]
    return Section("verdict", _("Verdict"), tuple(blocks))


def _criteria(verdicts: Iterable[Verdict], minimum_relevance: int) -> Table:
    judged = tuple(verdicts)
    columns = (_("Criterion"), _("Line"), _("Measured"), _("Verdict"), _("Reason"))
    rows = tuple(
        (_name(each, minimum_relevance), _line(each), _figure(each), verdict_words(each.state), each.reason)
        for each in judged
    )
    return Table(_("Criteria"), columns, rows, states=tuple(each.state.lower() for each in judged))


def _name(each: Verdict, minimum_relevance: int) -> str:
    """With the criterion's own relevance where the figures of the report are of another."""
    line = each.line
    if line.kind == "performance" or line.minimum_relevance == minimum_relevance:
        return line.title
    return _("%(criterion)s, relevance ≥ %(level)s") % {"criterion": line.title, "level": line.minimum_relevance}


def _line(each: Verdict) -> str:
    shown = f"{'≥' if each.line.sign == 1 else '≤'}{FIRM}{each.line.shown(each.line.threshold)}"
    if each.line.no_go is None:
        return shown
    beyond = "<" if each.line.sign == 1 else ">"
    return f"{shown} ({NO_GO_FIRM}{FIRM}{beyond}{FIRM}{each.line.shown(each.line.no_go)})"


def _figure(each: Verdict) -> Cell:
    figure, line = each.figure, each.line
    if figure is None:
        return NOTHING
    shown = line.shown(figure.value)
    if figure.n and line.kind != "performance":
        shown += f" {between(figure.low, figure.high, '+.3f' if line.kind == 'baseline' else '.3f')}"
    return Number(figure.value, shown)


def key_figures(measured: Measured) -> Section:
    candidate = measured.candidate
    tiles = []
    for name in KEY_METRICS:
        found = candidate.intervals[name]
        detail = _("95%% interval %(range)s") % {"range": between(found.low, found.high)}
        tiles.append(Tile(metric_name(name), share(found.mean), detail))
    tiles.append(Tile(_("queries"), f"{len(candidate.per_query.queries):,}", _("with a relevant item")))
    tiles += _speed_tiles(measured.report.performance.figures if measured.report.performance else {})
    return Section("key-figures", _("Key figures"), (Tiles(tuple(tiles)),))


def _speed_tiles(figures: Mapping[str, Any]) -> list[Tile]:
    found = [
        (_("P95 latency"), figures.get("p95_ms"), "ms"),
        (_("Memory at peak"), figures.get("memory_gb"), "GB"),
    ]
    return [Tile(label, f"{plain(value)} {unit}") for label, value, unit in found if value is not None]


def metric_name(name: str) -> str:
    """ "R@5" -> "Recall, first 5 (R@5)": the short name is exact, the long one tells recall from hit rate."""
    measure, cutoff = split(name)
    words = {
        "R": _("Recall of the first %(k)s"),
        "Success": _("Hit rate of the first %(k)s"),
        "P": _("Precision of the first %(k)s"),
        "nDCG": _("Graded gain of the first %(k)s"),
        "RR": _("Mean reciprocal rank"),
        "AP": _("Mean average precision"),
        "Judged": _("Judged among the first %(k)s"),
    }[measure]
    return f"{words % {'k': cutoff} if cutoff else words} ({name})"


def environment(measured: Measured) -> Section:
    run, performance = measured.candidate.run, measured.report.performance
    if performance is None or performance.machine == run.environment:
        return Section("environment", _("Environment"), (machine(run.environment),))
    accuracy = (Heading(_("Accuracy")), machine(run.environment))
    speed = (Heading(_("Performance")), machine(performance.machine))
    return Section("environment", _("Environment"), (*accuracy, *speed))


def machine(found: Mapping[str, Any]) -> Block:
    """What evaluation/environment.py describes."""
    if not found:
        return Text(_("Not recorded."), quiet=True)
    packages = ", ".join(f"{name} {version}" for name, version in sorted(found.get("packages", {}).items()))
    pairs = (
        (_("System"), found.get("system")),
        (_("Cores"), found.get("cores")),
        (_("Main memory"), f"{found['memory_gb']} GB" if found.get("memory_gb") else None),
        ("GPU", found.get("gpu") or _("none in use")),
        ("Python", found.get("python")),
        ("PostgreSQL", found.get("postgresql")),
        (_("Packages"), packages),
    )
    return Facts(tuple((label, str(value)) for label, value in pairs if value))


def data_set(measured: Measured) -> Section:
    candidate = measured.candidate
    truth = candidate.run.truth_set
    frozen = timezone.localtime(truth.frozen_at).strftime("%Y-%m-%d") if truth.frozen_at else NOTHING
    facts = Facts((
        (_("Truth set"), str(truth)),
        (_("Method"), truth.get_method_display()),
        (_("Scope"), truth.get_scope_display()),
        (_("Frozen on"), frozen),
        (_("Items searched"), f"{candidate.run.corpus_items:,}"),
        (_("Relevant from"), f"{candidate.minimum_relevance} – {Relevance(candidate.minimum_relevance).label}"),
        (_("Queries that count"), f"{len(candidate.per_query.queries):,}"),
    ))  # fmt: skip
    return Section("data-set", _("Data set"), (facts, _left_out(measured), _labels(measured)))


def _left_out(measured: Measured) -> Block:
    candidate = measured.candidate
    unranked = sum(not candidate.ranked.get(query) for query in candidate.per_query.queries)
    without = candidate.per_query.left_out
    names = ", ".join(without[:SHOWN_QUERIES]) + (" …" if len(without) > SHOWN_QUERIES else "")
    rows = (
        (_("No relevant item in the truth"), count(len(without)), _("left out"), names),
        (_("Nothing to ask with (no text or no image)"), count(candidate.unaskable), _("left out"), ""),
        (_("Nothing found"), count(unranked), _("counts as 0"), ""),
    )
    return Table(_("Queries left out, and those without a result"),
                 (_("Reason"), _("queries"), _("Treatment"), _("query id")), rows)  # fmt: skip


def _labels(measured: Measured) -> Block:
    """How many pairs of each relevance the candidate was judged by."""
    labels = [relevance for pairs in measured.candidate.judged.values() for relevance in pairs.values()]
    rows = tuple(
        (f"{each.value} – {each.label}", count(labels.count(each.value))) for each in sorted(Relevance, reverse=True)
    )
    return Table(_("Judged pairs"), (_("relevance"), _("pairs")), rows)
