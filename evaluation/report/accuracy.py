"""Accuracy overall, by slice, by model and by truth set, and what it may become once the unjudged are judged."""

from collections.abc import Iterable, Sequence

from django.utils.translation import gettext as _

from evaluation.intervals import Interval, interval
from evaluation.report.charts import Point, Series, dot_chart, line_chart
from evaluation.report.document import Block, Cell, Chart, Heading, Section, Table, Text
from evaluation.report.measuring import BOUNDED_METRICS, KEY_METRICS, Measured, RunFigures
from evaluation.report.numbers import NOTHING, between, count, estimated, share
from evaluation.report.opening import metric_name
from evaluation.slices import MINIMUM, Slice

CUTOFFS = {"R": (1, 3, 5, 10, 20), "Success": (1, 3, 5, 10), "P": (1, 5, 10), "nDCG": (5, 10)}
SLICE_METRICS = ("R@5", "R@10", "Success@5", "RR", "nDCG@10")
MOST_ROWS = 30
MOST_DOTS = 8  # runs side by side in a chart; the table has all
MOST_LINES = 4  # runs in one chart; more would hide each other
FEWEST_ALPHAS = 3


def overall(measured: Measured) -> Section:
    candidate = measured.candidate
    names = [f"{measure}@{k}" for measure, cutoffs in CUTOFFS.items() for k in cutoffs] + ["RR", "AP"]
    rows = tuple(
        (metric_name(name), estimated(found), count(found.n), _method(found.method))
        for name, found in ((name, candidate.intervals[name]) for name in names)
    )
    columns = (_("Metric"), _("Mean [95% interval]"), _("queries"), _("Interval by"))
    table = Table(_("All metrics of “%(run)s”") % {"run": candidate.label}, columns, rows)
    return Section("accuracy", _("Accuracy"), (*_by_k(measured), table, *_bounds(candidate)))


def _method(name: str) -> str:
    return {"wilson": "Wilson", "bootstrap": _("bootstrap")}.get(name, name)


def _by_k(measured: Measured) -> Iterable[Block]:
    if not measured.candidate.per_query.queries:
        yield Text(_("No query has a relevant item: nothing can be measured."))
        return
    runs = _apart_from_alphas(measured, measured.comparable)[:MOST_LINES]
    series = [Series(run.label, _points(run, [f"R@{k}" for k in CUTOFFS["R"]])) for run in runs]
    ticks = [(float(place), f"R@{k}") for place, k in enumerate(CUTOFFS["R"])]
    title = _("Recall by the number of results")
    note = _("Whiskers are 95% intervals: where they overlap, a difference may be chance.")
    yield Chart(title, line_chart(title, ticks, series, _("first k results")), note)


def _points(run: RunFigures, names: Sequence[str]) -> tuple[Point, ...]:
    return tuple(_point(run, name, place) for place, name in enumerate(names))


def _point(run: RunFigures, name: str, place: float) -> Point:
    found = run.intervals[name]
    return Point(place, found.mean, found.low, found.high)


def _bounds(candidate: RunFigures) -> Iterable[Block]:
    found = candidate.bounds if candidate.per_query.queries else {}
    pairs = max((each.unjudged for each in found.values()), default=0)
    yield Heading(_("Unjudged results"))
    if not pairs:
        yield Text(_("Every result among the first 10 is judged: no metric can change."))
        return
    yield Text(
        _(
            "%(n)s results among the first 10 are unjudged and count as irrelevant. Once they are judged, each metric "
            "is between its lowest and its highest figure here."
        )
        % {"n": f"{pairs:,}"}
    )
    rows = tuple(
        (metric_name(name), share(candidate.per_query.mean(name)), between(each.low, each.high), count(each.unjudged))
        for name, each in ((name, found[name]) for name in BOUNDED_METRICS)
    )
    yield Table(_("Bounds until they are judged"),
                (_("Metric"), _("Now"), _("Lowest, highest"), _("Unjudged")), rows)  # fmt: skip


def by_slice(measured: Measured) -> Section:
    blocks = [
        block for dimension, slices in measured.slices.items() for block in _slice_table(measured, dimension, slices)
    ]
    return Section(
        "slices", _("Accuracy by slice"), tuple(blocks) or (Text(_("The items say nothing to slice by."), quiet=True),)
    )


def _slice_table(measured: Measured, dimension: str, slices: Sequence[Slice]) -> Iterable[Block]:
    shown = sorted(slices, key=len, reverse=True)[:MOST_ROWS]
    rows = tuple(
        _row((part.name or NOTHING, count(len(part))), _of_part(measured.candidate, part))
        for part in slices if part in shown
    )  # fmt: skip
    notes = []
    if any(part.small for part in shown):
        notes.append(_("Under %(n)s queries a figure says little.") % {"n": MINIMUM})
    if len(slices) > len(shown):
        notes.append(_("The %(n)s largest of %(all)s are shown.") % {"n": len(shown), "all": len(slices)})
    states = tuple("small" if part.small else "" for part in slices if part in shown)
    yield Table(_("By %(dimension)s") % {"dimension": dimension}, (dimension, _("queries"), *SLICE_METRICS), rows,
                " ".join(notes), states)  # fmt: skip


def _of_part(run: RunFigures, part: Slice) -> Iterable[Interval]:
    return (interval(name, run.per_query.values[name][part.indices], run.settings.seed) for name in SLICE_METRICS)


def _key_intervals(run: RunFigures) -> Iterable[Interval]:
    return (run.intervals[name] for name in KEY_METRICS)


def _row(first: Sequence[Cell], found: Iterable[Interval]) -> tuple[Cell, ...]:
    return (*first, *(estimated(each) for each in found))


def by_model(measured: Measured) -> Section:
    rows = tuple(_row((run.label, count(len(run.per_query.queries))), _key_intervals(run)) for run in measured.runs)
    blocks: list[Block] = [Table(_("Runs side by side"), (_("Run"), _("queries"), *KEY_METRICS), rows)]
    drawn = [run for run in _apart_from_alphas(measured, measured.runs) if run.per_query.queries][:MOST_DOTS]
    if len(drawn) > 1:
        title = _("Models and methods side by side")
        blocks.append(Chart(title, dot_chart(title, [run.label for run in drawn], _side_by_side(drawn))))
    return Section("models", _("Accuracy by model and method"), (*blocks, *_alpha_curve(measured)))


def _apart_from_alphas(measured: Measured, runs: Sequence[RunFigures]) -> list[RunFigures]:
    """Without the many hybrids that have a chart of their own, but with the candidate and the baseline."""
    aside = set(_alphas(measured).values()) - {measured.candidate, measured.baseline}
    return [run for run in runs if run not in aside]


def _side_by_side(runs: Sequence[RunFigures]) -> list[Series]:
    return [
        Series(metric_name(name), tuple(_point(run, name, row) for row, run in enumerate(runs)))
        for name in ("R@5", "RR", "nDCG@10")
    ]


def _alphas(measured: Measured) -> dict[float, RunFigures]:
    """The hybrids that differ in alpha alone, by rising alpha; none where they are too few for a curve."""
    family = [run for run in measured.comparable if run.settings.method == "hybrid"]
    alike = [run for run in family if _family(run) == _family(family[0])]
    by_alpha = {run.settings.alpha: run for run in sorted(alike, key=lambda run: run.settings.alpha)}
    return by_alpha if len(by_alpha) >= FEWEST_ALPHAS and measured.candidate.per_query.queries else {}


def _alpha_curve(measured: Measured) -> Iterable[Block]:
    by_alpha = _alphas(measured)
    if not by_alpha:
        return
    series = [
        Series(metric_name(name), tuple(_point(run, name, alpha) for alpha, run in by_alpha.items()))
        for name in ("R@5", "RR", "nDCG@10")
    ]
    title = _("Hybrid search by the share of the dense score (alpha)")
    ticks = [(alpha, f"{alpha:g}") for alpha in by_alpha]
    yield Chart(title, line_chart(title, ticks, series, _("alpha: 0 is words alone, 1 is vectors alone")))
    best = max(by_alpha, key=lambda alpha: by_alpha[alpha].intervals["nDCG@10"].mean)
    yield Text(
        _("nDCG@10 is highest at alpha %(alpha)s, chosen and measured on the same queries: expect a little less.")
        % {"alpha": f"{best:g}"}
    )  # fmt: skip


def _family(run: RunFigures) -> dict[str, object]:
    return {name: value for name, value in run.settings.as_json().items() if name not in {"alpha", "fingerprints"}}


def by_truth(measured: Measured) -> Section:
    """One way to search on several truths, since which is best depends on the truth."""
    truths = {run.run.truth_set_id: run.run.truth_set for run in measured.runs}
    title = _("Accuracy by truth set")
    if len(truths) < 2:
        return Section("truths", title, (Text(_("All runs use one truth set: %(truth)s.") % {
            "truth": measured.candidate.run.truth_set}, quiet=True),))  # fmt: skip
    blocks: list[Block] = [
        Text(_("Figures of different truth sets are of different queries: compare the order of the methods in each."))
    ]
    for pk, truth in sorted(truths.items(), key=lambda pair: str(pair[1])):
        own = [run for run in measured.runs if run.run.truth_set_id == pk]
        own.sort(key=lambda run: -run.intervals["nDCG@10"].mean)
        rows = tuple(_row((run.label,), _key_intervals(run)) for run in own)
        caption = f"{truth} ({truth.get_method_display()})"
        blocks.append(Table(caption, (_("Run, best nDCG@10 first"), *KEY_METRICS), rows))
    return Section("truths", title, tuple(blocks))
