"""Encoders: their coverage, their specification, and what may be done with them."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from embeddings.admin.encoder_form import EncoderForm
from embeddings.admin.presets import preset_card, preset_groups, specification
from embeddings.admin.reading import coverage_parts, recent_coverage, with_progress
from embeddings.dispatch import build_indexes_soon, start_job
from embeddings.encoders.presets import PRESETS, Preset
from embeddings.health import vector_health
from embeddings.indexes import index_state, wants_index
from embeddings.models import EmbeddingJob, Encoder
from embeddings.services import ActivationRefused, activate_encoder, delete_encoder
from itembank.admin.base import ModelAdmin, person

HEALTH_AT_ONCE = 10_000
"""Vectors up to which the page checks them without being asked: it reads every one."""

SHOWN_JOBS = 5
START_SCOPES = (EmbeddingJob.Scope.MISSING, EmbeddingJob.Scope.ALL, EmbeddingJob.Scope.FAILED)


@admin.register(Encoder)
class EncoderAdmin(ModelAdmin[Encoder]):
    pages = "embeddings"
    list_display = ("shown_name", "slug", "modality", "dimensions", "covered", "in_use")
    list_display_links = ("shown_name", "slug")
    sortable_by = ()
    actions = None
    list_fullwidth = True
    delete_confirmation_template = "embeddings/delete_encoder.html"

    def has_change_permission(self, request: HttpRequest, obj: Encoder | None = None) -> bool:
        return False  # a space is its specification: a change is a new encoder

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/start/", wrap(require_POST(self.start_view)), name="embeddings_encoder_start"),
            path("<int:pk>/activate/", wrap(require_POST(self.activate_view)), name="embeddings_encoder_activate"),
            path("<int:pk>/index/", wrap(require_POST(self.index_view)), name="embeddings_encoder_index"),
            *super().get_urls(),
        ]

    # ---- the list

    @admin.display(description=gettext_lazy("name"))
    def shown_name(self, encoder: Encoder) -> str:
        return encoder.title

    @admin.display(description=gettext_lazy("vectors"))
    def covered(self, encoder: Encoder) -> SafeString:
        context = {"parts": coverage_parts(recent_coverage(encoder)), "all": True}
        return render_to_string("embeddings/coverage_cell.html", context)

    @admin.display(description=gettext_lazy("search"))
    def in_use(self, encoder: Encoder) -> SafeString:
        return render_to_string("embeddings/in_use.html", {"encoder": encoder})

    # ---- a new one

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method == "GET" and "preset" not in request.GET:
            context = {"groups": preset_groups(), "servers": settings.MODEL_SERVERS, "title": _("Add an encoder")}
            return self._page(request, "add_encoder.html", context)
        return self._settings_page(request, PRESETS.get((request.POST or request.GET).get("preset", "")))

    def _settings_page(self, request: HttpRequest, preset: Preset | None) -> HttpResponse:
        if preset is None:
            messages.error(request, _("Choose one of the encoders."))
            return redirect("admin:embeddings_encoder_add")
        form = EncoderForm(preset, request.POST or None)
        encoder = form.create() if form.is_valid() else None
        if encoder is None:
            card = preset_card(preset, Encoder.objects.values_list("slug", flat=True))
            context = {"form": form, "card": card, "title": _("Add an encoder")}
            return self._page(request, "encoder_settings.html", context)
        self.log_addition(request, encoder, [{"added": {}}])
        messages.success(request, _("%(name)s was added. Start a job to embed the items.") % {"name": encoder.title})
        return redirect("admin:embeddings_encoder_change", encoder.pk)

    # ---- one encoder

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        encoder = self.get_object(request, object_id)
        if not self.has_view_permission(request, encoder):
            raise PermissionDenied
        if encoder is None:
            raise Http404
        context = {"title": encoder.title, "encoder": encoder, "original": encoder, **encoder_page(request, encoder)}
        return self._page(request, "encoder.html", context)

    def start_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        encoder = self._allowed(request, pk, "embeddings.add_embeddingjob")
        scope = request.POST.get("scope", "")
        if scope not in START_SCOPES:
            messages.error(request, _("Choose which items to embed."))
            return redirect("admin:embeddings_encoder_change", pk)
        job = start_job(encoder=encoder, scope=scope, user=person(request))
        return job_started(request, job)

    def activate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        encoder = self._allowed(request, pk, "embeddings.activate_encoder")
        try:
            activate_encoder(encoder=encoder, user=person(request))
        except ActivationRefused as refusal:
            for reason in refusal.reasons:
                messages.error(request, _("Not put to use: %(reason)s") % {"reason": reason})
        else:
            messages.success(request, _("%(name)s serves the searches from now on.") % {"name": encoder.title})
        return redirect("admin:embeddings_encoder_change", pk)

    def index_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        self._allowed(request, pk, "embeddings.activate_encoder")
        if build_indexes_soon():
            messages.success(request, _("The cpu worker builds the index. Searches go on meanwhile."))
        else:
            messages.error(request, _("The message broker does not answer. Start it (manage.py up starts all)."))
        return redirect("admin:embeddings_encoder_change", pk)

    # ---- away with it

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """What goes with an encoder, counted in the database: its vectors may be hundreds of thousands."""
        (encoder,) = objs
        counts = {
            str(_("vectors")): encoder.embeddings.count(),
            str(EmbeddingJob._meta.verbose_name_plural): encoder.jobs.count(),
        }
        perms = set() if self.has_delete_permission(request, encoder) else {str(Encoder._meta.verbose_name)}
        return (
            [encoder.title],
            counts,
            perms,
            [part.encoder.title for part in encoder.used_in.select_related("encoder")],
        )

    def delete_model(self, request: HttpRequest, obj: Encoder) -> None:
        delete_encoder(encoder=obj)

    # ---- parts

    def _allowed(self, request: HttpRequest, pk: int, permission: str) -> Encoder:
        if not request.user.has_perm(permission):
            raise PermissionDenied
        return get_object_or_404(Encoder, pk=pk)


def encoder_page(request: HttpRequest, encoder: Encoder) -> dict[str, Any]:
    covered = recent_coverage(encoder)
    check = "check" in request.GET or covered.embedded + covered.stale <= HEALTH_AT_ONCE
    return {
        "covered": covered,
        "parts": coverage_parts(covered),
        "scopes": [(scope, amount) for scope, amount in _scopes(covered) if amount],
        "health": vector_health(encoder) if check and covered.total else None,
        "index": index_state(encoder),
        "wants_index": wants_index(encoder),
        "jobs": with_progress(encoder.jobs.select_related("encoder")[:SHOWN_JOBS]),
        "spec": specification(encoder),
        "part_list": encoder.parts.select_related("part"),
        "may_delete": request.user.has_perm("embeddings.delete_encoder"),
    }


def _scopes(covered: Any) -> list[tuple[EmbeddingJob.Scope, int]]:
    amounts = (covered.missing + covered.stale + covered.quarantined, covered.total, covered.quarantined)
    return list(zip(START_SCOPES, amounts, strict=True))


def job_started(request: HttpRequest, job: EmbeddingJob) -> HttpResponse:
    """To the job's page, or back with a word where there was nothing to do."""
    total = job.items.count()
    if not total:
        messages.info(request, _("There was nothing to embed: every item of this choice has a current vector."))
    else:
        text = ngettext("The job started with %(n)s item.", "The job started with %(n)s items.", total)
        messages.success(request, text % {"n": total})
    return redirect("admin:embeddings_embeddingjob_change", job.pk)
