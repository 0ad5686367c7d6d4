"""The candidate against the baseline and the other runs, and where a reranker does harm."""

from collections.abc import Iterable, Iterator, Sequence

from django.utils.translation import gettext as _

from evaluation.comparison import BETTER, NOT_SHOWN, WORSE, Difference, by_slice, changed_most, compare, do_no_harm
from evaluation.report.document import Block, Heading, Number, Section, Table, Text
from evaluation.report.measuring import Measured, RunFigures
from evaluation.report.numbers import NOTHING, between, count, probability, share, signed

HARM_METRIC = "nDCG@10"
MOST_SLICES = 15
MOST_CHANGED = 10
STATES = {BETTER: "pass", WORSE: "fail", NOT_SHOWN: ""}


def comparison(measured: Measured) -> Section:
    title = _("Comparison")
    if not measured.differences:
        words = _("No other run over the same queries was chosen: there is nothing to compare.")
        return Section("comparison", title, (Text(words, quiet=True),))
    reference = measured.reference.label
    intro = _("Each difference is the run minus “%(reference)s”, query by query; positive is better than it.")
    blocks = [
        Text(intro % {"reference": reference}), *_tables(measured), *_apart(measured), *_changed(measured),
        *_harm(measured),
    ]  # fmt: skip
    return Section("comparison", title, tuple(blocks))


def _tables(measured: Measured) -> Iterable[Table]:
    against = _("Against “%(run)s”") % {"run": measured.reference.label}
    if measured.against_baseline:
        yield _differences(f"{_('candidate').capitalize()}: {against}", measured.against_baseline)
    if measured.of_others:
        yield _differences(f"{_('Other runs')}: {against}", measured.of_others)


def _differences(caption: str, differences: Iterable[Difference]) -> Table:
    columns = (
        _("Run"), _("Metric"), _("Difference [95% interval]"), "p", _("p (Holm)"), _("win / tie / loss"), _("Shown"),
    )  # fmt: skip
    found = tuple(differences)
    rows = tuple((each.second, each.metric, *_cells(each)) for each in found)
    note = _("Paired randomisation test; p (Holm) is corrected for all rows of this table.")
    return Table(caption, columns, rows, note, tuple(STATES[each.verdict] for each in found))


def _cells(each: Difference) -> tuple[Number | str, ...]:
    found = each.interval
    shown = f"{signed(found.mean)} {between(found.low, found.high, '+.3f')}"
    return (
        Number(found.mean, shown), probability(each.p), probability(each.holm),
        f"{each.wins:,} / {each.ties:,} / {each.losses:,}", verdict_word(each.verdict),
    )  # fmt: skip


def verdict_word(verdict: str) -> str:
    return {BETTER: _("better"), WORSE: _("worse"), NOT_SHOWN: _("not shown")}[verdict]


def _apart(measured: Measured) -> Iterable[Block]:
    """What is in the report and cannot be compared query by query is named."""
    others = [run.label for run in measured.runs if run not in measured.comparable]
    if others:
        words = _("Not compared query by query, since their truth, queries or items are others: %(runs)s.")
        yield Text(words % {"runs": ", ".join(others)}, quiet=True)


def _changed(measured: Measured) -> Iterable[Block]:
    if measured.baseline is None:
        return
    first, second = measured.baseline, measured.candidate
    changes = changed_most(first.per_query, second.per_query, HARM_METRIC, MOST_CHANGED)
    rows = tuple(
        (each.query, measured.queries[each.query].code, share(each.first), share(each.second),
         Number(each.difference, signed(each.difference)), _top(measured, first, each.query),
         _top(measured, second, each.query))
        for each in changes
    )  # fmt: skip
    if rows:
        columns = (_("Query"), _("Item"), _("before"), _("after"), _("Difference"), _("baseline"), _("candidate"))
        note = _("The last two columns are the first 5 of both rankings; * is relevant.")
        yield Table(_("Queries that changed most (%(metric)s)") % {"metric": HARM_METRIC}, columns, rows, note)


def _top(measured: Measured, run: RunFigures, query: str) -> str:
    labels = run.judged[query]
    return ", ".join(
        measured.codes.get(item, item) + ("*" if labels.get(item, 0) >= run.minimum_relevance else "")
        for item in run.ranked.get(query, ())[:5]
    )


# ---- do no harm


def reranked_pairs(measured: Measured) -> Iterator[tuple[RunFigures, RunFigures]]:
    """(the run without, the run with a reranker), where nothing else differs."""
    runs = measured.comparable
    for after in runs:
        if not after.settings.reranker:
            continue
        before = next((run for run in runs if not run.settings.reranker and _same_search(run, after)), None)
        if before is not None:
            yield before, after


def _same_search(first: RunFigures, second: RunFigures) -> bool:
    aside = {"reranker", "rerank_top", "rerank_threshold", "fingerprints"}
    one, other = (
        {name: value for name, value in run.settings.as_json().items() if name not in aside} for run in (first, second)
    )
    return one == other


def _harm(measured: Measured) -> Iterable[Block]:
    for before, after in reranked_pairs(measured):
        yield Heading(_("Does the reranker %(name)s do harm?") % {"name": after.settings.reranker})
        runs = {before.label: before.per_query, after.label: after.per_query}
        yield _harm_table("", compare(runs, [HARM_METRIC], baseline=before.label), "")
        for dimension, differences in harm_by_dimension(measured, before, after).items():
            yield _harm_table(dimension, differences, do_no_harm(differences).sentence)


def _harm_table(dimension: str, differences: Sequence[Difference], note: str) -> Table:
    """By slice, or of all queries where the dimension is ""."""
    columns = (
        dimension or _("All queries"), _("queries"), _("Difference [95% interval]"), "p", _("p (Holm)"),
        _("win / tie / loss"), _("Shown"),
    )  # fmt: skip
    caption = _("With the reranker, %(metric)s by %(dimension)s") if dimension else _("With the reranker, %(metric)s")
    rows = tuple((each.slice or NOTHING, count(each.interval.n), *_cells(each)) for each in differences)
    states = tuple(STATES[each.verdict] for each in differences)
    return Table(caption % {"metric": HARM_METRIC, "dimension": dimension}, columns, rows, note, states)


def harm_by_dimension(measured: Measured, before: RunFigures, after: RunFigures) -> dict[str, tuple[Difference, ...]]:
    runs = {before.label: before.per_query, after.label: after.per_query}
    return {
        dimension: by_slice(runs, before.label, after.label, HARM_METRIC, slices)
        for dimension, slices in measured.slices.items()
        if len(slices) <= MOST_SLICES
    }
