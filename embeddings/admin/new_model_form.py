"""What the forms of a new encoder and of a new reranker have in common."""

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from embeddings.models import ENCODER_SLUG

INPUT = {"class": "ib-input"}
SELECT = {"class": "ib-select"}


class NewModelForm(forms.Form):
    """Slug, name and, where this machine knows one, the server."""

    slug_help: ClassVar[Any]

    slug = forms.CharField(
        label=_("slug"),
        max_length=100,
        required=False,
        validators=[ENCODER_SLUG],
        widget=forms.TextInput(attrs=INPUT),
    )
    name = forms.CharField(label=_("name"), max_length=200, required=False, widget=forms.TextInput(attrs=INPUT))
    server = forms.ChoiceField(label=_("model server"), required=False, widget=forms.Select(attrs=SELECT))

    def __init__(self, data: Any = None, initial: Any = None) -> None:
        super().__init__(data, initial=initial)
        self.fields["slug"].help_text = self.slug_help
        servers = [(name, f"{name} ({address})") for name, address in settings.MODEL_SERVERS.items()]
        none = ("", _("none: the worker loads the weights"))
        self.fields["server"].choices = [none, *servers]  # type: ignore[attr-defined]
        if not servers:
            del self.fields["server"]

    def refuse(self, refusal: ValidationError) -> None:
        """Shows what the service refused beside the fields that it is about."""
        errors = refusal.message_dict if hasattr(refusal, "error_dict") else {"": refusal.messages}
        for name, reasons in errors.items():
            self.add_error(name if name in self.fields else None, list(reasons))
