"""One search from request to response."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

from django.utils.translation import gettext as _

from embeddings.search.answers import Hit, SearchResponse
from embeddings.search.fusion import FUSED_DEPTH
from embeddings.search.merging import merged
from embeddings.search.near_duplicates import grouped, without_near_duplicates
from embeddings.search.queries import EncodeQuery, encode_on_worker
from embeddings.search.reranking import RerankQuery, best_again, rerank_on_worker, why_not
from embeddings.search.signals import Listed, Signal, encoders_of, signals_of
from embeddings.search.timing import timed
from embeddings.search.types import SearchError, SearchRequest
from embeddings.search.weak import marked
from itembank.models import Item

DEEPEST = 1_000  # of each signal, where near-duplicates are left out


def search(
    request: SearchRequest, *, encode: EncodeQuery = encode_on_worker, rerank: RerankQuery = rerank_on_worker
) -> SearchResponse:
    """The k items nearest to the query. Raises SearchError with what to do about it.

    A text or image query by vectors, and reranking, need a GPU worker unless `encode` and `rerank` say otherwise; call
    it outside a transaction then, or the worker cannot see the query.
    """
    request = request.settled()
    timings: dict[str, float] = {}
    with timed(timings, "total"):
        with timed(timings, "encode"):
            item = _item_id(request.item_code) if request.item_code else None
            signals = signals_of(request, item, encode)
        not_reranked = why_not(request)
        if not_reranked:
            request = replace(request, rerank=None)
        with timed(timings, "search"):
            lists, hits = _found(request, signals, item)
        if request.rerank:
            with timed(timings, "rerank"):
                hits = best_again(request, request.rerank, hits, item, rerank)
        lines = {each.name: each.weak_below for each in lists}
        hits = marked(request, hits[: request.k], lines)
        if item is not None:
            hits = grouped(hits, item)
    of_lists = chain.from_iterable(each.notes for each in lists)
    notes = tuple(dict.fromkeys((*not_reranked, *of_lists, *_too_many_alike(request, lists, hits))))
    route = "+".join(each.route for each in lists)
    reranked_by = request.rerank.reranker if request.rerank and any(hit.reranked for hit in hits) else ""
    known_lines = {name: line for name, line in lines.items() if line is not None}
    encoders = encoders_of(signals)
    return SearchResponse(tuple(hits), encoders, request.method, route, timings, notes, reranked_by, known_lines)


def _found(request: SearchRequest, signals: Sequence[Signal], item: int | None) -> tuple[list[Listed], Sequence[Hit]]:
    """The lists of the signals and the hits made of them, as many as are shown or reranked."""
    wanted = max(request.k, request.rerank.top_n if request.rerank else 0)
    lists: list[Listed] = []
    hits: Sequence[Hit] = []
    for depth in _depths(request, wanted, fused=len(signals) > 1):
        lists = [signal.ask(depth) for signal in signals]
        hits = merged(lists, request, most=DEEPEST if request.leave_out_near_duplicates else wanted)
        if request.leave_out_near_duplicates:
            hits = without_near_duplicates(hits, request, item)
        if len(hits) >= wanted or all(len(each.candidates) < depth for each in lists):
            break
    return lists, hits[:wanted]


def _depths(request: SearchRequest, wanted: int, *, fused: bool) -> Iterator[int]:
    """How deep to look, and how deep then, where that did not give enough."""
    yield FUSED_DEPTH if fused or request.leave_out_near_duplicates else wanted
    if request.leave_out_near_duplicates:
        yield DEEPEST


def _too_many_alike(request: SearchRequest, lists: Sequence[Listed], hits: Sequence[Hit]) -> tuple[str, ...]:
    if not request.leave_out_near_duplicates or len(hits) >= request.k:
        return ()
    if all(len(each.candidates) < DEEPEST for each in lists):
        return ()
    note = _("Most of the %(count)s nearest items differ from the query in numbers alone and were left out.")
    return (note % {"count": DEEPEST},)


def _item_id(code: str) -> int:
    item_id = Item.objects.filter(code=code).values_list("pk", flat=True).first()
    if item_id is None:
        raise SearchError("unknown-item", _("There is no item “%(code)s”. Check the code.") % {"code": code})
    return item_id
