"""One search from request to response."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.utils.translation import gettext as _

from embeddings.models import Encoder
from embeddings.search.dense import (
    NearestQuery,
    Neighbour,
    Vector,
    asked_span,
    has_vectors,
    nearest,
    spans_of,
    stored_vector,
)
from embeddings.search.lexical_search import lexical
from embeddings.search.notes import notes_on, notes_on_words
from embeddings.search.queries import EncodeQuery, encode_on_worker, query_content, query_vector
from embeddings.search.query_terms import item_terms, query_terms
from embeddings.search.types import Hit, SearchError, SearchRequest, SearchResponse
from itembank.models import Item

METHOD, WORDS = "dense", "words"


def search(request: SearchRequest, *, encode: EncodeQuery = encode_on_worker) -> SearchResponse:
    """The k items nearest to the query. Raises SearchError with what to do about it.

    A text or image query needs a GPU worker unless `encode` says otherwise; call it outside a transaction then, or the
    worker cannot see the query.
    """
    if request.method == "lexical":
        return _search_words(request)
    timings: dict[str, float] = {}
    with _timed(timings, "total"):
        encoder = _encoder(request.encoder)
        with _timed(timings, "encode"):
            vector, item, query_notes = _query(encoder, request, encode)
        with _timed(timings, "search"):
            span = asked_span(spans_of(encoder), vector)
            query = NearestQuery(vector=vector, filters=request.filters, k=request.k, without=item, span=span)
            neighbours, route = nearest(encoder, query, exact=request.exact)
        notes = (*query_notes, *notes_on(encoder, request.filters, neighbours))
    return SearchResponse(_hits(neighbours), encoder.slug, METHOD, route, timings, notes)


def _search_words(request: SearchRequest) -> SearchResponse:
    timings: dict[str, float] = {}
    with _timed(timings, "total"):
        with _timed(timings, "encode"):
            item = _item_id(request.item_code) if request.item_code else None
            asked = item_terms(item) if item else query_terms(request)
        with _timed(timings, "search"):
            found = lexical(asked.terms, filters=request.filters, k=request.k, without=item)
        notes = (*asked.notes, *notes_on_words(found))
    hits = tuple(
        Hit(rank, each.item_id, each.code, each.score, {request.method: each.score}, each.shares)
        for rank, each in enumerate(found, start=1)
    )
    return SearchResponse(hits, "", request.method, WORDS, timings, notes)


def _encoder(slug: str | None) -> Encoder:
    encoder = Encoder.objects.filter(slug=slug).first() if slug else Encoder.objects.filter(is_active=True).first()
    if encoder is None and slug:
        known = ", ".join(Encoder.objects.values_list("slug", flat=True))
        raise SearchError(
            "unknown-encoder",
            _("There is no encoder “%(slug)s”. There are: %(known)s.") % {"slug": slug, "known": known or "–"},
        )
    if encoder is None:
        raise SearchError(
            "no-active-encoder",
            _("No encoder serves searches yet. Embed the items and activate the encoder, or choose one here."),
        )
    if not has_vectors(encoder):
        raise SearchError(
            "no-vectors",
            _("The encoder %(encoder)s has no vectors yet. Start an embedding job for it.") % {"encoder": encoder.slug},
        )
    return encoder


def _query(encoder: Encoder, request: SearchRequest, encode: EncodeQuery) -> tuple[Vector, int | None, tuple[str, ...]]:
    """The query's vector, the item it stands for, and notes."""
    if request.item_code:
        item_id = _item_id(request.item_code)
        return _item_vector(encoder, request.item_code, item_id), item_id, ()
    content = query_content(encoder, text=request.text, image=request.image)
    return query_vector(encoder, content, encode=encode), None, content.notes


def _item_id(code: str) -> int:
    item_id = Item.objects.filter(code=code).values_list("pk", flat=True).first()
    if item_id is None:
        raise SearchError("unknown-item", _("There is no item “%(code)s”. Check the code.") % {"code": code})
    return item_id


def _item_vector(encoder: Encoder, code: str, item_id: int) -> Vector:
    vector = stored_vector(encoder, item_id)
    if vector is None:
        raise SearchError(
            "item-without-vector",
            _("The item %(code)s has no vector of the encoder %(encoder)s. Embed it first, or choose another encoder.")
            % {"code": code, "encoder": encoder.slug},
        )
    return vector


def _hits(neighbours: list[Neighbour]) -> tuple[Hit, ...]:
    return tuple(
        Hit(rank, each.item_id, each.code, each.score, {METHOD: each.score})
        for rank, each in enumerate(neighbours, start=1)
    )


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    timings[stage] = (time.perf_counter() - started) * 1000
