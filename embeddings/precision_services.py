"""Settling the precision of an encoder that left it open, once, on the device of its first use."""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from embeddings.encoders.errors import EncoderError
from embeddings.encoders.precision import AUTO
from embeddings.encoders.registry import backend_class
from embeddings.models import Encoder, EncoderPart


def settle_precision(encoder: Encoder) -> Encoder:
    """The encoder with its precision, and those of its parts, fixed to what this process's device takes.

    Precision is part of the vector space: from here on every device keeps to it, or says that it cannot. Encoders that
    are made of this one get their new fingerprint too. Raises EncoderError where vectors are there already: nobody
    knows in which precision they were made.
    """
    if not _open_precisions(encoder).exists():
        return encoder
    found = {each.pk: _settled(each) for each in _open_precisions(encoder)}
    with transaction.atomic():
        involved = _with_wholes({encoder.pk, *found})
        # Locked in one order: of two workers the second sees what the first has settled.
        list(Encoder.objects.filter(pk__in=involved).order_by("pk").select_for_update(no_key=True))
        if settled := [each for each in _open_precisions(encoder) if found.get(each.pk, AUTO) != AUTO]:
            for each in settled:
                _check_empty(_with_wholes({each.pk}))
                Encoder.objects.filter(pk=each.pk).update(precision=found[each.pk])
            _renew_fingerprints(_with_wholes({each.pk for each in settled}))
    encoder.refresh_from_db()
    return encoder


def _open_precisions(encoder: Encoder) -> QuerySet[Encoder]:
    return Encoder.objects.filter(pk__in=_with_parts(encoder), precision=AUTO).order_by("pk")


def _settled(encoder: Encoder) -> str:
    spec = encoder.spec()
    return backend_class(spec.backend).settled(spec).precision


def _with_parts(encoder: Encoder) -> set[int]:
    """The encoder and its parts, and theirs."""
    found, last = {encoder.pk}, {encoder.pk}
    while last and encoder.backend == "concat":
        last = set(EncoderPart.objects.filter(encoder__in=last).values_list("part", flat=True)) - found
        found |= last
    return found


def _with_wholes(encoders: set[int]) -> set[int]:
    """The encoders and those that they are parts of, and so on."""
    found, last = set(encoders), set(encoders)
    while last:
        last = set(EncoderPart.objects.filter(part__in=last).values_list("encoder", flat=True)) - found
        found |= last
    return found


def _check_empty(encoders: set[int]) -> None:
    for encoder in Encoder.objects.filter(pk__in=encoders):
        if encoder.embeddings.exists():
            raise EncoderError(
                _("the encoder %(slug)s has vectors of a precision that nobody noted; make a new encoder")
                % {"slug": encoder.slug}
            )


def _renew_fingerprints(encoders: Iterable[int]) -> None:
    for encoder in Encoder.objects.filter(pk__in=encoders):
        Encoder.objects.filter(pk=encoder.pk).update(fingerprint=encoder.spec().fingerprint())
