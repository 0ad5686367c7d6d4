"""Judge jobs: planned, confirmed with their price in view, watched, and asked again where they failed."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from embeddings.admin.job_list import JobAdmin
from groundtruth import dispatch
from groundtruth.admin import judge_pages as pages
from groundtruth.admin.judge_forms import CapForm, JudgeJobForm
from groundtruth.judge_services import RETRIABLE, plan_job, set_cap
from groundtruth.judging.parameters import JudgeError
from groundtruth.models import JudgeJob
from itembank.admin.base import BankChangeList, person
from itembank.admin.filters import ChoicesDropdownFilter

MOST_QUESTIONS = 5_000
"""A plan in the page takes some 4 ms a question, for which the visitor waits."""

DONE = {
    "confirm": gettext_lazy("The job was confirmed and has begun."),
    "cap": gettext_lazy("The limit was changed."),
    "pause": gettext_lazy("The job pauses after the requests that are on their way."),
    "resume": gettext_lazy("The job goes on."),
    "cancel": gettext_lazy("The job was cancelled. Judgements that it made stay."),
    "retry": gettext_lazy("The questions are asked again."),
}


class JudgeJobChangeList(BankChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = pages.with_progress(self.result_list)


@admin.register(JudgeJob)
class JudgeJobAdmin(JobAdmin[JudgeJob]):
    pages = "groundtruth"
    change_list = JudgeJobChangeList
    list_display = (
        "number",
        "truth_set",
        "purpose",
        "model",
        "prompt",
        "state_badge",
        "how_far",
        "spent",
        "created_at",
    )
    list_display_links = ("number", "truth_set")
    list_filter = (("state", ChoicesDropdownFilter), ("purpose", ChoicesDropdownFilter))
    list_select_related = ("truth_set", "prompt")

    class Media:
        css = {"all": ("groundtruth/judging.css",)}

    def has_view_permission(self, request: HttpRequest, obj: JudgeJob | None = None) -> bool:
        """Who spends, or plans, sees what became of it."""
        mine = self.has_add_permission(request) or request.user.has_perm("groundtruth.can_spend")
        return mine or super().has_view_permission(request, obj)

    @admin.display(description=gettext_lazy("spent / limit"))
    def spent(self, job: JudgeJob) -> str:
        return f"{pages.usd(job.held_usd)} / {pages.usd(job.cap_usd)}"

    # ---- a new job

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = JudgeJobForm(request.POST or None, initial=request.GET.dict())
        if form.is_valid():
            try:
                job = plan_job(**form.cleaned_data, most=MOST_QUESTIONS, user=person(request))
                return redirect("admin:groundtruth_judgejob_change", job.pk)
            except JudgeError as error:
                form.add_error(None, str(error))
        context = {"title": _("Plan a judge job"), "form": form}
        return self._page(request, "judge_add.html", context)

    # ---- one job

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        job = self.get_object(request, object_id)
        if not self.has_view_permission(request, job):
            raise PermissionDenied
        if job is None:
            raise Http404
        return self._page(request, "judge_job.html", pages.job_page(job, person(request)))

    def progress_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return JsonResponse(pages.live(get_object_or_404(JudgeJob, pk=pk)))

    def control_view(self, request: HttpRequest, pk: int, control: str) -> HttpResponse:
        if control not in CONTROLS:
            raise Http404
        if not pages.may(person(request), control):
            raise PermissionDenied
        job = get_object_or_404(JudgeJob, pk=pk)
        try:
            CONTROLS[control](request, job)
        except JudgeError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, str(DONE[control]))
        return redirect("admin:groundtruth_judgejob_change", pk)


# ---- what the buttons do


def _confirm(request: HttpRequest, job: JudgeJob) -> None:
    dispatch.confirm_job(job=job, user=person(request), cap_usd=_cap(request))


def _cap(request: HttpRequest) -> Any:
    form = CapForm(request.POST)
    if not form.is_valid():
        raise JudgeError(_("A limit is an amount of dollars, 0 or more."))
    return form.cleaned_data["cap_usd"]


def _set_cap(request: HttpRequest, job: JudgeJob) -> None:
    set_cap(job=job, user=person(request), cap_usd=_cap(request))


def _retry(request: HttpRequest, job: JudgeJob) -> None:
    chosen = set(request.POST.getlist("states")) & RETRIABLE
    dispatch.retry_failed(job=job, user=person(request), states=chosen)


def _plain(act: Callable[..., JudgeJob]) -> Callable[[HttpRequest, JudgeJob], None]:
    def press(request: HttpRequest, job: JudgeJob) -> None:
        act(job=job, user=person(request))

    return press


CONTROLS: dict[str, Callable[[HttpRequest, JudgeJob], None]] = {
    "confirm": _confirm,
    "cap": _set_cap,
    "pause": _plain(dispatch.pause_job),
    "resume": _plain(dispatch.resume_job),
    "cancel": _plain(dispatch.cancel_job),
    "retry": _retry,
}
