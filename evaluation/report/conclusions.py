"""What the figures say, in sentences, and what to do about it. Nothing is said that the intervals do not carry."""

from collections.abc import Iterable, Iterator

from django.utils.translation import gettext as _

from evaluation.comparison import BETTER, WORSE, do_no_harm
from evaluation.intervals import interval
from evaluation.report.comparing import harm_by_dimension, reranked_pairs
from evaluation.report.document import Bullets, Section, Text
from evaluation.report.measuring import Measured
from evaluation.report.numbers import between, share, signed

DEEP_GAIN = 0.1  # R@20 beyond R@5 from which reordering is worth a try
WIDE = 0.1  # of an interval from which more queries are worth their judging


def analysis(measured: Measured) -> Section:
    return Section("analysis", _("Analysis"), (_bullets(_findings(measured)),))


def recommendations(measured: Measured) -> Section:
    return Section("recommendations", _("Recommendations"), (_bullets(_advice(measured)),))


def _bullets(sentences: Iterable[str]) -> Bullets | Text:
    found = tuple(dict.fromkeys(sentences))
    return Bullets(found) if found else Text(_("Nothing beyond the verdict."), quiet=True)


def _findings(measured: Measured) -> Iterator[str]:
    candidate = measured.candidate
    if not candidate.per_query.queries:
        yield _("No query has a relevant item: nothing can be measured.")
        return
    recall, hits = candidate.intervals["R@5"], candidate.intervals["Success@5"]
    yield _(
        "In %(hits)s of the queries at least one relevant item is among the first 5 (hit rate), while on average "
        "%(recall)s of a query's relevant items are (recall): these are two different figures."
    ) % {"hits": f"{hits.mean:.1%}", "recall": f"{recall.mean:.1%}"}
    yield from _depth(measured)
    yield from _slices(measured)
    yield from _against(measured)
    yield from _uncertain(measured)


def _depth(measured: Measured) -> Iterator[str]:
    candidate = measured.candidate
    gain, missing = candidate.gain_below, candidate.ceilings["R@20"] - candidate.per_query.mean("R@20")
    if gain >= DEEP_GAIN:
        yield _(
            "Between the 6th and the 20th result another %(gain)s of the relevant items are found: they are there, but "
            "too low in the order."
        ) % {"gain": f"{gain:.1%}"}
    elif missing > DEEP_GAIN:
        yield _("%(share)s of the relevant items are not even among the first 20: reordering would not bring them.") % {
            "share": f"{missing:.1%}"}  # fmt: skip


def _slices(measured: Measured) -> Iterator[str]:
    """Slices whose interval lies apart from that of all queries; small ones say nothing."""
    everything = measured.candidate.intervals["R@5"]
    values = measured.candidate.per_query.values["R@5"]
    for dimension, slices in measured.slices.items():
        for part in slices:
            if part.small or not part.name or len(part) == len(values):
                continue
            found = interval("R@5", values[part.indices], measured.candidate.settings.seed)
            if found.high < everything.low or found.low > everything.high:
                words = (
                    _("%(dimension)s “%(slice)s” is weaker than the rest: R@5 %(figure)s %(range)s.")
                    if found.mean < everything.mean
                    else _("%(dimension)s “%(slice)s” is stronger than the rest: R@5 %(figure)s %(range)s.")
                )
                yield words % {
                    "dimension": dimension.capitalize(), "slice": part.name, "figure": share(found.mean),
                    "range": between(found.low, found.high),
                }  # fmt: skip


def _against(measured: Measured) -> Iterator[str]:
    reference = measured.reference.label
    for verdict, words in (
        (BETTER, _("“%(run)s” is better than “%(reference)s”: %(metrics)s.")),
        (WORSE, _("“%(run)s” is worse than “%(reference)s”: %(metrics)s.")),
    ):
        found = [each for each in measured.against_baseline if each.verdict == verdict]
        if found:
            metrics = ", ".join(f"{each.metric} {signed(each.mean)}" for each in found)
            yield words % {"run": measured.candidate.label, "reference": reference, "metrics": metrics}
    for verdict, words in (
        (BETTER, _("Other runs that are better than “%(reference)s”: %(runs)s.")),
        (WORSE, _("Other runs that are worse than “%(reference)s”: %(runs)s.")),
    ):
        names = dict.fromkeys(each.second for each in measured.of_others if each.verdict == verdict)
        if names:
            yield words % {"runs": ", ".join(names), "reference": reference}
    shown = {each.second for each in measured.differences if each.verdict in {BETTER, WORSE}}
    unsure = dict.fromkeys(each.second for each in measured.differences if each.second not in shown)
    if unsure:
        words = _("No difference to “%(reference)s” is shown for: %(runs)s. That is not the same as being equal.")
        yield words % {"reference": reference, "runs": ", ".join(unsure)}


def _uncertain(measured: Measured) -> Iterator[str]:
    found = measured.candidate.bounds.get("R@5")
    if found and found.unjudged:
        yield _("Unjudged results leave R@5 anywhere between %(low)s and %(high)s.") % {
            "low": share(found.low), "high": share(found.high)}  # fmt: skip
    left_out = len(measured.candidate.per_query.left_out)
    if left_out:
        yield _("%(n)s queries have no relevant item and say nothing about the search.") % {"n": f"{left_out:,}"}


# ---- what to do


def _advice(measured: Measured) -> Iterator[str]:
    yield from measured.decision.conditions
    candidate = measured.candidate
    if not candidate.per_query.queries:
        return
    yield from _reranking(measured)
    found = candidate.bounds["R@5"]
    if found.unjudged:
        yield _("Have the %(n)s unjudged results among the first 5 judged, by a judge job or in a review.") % {
            "n": f"{found.unjudged:,}"}  # fmt: skip
    recall = candidate.intervals["R@5"]
    if recall.high - recall.low > WIDE:
        yield _("The interval of R@5 is %(width)s wide: add queries to the truth set before finer comparisons.") % {
            "width": share(recall.high - recall.low)}  # fmt: skip
    gain = candidate.gain_below
    tried = bool(candidate.settings.reranker) or any(reranked_pairs(measured))
    if gain >= DEEP_GAIN and not tried:
        yield _("Try a reranker: %(gain)s of the relevant items are between the 6th and the 20th result.") % {
            "gain": f"{gain:.1%}"}  # fmt: skip
    if measured.baseline is None:
        yield _("Choose a baseline: without one, nobody knows what changed against the search of today.")


def _reranking(measured: Measured) -> Iterator[str]:
    """The same advice for several ways to slice is given once."""
    for before, after in reranked_pairs(measured):
        advice: dict[str, list[str]] = {}
        for dimension, differences in harm_by_dimension(measured, before, after).items():
            advice.setdefault(do_no_harm(differences).sentence, []).append(dimension)
        for sentence, found in advice.items():
            yield f"{after.settings.reranker} ({', '.join(found)}): {sentence}"
