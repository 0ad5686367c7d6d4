"""What may be done with encoders. Each function owns its transaction."""

import logging

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from embeddings.encoders.base import EncoderSpec
from embeddings.encoders.presets import PRESETS
from embeddings.health import vector_health
from embeddings.indexes import IndexState, index_state, wants_index
from embeddings.models import Encoder, EncoderPart
from embeddings.partitions import create_partition, drop_partition

logger = logging.getLogger(__name__)


class ActivationRefused(Exception):  # noqa: N818 - a decision, not a fault
    """The encoder may not serve searches yet. `reasons` are translated and say what to do."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = reasons


def get_or_create_encoder(*, preset: str) -> Encoder:
    """The encoder of a preset by its slug, made at first use. Raises KeyError for an unknown preset."""
    existing = Encoder.objects.filter(slug=preset).first()
    return existing or create_encoder(preset=preset)


@transaction.atomic
def create_encoder(*, preset: str) -> Encoder:
    """A new encoder from a preset, with its partition; the parts of a concatenation come with it."""
    chosen = PRESETS[preset]
    spec = chosen.spec()
    encoder = Encoder.objects.create(
        slug=chosen.slug, name=str(chosen.name), fingerprint=spec.fingerprint(), **_columns(spec)
    )
    EncoderPart.objects.bulk_create(
        EncoderPart(encoder=encoder, part=_encoder_of(part), position=position, weight=weight)
        for position, (part, weight) in enumerate(spec.parts)
    )
    create_partition(encoder)
    return encoder


def _encoder_of(spec: EncoderSpec) -> Encoder:
    """The encoder of a part: the same vector space where there is one, else a new one from its preset."""
    existing = Encoder.objects.filter(fingerprint=spec.fingerprint()).first()
    return existing or create_encoder(preset=next(slug for slug, preset in PRESETS.items() if preset.spec() == spec))


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
