"""Prices, the ledger, and what each day cost."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from groundtruth.admin.judge_pages import usd
from groundtruth.models import JudgeJob, LedgerEntry, ModelPrice, SpendDay
from groundtruth.prompt_services import save_price
from itembank.admin.base import ModelAdmin, person, row_id
from itembank.admin.filters import ChoicesDropdownFilter, DropdownFilter

CHOICES_SHOWN = 200
ENTRY_LOOKS = {
    LedgerEntry.State.RESERVED: "ib-run",
    LedgerEntry.State.SENT: "ib-run",
    LedgerEntry.State.RECEIVED: "ib-run",
    LedgerEntry.State.SETTLED: "ib-good",
    LedgerEntry.State.UNKNOWN: "ib-bad",
    LedgerEntry.State.RELEASED: "",
}


@admin.register(ModelPrice)
class ModelPriceAdmin(ModelAdmin[ModelPrice]):
    list_display = ("model", "input_price", "output_price", "batch_share", "updated_at")
    list_display_links = ("model",)
    sortable_by = ()
    actions = None
    list_fullwidth = True
    fields = ("model", "input_usd", "output_usd", "batch_share", "image_base_tokens", "image_tile_tokens")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("groundtruth.can_spend")

    def has_change_permission(self, request: HttpRequest, obj: ModelPrice | None = None) -> bool:
        return request.user.has_perm("groundtruth.can_spend")

    def has_delete_permission(self, request: HttpRequest, obj: ModelPrice | None = None) -> bool:
        return False  # jobs that run are charged by it

    def get_readonly_fields(self, request: HttpRequest, obj: ModelPrice | None = None) -> tuple[str, ...]:
        return ("model",) if obj else ()

    @admin.display(description=gettext_lazy("input, $ / 1M tokens"))
    def input_price(self, price: ModelPrice) -> str:
        return usd(price.input_usd)

    @admin.display(description=gettext_lazy("output, $ / 1M tokens"))
    def output_price(self, price: ModelPrice) -> str:
        return usd(price.output_usd)

    def save_model(self, request: HttpRequest, obj: ModelPrice, form: ModelForm[ModelPrice], change: bool) -> None:
        save_price(price=obj, user=person(request))


class ReadOnlyAdmin(ModelAdmin[Any]):
    class Media:
        css = {"all": ("groundtruth/judging.css",)}

    sortable_by = ()
    actions = None
    list_fullwidth = True
    list_filter_submit = True
    list_per_page = 100
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class JobFilter(DropdownFilter):
    title = gettext_lazy("judge job")
    parameter_name = "job"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        jobs = JudgeJob.objects.select_related("truth_set")[:CHOICES_SHOWN]
        return [(str(job.pk), f"#{job.pk} {job.truth_set}") for job in jobs]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = row_id(self.value())
        return queryset if chosen is None else queryset.filter(job=chosen)


class DayFilter(DropdownFilter):
    title = gettext_lazy("day")
    parameter_name = "day"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        days = SpendDay.objects.order_by("-day").values_list("day", flat=True)[:CHOICES_SHOWN]
        return [(day.isoformat(), day.isoformat()) for day in days]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        known = {key for key, _label in self.lookup_choices}
        return queryset.filter(day=self.value()) if self.value() in known else queryset


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyAdmin):
    list_display = ("reserved_at", "job_link", "model", "state_badge", "reserved", "charged", "tokens", "error")
    list_display_links = ("reserved_at",)
    list_filter = (("state", ChoicesDropdownFilter), JobFilter, DayFilter)
    list_select_related = ("job",)
    fields = (
        "id", "job", "question", "batch", "model", "day", "state", "reserved_usd", "charged_usd", "input_tokens",
        "output_tokens", "http_status", "usable", "error", "reserved_at", "sent_at", "received_at", "settled_at", "raw",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[LedgerEntry]:
        entries: QuerySet[LedgerEntry] = super().get_queryset(request)
        return (
            entries.defer("raw")
            if (request.resolver_match and "changelist" in (request.resolver_match.url_name or ""))
            else entries
        )

    @admin.display(description=gettext_lazy("judge job"))
    def job_link(self, entry: LedgerEntry) -> SafeString:
        address = reverse("admin:groundtruth_judgejob_change", args=[entry.job_id])
        return format_html('<a class="ib-link" href="{}">#{}</a>', address, entry.job_id)

    @admin.display(description=gettext_lazy("state"))
    def state_badge(self, entry: LedgerEntry) -> SafeString:
        look = ENTRY_LOOKS[LedgerEntry.State(entry.state)]
        return format_html('<span class="ib-badge {}">{}</span>', look, entry.get_state_display())

    @admin.display(description=gettext_lazy("reserved"))
    def reserved(self, entry: LedgerEntry) -> str:
        return usd(entry.reserved_usd)

    @admin.display(description=gettext_lazy("charged"))
    def charged(self, entry: LedgerEntry) -> str:
        return usd(entry.charged_usd)

    @admin.display(description=gettext_lazy("tokens in / out"))
    def tokens(self, entry: LedgerEntry) -> str:
        return "–" if entry.input_tokens is None else f"{entry.input_tokens} / {entry.output_tokens}"


@admin.register(SpendDay)
class SpendDayAdmin(ReadOnlyAdmin):
    list_display = ("utc_day", "held", "limit")
    list_display_links = None
    ordering = ("-day",)

    @admin.display(description=gettext_lazy("day (UTC)"))
    def utc_day(self, spent: SpendDay) -> str:
        return spent.day.isoformat()

    @admin.display(description=gettext_lazy("spent or reserved"))
    def held(self, spent: SpendDay) -> SafeString:
        address = reverse("admin:groundtruth_ledgerentry_changelist")
        return format_html(
            '<a class="ib-link" href="{}?day={}">{}</a>', address, spent.day.isoformat(), usd(spent.held_usd)
        )

    @admin.display(description=gettext_lazy("limit of a day"))
    def limit(self, spent: SpendDay) -> str:
        return usd(settings.LLM_DAILY_CAP_USD)
