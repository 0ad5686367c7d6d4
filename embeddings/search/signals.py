"""The signals of a search's method: each a list of candidates, asked as deep as is wanted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from django.utils.translation import gettext as _

from embeddings.encoders.base import Modality
from embeddings.models import Encoder
from embeddings.search.dense import (
    NearestQuery,
    Span,
    Vector,
    asked_span,
    nearest,
    spans_of,
    stored_vector,
)
from embeddings.search.encoders import encoder_of
from embeddings.search.lexical_scores import Shares
from embeddings.search.lexical_search import by_words
from embeddings.search.notes import notes_on, notes_on_words
from embeddings.search.queries import EncodeQuery, demand_vectors, query_content, query_vector
from embeddings.search.query_terms import QueryTerms, item_terms, query_terms
from embeddings.search.types import SearchError, SearchRequest
from embeddings.search.weak import words_line

DENSE, WORDS = "dense", "words"


class Candidate(NamedTuple):
    """`image_used` is that an image of the item is in the vector compared."""

    item_id: int
    code: str
    score: float
    image_used: bool = False
    terms: Shares = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """Candidates of one signal by (score descending, code ascending), and how they were found.

    Those that score below `weak_below` are weak; None is not known.
    """

    name: str
    candidates: Sequence[Candidate]
    route: str
    notes: tuple[str, ...] = ()
    weak_below: float | None = None


class Signal(Protocol):
    def ask(self, depth: int) -> Listed:
        """The best `depth` candidates."""


def signals_of(request: SearchRequest, item: int | None, encode: EncodeQuery) -> list[Signal]:
    """The signals of the method, each with its query read: the item, or text and image. Raises SearchError."""
    signals: list[Signal] = []
    if request.method != "lexical":
        for slug in request.encoders or (request.encoder,):
            encoder = encoder_of(slug)
            vector, notes = _query(encoder, request, item, encode)
            signals.append(DenseSignal(encoder, request, item, vector, notes, (request.encoders and slug) or DENSE))
    if request.method in {"lexical", "hybrid", "rrf"}:
        signals.append(LexicalSignal(request, item, _terms(request, item)))
    return signals


def encoders_of(signals: Sequence[Signal]) -> str:
    return ", ".join(each.encoder.slug for each in signals if isinstance(each, DenseSignal))


@dataclass(frozen=True)
class DenseSignal:
    encoder: Encoder
    request: SearchRequest
    item: int | None
    vector: Vector
    notes: tuple[str, ...]
    name: str

    def ask(self, depth: int) -> Listed:
        filters, spans = self.request.filters, spans_of(self.encoder)
        span = asked_span(spans, self.vector)
        query = NearestQuery(vector=self.vector, filters=filters, k=depth, without=self.item, span=span)
        found, route = nearest(self.encoder, query, exact=self.request.exact)
        compared = self._compared(spans, span)
        sees = compared.modality != Modality.TEXT
        return Listed(
            self.name,
            [Candidate(each.item_id, each.code, each.score, sees and each.has_image) for each in found],
            route,
            (*self.notes, *notes_on(self.encoder, filters, found[: self.request.k], route)),
            compared.weak_below,
        )

    def _compared(self, spans: Sequence[Span], span: Span | None) -> Encoder:
        """The encoder, or the part of it that the query has."""
        return self.encoder if span is None else self.encoder.parts.all()[spans.index(span)].part


@dataclass(frozen=True)
class LexicalSignal:
    request: SearchRequest
    item: int | None
    asked: QueryTerms
    name: str = field(default="lexical", init=False)

    def ask(self, depth: int) -> Listed:
        found, full_score = by_words(self.asked.terms, filters=self.request.filters, k=depth, without=self.item)
        candidates = [Candidate(each.item_id, each.code, each.score, terms=each.shares) for each in found]
        notes = (*self.asked.notes, *notes_on_words(found))
        return Listed(self.name, candidates, WORDS, notes, words_line(full_score))


def _query(
    encoder: Encoder, request: SearchRequest, item: int | None, encode: EncodeQuery
) -> tuple[Vector, tuple[str, ...]]:
    if item is not None:
        return _item_vector(encoder, request.item_code or "", item), ()
    content = query_content(encoder, text=request.text, image=request.image)
    return query_vector(encoder, content, encode=encode), content.notes


def _item_vector(encoder: Encoder, code: str, item_id: int) -> Vector:
    vector = stored_vector(encoder, item_id)
    if vector is None:
        demand_vectors(encoder)
        raise SearchError(
            "item-without-vector",
            _("The item %(code)s has no vector of the encoder %(encoder)s. Embed it first, or choose another encoder.")
            % {"code": code, "encoder": encoder.slug},
        )
    return vector


def _terms(request: SearchRequest, item: int | None) -> QueryTerms:
    if item is not None:
        return item_terms(item)
    if not request.text and request.method != "lexical":
        return QueryTerms([], (_("The query has no words: the hits are those of the vectors alone."),))
    asked = query_terms(request)
    # Of both, the vectors may well have read the image: their signal says where they did not.
    return asked if request.method == "lexical" else QueryTerms(asked.terms, asked.notes[bool(request.image) :])
