"""Evaluation runs: the list, new ones, one run with its queries. Comparisons are in comparing.py."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from evaluation.admin import comparing, harm, query_pages, run_page, sending
from evaluation.admin.run_forms import MatrixForm, RunForm
from evaluation.admin.words import STATE_LOOKS, State, live, parts, short_settings, shown
from evaluation.dispatch import cancel_run, resume_run, start_matrix, start_run
from evaluation.figures import key_figures
from evaluation.models import EvaluationRun
from evaluation.run_settings import EvaluationError
from itembank.admin.base import BankChangeList, ModelAdmin, person
from itembank.admin.filters import ChoicesDropdownFilter

SECONDS_FOR_FIGURES = 2.0  # that a list may take for figures which nobody looked at before
CONTROLS: dict[str, tuple[Callable[..., None], Any]] = {
    "cancel": (cancel_run, gettext_lazy("The run was cancelled. The rankings that it has stay.")),
    "resume": (resume_run, gettext_lazy("The run goes on.")),
}
COMPARED = gettext_lazy("Compare selected runs")


class RunChangeList(BankChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        found = key_figures(self.result_list, seconds=SECONDS_FOR_FIGURES)
        for run in self.result_list:
            run.key_figures = found.get(run.pk)


@admin.register(EvaluationRun)
class EvaluationRunAdmin(ModelAdmin[EvaluationRun]):
    pages = "evaluation"
    list_display = ("run_name", "truth_set", "state_badge", "r_at_5", "r_at_10", "mrr", "ndcg", "created_at")
    list_display_links = ("run_name",)
    list_filter = (("state", ChoicesDropdownFilter),)
    list_filter_submit = True
    list_select_related = ("truth_set",)
    list_per_page = 50
    list_fullwidth = True
    list_before_template = "evaluation/run_list_before.html"
    search_fields = ("name", "truth_set__name", "matrix")
    sortable_by = ()
    actions = ("compare_runs", "truths_side_by_side")
    show_full_result_count = False

    def has_change_permission(self, request: HttpRequest, obj: EvaluationRun | None = None) -> bool:
        return False  # a run stays as it was started; it is cancelled and taken up again on its page

    def has_delete_permission(self, request: HttpRequest, obj: EvaluationRun | None = None) -> bool:
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BankChangeList]:
        return RunChangeList

    def get_urls(self) -> list[URLPattern]:
        views: list[tuple[str, str, Callable[..., HttpResponse]]] = [
            ("<int:pk>/progress/", "progress", never_cache(require_safe(self.progress_view))),
            ("<int:pk>/control/<slug:control>/", "control", require_POST(self.control_view)),
            ("<int:pk>/queries/", "queries", require_safe(query_pages.worst_view)),
            ("<int:pk>/queries/<int:query>/", "query", require_safe(query_pages.query_view)),
            ("<int:pk>/send/", "send", require_POST(sending.send_view)),
            ("matrix/", "matrix", self.matrix_view),
            ("compare/", "compare", require_safe(comparing.compare_view)),
            ("compare/query/", "compare_query", require_safe(comparing.query_view)),
            ("compare/switch-off/", "switch_off", harm.switch_off_view),
            ("truths/", "truths", require_safe(comparing.truths_view)),
        ]
        wrap = self.admin_site.admin_view
        own = [path(route, wrap(view), name=f"evaluation_evaluationrun_{name}") for route, name, view in views]
        return [*own, *super().get_urls()]

    # ---- the list

    @admin.display(description=gettext_lazy("run"))
    def run_name(self, run: EvaluationRun) -> SafeString:
        return format_html("{} <span class='ib-quiet ib-small ib-nowrap'>#{}</span>", run.name, run.pk)

    @admin.display(description=gettext_lazy("state"))
    def state_badge(self, run: EvaluationRun) -> SafeString:
        context = {"run": run, "look": STATE_LOOKS[State(run.state)], "parts": parts(run)}
        return render_to_string("evaluation/run_state_cell.html", context)

    @admin.display(description="R@5")
    def r_at_5(self, run: EvaluationRun) -> SafeString | str:
        return figure_cell(run, "R@5")

    @admin.display(description="R@10")
    def r_at_10(self, run: EvaluationRun) -> SafeString | str:
        return figure_cell(run, "R@10")

    @admin.display(description="MRR")
    def mrr(self, run: EvaluationRun) -> SafeString | str:
        return figure_cell(run, "RR")

    @admin.display(description="nDCG@10")
    def ndcg(self, run: EvaluationRun) -> SafeString | str:
        return figure_cell(run, "nDCG@10")

    @admin.action(description=COMPARED, permissions=["view"])
    def compare_runs(self, request: HttpRequest, queryset: QuerySet[EvaluationRun]) -> HttpResponse:
        return redirect(_with_runs("compare", queryset))

    @admin.action(description=gettext_lazy("Truth sets side by side"), permissions=["view"])
    def truths_side_by_side(self, request: HttpRequest, queryset: QuerySet[EvaluationRun]) -> HttpResponse:
        return redirect(_with_runs("truths", queryset))

    # ---- new ones

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        form = self._form(request, RunForm)
        if form.is_bound and form.is_valid():
            given = form.cleaned_data
            try:
                run = start_run(
                    truth_set=given["truth_set"], settings=given["settings"], name=given["name"], user=person(request)
                )
                return redirect("admin:evaluation_evaluationrun_change", run.pk)
            except EvaluationError as error:
                form.add_error(None, str(error))
        return self._page(request, "run_add.html", {"title": _("New evaluation run"), "form": form})

    def matrix_view(self, request: HttpRequest) -> HttpResponse:
        form = self._form(request, MatrixForm)
        context: dict[str, Any] = {"title": _("Matrix of runs"), "form": form}
        if form.is_bound and form.is_valid():
            given = form.cleaned_data
            runs, skipped = start_matrix(given["matrix"], name=given["name"], user=person(request))
            told = [{"truth": each.truth_set, "settings": short_settings(each.settings), "reason": each.reason}
                    for each in skipped]  # fmt: skip
            link = _with_runs("truths", runs)
            return self._page(request, "matrix_made.html", context | {"runs": runs, "skipped": told, "link": link})
        return self._page(request, "run_add.html", context)

    def _form(self, request: HttpRequest, kind: type[RunForm] | type[MatrixForm]) -> RunForm | MatrixForm:
        if not self.has_add_permission(request):
            raise PermissionDenied
        sent = request.method == "POST"
        return kind(request.POST if sent else None, user=person(request), initial=None if sent else request.GET.dict())

    # ---- one run

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = self.get_object(request, object_id)
        if run is None:
            raise Http404
        return self._page(request, "run.html", run_page.context(request, run))

    def progress_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return JsonResponse(live(get_object_or_404(EvaluationRun, pk=pk)))

    def control_view(self, request: HttpRequest, pk: int, control: str) -> HttpResponse:
        if not request.user.has_perm("evaluation.change_evaluationrun"):
            raise PermissionDenied
        if control not in CONTROLS:
            raise Http404
        act, done = CONTROLS[control]
        try:
            act(run=get_object_or_404(EvaluationRun, pk=pk))
            messages.success(request, str(done))
        except EvaluationError as error:
            messages.error(request, str(error))
        return redirect("admin:evaluation_evaluationrun_change", pk)


def figure_cell(run: Any, metric: str) -> SafeString | str:
    """The figure above its interval; "…" where it was too much to compute for the list."""
    if run.state != State.COMPLETED:
        return "–"
    if run.key_figures is None:
        return "…"
    return render_to_string("evaluation/figure_cell.html", {"figure": shown(run.key_figures[metric])})


def _with_runs(page: str, runs: Any) -> str:
    ids = ",".join(str(run.pk) for run in runs)
    return f"{reverse(f'admin:evaluation_evaluationrun_{page}')}?{urlencode({'runs': ids})}"
