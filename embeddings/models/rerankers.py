"""Scorers of pairs."""

import uuid
from typing import Any, cast

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from embeddings.models.encoders import ENCODER_SLUG
from embeddings.rerankers.base import RerankerSpec
from embeddings.rerankers.presets import RERANKER_PRESETS
from itembank.models import HASH_LENGTH, Item

SLICE_FIELDS = ("category", "subject", "unit", "grade", "difficulty")
"""Of the query item: what evaluation tells queries apart by."""


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
        # Another setting is another reranker; to change one is to say where it is switched off.
        default_permissions = ("add", "change", "view", "delete")

    def __str__(self) -> str:
        return self.slug

    @property
    def title(self) -> str:
        """The name for people, as an encoder's."""
        return str(RERANKER_PRESETS[self.slug].name) if self.slug in RERANKER_PRESETS else self.name

    def spec(self) -> RerankerSpec:
        plain = {name: getattr(self, name) for name in self.SPEC_FIELDS}
        return RerankerSpec(**plain | {"options": tuple(sorted(self.options.items()))})


class RerankException(models.Model):
    """Queries whose hits a reranker does not reorder, since evaluation showed harm there.

    `value` is that of the query item's `field`, as text; "" where it is not given. `reason` is the figures, in signs
    that need no translation; `run` names the run that they are of, and `link` is the address of its comparison.
    """

    reranker = models.ForeignKey(Reranker, models.CASCADE, related_name="exceptions", verbose_name=_("reranker"))
    field = models.CharField(_("field"), max_length=16)
    value = models.CharField(_("value"), max_length=200, blank=True)
    reason = models.CharField(_("reason"), max_length=300)
    run = models.CharField(_("run"), max_length=250, blank=True)
    link = models.CharField(max_length=500, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("switched off by")
    )
    created_at = models.DateTimeField(_("switched off at"), auto_now_add=True)

    class Meta:
        default_permissions = ()  # who may change the reranker may do this
        ordering = ["field", "value"]
        constraints = [
            models.UniqueConstraint(fields=["reranker", "field", "value"], name="rerankexception_once"),
            models.CheckConstraint(condition=Q(field__in=SLICE_FIELDS), name="rerankexception_field_known"),
            models.CheckConstraint(condition=~Q(reason=""), name="rerankexception_has_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.reranker_id}: {self.field}={self.value}"

    @property
    def shown_slice(self) -> str:
        """The queries that it holds for, as in "subject: 수학", in the reader's language."""
        field = cast("models.Field[Any, Any]", Item._meta.get_field(self.field))
        return f"{field.verbose_name}: {self._shown_value}"

    @property
    def shown_reason(self) -> str:
        return ", ".join(filter(None, (self.reason, self.run)))

    @property
    def _shown_value(self) -> str:
        if self.field == "category" and self.value in Item.ItemCategory.values:
            return str(Item.ItemCategory(self.value).label)
        return self.value or "–"


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
