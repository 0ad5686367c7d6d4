"""Judging by a language model: prompts, prices, jobs and their questions. What is paid is in ledger.py."""

import uuid
from decimal import Decimal

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from groundtruth.models.sets import TruthPair, TruthQuery, TruthSet
from itembank.models import HASH_LENGTH


class Usd(models.DecimalField):  # type: ignore[type-arg]
    """Dollars, to a hundred-millionth: a token of a small model costs less than a millionth."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs | {"max_digits": 16, "decimal_places": 8})  # type: ignore[arg-type]

    def deconstruct(self) -> tuple[str, str, list[object], dict[str, object]]:
        name, _path, args, kwargs = super().deconstruct()
        return name, "groundtruth.models.judging.Usd", list(args), dict(kwargs)


class Prompt(models.Model):
    """The instructions of one version. Item contents follow as data, by groundtruth/judging/questions.py."""

    class Kind(models.TextChoices):
        LISTWISE = "listwise", _("Lists of candidates, text")
        PAIRWISE = "pairwise", _("Pairs, text and images")

    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    version = models.PositiveIntegerField(_("version"))
    instructions = models.TextField(_("instructions"))
    note = models.CharField(_("what changed"), max_length=200, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("written by")
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("prompt")
        verbose_name_plural = _("prompts")
        ordering = ["kind", "-version"]
        default_permissions = ("add", "view")  # another wording is another version
        constraints = [
            models.UniqueConstraint(fields=["kind", "version"], name="prompt_version_unique"),
            models.CheckConstraint(condition=Q(kind__in=["listwise", "pairwise"]), name="prompt_kind_known"),
            models.CheckConstraint(condition=~Q(instructions=""), name="prompt_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} v{self.version}"


class ModelPrice(models.Model):
    """What a model costs, in dollars for a million tokens, and how it counts images (tiles of 512 pixels)."""

    model = models.CharField(_("model"), max_length=100, unique=True)
    input_usd = Usd(_("input, $ / 1M tokens"), validators=[MinValueValidator(0)])
    output_usd = Usd(_("output, $ / 1M tokens"), validators=[MinValueValidator(0)])
    batch_share = models.DecimalField(
        _("share of the price in batch mode"), max_digits=4, decimal_places=3, default=Decimal("0.5")
    )
    image_base_tokens = models.PositiveIntegerField(_("tokens of an image"), default=85)
    image_tile_tokens = models.PositiveIntegerField(_("tokens of a tile of 512 pixels"), default=170)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("price of a model")
        verbose_name_plural = _("prices of models")
        ordering = ["model"]
        constraints = [
            models.CheckConstraint(condition=Q(input_usd__gte=0, output_usd__gte=0), name="modelprice_not_negative"),
            models.CheckConstraint(condition=Q(batch_share__range=(0, 1)), name="modelprice_batch_share"),
        ]

    def __str__(self) -> str:
        return self.model


class JudgeJob(models.Model):
    """A request to have candidates judged by a paid model. Nothing is sent before somebody confirms its price."""

    class Mode(models.TextChoices):
        LIVE = "live", _("At once")
        BATCH = "batch", _("Batch (half the price, within 24 hours)")

    class Purpose(models.TextChoices):
        JUDGE = "judge", _("Judging")
        TRIAL = "trial", _("Trial of a prompt")

    class State(models.TextChoices):
        DRAFT = "draft", _("Waiting for confirmation")
        RUNNING = "running", _("Running")
        PAUSED = "paused", _("Paused")
        COMPLETED = "completed", _("Completed")
        COMPLETED_WITH_FAILURES = "failures", _("Completed with failures")
        CANCELLED = "cancelled", _("Cancelled")

    truth_set = models.ForeignKey(TruthSet, models.PROTECT, related_name="judge_jobs", verbose_name=_("truth set"))
    purpose = models.CharField(_("purpose"), max_length=16, choices=Purpose, default=Purpose.JUDGE)
    model = models.CharField(_("model"), max_length=100)
    prompt = models.ForeignKey(Prompt, models.PROTECT, related_name="jobs", verbose_name=_("prompt"))
    # JudgeParameters of groundtruth/judging/parameters.py: part of each question's hash where they change the answer.
    parameters = models.JSONField(_("parameters"), default=dict)
    mode = models.CharField(_("mode"), max_length=16, choices=Mode, default=Mode.LIVE)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.DRAFT)
    error = models.TextField(_("last error"), blank=True)
    expected_usd = Usd(_("expected cost"), default=0)
    maximum_usd = Usd(_("highest cost"), default=0)
    cap_usd = Usd(_("limit"), validators=[MinValueValidator(0)])
    # Money that is spent or put aside: the sum over the job's ledger. Changes with the ledger, in one transaction.
    held_usd = Usd(_("spent or reserved"), default=0, editable=False)
    not_before = models.DateTimeField(null=True, blank=True)  # while the provider asks for patience
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("made by")
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("confirmed by"),
    )
    confirmed_at = models.DateTimeField(_("confirmed at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    class Meta:
        verbose_name = _("judge job")
        verbose_name_plural = _("judge jobs")
        ordering = ["-created_at", "-id"]
        permissions = [("can_spend", _("Can spend money on paid models"))]
        indexes = [models.Index(fields=["id"], condition=Q(state="running"), name="judgejob_running")]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["draft", "running", "paused", "completed", "failures", "cancelled"]),
                name="judgejob_state_known",
            ),
            models.CheckConstraint(
                condition=Q(held_usd__gte=0, held_usd__lte=F("cap_usd")), name="judgejob_within_cap"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["draft", "cancelled"]) | Q(confirmed_at__isnull=False),
                name="judgejob_confirmed",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class JudgeBatch(models.Model):
    """One batch at the provider. Its key is in the batch's metadata there, so that a crash loses none."""

    class State(models.TextChoices):
        PREPARING = "preparing", _("Being sent")
        SUBMITTED = "submitted", _("With the provider")
        COLLECTED = "collected", _("Collected")
        FAILED = "failed", _("Failed")

    job = models.ForeignKey(JudgeJob, models.CASCADE, related_name="batches", verbose_name=_("judge job"))
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.PREPARING)
    remote_id = models.CharField(_("id at the provider"), max_length=100, blank=True)
    remote_state = models.CharField(_("state at the provider"), max_length=40, blank=True)
    error = models.TextField(_("error"), blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    checked_at = models.DateTimeField(_("last looked at"), null=True, blank=True)

    class Meta:
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        ordering = ["job", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["preparing", "submitted", "collected", "failed"]), name="judgebatch_state_known"
            ),
        ]

    def __str__(self) -> str:
        return str(self.key)


class JudgeQuestion(models.Model):
    """One question of a job: a query with its candidates in the order shown (listwise), or one pair (pairwise)."""

    class State(models.TextChoices):
        PENDING = "pending", _("Waiting")
        LEASED = "leased", _("In work")
        IN_BATCH = "in-batch", _("In a batch")
        ANSWERED = "answered", _("Answered")
        REUSED = "reused", _("Answered before, not paid again")
        FAILED = "failed", _("Failed")
        UNKNOWN = "unknown", _("Sent, outcome unknown")

    class Failure(models.TextChoices):
        RATE_LIMITED = "rate-limited", _("The provider was too busy (429)")
        SERVER_ERROR = "server-error", _("The provider failed (5xx)")
        UNREACHABLE = "unreachable", _("The provider cannot be reached")
        REJECTED = "rejected", _("The provider rejected the request")
        REFUSED = "refused", _("The model refused to answer")
        TRUNCATED = "truncated", _("The answer was cut at its length limit")
        MALFORMED = "malformed", _("The answer does not have the agreed form")
        EXPIRED = "expired", _("The batch ended before its turn")
        UNASKABLE = "unaskable", _("The question cannot be made: a picture or its pairs are missing")

    job = models.ForeignKey(JudgeJob, models.CASCADE, related_name="questions", db_index=False, verbose_name=_("job"))
    position = models.PositiveIntegerField(_("position"))
    query = models.ForeignKey(TruthQuery, models.CASCADE, related_name="questions", verbose_name=_("query"))
    pairs = models.JSONField(_("pairs"))  # ids of TruthPair, in the order shown
    # Asked once more in the other order, to see whether the model is consistent; lands in no pair.
    swapped = models.BooleanField(_("other order"), default=False)
    question_hash = models.CharField(max_length=HASH_LENGTH)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.PENDING)
    failure = models.CharField(_("failure"), max_length=16, choices=Failure, blank=True)
    error = models.TextField(_("error"), blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    not_before = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("question")
        verbose_name_plural = _("questions")
        ordering = ["job", "position"]
        indexes = [
            models.Index(fields=["job", "state", "position"], name="judgequestion_progress"),
            models.Index(fields=["lease_until"], condition=Q(state="leased"), name="judgequestion_leased"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["job", "position"], name="judgequestion_position_unique"),
            models.CheckConstraint(
                condition=Q(state__in=["pending", "leased", "in-batch", "answered", "reused", "failed", "unknown"]),
                name="judgequestion_state_known",
            ),
            models.CheckConstraint(
                condition=~Q(state="leased") | Q(lease_token__isnull=False, lease_until__isnull=False),
                name="judgequestion_lease_complete",
            ),
            models.CheckConstraint(condition=~Q(state="failed") | ~Q(failure=""), name="judgequestion_failure_named"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}/{self.position}"

    def ordered_pairs(self) -> list[TruthPair]:
        """The pairs in the order shown, with their items and pictures; four queries."""
        found = TruthPair.objects.select_related("item", "query__item").prefetch_related("item__images")
        by_id = found.in_bulk(self.pairs)
        return [by_id[pk] for pk in self.pairs if pk in by_id]
