"""Items, their images, the batches they came in, and the programs that may ask for them."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from itembank.canonical import Category

HASH_LENGTH = 64  # SHA-256 in hex


class UploadBatch(models.Model):
    """One upload: the file as it came, what the preview found, and how far the import is."""

    class State(models.TextChoices):
        CHECKING = "checking", _("Checking")
        READY = "ready", _("Ready to confirm")
        IMPORTING = "importing", _("Importing")
        IMPORTED = "imported", _("Imported")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    file = models.FileField(_("file"), upload_to="uploads/%Y/%m/")
    file_name = models.CharField(_("file name"), max_length=255)
    images_file = models.FileField(_("images ZIP"), upload_to="uploads/%Y/%m/", blank=True)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.CHECKING)
    total_rows = models.PositiveIntegerField(_("rows"), default=0)
    processed_rows = models.PositiveIntegerField(_("processed"), default=0)
    new_count = models.PositiveIntegerField(_("new"), default=0)
    changed_count = models.PositiveIntegerField(_("changed"), default=0)
    unchanged_count = models.PositiveIntegerField(_("unchanged"), default=0)
    rejected_count = models.PositiveIntegerField(_("rejected"), default=0)
    error = models.TextField(_("error"), blank=True)
    language = models.CharField(_("language"), max_length=8, default="ko")  # of the reasons: the uploader's
    attempts = models.PositiveSmallIntegerField(default=0)  # of workers, since the last chunk that went through
    heartbeat_at = models.DateTimeField(_("last sign of life"), null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, verbose_name=_("uploaded by")
    )
    created_at = models.DateTimeField(_("uploaded at"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    class Meta:
        verbose_name = _("upload")
        verbose_name_plural = _("uploads")
        ordering = ["-created_at", "-id"]
        permissions = [("import_uploads", _("Can confirm and cancel uploads"))]
        indexes = [models.Index(fields=["state"], name="uploadbatch_state")]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["checking", "ready", "importing", "imported", "failed", "cancelled"]),
                name="uploadbatch_state_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.file_name} ({self.pk})"


class UploadRow(models.Model):
    """A row of an upload as the preview shows it: a rejected one with its reason, or a sample of what will land."""

    class Outcome(models.TextChoices):
        NEW = "new", _("New")
        CHANGED = "changed", _("Changed")
        UNCHANGED = "unchanged", _("Unchanged")
        REJECTED = "rejected", _("Rejected")

    batch = models.ForeignKey(UploadBatch, models.CASCADE, related_name="rows", verbose_name=_("upload"))
    row = models.PositiveIntegerField(_("row"))
    outcome = models.CharField(_("outcome"), max_length=16, choices=Outcome)
    code = models.CharField(_("item code"), max_length=64, blank=True)
    field = models.CharField(_("field"), max_length=64, blank=True)
    reason_code = models.CharField(_("reason code"), max_length=64, blank=True)
    reason = models.TextField(_("reason"), blank=True)
    raw = models.JSONField(_("row as uploaded"), default=dict)

    class Meta:
        verbose_name = _("upload row")
        verbose_name_plural = _("upload rows")
        ordering = ["batch", "row", "id"]
        indexes = [models.Index(fields=["batch", "outcome", "row"], name="uploadrow_batch_outcome")]
        constraints = [
            models.CheckConstraint(
                condition=~Q(outcome="rejected") | ~Q(reason=""), name="uploadrow_rejection_has_reason"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.batch_id}:{self.row}"


ITEM_TYPE_LABELS: dict[str, Promise] = {
    "multiple_choice": _("Multiple choice"),
    "short_answer": _("Short answer"),
    "essay": _("Essay"),
    "true_false": _("True or false"),
    "fill_in_blank": _("Fill in the blank"),
    "matching": _("Matching"),
}


def item_type_label(item_type: str) -> str:
    """The name of an item type in the reader's language; a type of the bank's own as it is."""
    return str(ITEM_TYPE_LABELS.get(item_type, item_type))


# The fields that filters combine, by how many values a bank has in them.
FEW_VALUES = ("subject", "grade", "difficulty", "item_type", "category")
MANY_VALUES = ("unit", "cognitive_level", "curriculum_code", "batch")


class Item(models.Model):
    """One exam item. `category`, `content_hash` and `record_hash` are derived (itembank/canonical.py)."""

    class ItemCategory(models.TextChoices):
        IMAGE = Category.IMAGE, _("With image")
        LATEX = Category.LATEX, _("With formulas")
        TEXT_ONLY = Category.TEXT_ONLY, _("Text only")

    code = models.CharField(_("code"), max_length=64, unique=True)
    subject = models.CharField(_("subject"), max_length=100)
    grade = models.CharField(_("grade"), max_length=100, blank=True)
    unit = models.CharField(_("unit"), max_length=200, blank=True)
    item_type = models.CharField(_("item type"), max_length=40, blank=True)
    difficulty = models.PositiveSmallIntegerField(_("difficulty"), null=True, blank=True)
    text = models.TextField(_("text"), blank=True)
    choices = models.JSONField(_("choices"), default=list, blank=True)
    answer = models.TextField(_("answer"), blank=True)
    explanation = models.TextField(_("explanation"), blank=True)
    curriculum_code = models.CharField(_("curriculum code"), max_length=64, blank=True)
    cognitive_level = models.CharField(_("cognitive level"), max_length=40, blank=True)
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    category = models.CharField(_("category"), max_length=16, choices=ItemCategory, editable=False)
    content_hash = models.CharField(max_length=HASH_LENGTH, editable=False)
    record_hash = models.CharField(max_length=HASH_LENGTH, editable=False)
    batch = models.ForeignKey(
        UploadBatch,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="items",
        verbose_name=_("upload"),
        db_index=False,  # item_batch serves it
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("item")
        verbose_name_plural = _("items")
        ordering = ["code"]
        # One index for each filter of the admin; the primary key in second place serves its keyset pages, and searches
        # that scan the items of one value in the order of the key. Where fields are combined, "item_filters" answers
        # without a look at the items (docs/decisions/0004): fields with few values come first, so that PostgreSQL skips
        # from one to the next.
        indexes = [
            models.Index(fields=[*FEW_VALUES, *MANY_VALUES, "id"], name="item_filters"),
            models.Index(fields=["subject", "id"], name="item_subject"),
            models.Index(fields=["grade", "id"], name="item_grade"),
            models.Index(fields=["unit", "id"], name="item_unit"),
            models.Index(fields=["item_type", "id"], name="item_item_type"),
            models.Index(fields=["difficulty", "id"], name="item_difficulty"),
            models.Index(fields=["category", "id"], name="item_category"),
            models.Index(fields=["batch", "id"], name="item_batch"),
            models.Index(fields=["curriculum_code"], name="item_curriculum_code"),
            models.Index(fields=["cognitive_level"], name="item_cognitive_level"),
            GinIndex(fields=["metadata"], name="item_metadata", opclasses=["jsonb_path_ops"]),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(code=""), name="item_code_not_empty"),
            models.CheckConstraint(
                condition=Q(difficulty__isnull=True) | Q(difficulty__range=(1, 5)), name="item_difficulty_1_to_5"
            ),
            models.CheckConstraint(
                condition=Q(category__in=["image", "latex", "text_only"]), name="item_category_known"
            ),
            models.CheckConstraint(condition=Q(content_hash__regex=r"^[0-9a-f]{64}$"), name="item_content_hash_sha256"),
            models.CheckConstraint(condition=Q(record_hash__regex=r"^[0-9a-f]{64}$"), name="item_record_hash_sha256"),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def item_type_label(self) -> str:
        return item_type_label(self.item_type)


class ItemImage(models.Model):
    """An image of an item, re-encoded and stored under its own hash."""

    class Role(models.TextChoices):
        QUESTION = "question", _("Question")
        EXPLANATION = "explanation", _("Explanation")
        CHOICE = "choice", _("Choice")

    item = models.ForeignKey(Item, models.CASCADE, related_name="images", verbose_name=_("item"))
    role = models.CharField(_("role"), max_length=16, choices=Role, default=Role.QUESTION)
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    file = models.ImageField(_("file"), upload_to="items/", width_field="width", height_field="height")
    sha256 = models.CharField(max_length=HASH_LENGTH, editable=False)
    width = models.PositiveIntegerField(_("width"), editable=False)
    height = models.PositiveIntegerField(_("height"), editable=False)

    class Meta:
        verbose_name = _("item image")
        verbose_name_plural = _("item images")
        ordering = ["item", "role", "position"]
        constraints = [
            models.UniqueConstraint(fields=["item", "role", "position"], name="itemimage_place_unique"),
            models.CheckConstraint(condition=Q(sha256__regex=r"^[0-9a-f]{64}$"), name="itemimage_sha256"),
            models.CheckConstraint(condition=Q(width__gt=0, height__gt=0), name="itemimage_size_positive"),
            models.CheckConstraint(
                condition=Q(role__in=["question", "explanation", "choice"]), name="itemimage_role_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()} {self.position + 1}"


class SanitisedImage(models.Model):
    """What an uploaded picture became, by the hash of its bytes as they came.

    A picture that comes again costs one hash, and is the same image even where a newer Pillow encodes otherwise.
    """

    source_sha256 = models.CharField(max_length=HASH_LENGTH, unique=True)
    name = models.CharField(max_length=100)  # in the media storage
    sha256 = models.CharField(max_length=HASH_LENGTH)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()

    def __str__(self) -> str:
        return self.name


class ApiToken(models.Model):
    """The right of a program to call the API. Only the hash of its secret is kept; a client may have several."""

    client = models.CharField(_("client"), max_length=100)
    prefix = models.CharField(_("begins with"), max_length=16, editable=False)
    digest = models.CharField(max_length=HASH_LENGTH, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=32), verbose_name=_("scopes"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("made by")
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ["-created_at", "-id"]
        default_permissions = ("add", "change", "view")  # revoked, never deleted: the record of calls names them
        constraints = [
            models.CheckConstraint(condition=~Q(client=""), name="apitoken_client_not_empty"),
            models.CheckConstraint(condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="apitoken_digest_sha256"),
            models.CheckConstraint(condition=Q(scopes__len__gt=0), name="apitoken_has_a_scope"),
        ]

    def __str__(self) -> str:
        return f"{self.client} ({self.prefix}…)"

    @property
    def expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()


class ApiCall(models.Model):
    """A call of the API that changed something, or that a known caller was refused. Rows are only added."""

    at = models.DateTimeField(_("at"), auto_now_add=True)
    caller = models.CharField(_("caller"), max_length=150)
    token = models.ForeignKey(
        ApiToken, models.PROTECT, null=True, blank=True, related_name="calls", verbose_name=_("API token")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("user")
    )
    method = models.CharField(_("method"), max_length=16)
    path = models.CharField(_("address"), max_length=300)
    status = models.PositiveSmallIntegerField(_("answer"))

    class Meta:
        verbose_name = _("API call")
        verbose_name_plural = _("API calls")
        ordering = ["-id"]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status}"
