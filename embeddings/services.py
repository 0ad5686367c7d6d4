"""What may be done with encoders. Each function owns its transaction."""

from django.db import transaction

from embeddings.encoders.base import EncoderSpec
from embeddings.encoders.presets import PRESETS
from embeddings.models import Encoder, EncoderPart
from embeddings.partitions import create_partition, drop_partition


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


def _columns(spec: EncoderSpec) -> dict[str, object]:
    return {name: getattr(spec, name) for name in Encoder.SPEC_FIELDS} | {"options": dict(spec.options)}
