"""A truth set out of others: what they agree on, what any of them says, or what most of them say."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import groupby, islice
from typing import NamedTuple

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from groundtruth import audit
from groundtruth.combine import Combination, Votes, combine_query, exact_weights, takes_query
from groundtruth.loading import NewPair, load_pairs, load_queries
from groundtruth.models import TruthPair, TruthQuery, TruthSet
from groundtruth.set_services import SetError, create_set

PAIRS_AT_ONCE = 20_000


class _Rule(NamedTuple):
    combination: Combination
    weights: list[Fraction]
    threshold: int


class _Query(NamedTuple):
    """Of the combined set, with the places of the sets that have it."""

    query_id: str
    query_type: str
    sets: set[int]


@transaction.atomic
def combine_sets(
    *,
    name: str,
    sets: Sequence[TruthSet],
    combination: Combination,
    weights: Sequence[float] | None = None,
    threshold: int = 2,
    user: User | None = None,
) -> TruthSet:
    """A hybrid set by the rules of groundtruth/combine.py, over final relevances; each pair says where it comes from.

    Queries about the same item are the same query. Raises SetError.
    """
    rule = _checked_rule(sets, combination, weights, threshold)
    held = _held(sets)
    queries = _queries(held, combination)
    if not queries:
        raise SetError(_("The chosen truth sets share no query: nothing can be combined."))
    truth_set = _new_set(name, held, rule, user)
    _store_queries(truth_set, queries)
    _store_pairs(truth_set, held, queries, rule)
    new = {"sets": [str(each) for each in held], "combination": combination}
    audit.record(action="combine", target=str(truth_set), truth_set=truth_set, new=new, user=user)
    return truth_set


def _checked_rule(
    sets: Sequence[TruthSet], combination: Combination, weights: Sequence[float] | None, threshold: int
) -> _Rule:
    if len({each.pk for each in sets}) != len(sets) or len(sets) < 2:
        raise SetError(_("Choose two or more different truth sets."))
    if combination not in {"intersection", "union", "vote"} or threshold not in {1, 2, 3}:
        raise SetError(_("Combine by intersection, union or vote, from a relevance of 1, 2 or 3."))
    try:
        exact = exact_weights(weights if weights is not None else [1] * len(sets))
    except ValueError:
        exact = []
    if len(exact) != len(sets) or (weights is not None and combination != "vote"):
        raise SetError(_("A vote takes one weight above 0 for each truth set; other combinations take none."))
    return _Rule(combination, exact, threshold)


def _held(sets: Sequence[TruthSet]) -> list[TruthSet]:
    """The sets as they are, which nobody changes until the transaction ends."""
    found = TruthSet.objects.select_for_update(no_key=True).order_by("pk").in_bulk([each.pk for each in sets])
    for each in sets:
        if each.pk not in found or found[each.pk].state != TruthSet.State.READY:
            raise SetError(_("The truth set “%(set)s” cannot be combined: it is not ready.") % {"set": each})
    return [found[each.pk] for each in sets]


def _queries(sets: Sequence[TruthSet], combination: Combination) -> dict[int, _Query]:
    """By query item. The first set that has a query names it; a name that is taken gives way to Q_ and the code."""
    found: dict[int, _Query] = {}
    names: dict[str, int] = {}
    for place, each in enumerate(sets):
        values = each.queries.order_by("id").values_list("item_id", "query_id", "query_type", "item__code")
        for item, query_id, query_type, code in values:
            if item not in found:
                name = query_id if query_id not in names else f"Q_{code}"
                if name in names:
                    raise SetError(_("The query id %(id)s belongs to another item in this set.") % {"id": name})
                names[name] = item
                found[item] = _Query(name, query_type, set())
            found[item].sets.add(place)
    count = len(sets)
    return {item: query for item, query in found.items() if takes_query(_votes({}, query, count), combination)}


def _votes(said: dict[int, dict[int, int]], query: _Query, count: int) -> Votes:
    return [said.get(place, {}) if place in query.sets else None for place in range(count)]


def _new_set(name: str, sets: Sequence[TruthSet], rule: _Rule, user: User | None) -> TruthSet:
    items = _items(sets, rule.combination)
    parameters = {
        "sets": [str(each) for each in sets],
        "combination": rule.combination,
        "weights": [float(weight) for weight in rule.weights],
        "threshold": rule.threshold,
    }
    return create_set(
        name=name,
        method=TruthSet.Method.HYBRID,
        scope=TruthSet.Scope.BANK if items is None else TruthSet.Scope.SELECTION,
        parameters=parameters,
        user=user,
        item_ids=items,
    )


def _items(sets: Sequence[TruthSet], combination: Combination) -> set[int] | None:
    """The combined corpus; None is the whole bank."""
    chosen = [
        set(each.items.values_list("item_id", flat=True)) for each in sets if each.scope == TruthSet.Scope.SELECTION
    ]
    if combination == "intersection":
        return set.intersection(*chosen) if chosen else None
    return set.union(*chosen) if len(chosen) == len(sets) else None


def _store_queries(truth_set: TruthSet, queries: dict[int, _Query]) -> None:
    load_queries(truth_set, ((query.query_id, item, query.query_type) for item, query in queries.items()))


def _store_pairs(truth_set: TruthSet, sets: Sequence[TruthSet], queries: dict[int, _Query], rule: _Rule) -> None:
    """In pieces: the connection cannot be read while a COPY runs on it."""
    rows = dict(TruthQuery.objects.filter(truth_set=truth_set).values_list("item_id", "id"))
    pairs = _pairs(sets, queries, rule, rows)
    while piece := list(islice(pairs, PAIRS_AT_ONCE)):
        load_pairs(truth_set, piece)


def _pairs(
    sets: Sequence[TruthSet], queries: dict[int, _Query], rule: _Rule, rows: dict[int, int]
) -> Iterator[NewPair]:
    places = {each.pk: place for place, each in enumerate(sets)}
    judged = TruthPair.objects.filter(truth_set__in=sets, final_relevance__isnull=False).order_by("query__item", "id")
    values = judged.values_list("query__item_id", "truth_set_id", "item_id", "final_relevance")
    for query_item, group in groupby(values.iterator(chunk_size=PAIRS_AT_ONCE), key=lambda row: row[0]):
        if query_item not in queries:
            continue
        said: dict[int, dict[int, int]] = {}
        for _query, set_id, item, relevance in group:
            said.setdefault(places[set_id], {})[item] = relevance or 0
        votes = _votes(said, queries[query_item], len(sets))
        accepted = combine_query(votes, rule.combination, weights=rule.weights, threshold=rule.threshold)
        for item, (relevance, share) in accepted.items():
            provenance = {str(sets[place]): vote[item] for place, vote in sorted(said.items()) if item in vote}
            yield NewPair(rows[query_item], item, relevance, share, provenance)
