"""What people asked the search, and what they said of its hits."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import MD5
from django.utils.translation import gettext_lazy as _

from itembank.models import HASH_LENGTH, Item

CODE_LENGTH = 64


class SearchQuery(models.Model):
    """A search of a person, for its history: the same one asked again is the same row, counted.

    `digest` is that of what was asked, whatever the method and the filters (embeddings/feedback.py). The item may go;
    its code stays. `link` is the query string that asks again, however long; empty where an image was asked with.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="search_queries", db_index=False, verbose_name=_("user")
    )
    digest = models.CharField(max_length=HASH_LENGTH)
    item = models.ForeignKey(Item, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("item"))
    item_code = models.CharField(_("item code"), max_length=CODE_LENGTH, blank=True)
    text = models.TextField(_("text"), blank=True)
    image_sha256 = models.CharField(max_length=HASH_LENGTH, blank=True)
    preview = models.BinaryField(null=True)  # WebP, of the image that was asked with; the image itself is not kept
    link = models.TextField(blank=True)
    method = models.CharField(_("method"), max_length=16)
    encoder = models.TextField(_("encoder"), blank=True)
    hit_count = models.PositiveIntegerField(_("hits"), default=0)
    milliseconds = models.FloatField(_("milliseconds"), default=0)
    asked_at = models.DateTimeField(_("asked at"))
    times = models.PositiveIntegerField(_("times"), default=1)

    class Meta:
        verbose_name, verbose_name_plural = _("search"), _("searches")
        ordering = ["-asked_at", "-id"]
        default_permissions = ()  # one's own only, for whoever may search
        indexes = [models.Index(fields=["user", "-asked_at", "-id"], name="searchquery_newest")]
        constraints = [
            # A link may be too long for an index: its hash is not.
            models.UniqueConstraint(F("user"), F("digest"), MD5("link"), name="searchquery_once"),
            models.CheckConstraint(condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="searchquery_digest_sha256"),
            models.CheckConstraint(
                condition=Q(image_sha256="") | Q(image_sha256__regex=r"^[0-9a-f]{64}$"),
                name="searchquery_image_sha256",
            ),
            models.CheckConstraint(
                condition=~Q(item_code="") | ~Q(text="") | ~Q(image_sha256=""), name="searchquery_asks_something"
            ),
            models.CheckConstraint(condition=Q(times__gte=1), name="searchquery_asked_once_or_more"),
        ]

    def __str__(self) -> str:
        return self.item_code or self.text[:CODE_LENGTH] or str(_("Image"))


class SearchMark(models.Model):
    """A thumb: whether a person finds an item similar to what they asked. It outlives the search's line in the history.

    `found_by` says what showed it: {"method", "encoder", "rank", "score"}, as far as known.
    """

    class Verdict(models.IntegerChoices):
        UP = 1, _("Similar")
        DOWN = -1, _("Not similar")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="search_marks", db_index=False,
        verbose_name=_("user"),
    )  # fmt: skip
    digest = models.CharField(max_length=HASH_LENGTH)
    query_item = models.ForeignKey(
        Item, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("query item")
    )
    query_code = models.CharField(_("code of the query item"), max_length=CODE_LENGTH, blank=True)
    query_text = models.TextField(_("query text"), blank=True)
    query_preview = models.BinaryField(null=True)
    link = models.TextField(blank=True)
    item = models.ForeignKey(Item, models.CASCADE, related_name="search_marks", verbose_name=_("item"))
    verdict = models.SmallIntegerField(_("verdict"), choices=Verdict)
    found_by = models.JSONField(_("found by"), default=dict, blank=True)
    marked_at = models.DateTimeField(_("marked at"))

    class Meta:
        verbose_name, verbose_name_plural = _("thumb"), _("thumbs")
        ordering = ["-marked_at", "-id"]
        default_permissions = ("add", "view")  # "view": those of everybody; one's own are seen by whoever may add
        indexes = [models.Index(fields=["-marked_at", "-id"], name="searchmark_newest")]
        constraints = [
            # Without its person a mark is of nobody in particular: several such may stand.
            models.UniqueConstraint(fields=["user", "digest", "item"], name="searchmark_once_a_person"),
            models.CheckConstraint(condition=Q(verdict__in=[1, -1]), name="searchmark_up_or_down"),
            models.CheckConstraint(condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="searchmark_digest_sha256"),
        ]

    def __str__(self) -> str:
        return f"{self.query_code or self.query_text[:CODE_LENGTH]} / {self.item_id}: {self.verdict:+d}"
