"""Rounds of review: the list, a new one, one round. The page where people judge is in review_queue.py."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from groundtruth.admin import review_queue
from groundtruth.admin.review_form import RoundForm
from groundtruth.models import ReviewRound
from groundtruth.review_rounds import close_round, create_round, delete_round, reopen_round
from groundtruth.review_selectors import counted_rounds, reviewers, round_progress
from groundtruth.set_services import SetError
from itembank.admin.base import ModelAdmin, person
from itembank.admin.filters import ChoicesDropdownFilter

CONTROLS: dict[str, tuple[str, Callable[..., None], Any]] = {
    "close": ("change", close_round, gettext_lazy("The review round is closed.")),
    "reopen": ("change", reopen_round, gettext_lazy("The review round goes on.")),
    "delete": ("delete", delete_round, gettext_lazy("The review round was deleted. What was judged stays.")),
}


@admin.register(ReviewRound)
class ReviewRoundAdmin(ModelAdmin[ReviewRound]):
    pages = "groundtruth"
    list_display = ("name", "truth_set", "state_badge", "how_far", "reviewers_a_pair", "created_by", "created_at")
    list_display_links = ("name",)
    list_filter = (("order", ChoicesDropdownFilter),)
    list_filter_submit = True
    search_fields = ("name", "truth_set__name")
    list_per_page = 50
    list_fullwidth = True
    sortable_by = ()
    actions = None
    show_full_result_count = False

    def has_change_permission(self, request: HttpRequest, obj: ReviewRound | None = None) -> bool:
        return False  # a round stays as it was made; it is closed, reopened or deleted on its page

    def has_delete_permission(self, request: HttpRequest, obj: ReviewRound | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: ReviewRound | None = None) -> bool:
        """Who reviews sees the rounds."""
        return super().has_view_permission(request, obj) or request.user.has_perm(review_queue.PERMISSION)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReviewRound]:
        return counted_rounds()

    def get_urls(self) -> list[URLPattern]:
        views: dict[str, Callable[..., HttpResponse]] = {
            "review": never_cache(require_safe(review_queue.review_page)),
            "judge": require_POST(review_queue.judge_view),
            "undo": require_POST(review_queue.undo_view),
            "reveal": require_POST(review_queue.reveal_view),
        }
        wrap = self.admin_site.admin_view
        own = [
            path(f"<int:pk>/{name}/", wrap(view), name=f"groundtruth_reviewround_{name}")
            for name, view in views.items()
        ]
        control = wrap(require_POST(self.control_view))
        own.append(path("<int:pk>/control/<slug:control>/", control, name="groundtruth_reviewround_control"))
        return [*own, *super().get_urls()]

    # ---- the list

    @admin.display(description=gettext_lazy("state"))
    def state_badge(self, review_round: ReviewRound) -> SafeString:
        return format_html('<span class="ib-badge {}">{}</span>', *round_state(review_round))

    @admin.display(description=gettext_lazy("settled"))
    def how_far(self, review_round: Any) -> SafeString:
        return render_to_string("groundtruth/review_progress_cell.html", {"round": review_round})

    # ---- a new round

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        sent = request.method == "POST"
        form = RoundForm(request.POST) if sent else RoundForm(initial=request.GET.dict())
        if sent and form.is_valid():
            try:
                made = create_round(**form.given(), user=person(request))
                return redirect("admin:groundtruth_reviewround_change", made.pk)
            except SetError as error:
                form.add_error(None, str(error))
        return self._page(request, "review_add.html", {"title": _("New review round"), "form": form})

    # ---- one round

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        review_round = self.get_object(request, object_id)
        if review_round is None:
            raise Http404
        look, state = round_state(review_round)
        context = {
            "title": review_round.name,
            "original": review_round,
            "round": review_round,
            "look": look,
            "state": state,
            "progress": round_progress(review_round, person(request)),
            "reviewers": reviewers(review_round),
            "controls": controls(request, review_round),
        }
        return self._page(request, "review_round.html", context)

    def control_view(self, request: HttpRequest, pk: int, control: str) -> HttpResponse:
        if control not in CONTROLS:
            raise Http404
        permission, act, done = CONTROLS[control]
        if not request.user.has_perm(f"groundtruth.{permission}_reviewround"):
            raise PermissionDenied
        try:
            act(review_round=get_object_or_404(ReviewRound, pk=pk), user=person(request))
            messages.success(request, str(done))
        except SetError as error:
            messages.error(request, str(error))
        if ReviewRound.objects.filter(pk=pk).exists():
            return redirect("admin:groundtruth_reviewround_change", pk)
        return redirect("admin:groundtruth_reviewround_changelist")


def round_state(review_round: ReviewRound) -> tuple[str, str]:
    """The class of its badge and its words. Freezing closes rounds, and says more."""
    if review_round.truth_set.frozen:
        return "", _("Set is frozen")
    if review_round.closed_at:
        return "", _("Closed")
    return "ib-run", _("In review")


def controls(request: HttpRequest, review_round: ReviewRound) -> list[str]:
    """What the person may do with the round now."""
    fitting = ["reopen" if review_round.closed_at else "close", "delete"]
    if review_round.truth_set.frozen:
        fitting.remove("reopen") if review_round.closed_at else None
    return [name for name in fitting if request.user.has_perm(f"groundtruth.{CONTROLS[name][0]}_reviewround")]
