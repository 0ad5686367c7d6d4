"""Encoders for other programs, to read."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Path, Query, Router, Schema
from pydantic import ConfigDict, Field

from embeddings.models import Encoder
from embeddings.selectors import coverage
from itembank.api.access import Guard
from itembank.api.paging import Page, PageQuery, page
from itembank.api.problems import not_found
from itembank.api.scopes import Scope
from itembank.api.texts import Line

router = Router(tags=["encoders"])

OWN = (
    "slug", "backend", "model_id", "revision", "modality", "dimensions", "precision", "fingerprint", "is_active",
    "activated_at", "created_at", "weak_below",
)  # fmt: skip


class CoverageOut(Schema):
    """Items that suit the encoder, by what it has of them; the four parts add up to the total."""

    embedded: int
    stale: int = Field(description="Edited since they were embedded.")
    missing: int
    quarantined: int
    total: int
    complete: bool


class EncoderOut(Schema):
    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={
            "examples": [
                {
                    "slug": "kure-v1",
                    "name": "KURE-v1",
                    "backend": "sentence",
                    "model_id": "nlpai-lab/KURE-v1",
                    "revision": "d14c8a9423946e268a0c9952fecf3a7aabd73bd5",
                    "modality": "text",
                    "dimensions": 1024,
                    "precision": "fp32",
                    "fingerprint": "0" * 64,
                    "is_active": True,
                    "activated_at": "2026-03-02T09:00:00+09:00",
                    "created_at": "2026-03-01T09:00:00+09:00",
                    "weak_below": 0.61,
                    "coverage": {
                        "embedded": 90, "stale": 0, "missing": 10, "quarantined": 0, "total": 100, "complete": False
                    },
                }
            ]
        },
    )  # fmt: skip

    slug: str
    name: str
    backend: str
    model_id: str
    revision: str
    modality: str
    dimensions: int
    precision: str
    fingerprint: str = Field(description="Equal fingerprints make equal vectors.")
    is_active: bool = Field(description="Whether it answers searches that name no encoder.")
    activated_at: datetime | None
    created_at: datetime
    weak_below: float | None = Field(
        description="A hit with a lower cosine is no nearer than chance brings items together; null until measured."
    )
    coverage: CoverageOut | None = Field(None, description="In a list only where `coverage` asks for it.")


class EncoderQuery(PageQuery):
    coverage: bool = Field(False, description="Count what each encoder covers: 0.3 s an encoder in a large bank.")


@router.get("/encoders", response=Page[EncoderOut], auth=Guard(Scope.ENCODERS_READ), summary="List encoders")
def list_encoders(request: HttpRequest, query: Query[EncoderQuery]) -> dict[str, Any]:
    """Vector spaces, in the order in which they were made."""

    def shown(found: Sequence[Encoder]) -> list[dict[str, Any]]:
        return [_shown(encoder, counted=query.coverage) for encoder in found]

    return page(Encoder.objects.all(), query, shown)


@router.get("/encoders/{slug}", response=EncoderOut, auth=Guard(Scope.ENCODERS_READ), summary="One encoder")
def read_encoder(request: HttpRequest, slug: Path[Line]) -> dict[str, Any]:
    """An encoder with its coverage."""
    encoder = Encoder.objects.filter(slug=slug).first()
    if encoder is None:
        raise not_found()
    return _shown(encoder, counted=True)


def _shown(encoder: Encoder, *, counted: bool) -> dict[str, Any]:
    return {name: getattr(encoder, name) for name in OWN} | {
        "name": encoder.title,
        "coverage": _coverage(encoder) if counted else None,
    }


def _coverage(encoder: Encoder) -> dict[str, Any]:
    found = coverage(encoder)
    return {name: getattr(found, name) for name in CoverageOut.model_fields}
