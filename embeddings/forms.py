"""The form of the search page: the one place where parameters become SearchRequests, and an address again."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import QueryDict
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from embeddings.filter_fields import Facet, ValuesField, facets
from embeddings.method_form import DEFAULT_METHOD, MethodForm, Models
from embeddings.search.types import FILTER_FIELDS, MAX_K, MAX_TEXT_CHARACTERS, Filters, SearchRequest
from itembank.bank import FilterOptions

DEFAULT_K = 10
MAX_IMAGE_MIB = 10
MAX_KEPT_BYTES = 2 * 1024 * 1024
"""Of a query image that the page carries along, so that another filter does not ask for the picture again."""

SECOND = "b"
"""The prefix of the second column's settings."""

Parameters = list[tuple[str, str]]


class SearchForm(forms.Form):
    """What to look for and where. `columns` say how: one method, or two with `compare`."""

    text = forms.CharField(
        label=_("Text"),
        required=False,
        max_length=MAX_TEXT_CHARACTERS,
        widget=forms.Textarea(attrs={"class": "ib-input", "rows": 2}),
    )
    formula = forms.CharField(
        label=_("Formula"),
        required=False,
        max_length=MAX_TEXT_CHARACTERS,
        widget=forms.TextInput(
            attrs={"class": "ib-input ib-mono", "placeholder": r"\frac{1}{2}x+3", "spellcheck": "false"}
        ),
    )
    image = forms.FileField(
        label=_("Image"),
        required=False,
        widget=forms.FileInput(attrs={"accept": "image/png,image/jpeg,image/webp,image/gif"}),
    )
    image_kept = forms.CharField(required=False, widget=forms.HiddenInput)
    without_image = forms.BooleanField(required=False)
    item = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)
    k = forms.IntegerField(
        label=_("Results"),
        required=False,
        min_value=1,
        max_value=MAX_K,
        widget=forms.NumberInput(attrs={"class": "ib-input"}),
    )
    apart = forms.BooleanField(label=_("Leave out the same text with other numbers"), required=False)
    compare = forms.BooleanField(label=_("Compare two methods side by side"), required=False)

    def __init__(self, data: QueryDict, files: Any = None, *, options: FilterOptions) -> None:
        given = data.copy()
        given.setdefault("k", str(DEFAULT_K))
        super().__init__(given, files)
        self.options, self.models = options, Models()
        for name in FILTER_FIELDS:
            self.fields[name] = ValuesField(required=False)
        self.first = MethodForm(given, models=self.models)
        other = "lexical" if self.first.method_name == DEFAULT_METHOD else DEFAULT_METHOD
        self.second = MethodForm(given, models=self.models, default=other, prefix=SECOND)
        if not self.has_query():
            self.fields["text"].widget.attrs["autofocus"] = True

    def has_query(self) -> bool:
        """Whether anything is asked; filters and settings alone are no query."""
        given = any(str(self.data.get(name) or "").strip() for name in ("text", "formula", "item", "image_kept"))
        return given or bool(self.files.get("image"))

    def clean_image(self) -> Any:
        image = self.cleaned_data["image"]
        if image and image.size > MAX_IMAGE_MIB * 1024 * 1024:
            raise forms.ValidationError(_("The image is larger than %(limit)s MiB.") % {"limit": MAX_IMAGE_MIB})
        return image

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        data["picture"] = self._picture()
        return data

    def _picture(self) -> bytes | None:
        """The bytes of the query image: the one just chosen, or that of the search before."""
        if chosen := self.cleaned_data.get("image"):
            return bytes(chosen.read())
        if self.cleaned_data.get("without_image"):
            return None
        try:
            return base64.b64decode(self.cleaned_data.get("image_kept") or "", validate=True) or None
        except (ValueError, binascii.Error):
            return None

    def kept(self) -> str:
        """The query image for the page to carry along; nothing where it is too large for that."""
        picture = self.cleaned_data.get("picture") or b""
        return base64.b64encode(picture).decode() if len(picture) <= MAX_KEPT_BYTES else ""

    # ---- requests

    @property
    def columns(self) -> list[MethodForm]:
        return [self.first, self.second] if self.cleaned_data.get("compare") else [self.first]

    def request(self, column: MethodForm) -> SearchRequest:
        """The search of a column whose form is valid. Raises SearchError."""
        data = self.cleaned_data
        return SearchRequest(
            text=data["text"],
            formula=data["formula"],
            image=data["picture"],
            item_code=data["item"] or None,
            filters=Filters.parse(f"{name}={value}" for name, value in self._filters()),
            k=data["k"] or DEFAULT_K,
            leave_out_near_duplicates=data["apart"],
            **column.settings(),
        )

    # ---- addresses

    def link(self) -> str:
        """The query string that asks the same again; nothing where an image is asked with, or a setting is wrong."""
        if self.cleaned_data["picture"] or not all(column.is_valid() for column in self.columns):
            return ""
        return urlencode([*self._asked(), *self._filters(), *self._settings()])

    def links_without(self) -> Iterator[tuple[Facet, str, str]]:
        """Each value that is filtered by: its facet, its label, and the query string without it."""
        for facet in self.facets:
            for value, label in facet.ticked:
                others = [pair for pair in self._filters() if pair != (facet.name, value)]
                yield facet, label, urlencode([*self._asked(), *others, *self._settings()])

    def link_unfiltered(self) -> str:
        return urlencode([*self._asked(), *self._settings()])

    def link_similar(self, code: str) -> str:
        """The query string that asks for what is similar to an item: the same way, in the whole bank."""
        return urlencode([("item", code), *self._settings()])

    def _asked(self) -> Parameters:
        return [(name, value) for name in ("text", "formula", "item") if (value := self.cleaned_data.get(name))]

    def _filters(self) -> Parameters:
        return [(name, value) for name in FILTER_FIELDS for value in self.cleaned_data.get(name, ())]

    def _settings(self) -> Parameters:
        data = self.cleaned_data
        plain: Mapping[str, Any] = {
            "k": "" if data.get("k") == DEFAULT_K else data.get("k"),
            "apart": data.get("apart"),
            "compare": data.get("compare"),
        }
        shared = [(name, "1" if value is True else str(value)) for name, value in plain.items() if value]
        valid = [column for column in self.columns if column.is_valid()]
        return [*shared, *(pair for column in valid for pair in column.parameters())]

    # ---- for the page

    @cached_property
    def facets(self) -> list[Facet]:
        chosen = {name: self[name].value() or [] for name in FILTER_FIELDS}
        return facets(
            self.options, {name: [each for each in values if each.strip()] for name, values in chosen.items()}
        )

    def filter_count(self) -> int:
        return sum(len(facet.ticked) for facet in self.facets)
