"""Runs and their rankings, figures of speed, criteria, and the reports that a lead decides by."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from groundtruth.models import TruthQuery, TruthSet
from itembank.models import HASH_LENGTH


class EvaluationRun(models.Model):
    """One way to search, tried on one truth. `configuration` is frozen when it starts, fingerprints included."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        COMPLETED = "completed", _("Completed")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    name = models.CharField(_("name"), max_length=200)
    truth_set = models.ForeignKey(TruthSet, models.PROTECT, related_name="runs", verbose_name=_("truth set"))
    # RunSettings of evaluation/run_settings.py, complete: what is in it, and nothing else, decides the rankings.
    configuration = models.JSONField(_("settings"))
    # Runs with equal fingerprints have equal rankings: settings, encoders, truth and corpus are the same.
    fingerprint = models.CharField(_("fingerprint"), max_length=HASH_LENGTH)
    matrix = models.CharField(_("matrix"), max_length=100, blank=True)  # runs that were asked for together
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.WAITING)
    done = models.PositiveIntegerField(_("done"), default=0)  # queries with a ranking
    total = models.PositiveIntegerField(_("queries"), default=0)
    corpus_items = models.PositiveIntegerField(_("items searched"), default=0)
    attempts = models.PositiveSmallIntegerField(default=0)  # of workers, since the last sign of progress
    heartbeat_at = models.DateTimeField(_("last sign of life"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True)
    environment = models.JSONField(
        _("environment"), default=dict, blank=True
    )  # versions and machine; no part of the fingerprint
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("started by")
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    class Meta:
        verbose_name = _("evaluation run")
        verbose_name_plural = _("evaluation runs")
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["fingerprint"], name="evaluationrun_fingerprint")]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "running", "completed", "failed", "cancelled"]),
                name="evaluationrun_state_known",
            ),
            models.CheckConstraint(condition=Q(done__lte=F("total")), name="evaluationrun_done_within_total"),
            models.CheckConstraint(
                condition=~Q(state="failed") | ~Q(error=""), name="evaluationrun_failure_has_reason"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} #{self.pk}"


class QueryRanking(models.Model):
    """What one query found: items with their scores, best first, ties by item code. Empty where it found nothing.

    Metrics are computed from these rows whenever they are wanted; `reason` says why a query could not be asked.
    """

    run = models.ForeignKey(
        EvaluationRun, models.CASCADE, related_name="rankings", db_index=False, verbose_name=_("run")
    )
    query = models.ForeignKey(TruthQuery, models.PROTECT, related_name="rankings", verbose_name=_("query"))
    items = ArrayField(models.BigIntegerField(), verbose_name=_("items"), default=list)
    scores = ArrayField(models.FloatField(), verbose_name=_("scores"), default=list)
    reason = models.CharField(_("reason"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("ranking")
        verbose_name_plural = _("rankings")
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["run", "query"], name="queryranking_once_a_run")]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.query_id}"


class PerformanceRun(models.Model):
    """Speed and memory of one encoder's service on one machine."""

    encoder_slug = models.CharField(_("encoder"), max_length=100)
    encoder_fingerprint = models.CharField(max_length=HASH_LENGTH)
    machine = models.JSONField(_("machine"))
    configuration = models.JSONField(_("settings"))
    # evaluation/performance.py: latency in ms (mean, p50, p95, p99, min, max), stages, throughput, memory, calls.
    figures = models.JSONField(_("figures"))
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("performance run")
        verbose_name_plural = _("performance runs")
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.encoder_slug} #{self.pk}"


class Criterion(models.Model):
    """A line that a model must reach, and one below which it is out."""

    class Kind(models.TextChoices):
        METRIC = "metric", _("Metric of the run")
        BASELINE = "baseline", _("Difference to the baseline")
        PERFORMANCE = "performance", _("Performance")

    class Direction(models.TextChoices):
        AT_LEAST = "at-least", _("at least")
        AT_MOST = "at-most", _("at most")

    name = models.CharField(_("name"), max_length=100, unique=True)
    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    measure = models.CharField(
        _("figure"), max_length=40
    )  # R@5, RR, ...; of a performance run: p95_ms, memory_gb, calls_ok
    direction = models.CharField(_("direction"), max_length=16, choices=Direction, default=Direction.AT_LEAST)
    threshold = models.FloatField(_("line"))
    no_go = models.FloatField(_("no-go line"), null=True, blank=True)
    minimum_relevance = models.PositiveSmallIntegerField(_("relevant from"), default=1)
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("criterion")
        verbose_name_plural = _("criteria")
        ordering = ["position", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["metric", "baseline", "performance"]), name="criterion_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(direction__in=["at-least", "at-most"]), name="criterion_direction_known"
            ),
            models.CheckConstraint(condition=Q(minimum_relevance__range=(1, 3)), name="criterion_relevance_1_to_3"),
        ]

    def __str__(self) -> str:
        return self.name


class Report(models.Model):
    """Which runs a report is about. Its contents are computed from the stored rankings, whenever it is opened."""

    title = models.CharField(_("title"), max_length=200)
    candidate = models.ForeignKey(
        EvaluationRun, models.PROTECT, related_name="reports_about", verbose_name=_("run to be judged")
    )
    baseline = models.ForeignKey(
        EvaluationRun, models.PROTECT, null=True, blank=True, related_name="reports_against", verbose_name=_("baseline")
    )
    runs = models.ManyToManyField(EvaluationRun, related_name="reports", blank=True, verbose_name=_("runs to compare"))
    performance = models.ForeignKey(
        PerformanceRun, models.PROTECT, null=True, blank=True, related_name="reports", verbose_name=_("performance run")
    )
    # The criteria as they were when the report was made: a later edit changes no verdict that was given.
    criteria = models.JSONField(_("criteria"))
    minimum_relevance = models.PositiveSmallIntegerField(_("relevant from"), default=1)
    remarks = models.TextField(_("remarks"), blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("made by")
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("report")
        verbose_name_plural = _("reports")
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=Q(minimum_relevance__range=(1, 3)), name="report_relevance_1_to_3")
        ]

    def __str__(self) -> str:
        return self.title
