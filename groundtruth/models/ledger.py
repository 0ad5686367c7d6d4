"""What is paid: one entry for each request that was, or may have been, sent to a provider."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from groundtruth.models.judging import JudgeBatch, JudgeJob, JudgeQuestion, Usd
from itembank.models import HASH_LENGTH


class SpendDay(models.Model):
    """Money spent or put aside on one day, over all jobs. Changes with the ledger, in one transaction."""

    day = models.DateField(_("day"), primary_key=True)
    held_usd = Usd(_("spent or reserved"), default=0)

    class Meta:
        verbose_name = _("spending of a day")
        verbose_name_plural = _("spending by day")
        default_permissions = ("view",)
        constraints = [models.CheckConstraint(condition=Q(held_usd__gte=0), name="spendday_not_negative")]

    def __str__(self) -> str:
        return str(self.day)


class LedgerEntry(models.Model):
    """One request: put aside, sent, its raw answer saved, then settled.

    A worker that dies leaves it `reserved` (nothing was sent: released), `sent` (unknown: charged at the maximum,
    never sent again by itself) or `received` (the raw answer is here: settled without asking again).
    """

    class State(models.TextChoices):
        RESERVED = "reserved", _("Reserved")
        SENT = "sent", _("Sent")
        RECEIVED = "received", _("Answer saved")
        SETTLED = "settled", _("Settled")
        UNKNOWN = "unknown", _("Outcome unknown")
        RELEASED = "released", _("Not sent")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)  # goes along with the request
    job = models.ForeignKey(JudgeJob, models.PROTECT, related_name="ledger", verbose_name=_("judge job"))
    question = models.ForeignKey(JudgeQuestion, models.PROTECT, related_name="ledger", verbose_name=_("question"))
    batch = models.ForeignKey(
        JudgeBatch, models.PROTECT, null=True, blank=True, related_name="ledger", verbose_name=_("batch")
    )
    question_hash = models.CharField(max_length=HASH_LENGTH)
    model = models.CharField(_("model"), max_length=100)
    day = models.DateField(_("day"))
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.RESERVED)
    reserved_usd = Usd(_("reserved"))
    charged_usd = Usd(_("charged"), default=0)  # settled: by the provider's count; unknown: the maximum
    input_tokens = models.PositiveIntegerField(_("input tokens"), null=True, blank=True)
    output_tokens = models.PositiveIntegerField(_("output tokens"), null=True, blank=True)
    http_status = models.PositiveSmallIntegerField(_("HTTP status"), null=True, blank=True)
    raw = models.TextField(_("raw answer"), blank=True)
    usable = models.BooleanField(_("usable answer"), default=False)  # parsed: the same question is never paid again
    error = models.TextField(_("error"), blank=True)
    reserved_at = models.DateTimeField(_("reserved at"), auto_now_add=True)
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    received_at = models.DateTimeField(_("received at"), null=True, blank=True)
    settled_at = models.DateTimeField(_("settled at"), null=True, blank=True)

    class Meta:
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger")
        ordering = ["-reserved_at", "id"]
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["job", "state"], name="ledgerentry_job_state"),
            models.Index(fields=["question_hash"], name="ledgerentry_question"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["reserved", "sent", "received", "settled", "unknown", "released"]),
                name="ledgerentry_state_known",
            ),
            # One who asks what another is just asking, or what was answered, is stopped by the database.
            models.UniqueConstraint(
                fields=["question_hash"],
                condition=Q(state__in=["reserved", "sent", "received"]) | Q(usable=True),
                name="ledgerentry_asked_once",
            ),
            models.CheckConstraint(
                condition=Q(charged_usd__gte=0, reserved_usd__gte=0), name="ledgerentry_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)
