"""Uploads: a file is sent, its preview read, and the import confirmed."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from itembank.admin import upload_pages as pages
from itembank.admin.base import ModelAdmin, person
from itembank.admin.filters import ChoicesDropdownFilter
from itembank.dispatch import UploadStateError, cancel_upload, confirm_upload, create_upload
from itembank.forms import UploadForm
from itembank.imports.example import example_zip
from itembank.imports.rejected import rejected_csv
from itembank.media import thumbnail_response
from itembank.models import UploadBatch
from itembank.selectors import rejected_rows, sample_image

REJECTED_A_PAGE = 50
TEMPLATES = "admin/itembank/uploadbatch"
CONTROLS: dict[str, tuple[Callable[..., None], Any]] = {
    "confirm": (confirm_upload, gettext_lazy("The import has begun.")),
    "cancel": (cancel_upload, gettext_lazy("The upload was cancelled. What had landed before stays.")),
}


@admin.register(UploadBatch)
class UploadBatchAdmin(ModelAdmin[UploadBatch]):
    pages = TEMPLATES
    list_display = ("file_name", "state_badge", "new", "changed", "unchanged", "rejected", "created_by", "created_at")
    list_display_links = ("file_name",)
    list_filter = (("state", ChoicesDropdownFilter),)
    list_select_related = ("created_by",)
    list_per_page = 50
    list_fullwidth = True
    sortable_by = ()
    actions = None
    show_full_result_count = False

    def has_change_permission(self, request: HttpRequest, obj: UploadBatch | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: UploadBatch | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: UploadBatch | None = None) -> bool:
        """Who uploads sees what became of it."""
        return super().has_view_permission(request, obj) or self.has_add_permission(request)

    def get_urls(self) -> list[URLPattern]:
        views: dict[str, Callable[..., HttpResponse | StreamingHttpResponse]] = {
            "example.zip": require_safe(self.example_view),
            "<int:pk>/progress/": never_cache(require_safe(self.progress_view)),
            "<int:pk>/rejected.csv": require_safe(self.rejected_view),
            "<int:pk>/images/<slug:sha256>/": require_safe(self.image_view),
            "<int:pk>/control/<slug:control>/": require_POST(self.control_view),
        }
        names = ("example", "progress", "rejected", "image", "control")
        wrap = self.admin_site.admin_view
        own = [
            path(route, wrap(view), name=f"itembank_uploadbatch_{name}")
            for name, (route, view) in zip(names, views.items(), strict=True)
        ]
        return [*own, *super().get_urls()]

    # ---- the list

    @admin.display(description=gettext_lazy("state"))
    def state_badge(self, batch: UploadBatch) -> SafeString:
        look = pages.STATE_LOOKS[UploadBatch.State(batch.state)]
        return format_html('<span class="ib-badge {}">{}</span>', look, batch.get_state_display())

    @admin.display(description=gettext_lazy("new"))
    def new(self, batch: UploadBatch) -> str:
        return pages.number(batch.new_count)

    @admin.display(description=gettext_lazy("changed"))
    def changed(self, batch: UploadBatch) -> str:
        return pages.number(batch.changed_count)

    @admin.display(description=gettext_lazy("unchanged"))
    def unchanged(self, batch: UploadBatch) -> str:
        return pages.number(batch.unchanged_count)

    @admin.display(description=gettext_lazy("rejected"))
    def rejected(self, batch: UploadBatch) -> str:
        return pages.number(batch.rejected_count)

    # ---- a new upload

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        sent = request.method == "POST"
        form = UploadForm(request.POST, request.FILES) if sent else UploadForm()
        if sent and form.is_valid():
            batch = create_upload(**form.cleaned_data, user=person(request))
            return redirect("admin:itembank_uploadbatch_change", batch.pk)
        return self._page(request, "add.html", {"title": _("Upload items"), "form": form})

    def example_view(self, request: HttpRequest) -> HttpResponse:
        self._viewed(request)
        headers = {"Content-Disposition": 'attachment; filename="itembank-example.zip"'}
        return HttpResponse(example_zip(), content_type="application/zip", headers=headers)

    # ---- one upload

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        self._viewed(request)
        batch = self.get_object(request, object_id)
        if batch is None:
            raise Http404
        rejected = Paginator(rejected_rows(batch), REJECTED_A_PAGE).get_page(request.GET.get("p"))
        context = {"title": batch.file_name, "original": batch, "batch": batch, "rejected": rejected}
        return self._page(request, "detail.html", {**context, **pages.detail(batch, person(request))})

    def progress_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        self._viewed(request)
        return JsonResponse(pages.live(get_object_or_404(UploadBatch, pk=pk)))

    def rejected_view(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        self._viewed(request)
        lines = rejected_csv(get_object_or_404(UploadBatch, pk=pk))
        headers = {"Content-Disposition": f'attachment; filename="rejected-{pk}.csv"'}
        return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)

    def image_view(self, request: HttpRequest, pk: int, sha256: str) -> FileResponse:
        """The thumbnail of an image that the preview of this upload shows."""
        self._viewed(request)
        image = sample_image(batch_id=pk, sha256=sha256)
        if image is None:
            raise Http404
        return thumbnail_response(image, pages.THUMBNAIL_SIZE)

    def control_view(self, request: HttpRequest, pk: int, control: str) -> HttpResponse:
        if not request.user.has_perm("itembank.import_uploads"):
            raise PermissionDenied
        if control not in CONTROLS:
            raise Http404
        act, done = CONTROLS[control]
        try:
            act(batch_id=get_object_or_404(UploadBatch, pk=pk).pk)
            messages.success(request, str(done))
        except UploadStateError as error:
            messages.error(request, str(error))
        return redirect("admin:itembank_uploadbatch_change", pk)

    def _viewed(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied
