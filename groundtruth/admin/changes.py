"""The audit trail: who changed what, when. It can be read, and nothing else."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from groundtruth.admin.spending import CHOICES_SHOWN, ReadOnlyAdmin
from groundtruth.models import Change, TruthSet
from itembank.admin.base import row_id
from itembank.admin.filters import DropdownFilter

CHARACTERS_SHOWN = 120
ACTIONS = {
    "create": gettext_lazy("set made"),
    "import": gettext_lazy("file imported"),
    "combine": gettext_lazy("sets combined"),
    "from-thumbs": gettext_lazy("made of thumbs"),
    "new-version": gettext_lazy("new version"),
    "describe": gettext_lazy("texts changed"),
    "cancel-build": gettext_lazy("build cancelled"),
    "build-again": gettext_lazy("built again"),
    "freeze": gettext_lazy("frozen"),
    "delete": gettext_lazy("set deleted"),
    "add-pair": gettext_lazy("pair added"),
    "set-relevance": gettext_lazy("relevance approved"),
    "judge": gettext_lazy("pair judged"),
    "take-back": gettext_lazy("judgement taken back"),
    "judgement-seen": gettext_lazy("model's judgement seen"),
    "create-round": gettext_lazy("review round made"),
    "close-round": gettext_lazy("review round closed"),
    "reopen-round": gettext_lazy("review round opened again"),
    "delete-round": gettext_lazy("review round deleted"),
    "confirm": gettext_lazy("judge job confirmed"),
    "set-cap": gettext_lazy("limit changed"),
    "pause": gettext_lazy("judge job paused"),
    "resume": gettext_lazy("judge job resumed"),
    "cancel": gettext_lazy("judge job cancelled"),
    "retry": gettext_lazy("questions asked again"),
    "price": gettext_lazy("price changed"),
}


def action_label(action: str) -> str:
    """In words where this page knows the action; otherwise as it is written."""
    return str(ACTIONS.get(action, action))


def shortened(value: Any) -> str:
    """A JSON value on a line."""
    if value is None:
        return "–"
    if isinstance(value, dict):
        value = ", ".join(f"{name}: {each}" for name, each in value.items())
    text = " ".join(str(value).split())
    return text if len(text) <= CHARACTERS_SHOWN else f"{text[: CHARACTERS_SHOWN - 1]}…"


def told(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Changes as tables show them."""
    return [
        {
            "change": change,
            "action": action_label(change.action),
            "old": shortened(change.old),
            "new": shortened(change.new),
        }
        for change in changes
    ]


class SetFilter(DropdownFilter):
    title = gettext_lazy("truth set")
    parameter_name = "truth_set"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(str(each.pk), str(each)) for each in TruthSet.objects.order_by("-created_at")[:CHOICES_SHOWN]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = row_id(self.value())
        return queryset if chosen is None else queryset.filter(truth_set=chosen)


class ActionFilter(DropdownFilter):
    title = gettext_lazy("action")
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(name, str(label)) for name, label in ACTIONS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        return queryset.filter(action=chosen) if chosen in ACTIONS else queryset


@admin.register(Change)
class ChangeAdmin(ReadOnlyAdmin):
    list_display = ("at", "who", "action_name", "target", "before", "after", "set_link")
    list_display_links = ("at",)
    list_filter = (SetFilter, ActionFilter)
    list_select_related = ("user", "truth_set")
    search_fields = ("target", "user__username")
    fields = ("at", "who", "action_name", "target", "truth_set", "old", "new")

    @admin.display(description=gettext_lazy("who"))
    def who(self, change: Change) -> str:
        return change.user.get_full_name() or change.user.get_username() if change.user else "–"

    @admin.display(description=gettext_lazy("action"))
    def action_name(self, change: Change) -> str:
        return action_label(change.action)

    @admin.display(description=gettext_lazy("old"))
    def before(self, change: Change) -> str:
        return shortened(change.old)

    @admin.display(description=gettext_lazy("new"))
    def after(self, change: Change) -> str:
        return shortened(change.new)

    @admin.display(description=gettext_lazy("truth set"))
    def set_link(self, change: Change) -> SafeString | str:
        if change.truth_set is None:
            return "–"
        address = reverse("admin:groundtruth_truthset_change", args=[change.truth_set_id])
        return format_html('<a class="ib-link" href="{}">{}</a>', address, change.truth_set)
