"""Truth sets: the list, ways of making one, one set with what may be done with it."""

from collections.abc import Callable, Iterator
from tempfile import TemporaryFile
from typing import IO, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from groundtruth import build_dispatch
from groundtruth.admin import truth_pages as pages
from groundtruth.admin.judge_pages import number
from groundtruth.admin.truth_forms import TextsForm
from groundtruth.admin.truth_making import BY_SLUG, WAYS, Way, filled_form, made
from groundtruth.exchange import NotForQrels, export_queries, export_truth
from groundtruth.models import TruthSet
from groundtruth.set_services import SetError, delete_set, freeze_set, new_version
from groundtruth.set_texts import describe_set
from itembank.admin.base import BankChangeList, ModelAdmin, person
from itembank.admin.filters import ChoicesDropdownFilter

CONTROLS: dict[str, tuple[Callable[..., TruthSet], Any]] = {
    "cancel": (build_dispatch.cancel_build, gettext_lazy("The build was cancelled.")),
    "again": (build_dispatch.build_again, gettext_lazy("The set is being built again.")),
    "new-version": (new_version, gettext_lazy("This is the new version, with all that the old one says.")),
}
EXPORTS = {"json": ".json", "trec": ".qrels", "csv": ".csv", "queries": "-queries.csv"}


class TruthSetChangeList(BankChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = pages.with_counts(self.result_list)


@admin.register(TruthSet)
class TruthSetAdmin(ModelAdmin[TruthSet]):
    pages = "groundtruth"
    list_display = ("named", "method", "state_cell", "queries_cell", "pairs_cell", "frozen_mark", "maker", "created_at")
    list_display_links = ("named",)
    list_filter = (("method", ChoicesDropdownFilter), ("state", ChoicesDropdownFilter))
    list_select_related = ("created_by",)
    list_filter_submit = True
    search_fields = ("name",)
    list_per_page = 50
    list_fullwidth = True
    sortable_by = ()
    actions = None
    show_full_result_count = False

    class Media:
        css = {"all": ("groundtruth/truth.css",)}

    def has_view_permission(self, request: HttpRequest, obj: TruthSet | None = None) -> bool:
        """Who makes sets, or freezes them, sees them."""
        mine = self.has_add_permission(request) or request.user.has_perm("groundtruth.freeze_truthset")
        return mine or super().has_view_permission(request, obj)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BankChangeList]:
        return TruthSetChangeList

    def get_urls(self) -> list[URLPattern]:
        views: dict[str, tuple[str, Callable[..., HttpResponseBase]]] = {
            "progress": ("<int:pk>/progress/", never_cache(require_safe(self.progress_view))),
            "control": ("<int:pk>/control/<slug:control>/", require_POST(self.control_view)),
            "freeze": ("<int:pk>/freeze/", self.freeze_view),
            "export": ("<int:pk>/export/<slug:kind>/", require_safe(self.export_view)),
        }
        wrap = self.admin_site.admin_view
        own = [path(route, wrap(view), name=f"groundtruth_truthset_{name}") for name, (route, view) in views.items()]
        return [*own, *super().get_urls()]

    # ---- the list

    @admin.display(description=gettext_lazy("name"))
    def named(self, truth_set: TruthSet) -> str:
        return str(truth_set)

    @admin.display(description=gettext_lazy("state"))
    def state_cell(self, truth_set: TruthSet) -> SafeString:
        return render_to_string("groundtruth/truth_state_cell.html", {"set": truth_set})

    @admin.display(description=gettext_lazy("queries"))
    def queries_cell(self, truth_set: Any) -> str:
        return number(truth_set.counted.queries)

    @admin.display(description=gettext_lazy("pairs"))
    def pairs_cell(self, truth_set: TruthSet) -> SafeString:
        return render_to_string("groundtruth/truth_pairs_cell.html", {"set": truth_set})

    @admin.display(description=gettext_lazy("frozen"))
    def frozen_mark(self, truth_set: TruthSet) -> SafeString | str:
        return format_html('<span class="ib-badge ib-good">{}</span>', _("frozen")) if truth_set.frozen else "–"

    @admin.display(description=gettext_lazy("made by"))
    def maker(self, truth_set: TruthSet) -> str:
        user = truth_set.created_by
        return user.get_full_name() or user.get_username() if user else _("command line")

    # ---- a new set

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        slug = request.GET.get("way", "")
        if not slug:
            return self._page(request, "truth_add.html", {"title": _("New truth set"), "ways": WAYS})
        if slug not in BY_SLUG:
            raise Http404
        return self._make(request, BY_SLUG[slug])

    def _make(self, request: HttpRequest, way: Way) -> HttpResponse:
        sent = request.method == "POST"
        form = filled_form(way, request.POST, request.FILES) if sent else filled_form(way)
        if sent and form.is_valid() and (result := made(way, form, person(request))):
            if result.note:
                messages.success(request, result.note)
            return redirect("admin:groundtruth_truthset_change", result.truth_set.pk)
        title = f"{_('New truth set')}: {way.title}"
        return self._page(request, f"truth_add_{way.template}.html", {"title": title, "form": form, "way": way})

    # ---- one set

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        truth_set = self._found(request, object_id)
        form = None
        if request.method == "POST":
            if not request.user.has_perm("groundtruth.change_truthset"):
                raise PermissionDenied
            form = TextsForm(request.POST)
            if form.is_valid():
                return self._describe(request, truth_set, form)
        return self._page(request, "truth_set.html", pages.set_page(truth_set, person(request), form))

    def _describe(self, request: HttpRequest, truth_set: TruthSet, form: TextsForm) -> HttpResponse:
        self._done(request, describe_set, _("The texts were saved."), truth_set=truth_set, **form.cleaned_data)
        return redirect("admin:groundtruth_truthset_change", truth_set.pk)

    def progress_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return JsonResponse(pages.live(get_object_or_404(TruthSet, pk=pk)))

    def control_view(self, request: HttpRequest, pk: int, control: str) -> HttpResponse:
        if control not in CONTROLS:
            raise Http404
        self._may(request, control)
        act, told = CONTROLS[control]
        result = self._done(request, act, str(told), truth_set=get_object_or_404(TruthSet, pk=pk))
        return redirect("admin:groundtruth_truthset_change", result.pk if result else pk)

    def freeze_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Asks first: it cannot be taken back."""
        self._may(request, "freeze")
        truth_set = get_object_or_404(TruthSet, pk=pk)
        if request.method == "POST":
            self._done(request, freeze_set, _("The set is frozen."), truth_set=truth_set)
            return redirect("admin:groundtruth_truthset_change", pk)
        return self._page(request, "truth_freeze.html", self._asked(truth_set, _("Freeze this truth set?")))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        self._may(request, "delete")
        truth_set = self._found(request, object_id)
        if request.method != "POST":
            return self._page(request, "truth_delete.html", self._asked(truth_set, _("Delete this truth set?")))
        try:
            delete_set(truth_set=truth_set, user=person(request))
        except SetError as error:
            messages.error(request, str(error))
            return redirect("admin:groundtruth_truthset_change", truth_set.pk)
        messages.success(request, _("“%(set)s” was deleted.") % {"set": truth_set})
        return redirect("admin:groundtruth_truthset_changelist")

    def export_view(self, request: HttpRequest, pk: int, kind: str) -> HttpResponseBase:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if kind not in EXPORTS:
            raise Http404
        truth_set = get_object_or_404(TruthSet, pk=pk)
        try:
            return exported(truth_set, kind)
        except NotForQrels as error:
            messages.error(request, str(error))
            return redirect("admin:groundtruth_truthset_change", pk)

    # ---- parts

    def _found(self, request: HttpRequest, object_id: str) -> TruthSet:
        truth_set = self.get_object(request, object_id)
        if truth_set is None:
            raise Http404
        return truth_set

    def _may(self, request: HttpRequest, control: str) -> None:
        if not request.user.has_perm(pages.PERMISSIONS[control]):
            raise PermissionDenied

    def _done(self, request: HttpRequest, act: Callable[..., TruthSet], told: str, **given: Any) -> TruthSet | None:
        """What was done, or None with the reason for the person."""
        try:
            result = act(**given, user=person(request))
        except SetError as error:
            messages.error(request, str(error))
            return None
        messages.success(request, told)
        return result

    def _asked(self, truth_set: TruthSet, title: str) -> dict[str, Any]:
        return {"title": title, "original": truth_set, "set": truth_set, **pages.counted(truth_set)}


def exported(truth_set: TruthSet, kind: str) -> HttpResponseBase:
    """The set as a file. Raises NotForQrels, which turns out only while qrels are written: they are written first."""
    name = f"{truth_set}".replace(" ", "-") + EXPORTS[kind]
    if kind == "trec":
        return FileResponse(
            _written(export_truth(truth_set, "trec")),
            as_attachment=True,
            filename=name,
            content_type="text/plain; charset=utf-8",
        )
    pieces = export_queries(truth_set) if kind == "queries" else export_truth(truth_set, kind)  # type: ignore[arg-type]
    content_type = "application/json" if kind == "json" else "text/csv; charset=utf-8"
    response = StreamingHttpResponse(pieces, content_type=content_type)
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    return response


def _written(pieces: Iterator[bytes]) -> IO[bytes]:
    """A file without a name, which whoever reads it closes."""
    file = TemporaryFile()  # noqa: SIM115
    try:
        file.writelines(pieces)
    except NotForQrels:
        file.close()
        raise
    file.seek(0)
    return file
