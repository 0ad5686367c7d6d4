"""The form of the search page."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from embeddings.models import Encoder
from embeddings.search.types import FILTER_FIELDS, MAX_K, MAX_TEXT_CHARACTERS, Filters, SearchRequest
from itembank.bank import FilterOptions, value_choices
from itembank.models import Item

DEFAULT_K = 10
METHOD_CHOICES = [
    ("", _("By meaning (vectors)")),
    ("lexical", _("By words")),
    ("hybrid", _("By both (scores)")),
    ("rrf", _("By both (ranks)")),
]
MAX_IMAGE_MIB = 10


class SearchForm(forms.Form):
    """What to look for. `request()` raises SearchError where the parts make no query."""

    text = forms.CharField(
        label=_("Text"),
        required=False,
        max_length=MAX_TEXT_CHARACTERS,
        widget=forms.Textarea(attrs={"class": "ib-input", "rows": 2, "autofocus": True}),
    )
    image = forms.FileField(
        label=_("Image"),
        required=False,
        widget=forms.FileInput(attrs={"accept": "image/png,image/jpeg,image/webp,image/gif"}),
    )
    item = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)
    k = forms.IntegerField(
        label=_("Results"),
        required=False,
        min_value=1,
        max_value=MAX_K,
        initial=DEFAULT_K,
        widget=forms.NumberInput(attrs={"class": "ib-input"}),
    )
    method = forms.ChoiceField(label=_("Method"), required=False, choices=METHOD_CHOICES)
    apart = forms.BooleanField(label=_("Leave out the same text with other numbers"), required=False)
    encoder = forms.CharField(label=_("Encoder"), required=False)
    exact = forms.BooleanField(label=_("Compare with every vector (exact, slower)"), required=False)

    def __init__(self, *args: Any, options: FilterOptions, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in FILTER_FIELDS:
            label = Item._meta.get_field(name).verbose_name  # type: ignore[union-attr]
            self.fields[name] = forms.CharField(label=label, required=False, widget=_select(_choices(name, options)))
        # A large bank has thousands of units: typed, with the known ones offered.
        self.fields["unit"].widget = forms.TextInput(attrs={"class": "ib-input", "list": "units", "maxlength": 200})
        self.units = options.unit
        # By both needs an encoder, where one could be chosen; links to it stay valid and are answered with what to do.
        self.fields["method"].widget = _select(METHOD_CHOICES if Encoder.objects.exists() else METHOD_CHOICES[:2])
        self.fields["encoder"].widget = _select(_encoder_choices())

    def clean_image(self) -> Any:
        image = self.cleaned_data["image"]
        if image and image.size > MAX_IMAGE_MIB * 1024 * 1024:
            raise forms.ValidationError(_("The image is larger than %(limit)s MiB.") % {"limit": MAX_IMAGE_MIB})
        return image

    def request(self) -> SearchRequest:
        data = self.cleaned_data
        return SearchRequest(
            text=data["text"],
            image=data["image"].read() if data["image"] else None,
            item_code=data["item"] or None,
            method=data["method"] or "dense",
            encoder=data["encoder"] or None,
            filters=Filters.parse(f"{name}={data[name]}" for name in FILTER_FIELDS if data[name]),
            k=data["k"] or DEFAULT_K,
            exact=data["exact"],
            leave_out_near_duplicates=data["apart"],
        )

    def link(self) -> dict[str, str]:
        """The query string that asks the same again; an image has none."""
        given = {name: value for name, value in self.cleaned_data.items() if value and name != "image"}
        return {name: "1" if value is True else str(value) for name, value in given.items() if value != DEFAULT_K}

    def filter_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in FILTER_FIELDS]

    def has_filters(self) -> bool:
        return any(self[name].value() for name in FILTER_FIELDS)


def _select(choices: list[tuple[str, Any]]) -> forms.Select:
    return forms.Select(attrs={"class": "ib-select"}, choices=choices)


def _choices(name: str, options: FilterOptions) -> list[tuple[str, Any]]:
    known = Item.ItemCategory.choices if name == "category" else value_choices(options, name)
    return [("", _("All")), *known]


def _encoder_choices() -> list[tuple[str, Any]]:
    encoders = list(Encoder.objects.all())
    active = next((encoder for encoder in encoders if encoder.is_active), None)
    default = _("In use: %(name)s") % {"name": active.title} if active else _("None in use")
    return [("", default), *((encoder.slug, encoder.title) for encoder in encoders if not encoder.is_active)]
