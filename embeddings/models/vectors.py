"""The vectors of items, and those of queries that a person waits for."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from pgvector.django import HalfVectorField

from embeddings.models.encoders import Encoder
from itembank.models import HASH_LENGTH, Item


class Embedding(models.Model):
    """The vector of one item in one space; current while `content_hash` equals the item's.

    The table is LIST-partitioned by encoder (embeddings/partitions.py makes each partition), so the vector has no size
    here: each partition checks its own.
    """

    pk = models.CompositePrimaryKey("encoder_id", "item_id")
    encoder = models.ForeignKey(Encoder, models.DO_NOTHING, related_name="embeddings", verbose_name=_("encoder"))
    item = models.ForeignKey(Item, models.DO_NOTHING, related_name="embeddings", verbose_name=_("item"))
    embedding = HalfVectorField(_("embedding"))
    content_hash = models.CharField(max_length=HASH_LENGTH)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("embedding")
        verbose_name_plural = _("embeddings")

    def __str__(self) -> str:
        return f"{self.encoder_id}/{self.item_id}"


class QueryEncoding(models.Model):
    """A query that a person waits for: written by the web process, given its vector by the worker, then reused."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    encoder = models.ForeignKey(Encoder, models.CASCADE, related_name="queries", verbose_name=_("encoder"))
    digest = models.CharField(max_length=HASH_LENGTH)
    text = models.TextField(_("text"), blank=True)
    image = models.BinaryField(_("image"), null=True)
    embedding = HalfVectorField(_("embedding"), null=True)
    error = models.TextField(_("error"), blank=True)
    claimed_until = models.DateTimeField(null=True)  # a worker is at it; cleared with the answer
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("query encoding")
        verbose_name_plural = _("query encodings")
        indexes = [models.Index(fields=["created_at"], name="queryencoding_created")]
        constraints = [
            models.UniqueConstraint(fields=["encoder", "digest"], name="queryencoding_once"),
            models.CheckConstraint(condition=~Q(text="") | Q(image__isnull=False), name="queryencoding_not_empty"),
        ]

    def __str__(self) -> str:
        return str(self.id)
