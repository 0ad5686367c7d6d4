"""Vector spaces, vectors, and the rows that own embedding work."""

import uuid

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from pgvector.django import HalfVectorField

from embeddings.encoders.base import EncoderSpec, Modality
from embeddings.encoders.presets import PRESETS
from embeddings.rerankers.base import RerankerSpec
from embeddings.rerankers.presets import RERANKER_PRESETS
from itembank.models import HASH_LENGTH, Item

ENCODER_SLUG = RegexValidator(r"^[a-z0-9][a-z0-9+._-]*\Z", _("Use small letters, digits and + . _ -"))


class Encoder(models.Model):
    """One vector space. The row is its specification; once it has vectors it no longer changes."""

    class ModalityChoice(models.TextChoices):
        TEXT = Modality.TEXT, _("Text")
        IMAGE = Modality.IMAGE, _("Image")
        MULTIMODAL = Modality.MULTIMODAL, _("Text and image")

    SPEC_FIELDS = (
        "backend", "model_id", "revision", "modality", "dimensions", "pooling", "document_instruction",
        "query_instruction", "max_length", "min_pixels", "max_pixels", "precision", "options",
    )  # fmt: skip

    slug = models.CharField(_("slug"), max_length=100, unique=True, validators=[ENCODER_SLUG])
    name = models.CharField(_("name"), max_length=200)
    backend = models.CharField(_("backend"), max_length=40)
    model_id = models.CharField(_("model"), max_length=200)
    revision = models.CharField(_("revision"), max_length=100)
    modality = models.CharField(_("modality"), max_length=16, choices=ModalityChoice)
    dimensions = models.PositiveIntegerField(_("dimensions"))
    pooling = models.CharField(_("pooling"), max_length=16, blank=True)
    document_instruction = models.TextField(_("instruction for documents"), blank=True)
    query_instruction = models.TextField(_("instruction for queries"), blank=True)
    max_length = models.PositiveIntegerField(_("longest text (tokens)"), default=512)
    min_pixels = models.PositiveIntegerField(_("fewest pixels"), default=0)
    max_pixels = models.PositiveIntegerField(_("most pixels"), default=0)
    precision = models.CharField(_("precision"), max_length=16, default="fp32")
    options = models.JSONField(_("options"), default=dict, blank=True)
    fingerprint = models.CharField(_("fingerprint"), max_length=HASH_LENGTH, editable=False)
    is_active = models.BooleanField(_("serves searches"), default=False, editable=False)
    activated_at = models.DateTimeField(_("activated at"), null=True, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("encoder")
        verbose_name_plural = _("encoders")
        ordering = ["slug"]
        constraints = [
            models.UniqueConstraint(fields=["is_active"], condition=Q(is_active=True), name="encoder_one_active"),
            models.CheckConstraint(condition=Q(dimensions__range=(1, 16_000)), name="encoder_dimensions_range"),
            models.CheckConstraint(
                condition=Q(modality__in=["text", "image", "multimodal"]), name="encoder_modality_known"
            ),
        ]
        permissions = [
            ("activate_encoder", _("Can choose the encoder that serves searches")),
            ("search_items", _("Can search items")),
        ]

    def __str__(self) -> str:
        return self.slug

    @property
    def title(self) -> str:
        """The name for people: a preset's in the reader's language, as the stored one is in its maker's."""
        return str(PRESETS[self.slug].name) if self.slug in PRESETS else self.name

    def spec(self) -> EncoderSpec:
        """The specification that backends take; parts in their stored order."""
        plain = {name: getattr(self, name) for name in self.SPEC_FIELDS}
        plain["modality"] = Modality(self.modality)
        plain["options"] = tuple(sorted(self.options.items()))
        parts = self.parts.select_related("part") if self.pk else EncoderPart.objects.none()
        return EncoderSpec(**plain, parts=tuple((part.part.spec(), part.weight) for part in parts))

    def clean(self) -> None:
        if self.pk and self.embeddings.exists() and self.spec().fingerprint() != self.fingerprint:
            raise ValidationError(
                _("This encoder has vectors and cannot change. Make a new encoder and activate it once it is filled.")
            )


class EncoderPart(models.Model):
    """One part of a concatenated space, with its weight."""

    encoder = models.ForeignKey(Encoder, models.CASCADE, related_name="parts", verbose_name=_("encoder"))
    part = models.ForeignKey(Encoder, models.PROTECT, related_name="used_in", verbose_name=_("part"))
    position = models.PositiveSmallIntegerField(_("position"))
    weight = models.FloatField(_("weight"), default=1.0)

    class Meta:
        verbose_name = _("part of an encoder")
        verbose_name_plural = _("parts of an encoder")
        ordering = ["encoder", "position"]
        constraints = [
            models.UniqueConstraint(fields=["encoder", "position"], name="encoderpart_position_unique"),
            models.CheckConstraint(condition=Q(weight__gt=0), name="encoderpart_weight_positive"),
            models.CheckConstraint(condition=~Q(encoder=F("part")), name="encoderpart_not_itself"),
        ]

    def __str__(self) -> str:
        return f"{self.encoder_id}[{self.position}]"


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


class EmbeddingJob(models.Model):
    """A request to embed a set of items. Progress is counted from its rows, never stored."""

    class Scope(models.TextChoices):
        MISSING = "missing", _("Missing and outdated")
        ALL = "all", _("All items")
        FAILED = "failed", _("Quarantined before")
        SELECTION = "selection", _("Selected items")

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        PAUSED = "paused", _("Paused")
        COMPLETED = "completed", _("Completed")
        COMPLETED_WITH_FAILURES = "failures", _("Completed with quarantined items")
        CANCELLED = "cancelled", _("Cancelled")

    encoder = models.ForeignKey(Encoder, models.CASCADE, related_name="jobs", verbose_name=_("encoder"))
    scope = models.CharField(_("scope"), max_length=16, choices=Scope, default=Scope.MISSING)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.RUNNING)
    error = models.TextField(_("last error"), blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, verbose_name=_("started by")
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    class Meta:
        verbose_name = _("embedding job")
        verbose_name_plural = _("embedding jobs")
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["id"], condition=Q(state="running"), name="embeddingjob_running"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["running", "paused", "completed", "failures", "cancelled"]),
                name="embeddingjob_state_known",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class JobItem(models.Model):
    """The work on one item of a job: its state, its lease, and how often it failed alone."""

    LARGEST_BATCH = 256

    class State(models.TextChoices):
        PENDING = "pending", _("Waiting")
        LEASED = "leased", _("In work")
        DONE = "done", _("Embedded")
        QUARANTINED = "quarantined", _("Quarantined")

    # No index of its own: those below begin with it.
    job = models.ForeignKey(EmbeddingJob, models.CASCADE, related_name="items", db_index=False, verbose_name=_("job"))
    item = models.ForeignKey(Item, models.CASCADE, related_name="job_items", verbose_name=_("item"))
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.PENDING)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    failures_alone = models.PositiveSmallIntegerField(_("failures alone"), default=0)
    # The largest batch that may hold this row: halved when a batch with it fails, so that one bad item is cornered.
    batch_limit = models.PositiveSmallIntegerField(_("batch limit"), default=LARGEST_BATCH)
    # Handed to the model under the present lease: if the worker dies, this row is a suspect.
    in_flight = models.BooleanField(_("in flight"), default=False)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_owner = models.CharField(_("worker"), max_length=200, blank=True)
    lease_until = models.DateTimeField(_("leased until"), null=True, blank=True)
    reason = models.TextField(_("reason"), blank=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("item of a job")
        verbose_name_plural = _("items of a job")
        ordering = ["job", "id"]
        indexes = [
            # The order of claims: rows under suspicion come last, so that they hold up nobody.
            models.Index("job", F("batch_limit").desc(), "id", condition=Q(state="pending"), name="jobitem_pending"),
            models.Index(fields=["lease_until"], condition=Q(state="leased"), name="jobitem_leased"),
            models.Index(fields=["job", "state", "updated_at"], name="jobitem_progress"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["job", "item"], name="jobitem_once_a_job"),
            models.CheckConstraint(
                condition=Q(state__in=["pending", "leased", "done", "quarantined"]), name="jobitem_state_known"
            ),
            models.CheckConstraint(
                condition=~Q(state="leased") | Q(lease_token__isnull=False, lease_until__isnull=False),
                name="jobitem_lease_complete",
            ),
            models.CheckConstraint(
                condition=~Q(state="quarantined") | ~Q(reason=""), name="jobitem_quarantine_has_reason"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}/{self.item_id}"


class QueryEncoding(models.Model):
    """A query that a person waits for: written by the web process, given its vector by the worker, then reused."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    encoder = models.ForeignKey(Encoder, models.CASCADE, related_name="queries", verbose_name=_("encoder"))
    digest = models.CharField(max_length=HASH_LENGTH)
    text = models.TextField(_("text"), blank=True)
    image = models.BinaryField(_("image"), null=True)
    embedding = HalfVectorField(_("embedding"), null=True)
    error = models.TextField(_("error"), blank=True)
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
