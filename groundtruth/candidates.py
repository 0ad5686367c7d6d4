"""Candidates: for each query the items that may be similar to it, by TF-IDF and by vectors of encoders."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Collate
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from embeddings.models import Embedding, Encoder
from embeddings.search import search
from embeddings.search.dense import spans_of
from embeddings.search.exact import ExactSearch
from embeddings.search.types import Filters, SearchError, SearchRequest
from embeddings.selectors import items_for
from embeddings.stored_vectors import stored_vectors
from groundtruth import tfidf
from groundtruth.loading import NewPair, load_pairs
from groundtruth.models import TruthPair, TruthSet
from groundtruth.scope import with_text
from groundtruth.set_services import SetError, lock_for_writing
from itembank.canonical import embedding_text
from itembank.models import Item
from itembank.terms import terms_of

TFIDF = "tfidf"
MAX_TOP = 50  # as many as a judge can be shown
CODE_POINTS = "C"  # the collation in which codes decide between equal scores, as in every search

Step = Callable[[], None]
"""Called for each item dealt with; it may raise to end the work."""


class Ranked(NamedTuple):
    """Candidates of one query, by (score descending, code ascending)."""

    item_ids: NDArray[np.int64]
    scores: NDArray[np.float64]


NOBODY = Ranked(np.empty(0, np.int64), np.empty(0, np.float64))


def nothing() -> None:
    """A step that tells nobody."""


def corpus_of(truth_set: TruthSet, *, with_images_only: bool = False) -> QuerySet[Item]:
    """The items among which the set's candidates are, by code."""
    items = Item.objects.filter(category=Item.ItemCategory.IMAGE) if with_images_only else with_text()
    if truth_set.scope == TruthSet.Scope.SELECTION:
        items = items.filter(truth_items__truth_set=truth_set)
    return items.order_by(Collate("code", CODE_POINTS))


def rank(
    source: str, *, truth_set: TruthSet, items: QuerySet[Item], query_ids: Sequence[int] | None, top: int,
    min_score: float = 0.0, step: Step = nothing,
) -> list[Ranked]:  # fmt: skip
    """The candidates of each query item, or where `query_ids` is None of each of `items`, in that order.

    `step` is called once for each item read and once for each query. Raises SetError, for an encoder without the
    vectors among others.
    """
    if source == TFIDF:
        return list(_by_terms(items, query_ids, top, min_score, step))
    encoder = checked_encoder(source)
    _check_vectors(encoder, items)
    codes = dict(items.values_list("pk", "code"))
    for _item in codes:
        step()
    asked = list(codes) if query_ids is None else query_ids
    if truth_set.scope == TruthSet.Scope.SELECTION:
        return list(_by_vectors_of(encoder, codes, asked, top, step))
    only_images = not items.exclude(category=Item.ItemCategory.IMAGE).exists()
    return list(_by_search(encoder, codes, asked, top, step, only_images=only_images))


def checked_encoder(slug: str) -> Encoder:
    """Raises SetError naming the sources there are."""
    encoder = Encoder.objects.filter(slug=slug).first()
    if encoder is None:
        known = ", ".join([TFIDF, *Encoder.objects.values_list("slug", flat=True)])
        message = _("There is no source of candidates “%(slug)s”. There are: %(known)s.")
        raise SetError(message % {"slug": slug, "known": known})
    return encoder


def add_candidates(*, truth_set: TruthSet, sources: Sequence[str], top: int, with_images_only: bool) -> int:
    """Give the set's queries the candidates that they lack, without relevance; how many came.

    The `top` of each source, once, with their score by source as provenance. A judge sees them in an order drawn by its
    job's seed (groundtruth/judging/planning.py). Raises SetError, SetFrozenError.
    """
    items = corpus_of(truth_set, with_images_only=with_images_only)
    queries = dict(truth_set.queries.filter(item__in=items.order_by()).values_list("pk", "item_id"))
    asked = list(queries.values())
    ranked = {
        source: rank(source, truth_set=truth_set, items=items, query_ids=asked, top=top)
        for source in dict.fromkeys(sources)
    }
    with transaction.atomic():
        locked = lock_for_writing(truth_set=truth_set)
        known = set(TruthPair.objects.filter(truth_set=locked).values_list("query_id", "item_id"))
        rows = united(list(queries), ranked)
        return load_pairs(locked, (row for row in rows if (row.query, row.item) not in known))


def united(query_ids: Sequence[int], ranked: Mapping[str, Sequence[Ranked]]) -> Iterator[NewPair]:
    """Each candidate of a query once, with its score by every source that named it. `query_ids` are of TruthQuery."""
    for place, query_id in enumerate(query_ids):
        provenance: dict[int, dict[str, float]] = {}
        for source, found in ranked.items():
            for item_id, score in zip(found[place].item_ids.tolist(), found[place].scores.tolist(), strict=True):
                provenance.setdefault(item_id, {})[source] = round(score, tfidf.SCORE_DIGITS)
        for item_id, scores in provenance.items():
            yield NewPair(query_id, item_id, provenance=scores)


# ---- the sources


def _by_terms(
    items: QuerySet[Item], query_ids: Sequence[int] | None, top: int, min_score: float, step: Step
) -> Iterator[Ranked]:
    read: list[int] = []

    def texts() -> Iterator[str]:
        for pk, text, choices in items.values_list("pk", "text", "choices").iterator(chunk_size=1000):
            read.append(pk)
            step()
            yield embedding_text(text=text, choices=choices)

    matrix = tfidf.fit(terms_of(texts()))
    ids = np.asarray(read, np.int64)
    place = {pk: row for row, pk in enumerate(read)}
    asked = [place.get(pk, -1) for pk in (read if query_ids is None else query_ids)]
    found = tfidf.neighbours(matrix, top=top, min_score=min_score, rows=[row for row in asked if row >= 0])
    for row in asked:
        step()
        best = next(islice(found, 1)) if row >= 0 else None
        yield Ranked(ids[best.places], best.scores) if best else NOBODY


def _by_search(
    encoder: Encoder, codes: Mapping[int, str], query_ids: Sequence[int], top: int, step: Step, *, only_images: bool
) -> Iterator[Ranked]:
    filters = Filters(category=(Item.ItemCategory.IMAGE.value,)) if only_images else Filters()
    for query_id in query_ids:
        step()
        try:
            request = SearchRequest(item_code=codes[query_id], encoder=encoder.slug, k=top, exact=True, filters=filters)
            hits = search(request).hits
        except SearchError as error:
            if error.code != "item-without-vector":
                raise SetError(error.message) from error
            hits = ()  # it holds nothing for this space, or _check_vectors had refused
        yield Ranked(np.array([hit.item_id for hit in hits], np.int64), np.array([hit.score for hit in hits]))


def _by_vectors_of(
    encoder: Encoder, codes: Mapping[int, str], query_ids: Sequence[int], top: int, step: Step
) -> Iterator[Ranked]:
    """Among the items of a selection: their vectors are compared here. The codes are in their order."""
    chunks = list(stored_vectors(encoder, list(codes)))
    ids = np.concatenate([found for found, _vectors in chunks])
    vectors = np.concatenate([vectors for _found, vectors in chunks])
    places = {pk: place for place, pk in enumerate(ids.tolist())}
    own = np.array([places[query] for query in query_ids if query in places], np.int64)
    search_all = ExactSearch(vectors, np.arange(len(ids)), spans_of(encoder))
    found = search_all.nearest(vectors[own], own, depth=top)
    for query_id in query_ids:
        step()
        ranking = next(found) if query_id in places else None
        yield Ranked(ids[ranking.places], ranking.scores) if ranking else NOBODY


def _check_vectors(encoder: Encoder, items: QuerySet[Item]) -> None:
    """Candidates by half of the vectors would look like all. Raises SetError."""
    suited = items_for(encoder).filter(pk__in=items.order_by().values("pk"))
    missing = suited.exclude(pk__in=Embedding.objects.filter(encoder=encoder).values("item")).count()
    if missing or not suited.exists():
        raise SetError(
            _("%(count)s items of the truth set have no vector of the encoder %(encoder)s. Embed them first.")
            % {"count": f"{missing or items.count():,}", "encoder": encoder.slug}
        )
