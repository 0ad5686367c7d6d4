"""The queries of a run and what the truth says of them."""

from collections import defaultdict
from typing import NamedTuple

from django.db.models import Q, QuerySet

from evaluation.metrics import Judged
from evaluation.run_settings import RunSettings
from groundtruth.models import TruthPair, TruthQuery, TruthSet
from itembank.models import Item


class Query(NamedTuple):
    """A query of the truth, and the item that it stands for."""

    pk: int
    query_id: str
    item_id: int


def read_queries(truth_set: TruthSet, settings: RunSettings) -> list[Query]:
    """Those whose item has what the view asks, by query id in code point order."""
    rows = _askable(truth_set, settings).values_list("pk", "query_id", "item_id")
    return sorted((Query(*row) for row in rows), key=lambda query: query.query_id)


def asked_items(truth_set: TruthSet, settings: RunSettings) -> list[tuple[str, str, str, int]]:
    """(query id, item code, content hash, item id) of the queries that `read_queries` gives, in its order."""
    rows = _askable(truth_set, settings).values_list("query_id", "item__code", "item__content_hash", "item_id")
    return sorted(rows)


def count_unaskable(truth_set: TruthSet, settings: RunSettings) -> int:
    """Queries that the run leaves out since their item has no image, or no text, to ask with."""
    return truth_set.queries.count() - _askable(truth_set, settings).count()


def _askable(truth_set: TruthSet, settings: RunSettings) -> QuerySet[TruthQuery]:
    has = {
        "item": Q(),
        "text": ~Q(item__text="") | ~Q(item__choices=[]),
        "image": Q(item__category=Item.ItemCategory.IMAGE),
    }
    return TruthQuery.objects.filter(has[settings.query_view], truth_set=truth_set)


def judged(truth_set: TruthSet, settings: RunSettings) -> Judged:
    """query id -> item id as text -> final relevance, of the queries asked and the items searched.

    What a run does not search it cannot find: pairs with such items do not count against it. A query of which nothing
    is left is there with nothing.
    """
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for query in read_queries(truth_set, settings):
        found[query.query_id] = {}
    rows = judged_pairs(truth_set, settings).values_list("query__query_id", "item_id", "final_relevance")
    for query_id, item_id, relevance in rows.iterator(chunk_size=10_000):
        if query_id in found:
            found[query_id][str(item_id)] = relevance
    return dict(found)


def judged_pairs(truth_set: TruthSet, settings: RunSettings) -> QuerySet[TruthPair]:
    """Those with a relevance, among the items searched."""
    pairs = TruthPair.objects.filter(truth_set=truth_set, final_relevance__isnull=False)
    with_images = Q(item__category=Item.ItemCategory.IMAGE)
    return pairs.filter({"all": Q(), "with-images": with_images, "text-only": ~with_images}[settings.corpus])
