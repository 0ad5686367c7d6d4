"""The second stage of a search, run by a gpu worker: the row is the message, and its answer comes back in it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from django.db.models import CharField, Q, Value
from django.db.models.functions import Cast, Coalesce
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from embeddings.models import SLICE_FIELDS, QueryReranking, Reranker, RerankException
from embeddings.search.answers import Hit, RerankScore
from embeddings.search.queries import ask_worker, sanitised
from embeddings.search.types import Filters, Rerank, SearchError, SearchRequest
from itembank.models import Item

RerankQuery = Callable[[QueryReranking], None]
"""Gives the row its answer or its error, or raises SearchError."""


def why_not(request: SearchRequest) -> tuple[str, ...]:
    """Notes (translated) that say why the hits of this query are not to be reranked, and how they would be all the
    same; none where they are to be. A query by item is of the kinds that its item is of, any other of those that its
    filters leave no choice about. One query to the database at most.
    """
    asked = request.rerank
    if asked is None or asked.everywhere:
        return ()
    code = request.item_code
    kinds = _kinds_of_item(code) if code else _kinds_of_filters(request.filters)
    if not kinds:
        return ()
    found = RerankException.objects.filter(kinds, reranker__slug=asked.reranker).select_related("reranker")
    return tuple(_why(each) for each in found)


def _why(exception: RerankException) -> str:
    words = _(
        "The reranker “%(reranker)s” did not reorder these hits: it is switched off for %(slice)s, where evaluation "
        "showed harm (%(reason)s). To rerank them all the same, choose “%(choice)s” (rerank.everywhere, "
        "--rerank-everywhere)."
    )
    return words % {
        "reranker": exception.reranker.title,
        "slice": exception.shown_slice,
        "reason": exception.shown_reason,
        "choice": _("Also where it is switched off"),
    }


def _kinds_of_item(code: str) -> Q:
    rows = Item.objects.filter(code=code)
    kinds = Q()
    for field in SLICE_FIELDS:
        own = rows.annotate(own=Coalesce(Cast(field, CharField()), Value(""))).values("own")[:1]
        kinds |= Q(field=field, value=own)
    return kinds


def _kinds_of_filters(filters: Filters) -> Q:
    kinds = Q()
    for field in SLICE_FIELDS:
        values = getattr(filters, field)
        if len(values) == 1:
            kinds |= Q(field=field, value=str(values[0]))
    return kinds


def best_again(
    request: SearchRequest, asked: Rerank, hits: Sequence[Hit], item: int | None, rerank: RerankQuery
) -> Sequence[Hit]:
    """The hits in the reranker's order, ranked anew. Raises SearchError."""
    reranker = Reranker.objects.filter(slug=asked.reranker).first()
    if reranker is None:
        known = ", ".join(Reranker.objects.values_list("slug", flat=True)) or "–"
        raise SearchError(
            "unknown-reranker",
            _("There is no reranker “%(slug)s”. There are: %(known)s.") % {"slug": asked.reranker, "known": known},
        )
    if not hits:
        return hits
    row = QueryReranking.objects.create(
        reranker=reranker,
        text=request.text,
        image=sanitised(request.image) if request.image else None,
        item_id=item,
        hits=[[hit.item_id, hit.code] for hit in hits],
        top_n=asked.top_n,
        threshold=asked.threshold,
        language=get_language() or "",
    )
    try:
        rerank(row)
        row.refresh_from_db(fields=["answer", "error"])
    finally:
        QueryReranking.objects.filter(pk=row.pk).delete()
    if row.answer is None:
        reason = row.error.rstrip(".")
        raise SearchError("reranking-failed", _("The hits could not be reranked: %(reason)s.") % {"reason": reason})
    by_id = {hit.item_id: hit for hit in hits}
    return [
        replace(by_id[item_id], rank=rank, reranked=RerankScore(score, by_id[item_id].rank, image_used, problem))
        for rank, (item_id, score, image_used, problem) in enumerate(row.answer, start=1)
    ]


def rerank_on_worker(row: QueryReranking) -> None:
    """Ring the GPU worker and wait until the row has its answer; QUERY_TIMEOUT_SECONDS at most."""
    ask_worker("embeddings.rerank_query", row.pk, QueryReranking.objects.exclude(answer__isnull=True, error=""))
