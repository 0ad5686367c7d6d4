"""Rerankers: which there are, a new one from a preset with its own instruction, and where they are switched off."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from embeddings.admin.new_model_form import INPUT, SELECT, NewModelForm
from embeddings.encoders.errors import EncoderError
from embeddings.encoders.precision import PRECISIONS
from embeddings.models import Reranker
from embeddings.reranker_services import create_reranker, switch_on
from embeddings.rerankers.presets import RERANKER_PRESETS, RETRIEVE
from itembank.admin.base import ModelAdmin, person

SHOWN_CHARACTERS = 80


class RerankerForm(NewModelForm):
    """A preset and what may differ from it. `create()` makes the row."""

    slug_help = gettext_lazy("Commands call it by this. Empty: the model's.")
    field_order = ("preset", "slug", "name", "instruction", "precision", "server")

    preset = forms.ChoiceField(
        label=gettext_lazy("model"), choices=[(slug, slug) for slug in RERANKER_PRESETS], widget=forms.RadioSelect
    )
    instruction = forms.CharField(
        label=gettext_lazy("instruction"),
        initial=RETRIEVE,
        help_text=gettext_lazy("What makes a hit a good one. The model was trained with instructions in English."),
        widget=forms.Textarea(attrs=INPUT | {"rows": 2}),
    )
    precision = forms.ChoiceField(
        label=gettext_lazy("precision"),
        choices=[(name, name) for name in PRECISIONS],
        help_text=gettext_lazy("auto: what the GPU of its first use computes in"),
        widget=forms.Select(attrs=SELECT),
    )

    def create(self) -> Reranker | None:
        """The reranker; None where it was refused, which is then an error of the form."""
        try:
            return create_reranker(**self.cleaned_data)
        except ValidationError as error:
            self.refuse(error)
        except EncoderError as error:
            self.add_error(None, str(error))
        return None


@admin.register(Reranker)
class RerankerAdmin(ModelAdmin[Reranker]):
    list_display = ("shown_name", "slug", "model_id", "precision", "shown_instruction", "switched_off")
    list_display_links = ("shown_name", "slug")
    sortable_by = ()
    actions = None
    list_fullwidth = True
    fields = ("slug", "name", *Reranker.SPEC_FIELDS, "fingerprint", "created_at")
    change_form_outer_before_template = "embeddings/rerank_exceptions.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.switch_on_view))
        return [path("<int:pk>/switch-on/", view, name="embeddings_reranker_switch_on"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Reranker]:
        return super().get_queryset(request).annotate(exception_count=Count("exceptions"))

    def has_change_permission(self, request: HttpRequest, obj: Reranker | None = None) -> bool:
        return False  # another setting is another reranker

    @admin.display(description=gettext_lazy("name"))
    def shown_name(self, reranker: Reranker) -> str:
        return reranker.title

    @admin.display(description=gettext_lazy("instruction"))
    def shown_instruction(self, reranker: Reranker) -> str:
        return Truncator(reranker.instruction).chars(SHOWN_CHARACTERS)

    @admin.display(description=gettext_lazy("switched off"))
    def switched_off(self, reranker: Any) -> str:
        count = reranker.exception_count
        return ngettext("for %(n)s slice", "for %(n)s slices", count) % {"n": count} if count else "–"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        reranker = self.get_object(request, unquote(object_id))
        found = reranker.exceptions.select_related("created_by") if reranker else ()
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "exceptions": found})

    def switch_on_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not request.user.has_perm("embeddings.change_reranker"):
            raise PermissionDenied
        reranker = get_object_or_404(Reranker, pk=pk)
        wanted = request.POST.get("exception", "")
        exception = next((each for each in reranker.exceptions.all() if str(each.pk) == wanted), None)
        if exception is None:
            messages.info(request, _("It is switched on there already."))
        else:
            switch_on(reranker=reranker, field=exception.field, value=exception.value, user=person(request))
            words = _("%(name)s is switched on again for %(slice)s.")
            messages.success(request, words % {"name": reranker.title, "slice": exception.shown_slice})
        return redirect("admin:embeddings_reranker_change", pk)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = RerankerForm(request.POST or None)
        reranker = form.create() if form.is_valid() else None
        if reranker is None:
            return self._add_page(request, form)
        self.log_addition(request, reranker, [{"added": {}}])
        messages.success(request, _("%(name)s was added.") % {"name": reranker.title})
        return redirect("admin:embeddings_reranker_change", reranker.pk)

    def _add_page(self, request: HttpRequest, form: RerankerForm) -> HttpResponse:
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": _("Add a reranker"),
            "form": form,
            "presets": RERANKER_PRESETS.values(),
            "settings_fields": [field for field in form if field.name != "preset"],
        }
        return TemplateResponse(request, "embeddings/add_reranker.html", context)
