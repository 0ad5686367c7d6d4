"""Storing rows whose slug only one may have."""

from django.db import IntegrityError, transaction

from embeddings.models import Encoder, Reranker


def store_new(row: Encoder | Reranker) -> None:
    """Validates and inserts. Raises ValidationError, also for a slug that someone else took since the check."""
    row.full_clean()
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        row.full_clean()  # the other row is there by now, and is named as any that was there before
        raise
