"""What the pages of all jobs have in common: their list, and the addresses by which one is followed and controlled."""

from abc import abstractmethod
from typing import Any, ClassVar, TypeVar

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from itembank.admin.base import BankChangeList, ModelAdmin

M = TypeVar("M", bound=Model)


class JobAdmin(ModelAdmin[M]):
    """Jobs are made and controlled on pages of their own; nobody edits or deletes one: what it did, and cost, stays."""

    change_list: ClassVar[type[BankChangeList]]
    list_filter_submit = True
    list_per_page = 50
    list_fullwidth = True
    sortable_by = ()
    actions = None
    show_full_result_count = False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BankChangeList]:
        return self.change_list

    def get_urls(self) -> list[URLPattern]:
        wrap, named = self.admin_site.admin_view, f"{self.opts.app_label}_{self.opts.model_name}"
        progress, control = never_cache(require_safe(self.progress_view)), require_POST(self.control_view)
        return [
            path("<int:pk>/progress/", wrap(progress), name=f"{named}_progress"),
            path("<int:pk>/control/<str:control>/", wrap(control), name=f"{named}_control"),
            *super().get_urls(),
        ]

    @abstractmethod
    def progress_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        """What progress.js asks for."""

    @abstractmethod
    def control_view(self, request: HttpRequest, pk: int, control: str) -> HttpResponse:
        """Does what a button says, and leads back to the job."""

    @admin.display(description=gettext_lazy("job"))
    def number(self, job: M) -> str:
        return f"#{job.pk}"

    @admin.display(description=gettext_lazy("state"))
    def state_badge(self, job: M) -> SafeString:
        return render_to_string("embeddings/state_badge.html", {"job": job})

    @admin.display(description=gettext_lazy("progress"))
    def how_far(self, job: M) -> SafeString:
        return render_to_string("embeddings/progress_cell.html", {"job": job})
