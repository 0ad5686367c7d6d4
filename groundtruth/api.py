"""Truth sets and their pairs for other programs, to read."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Path, Query, Router, Schema
from pydantic import ConfigDict, Field

from groundtruth.models import Relevance, TruthPair, TruthSet
from groundtruth.truth_selectors import set_counts
from itembank.api.access import Guard
from itembank.api.paging import MAX_ID, Page, PageQuery, page
from itembank.api.problems import not_found
from itembank.api.scopes import Scope
from itembank.api.texts import Code, Line

router = Router(tags=["truth"])

SetId = Path[Annotated[int, Field(ge=1, le=MAX_ID)]]
Grade = Annotated[int, Field(ge=min(Relevance.values), le=max(Relevance.values))]
Method = Literal["tfidf", "llm-text", "llm-images", "hybrid", "manual"]
ScopeOfSet = Literal["selection", "bank"]
State = Literal["building", "ready", "failed", "cancelled"]
OWN = ("id", "name", "version", "method", "scope", "state", "description", "frozen_at", "fingerprint", "created_at")


class TruthSetOut(Schema):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 3,
                    "name": "kmwps",
                    "version": 2,
                    "method": "hybrid",
                    "scope": "bank",
                    "state": "ready",
                    "description": "",
                    "frozen_at": "2026-03-02T09:00:00+09:00",
                    "fingerprint": "0" * 64,
                    "created_at": "2026-03-01T09:00:00+09:00",
                    "queries": 61,
                    "pairs": 610,
                    "judged": 600,
                }
            ]
        }
    )

    id: int
    name: str
    version: int
    method: Method
    scope: ScopeOfSet
    state: State
    description: str
    frozen_at: datetime | None = Field(description="Since when the set does not change.")
    fingerprint: str = Field(description="Of its pairs, once it is frozen.")
    created_at: datetime
    queries: int
    pairs: int
    judged: int = Field(description="Pairs with a relevance.")


class PairOut(Schema):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 812, "query_id": "Q001", "query_item": "M2-0417", "item": "M2-0418", "relevance": 2,
                    "approved_relevance": 3, "final_relevance": 3, "score": 0.61, "provenance": {"tfidf": 0.61},
                }
            ]
        }
    )  # fmt: skip

    id: int
    query_id: str
    query_item: str
    item: str
    relevance: int | None = Field(description="By the set's method, 0 to 3; null where nobody judged.")
    approved_relevance: int | None = Field(description="By people; it wins.")
    final_relevance: int | None
    score: float | None
    provenance: dict[str, Any]


class TruthSetQuery(PageQuery):
    name: Line | None = None


class PairQuery(PageQuery):
    relevance: list[Grade] = Field([], max_length=4, description="Only pairs with one of these as the final one.")
    item: Code | None = Field(None, description="Only pairs whose query is about this item.")


@router.get("/truth-sets", response=Page[TruthSetOut], auth=Guard(Scope.TRUTH_READ), summary="List truth sets")
def list_truth_sets(request: HttpRequest, query: Query[TruthSetQuery]) -> dict[str, Any]:
    """Truth sets, the newest first."""
    sets = TruthSet.objects.all() if query.name is None else TruthSet.objects.filter(name=query.name)
    return page(sets, query, _shown_sets, newest_first=True)


@router.get("/truth-sets/{int:set_id}", response=TruthSetOut, auth=Guard(Scope.TRUTH_READ), summary="One truth set")
def read_truth_set(request: HttpRequest, set_id: SetId) -> dict[str, Any]:
    """A truth set with what it holds, counted."""
    return _shown_sets([_set(set_id)])[0]


@router.get(
    "/truth-sets/{int:set_id}/pairs", response=Page[PairOut], auth=Guard(Scope.TRUTH_READ), summary="Pairs of a set"
)
def list_pairs(request: HttpRequest, set_id: SetId, query: Query[PairQuery]) -> dict[str, Any]:
    """Pairs in the order in which they were made."""
    pairs = TruthPair.objects.filter(truth_set=_set(set_id)).select_related("query__item", "item")
    if query.relevance:
        pairs = pairs.filter(final_relevance__in=query.relevance)
    if query.item is not None:
        pairs = pairs.filter(query__item__code=query.item)
    return page(pairs, query, _shown_pairs)


def _set(set_id: int) -> TruthSet:
    found = TruthSet.objects.filter(pk=set_id).first()
    if found is None:
        raise not_found()
    return found


def _shown_sets(sets: Sequence[TruthSet]) -> list[dict[str, Any]]:
    counts = set_counts(sets)
    return [
        {name: getattr(each, name) for name in OWN}
        | {"queries": counts[each.pk].queries, "pairs": counts[each.pk].total, "judged": counts[each.pk].judged}
        for each in sets
    ]


def _shown_pairs(pairs: Sequence[TruthPair]) -> list[dict[str, Any]]:
    names = ("id", "relevance", "approved_relevance", "final_relevance", "score", "provenance")
    return [
        {name: getattr(pair, name) for name in names}
        | {"query_id": pair.query.query_id, "query_item": pair.query.item.code, "item": pair.item.code}
        for pair in pairs
    ]
