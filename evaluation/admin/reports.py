"""Reports: which there are, a new one."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from evaluation.models import Report
from itembank.admin.base import BankChangeList, ModelAdmin


@admin.register(Report)
class ReportAdmin(ModelAdmin[Report]):
    list_display = ("title", "candidate", "baseline", "created_by", "created_at")
    list_display_links = ("title",)
    list_select_related = ("candidate", "baseline", "created_by")
    search_fields = ("title",)
    list_per_page = 50
    list_fullwidth = True
    sortable_by = ()
    actions = None
    show_full_result_count = False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BankChangeList]:
        return BankChangeList
