"""Which items are similar to which: a truth set, its items, its queries and its pairs."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from itembank.models import HASH_LENGTH, Item


class Relevance(models.IntegerChoices):
    """How similar a candidate is to the query item."""

    VERY_SIMILAR = 3, _("Very similar (nearly the same type)")
    SIMILAR = 2, _("Similar (same concept, other wording)")
    RELATED = 1, _("Related (same unit)")
    NOT_SIMILAR = 0, _("Not similar")


class TruthSet(models.Model):
    """A version of a truth. It grows until it is frozen, which its first evaluation does; then it never changes.

    Its items cannot be deleted from the bank while it stands: figures made with it would change unseen.
    """

    class Method(models.TextChoices):
        TFIDF = "tfidf", _("TF-IDF")
        LLM_TEXT = "llm-text", _("Language model, text (lists)")
        LLM_IMAGES = "llm-images", _("Language model, images (pairs)")
        HYBRID = "hybrid", _("Hybrid of other sets")
        MANUAL = "manual", _("Entered or imported")

    class Scope(models.TextChoices):
        SELECTION = "selection", _("Chosen items")
        BANK = "bank", _("The whole bank")

    class State(models.TextChoices):
        BUILDING = "building", _("Being built")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    name = models.CharField(_("name"), max_length=100)
    version = models.PositiveIntegerField(_("version"), default=1)
    method = models.CharField(_("method"), max_length=16, choices=Method)
    scope = models.CharField(_("scope"), max_length=16, choices=Scope)
    # What made it, by the names of the command's options: top, min_score, quotas, seed, sets, combination, ...
    parameters = models.JSONField(_("parameters"), default=dict, blank=True)
    description = models.TextField(_("description"), blank=True)
    guidelines = models.TextField(_("guidelines for reviewers"), blank=True)
    # Building runs in the background where it is long; rows of the work, counted.
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.READY)
    done = models.PositiveIntegerField(_("done"), default=0)
    total = models.PositiveIntegerField(_("in all"), default=0)
    attempts = models.PositiveSmallIntegerField(default=0)  # of workers, since the last sign of progress
    heartbeat_at = models.DateTimeField(_("last sign of life"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True)
    previous = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="next_versions", verbose_name=_("made from")
    )
    frozen_at = models.DateTimeField(_("frozen at"), null=True, blank=True)
    frozen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("frozen by")
    )
    fingerprint = models.CharField(_("fingerprint"), max_length=HASH_LENGTH, blank=True)  # of its pairs, once frozen
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("made by")
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("truth set")
        verbose_name_plural = _("truth sets")
        ordering = ["name", "-version"]
        permissions = [("freeze_truthset", _("Can freeze truth sets"))]
        constraints = [
            models.UniqueConstraint(fields=["name", "version"], name="truthset_version_unique"),
            models.CheckConstraint(condition=~Q(name=""), name="truthset_name_not_empty"),
            models.CheckConstraint(condition=Q(version__gte=1), name="truthset_version_from_1"),
            models.CheckConstraint(
                condition=Q(method__in=["tfidf", "llm-text", "llm-images", "hybrid", "manual"]),
                name="truthset_method_known",
            ),
            models.CheckConstraint(condition=Q(scope__in=["selection", "bank"]), name="truthset_scope_known"),
            models.CheckConstraint(
                condition=Q(state__in=["building", "ready", "failed", "cancelled"]), name="truthset_state_known"
            ),
            models.CheckConstraint(
                condition=Q(frozen_at__isnull=True) | (~Q(fingerprint="") & Q(state="ready")),
                name="truthset_frozen_complete",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"

    @property
    def frozen(self) -> bool:
        return self.frozen_at is not None


class TruthItem(models.Model):
    """An item of a set's own corpus; a set over the whole bank has none."""

    truth_set = models.ForeignKey(TruthSet, models.CASCADE, related_name="items", verbose_name=_("truth set"))
    item = models.ForeignKey(Item, models.PROTECT, related_name="truth_items", verbose_name=_("item"))

    class Meta:
        verbose_name = _("item of a truth set")
        verbose_name_plural = _("items of a truth set")
        constraints = [models.UniqueConstraint(fields=["truth_set", "item"], name="truthitem_once")]

    def __str__(self) -> str:
        return f"{self.truth_set_id}/{self.item_id}"


class TruthQuery(models.Model):
    """A question to the search: which items are similar to this one? Without relevant pairs it stays and is counted."""

    truth_set = models.ForeignKey(
        TruthSet, models.CASCADE, related_name="queries", db_index=False, verbose_name=_("truth set")
    )
    query_id = models.CharField(_("query id"), max_length=100)
    item = models.ForeignKey(Item, models.PROTECT, related_name="truth_queries", verbose_name=_("query item"))
    query_type = models.CharField(_("query type"), max_length=40, default="similar_item")

    class Meta:
        verbose_name = _("query")
        verbose_name_plural = _("queries")
        ordering = ["truth_set", "query_id"]
        constraints = [
            models.UniqueConstraint(fields=["truth_set", "query_id"], name="truthquery_id_unique"),
            models.UniqueConstraint(fields=["truth_set", "item"], name="truthquery_item_unique"),
            models.CheckConstraint(condition=~Q(query_id=""), name="truthquery_id_not_empty"),
        ]

    def __str__(self) -> str:
        return self.query_id


class TruthPair(models.Model):
    """A candidate for a query, and how relevant it is: by the set's method, and as people approved it, which wins.

    `relevance` is None while nobody has judged the candidate. A missing pair means: not judged.
    """

    truth_set = models.ForeignKey(
        TruthSet, models.CASCADE, related_name="pairs", db_index=False, verbose_name=_("truth set")
    )
    query = models.ForeignKey(TruthQuery, models.CASCADE, related_name="pairs", db_index=False, verbose_name=_("query"))
    item = models.ForeignKey(Item, models.PROTECT, related_name="truth_pairs", verbose_name=_("candidate"))
    relevance = models.PositiveSmallIntegerField(_("relevance"), choices=Relevance, null=True, blank=True)
    score = models.FloatField(
        _("score"), null=True, blank=True
    )  # the method's: a cosine, a mean score, a share of votes
    approved_relevance = models.PositiveSmallIntegerField(
        _("approved relevance"), choices=Relevance, null=True, blank=True
    )
    # Where it comes from: {"tfidf": 0.61, "kure-v1": 0.83} of a candidate, {"set v1": 3, "other v2": 2} of a hybrid.
    provenance = models.JSONField(_("provenance"), default=dict, blank=True)
    final_relevance = models.GeneratedField(
        expression=Coalesce("approved_relevance", "relevance"),
        output_field=models.PositiveSmallIntegerField(_("final relevance"), null=True, choices=Relevance),
        db_persist=True,
    )

    class Meta:
        verbose_name = _("pair")
        verbose_name_plural = _("pairs")
        ordering = ["query", "-final_relevance", "item"]
        indexes = [
            models.Index(fields=["truth_set", "final_relevance", "id"], name="truthpair_set_relevance"),
            # The few that people approved among hundreds of thousands.
            models.Index(
                fields=["truth_set", "id"], condition=Q(approved_relevance__isnull=False), name="truthpair_approved"
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["query", "item"], name="truthpair_once"),
            models.CheckConstraint(
                condition=Q(relevance__isnull=True) | Q(relevance__range=(0, 3)), name="truthpair_relevance_0_to_3"
            ),
            models.CheckConstraint(
                condition=Q(approved_relevance__isnull=True) | Q(approved_relevance__range=(0, 3)),
                name="truthpair_approved_0_to_3",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.query_id}/{self.item_id}"
