"""Why a query went wrong, as far as rows can tell: guesses for a person to check."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from embeddings.encoders.base import Modality
from embeddings.models import Embedding, Encoder
from evaluation.engine.queries import judged_pairs
from evaluation.metrics import Judged, Ranked
from evaluation.models import EvaluationRun
from evaluation.run_settings import RunSettings
from groundtruth.models import TruthQuery
from itembank.canonical import embedding_text
from itembank.models import Item

LOOKED_AT = 10  # results of a query in which a cause is looked for
NEAR_DUPLICATE = 0.8  # share of three-character pieces that two texts have in common
PIECE = 3


@dataclass(frozen=True, slots=True)
class Standing:
    """How one query fared: `ranks` by relevant item id, None where it was not found."""

    query: TruthQuery
    ranks: Mapping[int, int | None]
    results: tuple[int, ...]  # item ids, best first
    labels: Mapping[int, int]  # item id -> relevance

    @property
    def first(self) -> int | None:
        return min((rank for rank in self.ranks.values() if rank), default=None)

    @property
    def unjudged_above(self) -> int:
        """Unjudged results above the first relevant one, or among the first ten."""
        end = (self.first or LOOKED_AT + 1) - 1
        return sum(item not in self.labels for item in self.results[:end])


def standings_of(run: EvaluationRun, queries: Sequence[TruthQuery], minimum_relevance: int = 1) -> dict[int, Standing]:
    """By query id (primary key), in the order given; two database queries."""
    ids = [query.pk for query in queries]
    pairs = judged_pairs(run.truth_set, RunSettings.from_json(run.configuration)).filter(query__in=ids)
    labels: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for query, item, relevance in pairs.values_list("query__pk", "item_id", "final_relevance"):
        labels[query][item] = relevance
    results = dict(run.rankings.filter(query__in=ids).values_list("query__pk", "items"))
    return {
        query.pk: _standing(query, labels[query.pk], tuple(results.get(query.pk, ())), minimum_relevance)
        for query in queries
    }


def standing(query: TruthQuery, judged: Judged, ranked: Ranked, minimum_relevance: int) -> Standing:
    """The same from what is read already."""
    labels = {int(item): relevance for item, relevance in judged.get(query.query_id, {}).items()}
    return _standing(query, labels, tuple(map(int, ranked.get(query.query_id, ()))), minimum_relevance)


def _standing(
    query: TruthQuery, labels: Mapping[int, int], results: tuple[int, ...], minimum_relevance: int
) -> Standing:
    place = {item: rank for rank, item in enumerate(results, start=1)}
    relevant = sorted(
        (item for item, relevance in labels.items() if relevance >= minimum_relevance),
        key=lambda item: (place.get(item, len(results) + 1), -labels[item], item),
    )
    return Standing(query, {item: place.get(item) for item in relevant}, results, labels)


def causes(run: EvaluationRun, standings: Sequence[Standing]) -> dict[int, list[str]]:
    """Sentences by query id (primary key), for a page of queries at once; empty where nothing is known."""
    settings = RunSettings.from_json(run.configuration)
    encoders = list(Encoder.objects.filter(slug__in=settings.encoders))
    wanted = {each.query.item_id for each in standings}
    for each in standings:
        wanted |= {*each.ranks, *each.results[:LOOKED_AT]}
    items = Item.objects.in_bulk(wanted)
    embedded = _embedded(encoders, wanted)
    reasons = dict(
        run.rankings.filter(query__in=[each.query.pk for each in standings]).values_list("query__pk", "reason")
    )
    return {
        each.query.pk: [
            *_unread(reasons.get(each.query.pk, "")),
            *_not_embedded(each, encoders, embedded),
            *_pictures(each, settings, encoders, items),
            *_unjudged(each),
            *_near_duplicates(each, items),
        ]
        for each in standings
    }


def _unread(reason: str) -> Iterable[str]:
    if reason == "broken-image":
        yield _("The reranker could not read a picture of the query item.")


def _embedded(encoders: Iterable[Encoder], item_ids: Iterable[int]) -> dict[int, set[int]]:
    ids = list(item_ids)
    return {
        encoder.pk: set(Embedding.objects.filter(encoder=encoder, item_id__in=ids).values_list("item_id", flat=True))
        for encoder in encoders
    }


def _not_embedded(each: Standing, encoders: Sequence[Encoder], embedded: Mapping[int, set[int]]) -> Iterable[str]:
    for encoder in encoders:
        known = embedded[encoder.pk]
        if each.query.item_id not in known:
            yield _("The query item has no vector of %(encoder)s.") % {"encoder": encoder.slug}
        if missing := sum(item not in known for item in each.ranks):
            yield _("%(n)s of the relevant items have no vector of %(encoder)s.") % {
                "n": missing, "encoder": encoder.slug}  # fmt: skip


def _pictures(
    each: Standing, settings: RunSettings, encoders: Sequence[Encoder], items: Mapping[int, Item]
) -> Iterable[str]:
    has_image = {pk: item.category == Item.ItemCategory.IMAGE for pk, item in items.items()}
    blind = settings.method == "lexical" or (
        bool(encoders) and all(encoder.modality == Modality.TEXT for encoder in encoders)
    )
    if has_image.get(each.query.item_id) and (blind or settings.query_view == "text"):
        yield _("The query item has a picture that this search does not look at.")
    seeing = any(encoder.modality == Modality.IMAGE for encoder in encoders)
    if seeing and (without := sum(not has_image.get(item, False) for item in each.ranks)):
        yield _("%(n)s of the relevant items have no picture.") % {"n": without}


def _unjudged(each: Standing) -> Iterable[str]:
    if above := each.unjudged_above:
        yield _("%(n)s unjudged items are above the first relevant one: they may be relevant.") % {"n": above}


def _near_duplicates(each: Standing, items: Mapping[int, Item]) -> Iterable[str]:
    """Results that nobody judged, though their text is nearly that of the query or of a relevant item."""
    known = [_pieces(items[pk]) for pk in (each.query.item_id, *each.ranks) if pk in items]
    like = [
        items[pk].code
        for pk in each.results[:LOOKED_AT]
        if pk in items and pk not in each.labels and any(_alike(_pieces(items[pk]), other) for other in known)
    ]
    if like:
        yield _("Nearly the same text, but unjudged: %(codes)s.") % {"codes": ", ".join(like)}


def _pieces(item: Item) -> frozenset[str]:
    text = re.sub(r"[\W\d_]+", "", embedding_text(text=item.text, choices=[]).casefold())
    return frozenset(text[at : at + PIECE] for at in range(len(text) - PIECE + 1))


def _alike(first: frozenset[str], second: frozenset[str]) -> bool:
    return bool(first and second) and len(first & second) >= NEAR_DUPLICATE * len(first | second)
