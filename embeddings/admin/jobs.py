"""Embedding jobs: how far they are, and what may be done with them."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from embeddings.admin.job_list import JobAdmin
from embeddings.admin.reading import live, with_progress
from embeddings.dispatch import JobStateError, cancel_job, pause_job, resume_job, retry_failed
from embeddings.models import EmbeddingJob
from embeddings.selectors import quarantined_rows
from itembank.admin.base import BankChangeList
from itembank.admin.filters import ChoicesDropdownFilter

QUARANTINED_A_PAGE = 50
State = EmbeddingJob.State
CONTROLS: dict[str, Callable[..., EmbeddingJob]] = {
    "pause": pause_job,
    "resume": resume_job,
    "cancel": cancel_job,
    "retry": retry_failed,
}
DONE = {
    "pause": gettext_lazy("The job pauses after the items that are in work."),
    "resume": gettext_lazy("The job goes on."),
    "cancel": gettext_lazy("The job was cancelled. Vectors that it made stay."),
    "retry": gettext_lazy("The quarantined items are tried again."),
}


class JobChangeList(BankChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = with_progress(self.result_list)


@admin.register(EmbeddingJob)
class EmbeddingJobAdmin(JobAdmin[EmbeddingJob]):
    change_list = JobChangeList
    list_display = ("number", "encoder_name", "scope", "state_badge", "how_far", "created_by", "created_at")
    list_display_links = ("number", "encoder_name")
    list_filter = (("state", ChoicesDropdownFilter), ("scope", ChoicesDropdownFilter))
    list_select_related = ("encoder", "created_by")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a job starts from an encoder's page or from selected items

    # ---- the list

    @admin.display(description=gettext_lazy("encoder"))
    def encoder_name(self, job: EmbeddingJob) -> str:
        return job.encoder.title

    # ---- one job

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        job = self.get_object(request, object_id)
        if not self.has_view_permission(request, job):
            raise PermissionDenied
        if job is None:
            raise Http404
        context = {**self.admin_site.each_context(request), "opts": self.opts, **job_page(request, job)}
        return TemplateResponse(request, "embeddings/job.html", context)

    def progress_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return JsonResponse(live(get_object_or_404(EmbeddingJob, pk=pk)))

    def control_view(self, request: HttpRequest, pk: int, control: str) -> HttpResponse:
        if not request.user.has_perm("embeddings.change_embeddingjob"):
            raise PermissionDenied
        if control not in CONTROLS:
            raise Http404
        try:
            CONTROLS[control](job=get_object_or_404(EmbeddingJob, pk=pk))
        except JobStateError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, str(DONE[control]))
        return redirect("admin:embeddings_embeddingjob_change", pk)


def job_page(request: HttpRequest, job: EmbeddingJob) -> dict[str, Any]:
    rows = quarantined_rows(job).prefetch_related("item__images")
    return {
        "title": _("Job %(id)s") % {"id": job.pk},
        "job": job,
        "original": job,
        "live": live(job),
        "controls": controls(request, job),
        "quarantined": Paginator(rows, QUARANTINED_A_PAGE).get_page(request.GET.get("p")),
    }


def controls(request: HttpRequest, job: EmbeddingJob) -> list[str]:
    """The buttons that this person may press on a job in this state."""
    if not request.user.has_perm("embeddings.change_embeddingjob"):
        return []
    by_state: dict[str, list[str]] = {State.RUNNING: ["pause", "cancel"], State.PAUSED: ["resume", "cancel"]}
    found = list(by_state.get(job.state, []))
    if job.state != State.CANCELLED and quarantined_rows(job).exists():
        found.append("retry")
    return found
