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
    parts = [(get_or_create_encoder(preset=slug), weight) for slug, weight in chosen.parts]
    encoder = Encoder.objects.create(
        slug=chosen.slug, name=chosen.name, fingerprint=chosen.spec.fingerprint(), **_columns(chosen.spec)
    )
    EncoderPart.objects.bulk_create(
        EncoderPart(encoder=encoder, part=part, position=position, weight=weight)
        for position, (part, weight) in enumerate(parts)
    )
    create_partition(encoder)
    return encoder


@transaction.atomic
def delete_encoder(*, encoder: Encoder) -> None:
    """Delete an encoder and all its vectors. Raises ProtectedError while a concatenation uses it."""
    drop_partition(encoder)
    encoder.delete()


def _columns(spec: EncoderSpec) -> dict[str, object]:
    return {name: getattr(spec, name) for name in Encoder.SPEC_FIELDS} | {"options": dict(spec.options)}
