"""Prompts: their versions, what each changed, and a trial on three pairs before a job may use one."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from groundtruth.admin.judge_forms import DEFAULT_MODELS, PromptForm, TrialForm
from groundtruth.admin.judge_pages import prompt_page
from groundtruth.judge_services import plan_trial
from groundtruth.judging.parameters import JudgeError, JudgeParameters
from groundtruth.models import JudgeJob, Prompt
from groundtruth.prompt_services import create_prompt
from itembank.admin.base import ModelAdmin, person, row_id
from itembank.admin.filters import ChoicesDropdownFilter

TRIED = Q(jobs__purpose=JudgeJob.Purpose.TRIAL, jobs__state=JudgeJob.State.COMPLETED)


@admin.register(Prompt)
class PromptAdmin(ModelAdmin[Prompt]):
    pages = "groundtruth"
    list_display = ("name", "note", "trials", "created_by", "created_at")
    list_display_links = ("name",)
    list_filter = (("kind", ChoicesDropdownFilter),)
    list_filter_submit = True
    list_select_related = ("created_by",)
    list_fullwidth = True
    sortable_by = ()
    actions = None

    class Media:
        css = {"all": ("groundtruth/judging.css",)}

    def has_change_permission(self, request: HttpRequest, obj: Prompt | None = None) -> bool:
        return False  # another wording is another version

    def has_delete_permission(self, request: HttpRequest, obj: Prompt | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Prompt]:
        return super().get_queryset(request).annotate(completed_trials=Count("jobs", filter=TRIED))

    def get_urls(self) -> list[URLPattern]:
        trial = path("<int:pk>/try/", self.admin_site.admin_view(self.try_view), name="groundtruth_prompt_try")
        return [trial, *super().get_urls()]

    # ---- the list

    @admin.display(description=gettext_lazy("prompt"))
    def name(self, prompt: Prompt) -> str:
        return str(prompt)

    @admin.display(description=gettext_lazy("completed trials"))
    def trials(self, prompt: Prompt) -> int:
        return int(prompt.completed_trials)  # type: ignore[attr-defined]

    # ---- a new version

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = PromptForm(request.POST or None, initial=self._from_version(request))
        if form.is_valid():
            prompt = create_prompt(**form.cleaned_data, user=person(request))
            messages.success(request, _("%(name)s was added.") % {"name": prompt})
            return redirect("admin:groundtruth_prompt_change", prompt.pk)
        return self._page(request, "prompt_add.html", {"title": _("New version of a prompt"), "form": form})

    def _from_version(self, request: HttpRequest) -> dict[str, str]:
        """The wording that the new one begins with."""
        given = row_id(request.GET.get("from"))
        known = Prompt.objects.filter(pk=given).first() if given is not None else Prompt.objects.first()
        return {"kind": known.kind, "instructions": known.instructions} if known else {}

    # ---- one version

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        prompt = self.get_object(request, object_id)
        if not self.has_view_permission(request, prompt):
            raise PermissionDenied
        if prompt is None:
            raise Http404
        context = prompt_page(prompt) | {
            "may_add": self.has_add_permission(request),
            "may_try": request.user.has_perm("groundtruth.add_judgejob"),
        }
        return self._page(request, "prompt.html", context)

    def try_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Plans a trial; its own page shows the price, is confirmed, and then shows the answers."""
        if not request.user.has_perm("groundtruth.add_judgejob"):
            raise PermissionDenied
        prompt = get_object_or_404(Prompt, pk=pk)
        chosen = {"model": DEFAULT_MODELS[Prompt.Kind(prompt.kind)]} | request.GET.dict()
        form = TrialForm(request.POST or None, initial=chosen)
        if form.is_valid():
            try:
                parameters = JudgeParameters(seed=form.cleaned_data.pop("seed"))
                job = plan_trial(prompt=prompt, **form.cleaned_data, parameters=parameters, user=person(request))
                return redirect("admin:groundtruth_judgejob_change", job.pk)
            except JudgeError as error:
                form.add_error(None, str(error))
        title = _("Try %(prompt)s on three pairs") % {"prompt": prompt}
        return self._page(request, "prompt_try.html", {"title": title, "prompt": prompt, "form": form})
