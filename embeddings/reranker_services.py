"""What may be done with rerankers."""

from typing import Any

from embeddings.models import Reranker
from embeddings.new_rows import store_new
from embeddings.rerankers.base import RerankerSpec
from embeddings.rerankers.presets import RERANKER_PRESETS
from embeddings.rerankers.registry import reranker_class


def get_or_create_reranker(*, preset: str) -> Reranker:
    """The reranker of a preset by its slug, made at first use. Raises KeyError (no such preset), ModelUnavailable."""
    existing = Reranker.objects.filter(slug=preset).first()
    return existing or create_reranker(preset=preset)


def create_reranker(*, preset: str, slug: str = "", name: str = "", server: str = "", **changes: Any) -> Reranker:
    """A new reranker from a preset.

    `changes` are fields of the preset's specification (instruction, precision, ..), `server` is who runs the model.
    Raises ModelUnavailable, EncoderError, ValidationError (such as a slug that is taken).
    """
    chosen = RERANKER_PRESETS[preset]
    spec = chosen.spec(server=server, **changes)
    reranker_class(spec.backend)(spec)  # refuses what it cannot serve; loads nothing
    slug = slug or preset
    reranker = Reranker(slug=slug, name=name or str(chosen.name), fingerprint=spec.fingerprint(), **_columns(spec))
    store_new(reranker)
    return reranker


def settle_reranker(reranker: Reranker) -> Reranker:
    """The reranker as this process runs it, from now on everywhere: the precision fixed where that was left to the
    first use, the fingerprint that of the present code. Nothing it scored is stored, so an update makes nothing stale.
    """
    spec = reranker.spec()
    settled = reranker_class(spec.backend).settled(spec)
    # Of two processes the first decides.
    Reranker.objects.filter(pk=reranker.pk, precision=spec.precision).update(precision=settled.precision)
    reranker.refresh_from_db()
    fingerprint = reranker.spec().fingerprint()
    if fingerprint != reranker.fingerprint:
        reranker.fingerprint = fingerprint
        reranker.save(update_fields=["fingerprint"])
    return reranker


def _columns(spec: RerankerSpec) -> dict[str, object]:
    return {name: getattr(spec, name) for name in Reranker.SPEC_FIELDS} | {"options": dict(spec.options)}
