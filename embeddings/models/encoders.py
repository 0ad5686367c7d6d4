"""Vector spaces."""

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from embeddings.encoders.base import EncoderSpec, Modality
from embeddings.encoders.presets import PRESETS
from itembank.models import HASH_LENGTH

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
    # Measured on the vectors (embeddings/weak_lines.py), no part of the specification.
    weak_below = models.FloatField(_("weak below (cosine)"), null=True, editable=False)
    weak_measured_bytes = models.BigIntegerField(null=True, editable=False)

    index_was_ready: bool | None = None
    """Read together with the encoder by a search, for that search alone; None where it was not."""

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
