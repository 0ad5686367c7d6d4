"""The queries that went worst: what should have come, where it came, what came instead, and a guess at the cause."""

from collections import Counter
from collections.abc import Sequence

from django.utils.text import Truncator
from django.utils.translation import gettext as _

from evaluation.causes import Standing, causes, standing
from evaluation.report.document import Block, Case, Number, Section, Table, Text
from evaluation.report.measuring import Measured
from evaluation.report.numbers import NOTHING, count, share
from groundtruth.models import TruthQuery
from itembank.rendering import plain_text

WORST = 10
MOST_RELEVANT = 6
SHOWN_RESULTS = 5
TEXT_CHARS = 160


def errors(measured: Measured) -> Section:
    title = _("Error cases")
    worst = worst_queries(measured)
    if not worst:
        return Section("errors", title, (Text(_("Every query has all its relevant items at the top."), quiet=True),))
    intro = _("The %(n)s queries with the lowest nDCG@10, worst first. The causes are guesses to be checked.")
    return Section("errors", title, (Text(intro % {"n": len(worst)}), *_missed(measured), *_cases(measured, worst)))


def worst_queries(measured: Measured, limit: int = WORST) -> list[str]:
    """By nDCG@10, then by reciprocal rank, then by name; a query with the best possible order is none of them."""
    found = measured.candidate.per_query
    values = list(zip(found.values["nDCG@10"].round(9), found.values["RR"].round(9), found.queries, strict=True))
    return [query for gain, _rank, query in sorted(values)[:limit] if gain < 1]


def _missed(measured: Measured) -> list[Block]:
    """Where the first relevant item came, over all queries."""
    ranks = measured.candidate.per_query.values["RR"]
    edges = ((1, 1), (2, 3), (4, 5), (6, 10))
    places = Counter(_place(float(value), edges) for value in ranks)
    names = [*(f"{low}" if low == high else f"{low}–{high}" for low, high in edges), _("after 10"), _("not found")]
    rows = tuple((name, count(places[at]), share(places[at] / max(len(ranks), 1))) for at, name in enumerate(names))
    return [Table(_("Rank of the first relevant item"), (_("Rank"), _("queries"), _("Share")), rows)]


def _place(reciprocal: float, edges: Sequence[tuple[int, int]]) -> int:
    if not reciprocal:
        return len(edges) + 1
    rank = round(1 / reciprocal)
    return next((at for at, (_low, high) in enumerate(edges) if rank <= high), len(edges))


def _cases(measured: Measured, names: Sequence[str]) -> list[Case]:
    candidate = measured.candidate
    rows = TruthQuery.objects.filter(truth_set=candidate.run.truth_set, query_id__in=names).select_related("item")
    by_name = {row.query_id: row for row in rows}
    standings = [
        standing(by_name[name], candidate.judged, candidate.ranked, candidate.minimum_relevance) for name in names
    ]
    guesses = causes(candidate.run, standings)
    return [_case(measured, each, guesses[each.query.pk]) for each in standings]


def _case(measured: Measured, each: Standing, guesses: Sequence[str]) -> Case:
    item = each.query.item
    about = (item.get_category_display(), item.subject, item.unit, item.grade)
    found = measured.candidate.per_query
    place = found.queries.index(each.query.query_id)
    figures = ", ".join(f"{name} {share(float(found.values[name][place]))}" for name in ("nDCG@10", "RR", "R@5"))
    return Case(
        each.query.query_id,
        item.pk,
        " · ".join([item.code, *(str(word) for word in about if word)]),
        Truncator(plain_text(item.text)).chars(TEXT_CHARS),
        figures,
        tuple(guesses) or (_("No simple cause: the ranking puts other items nearer."),),
        _relevant(measured, each),
        _results(measured, each),
    )


def _relevant(measured: Measured, each: Standing) -> Table:
    rows = tuple(
        (measured.codes[str(item)], str(each.labels[item]), Number(rank, f"{rank:,}") if rank else _("not found"))
        for item, rank in list(each.ranks.items())[:MOST_RELEVANT]
    )
    more = len(each.ranks) - len(rows)
    note = _("and %(n)s more") % {"n": more} if more > 0 else ""
    return Table(_("Relevant items"), (_("Item"), _("relevance"), _("Rank")), rows, note)


def _results(measured: Measured, each: Standing) -> Table:
    rows = tuple(
        (f"{rank}", measured.codes.get(str(item), str(item)), str(each.labels.get(item, _("unjudged"))))
        for rank, item in enumerate(each.results[:SHOWN_RESULTS], start=1)
    )
    return Table(_("What came first"), (_("Rank"), _("Item"), _("relevance")), rows or ((NOTHING, NOTHING, NOTHING),))
