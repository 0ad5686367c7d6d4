"""Scorers of pairs."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from embeddings.models.encoders import ENCODER_SLUG
from embeddings.rerankers.base import RerankerSpec
from embeddings.rerankers.presets import RERANKER_PRESETS
from itembank.models import HASH_LENGTH


class Reranker(models.Model):
    """A scorer of pairs with its instruction. The row is its specification and does not change."""

    SPEC_FIELDS = (
        "backend", "model_id", "revision", "instruction", "max_length", "min_pixels", "max_pixels", "precision",
        "options",
    )  # fmt: skip

    slug = models.CharField(_("slug"), max_length=100, unique=True, validators=[ENCODER_SLUG])
    name = models.CharField(_("name"), max_length=200)
    backend = models.CharField(_("backend"), max_length=40)
    model_id = models.CharField(_("model"), max_length=200)
    revision = models.CharField(_("revision"), max_length=100)
    instruction = models.TextField(_("instruction"))
    max_length = models.PositiveIntegerField(_("longest text (tokens)"), default=8192)
    min_pixels = models.PositiveIntegerField(_("fewest pixels"), default=0)
    max_pixels = models.PositiveIntegerField(_("most pixels"), default=0)
    precision = models.CharField(_("precision"), max_length=16, default="auto")
    options = models.JSONField(_("options"), default=dict, blank=True)
    fingerprint = models.CharField(_("fingerprint"), max_length=HASH_LENGTH, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name, verbose_name_plural = _("reranker"), _("rerankers")
        ordering = ["slug"]
        default_permissions = ("add", "view", "delete")  # another setting is another reranker

    def __str__(self) -> str:
        return self.slug

    @property
    def title(self) -> str:
        """The name for people, as an encoder's."""
        return str(RERANKER_PRESETS[self.slug].name) if self.slug in RERANKER_PRESETS else self.name

    def spec(self) -> RerankerSpec:
        plain = {name: getattr(self, name) for name in self.SPEC_FIELDS}
        return RerankerSpec(**plain | {"options": tuple(sorted(self.options.items()))})


class QueryReranking(models.Model):
    """The hits of a search that a person waits for: written by the web process, answered by the worker, then deleted.

    `hits` are [item id, code] in their order; `answer` is [item id, score or null, image used, problem] in the new one.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    reranker = models.ForeignKey(Reranker, models.CASCADE, related_name="queries")
    text = models.TextField(blank=True)
    image = models.BinaryField(null=True)
    item_id = models.BigIntegerField(null=True)
    hits = models.JSONField()
    top_n = models.PositiveSmallIntegerField()
    threshold = models.FloatField()
    language = models.CharField(max_length=16, blank=True)
    answer = models.JSONField(null=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["created_at"], name="queryreranking_created")]

    def __str__(self) -> str:
        return str(self.id)
