"""The rows that own embedding work."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from embeddings.models.encoders import Encoder
from itembank.models import Item


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
