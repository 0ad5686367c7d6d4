"""What models and people said of pairs, the rounds in which people say it, and the trail of every change."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from groundtruth.models.judging import Prompt
from groundtruth.models.ledger import LedgerEntry
from groundtruth.models.sets import Relevance, TruthPair, TruthSet


class Judgement(models.Model):
    """What one model or one person says of one pair. TF-IDF's word is the pair's own relevance and score."""

    class Source(models.TextChoices):
        MODEL = "model", _("Model")
        PERSON = "person", _("Person")

    class Outcome(models.TextChoices):
        JUDGED = "judged", _("Judged")
        UNSURE = "unsure", _("Unsure")
        SKIPPED = "skipped", _("Skipped")

    pair = models.ForeignKey(TruthPair, models.CASCADE, related_name="judgements", verbose_name=_("pair"))
    source = models.CharField(_("source"), max_length=16, choices=Source)
    judge = models.CharField(_("judge"), max_length=150)  # the model's name, or the person's user name
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("reviewer")
    )
    outcome = models.CharField(_("outcome"), max_length=16, choices=Outcome, default=Outcome.JUDGED)
    relevance = models.PositiveSmallIntegerField(_("relevance"), choices=Relevance, null=True, blank=True)
    concept_score = models.FloatField(_("concept (1-5)"), null=True, blank=True)
    image_score = models.FloatField(_("image (1-5)"), null=True, blank=True)
    overall_score = models.FloatField(_("overall (1-5)"), null=True, blank=True)
    reason = models.TextField(_("reason or comment"), blank=True)
    prompt = models.ForeignKey(
        Prompt, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("prompt")
    )
    # The call that was paid for it, also where another job had paid.
    entry = models.ForeignKey(
        LedgerEntry, models.PROTECT, null=True, blank=True, related_name="judgements", verbose_name=_("paid call")
    )
    swapped = models.BooleanField(_("other order"), default=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("judgement")
        verbose_name_plural = _("judgements")
        ordering = ["pair", "id"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["pair", "reviewer"], condition=Q(source="person"), name="judgement_once_a_person"
            ),
            models.UniqueConstraint(
                fields=["pair", "judge", "prompt", "swapped"],
                condition=Q(source="model"),
                name="judgement_once_a_model_and_prompt",
            ),
            models.CheckConstraint(
                condition=Q(source="model", reviewer__isnull=True) | Q(source="person", reviewer__isnull=False),
                name="judgement_has_its_judge",
            ),
            models.CheckConstraint(
                condition=Q(outcome="judged", relevance__range=(0, 3))
                | Q(outcome__in=["unsure", "skipped"], relevance__isnull=True),
                name="judgement_outcome_complete",
            ),
            models.CheckConstraint(
                condition=(Q(concept_score__isnull=True) | Q(concept_score__range=(1, 5)))
                & (Q(image_score__isnull=True) | Q(image_score__range=(1, 5)))
                & (Q(overall_score__isnull=True) | Q(overall_score__range=(1, 5))),
                name="judgement_scores_1_to_5",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.judge}: {self.pair_id}"


class ReviewRound(models.Model):
    """Pairs of a set that people are asked to judge, and how."""

    class Order(models.TextChoices):
        UNCERTAIN = "uncertain", _("Uncertain first")
        RANDOM = "random", _("Random")

    truth_set = models.ForeignKey(TruthSet, models.CASCADE, related_name="rounds", verbose_name=_("truth set"))
    name = models.CharField(_("name"), max_length=100)
    order = models.CharField(_("order"), max_length=16, choices=Order, default=Order.UNCERTAIN)
    reviewers_a_pair = models.PositiveSmallIntegerField(_("reviewers for each pair"), default=1)
    show_judgement = models.BooleanField(_("show the model's judgement at once"), default=False)
    seed = models.PositiveIntegerField(_("seed"), default=1)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("made by")
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)

    class Meta:
        verbose_name = _("review round")
        verbose_name_plural = _("review rounds")
        ordering = ["-created_at", "-id"]
        permissions = [("review_pairs", _("Can review pairs"))]
        constraints = [
            models.UniqueConstraint(fields=["truth_set", "name"], name="reviewround_name_unique"),
            models.CheckConstraint(condition=Q(reviewers_a_pair__range=(1, 2)), name="reviewround_one_or_two"),
            models.CheckConstraint(condition=Q(order__in=["uncertain", "random"]), name="reviewround_order_known"),
        ]

    def __str__(self) -> str:
        return self.name


class ReviewPair(models.Model):
    """One pair of a round and how far its review is. Two reviewers who disagree leave it to a third."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        DISPUTED = "disputed", _("Reviewers disagree")
        SETTLED = "settled", _("Settled")

    round = models.ForeignKey(
        ReviewRound, models.CASCADE, related_name="pairs", db_index=False, verbose_name=_("review round")
    )
    pair = models.ForeignKey(TruthPair, models.CASCADE, related_name="reviews", verbose_name=_("pair"))
    position = models.PositiveIntegerField(_("position"))
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.OPEN)
    # Dealt to somebody, so that two do not judge what one was asked for; ends by itself.
    dealt_to = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    dealt_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("pair under review")
        verbose_name_plural = _("pairs under review")
        ordering = ["round", "position"]
        default_permissions = ()
        indexes = [models.Index(fields=["round", "state", "position"], name="reviewpair_queue")]
        constraints = [
            models.UniqueConstraint(fields=["round", "pair"], name="reviewpair_once_a_round"),
            models.CheckConstraint(
                condition=Q(state__in=["open", "disputed", "settled"]), name="reviewpair_state_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.round_id}/{self.position}"


class ChangeQuerySet(models.QuerySet["Change"]):
    """Refuses to change rows, as the rows themselves do; so does a trigger in the database."""

    def update(self, **fields: Any) -> int:
        raise AuditTrailError

    def delete(self) -> tuple[int, dict[str, int]]:
        raise AuditTrailError


class AuditTrailError(Exception):
    """Somebody tried to change or delete what the audit trail says."""

    def __init__(self) -> None:
        super().__init__("Lines of the audit trail are never changed or deleted; add one by groundtruth.audit.record.")


class Change(models.Model):
    """The audit trail: who changed what, when, from what to what. Rows are only ever added (groundtruth/audit.py)."""

    truth_set = models.ForeignKey(
        TruthSet, models.SET_NULL, null=True, blank=True, related_name="changes", verbose_name=_("truth set")
    )
    pair = models.ForeignKey(TruthPair, models.SET_NULL, null=True, blank=True, related_name="changes")
    target = models.CharField(_("what"), max_length=200)  # as text, which outlives the row
    action = models.CharField(_("action"), max_length=40)
    old = models.JSONField(_("old"), null=True, blank=True)
    new = models.JSONField(_("new"), null=True, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("who")
    )
    at = models.DateTimeField(_("when"), auto_now_add=True)

    objects = ChangeQuerySet.as_manager()

    class Meta:
        verbose_name = _("change")
        verbose_name_plural = _("audit trail")
        ordering = ["-at", "-id"]
        default_permissions = ("view",)
        indexes = [models.Index(fields=["truth_set", "-at"], name="change_set_at")]

    def __str__(self) -> str:
        return f"{self.action}: {self.target}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AuditTrailError
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise AuditTrailError
