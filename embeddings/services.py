"""What may be done with encoders. Each function owns its transaction."""

import logging
from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from embeddings.encoders.base import EncoderSpec
from embeddings.encoders.errors import EncoderError
from embeddings.encoders.presets import PRESETS, concatenation
from embeddings.encoders.registry import create_backend
from embeddings.encoders.variants import varied
from embeddings.health import vector_health
from embeddings.indexes import IndexState, index_state, wants_index
from embeddings.models import Encoder, EncoderPart
from embeddings.new_rows import store_new
from embeddings.partitions import create_partition, drop_partition

logger = logging.getLogger(__name__)


class ActivationRefused(Exception):  # noqa: N818 - a decision, not a fault
    """The encoder may not serve searches yet. `reasons` are translated and say what to do."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = reasons


def get_or_create_encoder(*, preset: str) -> Encoder:
    """The encoder of a preset by its slug, made at first use. Raises KeyError (no such preset), ModelUnavailable."""
    existing = Encoder.objects.filter(slug=preset).first()
    return existing or create_encoder(preset=preset)


def create_encoder(
    *, preset: str, slug: str = "", name: str = "", server: str = "", weights: Sequence[float] = (), **changes: Any
) -> Encoder:
    """A new encoder from a preset, with its partition; the parts of a concatenation come with it.

    `changes` are fields of the preset's specification (precision, dimensions, instructions, ..), `server` is who runs
    the model, `weights` are those of a concatenation's parts. Raises KeyError (no such preset), and before anything is
    stored ModelUnavailable, EncoderError, ValidationError (a slug that is taken).
    """
    chosen = PRESETS[preset]
    slug, name = slug or preset, name or str(chosen.name)
    if not chosen.parts:
        if weights:
            raise EncoderError(_("only a concatenation has weights"))
        return _store_encoder(varied(chosen, server=server, **changes), slug=slug, name=name)
    if changes or server:
        raise EncoderError(_("a concatenation is defined by its parts and their weights; make its parts first"))
    # Model files are read before the transaction: a hub may take its time.
    drafts = {part: PRESETS[part].spec() for part, _weight in chosen.parts if not _is_taken(part)}
    with transaction.atomic():
        for part, spec in drafts.items():
            _store_encoder(spec, slug=part, name=str(PRESETS[part].name))
        parts = [Encoder.objects.get(slug=part) for part, _weight in chosen.parts]
        return concatenate_encoders(
            parts, list(weights) or [weight for _part, weight in chosen.parts], slug=slug, name=name
        )


@transaction.atomic
def concatenate_encoders(parts: Sequence[Encoder], weights: Sequence[float], *, slug: str, name: str) -> Encoder:
    """A new encoder whose vectors are those of other encoders side by side. Raises EncoderError, ValidationError."""
    if len(parts) != len(weights):
        raise EncoderError(
            _("%(weights)d weights were given for %(parts)d parts") % {"weights": len(weights), "parts": len(parts)}
        )
    spec = concatenation(list(zip([part.spec() for part in parts], weights, strict=True)))
    encoder = _store_encoder(spec, slug=slug, name=name)
    EncoderPart.objects.bulk_create(
        EncoderPart(encoder=encoder, part=part, position=position, weight=weight)
        for position, (part, weight) in enumerate(zip(parts, weights, strict=True))
    )
    return encoder


def _is_taken(slug: str) -> bool:
    return Encoder.objects.filter(slug=slug).exists()


@transaction.atomic
def _store_encoder(spec: EncoderSpec, *, slug: str, name: str) -> Encoder:
    create_backend(spec)  # refuses what it cannot serve; loads nothing
    encoder = Encoder(slug=slug, name=name, fingerprint=spec.fingerprint(), **_columns(spec))
    store_new(encoder)
    create_partition(encoder)
    return encoder


@transaction.atomic
def delete_encoder(*, encoder: Encoder) -> None:
    """Delete an encoder and all its vectors. Raises ProtectedError while a concatenation uses it."""
    drop_partition(encoder)
    encoder.delete()


def activate_encoder(*, encoder: Encoder, user: User | None = None) -> Encoder:
    """Let the encoder serve searches instead of the one before, in one step. Raises ActivationRefused.

    Its vectors must cover every item that suits it, apart from quarantined ones, and be healthy; a large encoder must
    have its index. Reads every vector.
    """
    reasons = vector_health(encoder).problems or _index_problem(encoder)
    if reasons:
        raise ActivationRefused(reasons)
    with transaction.atomic():
        # Locked in one order, so that two activations at once follow one another.
        involved = Encoder.objects.filter(Q(is_active=True) | Q(pk=encoder.pk))
        list(involved.order_by("pk").select_for_update())
        Encoder.objects.filter(is_active=True).exclude(pk=encoder.pk).update(is_active=False)
        Encoder.objects.filter(pk=encoder.pk).update(is_active=True, activated_at=timezone.now())
    logger.info("The encoder %s serves searches from now on (%s)", encoder.slug, user or "command line")
    encoder.refresh_from_db()
    return encoder


def _index_problem(encoder: Encoder) -> tuple[str, ...]:
    if not wants_index(encoder) or index_state(encoder) is IndexState.READY:
        return ()
    return (
        _(
            "Its index is not built yet. The cpu worker builds it once no job of the encoder runs; activate it then. "
            "At once: manage.py build_index --encoder %(encoder)s"
        )
        % {"encoder": encoder.slug},
    )


def _columns(spec: EncoderSpec) -> dict[str, object]:
    return {name: getattr(spec, name) for name in Encoder.SPEC_FIELDS} | {"options": dict(spec.options)}
