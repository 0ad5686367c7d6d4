"""Search for other programs. What a search takes and gives is mapped here, and nowhere else."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal

from django.utils.translation import gettext as _
from ninja import Path, Query, Router, Schema
from pydantic import ConfigDict, Field

from embeddings.search import Filters, Hit, Rerank, SearchError, SearchRequest, SearchResponse, search
from embeddings.search.types import DEFAULT_TOP_N, MAX_ENCODERS, MAX_K, MAX_TEXT_CHARACTERS
from itembank.api.access import ApiRequest, Guard, demand
from itembank.api.items import EXAMPLE, ItemFilters, ItemOut, shown_items, with_images
from itembank.api.problems import Problem
from itembank.api.scopes import Scope
from itembank.api.texts import Code, Line
from itembank.models import Item

router = Router(tags=["search"])

MAX_IMAGE_BYTES = 7_000_000
"""Of the picture; in base64, within Django's bound of a request body (10 MiB)."""

Method = Literal["dense", "lexical", "hybrid", "rrf", "ensemble"]  # as METHODS of embeddings/search/types.py

STATUSES = {
    "unknown-item": 404,
    "no-active-encoder": 409,
    "no-vectors": 409,
    "item-without-vector": 409,
    "broker-silent": 503,
    "worker-silent": 503,
}
"""By the codes of SearchError; any other is about what was asked: 422."""


class FiltersIn(ItemFilters):
    model_config = ConfigDict(extra="forbid")


class SearchOptions(Schema):
    method: Method = Field(
        "dense",
        description="`dense`: by vectors; `lexical`: by the words of the text or the item; `hybrid`: both, by "
        "normalised scores; `rrf`: both, by ranks; `ensemble`: by several encoders.",
    )
    encoder: Line | None = Field(None, description="Its slug; the active one where none is named.")
    encoders: list[Line] = Field([], max_length=MAX_ENCODERS, description="Of an ensemble: two or more slugs.")
    weights: list[Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(
        [], max_length=MAX_ENCODERS, description="Of an ensemble: one for each encoder; equal where there are none."
    )
    alpha: float = Field(0.5, ge=0, le=1, description="Of a hybrid: the share of the vectors; the rest is the words'.")
    k: int = Field(10, ge=1, le=MAX_K, description="Hits, at most.")
    exact: bool = Field(False, description="Compare with every vector instead of asking the index: slower, and sure.")
    weak_below: float | None = Field(
        None,
        allow_inf_nan=False,
        description="Hits with a lower score are marked weak. Where not given, those that no signal has at its own "
        "line or above.",
    )
    leave_out_near_duplicates: bool = Field(
        False, description="Leave out items whose text differs from the query's in numbers alone."
    )
    with_items: bool = Field(False, description="Give each hit its item. Needs the scope `items:read` too.")


class RerankIn(Schema):
    """The best hits once more, each read together with the query by a model that sees both. Takes seconds."""

    model_config = ConfigDict(extra="forbid")

    reranker: Line = Field(description="Its slug.")
    top_n: int = Field(DEFAULT_TOP_N, ge=1, le=MAX_K, description="Hits that it reads.")
    threshold: float = Field(0, ge=0, le=1, description="Hits that it scores below keep their order after the others.")
    everywhere: bool = Field(
        False,
        description="Also where the reranker is switched off since evaluation showed harm: for the kind of the query "
        "item, or that of a filter with one value. Without, `reranked_by` is empty there, and a note says why.",
    )


class SearchIn(SearchOptions):
    """By text, image, both, or an item of the bank."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "text": "일차함수의 기울기를 구하시오.",
                    "filters": {"subject": ["수학"], "difficulty": [2, 3]},
                    "k": 5,
                },
                {"item": "M2-0417", "k": 20},
            ]
        },
    )

    text: str = Field("", max_length=MAX_TEXT_CHARACTERS)
    formula: str = Field(
        "", max_length=MAX_TEXT_CHARACTERS, description="LaTeX, with or without delimiters; alone or beside a text."
    )
    image: str | None = Field(
        None,
        max_length=MAX_IMAGE_BYTES * 4 // 3 + 4,
        description=f"A PNG, JPEG or WebP file in base64, {MAX_IMAGE_BYTES:,} bytes at most before encoding.",
        json_schema_extra={"contentEncoding": "base64"},
    )
    item: Code | None = Field(None, description="The code of an item: what is similar to it?")
    filters: FiltersIn = FiltersIn.model_validate({})
    rerank: RerankIn | None = Field(None, description="Off where not given.")


class SimilarQuery(SearchOptions, ItemFilters):
    pass


class SignalOut(Schema):
    score: float | None = Field(
        description="Its own: a cosine (1 is the same), or BM25 without an upper end. Null: not in its list."
    )
    normalised: float = Field(description="As it is fused; of one signal alone, the score.")
    share: float = Field(description="What it gave to the hit's score; shares add up to it.")
    rank: int | None = Field(description="In its own list.")
    image_used: bool = Field(description="Whether an image of the item is in the vector compared.")


class RerankOut(Schema):
    score: float | None = Field(description="0 to 1; null where it did not judge the hit.")
    rank: int = Field(description="That before.")
    image_used: bool = Field(description="Whether an image of the item was read.")
    problem: str = Field(description="Why it could not judge the hit, for people.")


class HitOut(Schema):
    rank: int
    code: str
    score: float = Field(description="By vectors, 1 is the same; by words, there is no upper end.")
    signals: dict[str, SignalOut] = Field(
        description="What `dense`, `lexical`, or each encoder of an ensemble says of it."
    )
    matched_terms: dict[str, float] = Field(
        description="Words that it was found by, each with its share of that score."
    )
    weak: bool = Field(
        description="Whether it is no nearer to the query than chance brings items together: no signal has it at its "
        "line or above. With `weak_below` or a reranker's threshold, whether it scores below that."
    )
    group: int | None = Field(
        description="Hits of one group differ in numbers alone; 0 is the query item's own, null a hit alone."
    )
    reranked: RerankOut | None = Field(description="What the reranker says of it, where one was asked.")
    item: ItemOut | None = Field(None, description="Where `with_items` asked for it.")


class SearchOut(Schema):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "hits": [
                        {
                            "rank": 1,
                            "code": "M2-0418",
                            "score": 0.93,
                            "signals": {
                                "dense": {
                                    "score": 0.93,
                                    "normalised": 0.93,
                                    "share": 0.93,
                                    "rank": 1,
                                    "image_used": True,
                                }
                            },
                            "matched_terms": {},
                            "weak": False,
                            "group": 0,
                            "reranked": None,
                            "item": EXAMPLE,
                        },
                    ],
                    "encoder": "kure-v1",
                    "method": "dense",
                    "route": "index",
                    "timings_ms": {"encode": 21.4, "search": 4.2, "total": 26.0},
                    "notes": [],
                    "reranked_by": "",
                    "weak_below": {"dense": 0.61},
                }
            ]
        }
    )

    hits: list[HitOut]
    encoder: str
    method: str
    route: str = Field(description="How the hits were found, such as `index` or `exact`.")
    timings_ms: dict[str, float]
    notes: list[str] = Field(description="Warnings about this answer, for people.")
    reranked_by: str = Field(description="The slug of the reranker that ordered the hits; empty where none did.")
    weak_below: dict[str, float] = Field(
        description="The line of each signal, in its own scores; none for an encoder that was not measured yet."
    )


@router.post(
    "/search",
    response=SearchOut,
    auth=Guard(Scope.SEARCH),
    summary="Search",
    openapi_extra={"x-problems": [404, 409, 503]},
)
def search_items(request: ApiRequest, body: SearchIn) -> dict[str, Any]:
    """The items nearest to a text, an image, both, or an item. A text or image waits for the gpu worker."""
    fields = {
        "text": body.text,
        "formula": body.formula,
        "image": _image(body.image),
        "item_code": body.item,
        "rerank": Rerank(**body.rerank.dict()) if body.rerank else None,
    }
    return _answer(request, body, body.filters, fields)


@router.get(
    "/items/{path:code}/similar",
    response=SearchOut,
    auth=Guard(Scope.SEARCH),
    summary="Similar items",
    openapi_extra={"x-problems": [409]},
)
def similar_items(request: ApiRequest, code: Path[Code], query: Query[SimilarQuery]) -> dict[str, Any]:
    """The items nearest to an item, by its stored vector."""
    return _answer(request, query, query, {"item_code": code})


def _answer(
    request: ApiRequest, options: SearchOptions, filters: ItemFilters, query: Mapping[str, Any]
) -> dict[str, Any]:
    if options.with_items:
        demand(request.auth, Scope.ITEMS_READ)
    try:
        same = ("method", "encoder", "alpha", "k", "exact", "weak_below", "leave_out_near_duplicates")
        asked = SearchRequest(
            **query,
            **{name: getattr(options, name) for name in same},
            encoders=tuple(options.encoders),
            weights=tuple(options.weights),
            filters=Filters(**filters.values()),
        )
        return _shown(search(asked), with_items=options.with_items)
    except SearchError as error:
        status = STATUSES.get(error.code, 422)
        headers = {"Retry-After": "5"} if status == 503 else {}
        raise Problem(status, error.code, error.message, headers=headers) from error


def _shown(response: SearchResponse, *, with_items: bool) -> dict[str, Any]:
    items = _items(response.hits) if with_items else {}
    hits = [
        asdict(hit) | {"matched_terms": dict(hit.matched_terms), "item": items.get(hit.code)} for hit in response.hits
    ]
    names = ("encoder", "method", "route", "timings_ms", "notes", "reranked_by", "weak_below")
    return {"hits": hits} | {name: getattr(response, name) for name in names}


def _items(hits: tuple[Hit, ...]) -> dict[str, dict[str, Any]]:
    """By code; an item that was deleted since is not among them."""
    found = with_images(Item.objects.filter(pk__in=[hit.item_id for hit in hits]))
    return {item["code"]: item for item in shown_items(found)}


def _image(encoded: str | None) -> bytes | None:
    """Bytes of a file; what they hold is checked by the search."""
    if not encoded:
        return None
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem(422, "broken-base64", _("The image is not valid base64. Encode the file's bytes.")) from error
