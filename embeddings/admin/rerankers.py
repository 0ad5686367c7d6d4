"""Rerankers: which there are, and a new one from a preset with its own instruction."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from embeddings.encoders.errors import EncoderError
from embeddings.encoders.precision import PRECISIONS
from embeddings.models import ENCODER_SLUG, Reranker
from embeddings.reranker_services import create_reranker
from embeddings.rerankers.presets import RERANKER_PRESETS, RETRIEVE
from itembank.admin.base import ModelAdmin

SHOWN_CHARACTERS = 80
_INPUT = {"class": "ib-input"}
_SELECT = {"class": "ib-select"}


class RerankerForm(forms.Form):
    """A preset and what may differ from it. `create()` makes the row."""

    preset = forms.ChoiceField(
        label=gettext_lazy("model"), choices=[(slug, slug) for slug in RERANKER_PRESETS], widget=forms.RadioSelect
    )
    slug = forms.CharField(
        label=gettext_lazy("slug"),
        max_length=100,
        required=False,
        validators=[ENCODER_SLUG],
        help_text=gettext_lazy("Commands call it by this. Empty: the model's."),
        widget=forms.TextInput(attrs=_INPUT),
    )
    name = forms.CharField(
        label=gettext_lazy("name"), max_length=200, required=False, widget=forms.TextInput(attrs=_INPUT)
    )
    instruction = forms.CharField(
        label=gettext_lazy("instruction"),
        initial=RETRIEVE,
        help_text=gettext_lazy("What makes a hit a good one. The model was trained with instructions in English."),
        widget=forms.Textarea(attrs=_INPUT | {"rows": 2}),
    )
    precision = forms.ChoiceField(
        label=gettext_lazy("precision"),
        choices=[(name, name) for name in PRECISIONS],
        help_text=gettext_lazy("auto: what the GPU of its first use computes in"),
        widget=forms.Select(attrs=_SELECT),
    )
    server = forms.ChoiceField(label=gettext_lazy("model server"), required=False, widget=forms.Select(attrs=_SELECT))

    def __init__(self, data: Any = None) -> None:
        super().__init__(data)
        servers = [(name, f"{name} ({address})") for name, address in settings.MODEL_SERVERS.items()]
        none = ("", _("none: the worker loads the weights"))
        self.fields["server"].choices = [none, *servers]  # type: ignore[attr-defined]
        if not servers:
            del self.fields["server"]

    def create(self) -> Reranker | None:
        """The reranker; None where it was refused, which is then an error of the form."""
        try:
            return create_reranker(**self.cleaned_data)
        except ValidationError as error:
            for name, reasons in error.message_dict.items():
                self.add_error(name if name in self.fields else None, list(reasons))
        except EncoderError as error:
            self.add_error(None, str(error))
        return None


@admin.register(Reranker)
class RerankerAdmin(ModelAdmin[Reranker]):
    list_display = ("shown_name", "slug", "model_id", "precision", "shown_instruction")
    list_display_links = ("shown_name", "slug")
    sortable_by = ()
    actions = None
    list_fullwidth = True
    fields = ("slug", "name", *Reranker.SPEC_FIELDS, "fingerprint", "created_at")

    def has_change_permission(self, request: HttpRequest, obj: Reranker | None = None) -> bool:
        return False  # another setting is another reranker

    @admin.display(description=gettext_lazy("name"))
    def shown_name(self, reranker: Reranker) -> str:
        return reranker.title

    @admin.display(description=gettext_lazy("instruction"))
    def shown_instruction(self, reranker: Reranker) -> str:
        return Truncator(reranker.instruction).chars(SHOWN_CHARACTERS)

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
