"""Reports: which there are, a new one, one as a page and as files."""

from typing import Any
from urllib.parse import quote

from django import forms
from django.contrib import admin, messages
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from evaluation.figures import KEPT_FOR
from evaluation.models import EvaluationRun, PerformanceRun, Report
from evaluation.report.content import report_page
from evaluation.report.files import FORMATS, download_of
from evaluation.report.pdf import PdfUnavailableError, is_available
from evaluation.report_services import create_report
from evaluation.run_settings import EvaluationError
from itembank.admin.base import ModelAdmin, person

INPUT = {"class": "ib-input"}
SELECT = {"class": "ib-select"}
FORMAT_NAMES = {"html": "HTML", "md": "Markdown", "xlsx": "XLSX", "csv": "CSV", "pdf": "PDF"}


class ReportForm(forms.Form):
    """A new report; only completed runs are offered."""

    title = forms.CharField(label=gettext_lazy("title"), max_length=200, widget=forms.TextInput(attrs=INPUT))
    candidate = forms.ModelChoiceField(
        EvaluationRun.objects.none(), label=gettext_lazy("run to be judged"), widget=forms.Select(attrs=SELECT),
        empty_label=None,
    )  # fmt: skip
    baseline = forms.ModelChoiceField(
        EvaluationRun.objects.none(), label=gettext_lazy("baseline"), required=False,
        widget=forms.Select(attrs=SELECT),
        help_text=gettext_lazy("Over the same version of the truth, asked and searched the same."),
    )  # fmt: skip
    runs = forms.ModelMultipleChoiceField(
        EvaluationRun.objects.none(), label=gettext_lazy("runs to compare"), required=False,
        widget=forms.CheckboxSelectMultiple,
    )  # fmt: skip
    performance = forms.ModelChoiceField(
        PerformanceRun.objects.all(), label=gettext_lazy("performance run"), required=False,
        widget=forms.Select(attrs=SELECT),
    )  # fmt: skip
    minimum_relevance = forms.TypedChoiceField(
        label=gettext_lazy("relevant from"), coerce=int, choices=[(each, f"≥ {each}") for each in (1, 2, 3)],
        widget=forms.Select(attrs=SELECT),
    )  # fmt: skip
    remarks = forms.CharField(
        label=gettext_lazy("remarks"), required=False, widget=forms.Textarea(attrs=INPUT | {"rows": 4})
    )

    WHAT = ("title", "candidate", "baseline", "performance", "minimum_relevance", "remarks")

    def __init__(self, data: Any = None, initial: Any = None) -> None:
        super().__init__(data, initial=initial)
        completed = EvaluationRun.objects.filter(state=EvaluationRun.State.COMPLETED).select_related("truth_set")
        for name in ("candidate", "baseline", "runs"):
            self.fields[name].queryset = completed  # type: ignore[attr-defined]


@admin.register(Report)
class ReportAdmin(ModelAdmin[Report]):
    pages = "evaluation"
    list_display = ("title", "candidate", "baseline", "created_by", "created_at")
    list_display_links = ("title",)
    list_select_related = ("candidate", "baseline", "created_by")
    search_fields = ("title",)
    list_per_page = 50
    list_fullwidth = True
    sortable_by = ()
    actions = None
    show_full_result_count = False

    def has_change_permission(self, request: HttpRequest, obj: Report | None = None) -> bool:
        return False  # a verdict that was given stays

    def get_urls(self) -> list[URLPattern]:
        download = self.admin_site.admin_view(require_safe(self.download_view))
        own = path("<int:pk>/download/<slug:name>/", download, name="evaluation_report_download")
        return [own, *super().get_urls()]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        sent = request.method == "POST"
        form = ReportForm(request.POST) if sent else ReportForm(initial=request.GET.dict())
        if sent and form.is_valid():
            try:
                return redirect(
                    "admin:evaluation_report_change", create_report(**form.cleaned_data, user=person(request)).pk
                )
            except EvaluationError as error:
                form.add_error(None, str(error))
        return self._page(request, "report_add.html", {"title": _("New report"), "form": form})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        report = self.get_object(request, object_id)
        if report is None:
            raise Http404
        context = {
            "title": report.title,
            "original": report,
            "report": report,
            "body": _body(report),
            "formats": [(name, FORMAT_NAMES[name]) for name in FORMATS if name != "pdf" or is_available()],
            "may_delete": self.has_delete_permission(request, report),
        }
        return self._page(request, "report_page.html", context)

    def download_view(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if name not in FORMATS:
            raise Http404
        try:
            made = download_of(get_object_or_404(Report, pk=pk), name)
        except PdfUnavailableError as error:
            messages.error(request, str(error))
            return redirect("admin:evaluation_report_change", pk)
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(made.name)}"}
        return HttpResponse(made.held, content_type=made.content_type, headers=headers)


def _body(report: Report) -> str:
    """The report's part of the page. A large one takes seconds to compute; what it is computed from does not change."""
    key = f"evaluation-report-{report.pk}-{report.created_at.timestamp():.0f}-{get_language()}"
    kept: str | None = cache.get(key)
    if kept is None:
        kept = render_to_string("evaluation/report_body.html", report_page(report))
        cache.set(key, kept, KEPT_FOR)
    return kept
