"""The form of an item."""

from typing import Any

from django import forms
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy as _

from itembank.canonical import normalise_text
from itembank.models import Item, ItemImage

SPARE_CHOICES = 1
FEWEST_CHOICES = 5


class ChoicesWidget(forms.Widget):
    """One text box a choice, all of one name, in order."""

    template_name = "itembank/choices_widget.html"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        choices = list(value or [])
        spare = max(SPARE_CHOICES, FEWEST_CHOICES - len(choices))
        return super().get_context(name, choices, attrs) | {"boxes": choices + [""] * spare}

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        return data.getlist(name) if isinstance(data, MultiValueDict) else data.get(name, [])

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return name not in data


class ChoicesField(forms.Field):
    """A list of strings. Empty boxes at the end are dropped; one in the middle holds its place."""

    widget = ChoicesWidget

    def clean(self, value: Any) -> list[str]:
        choices = [normalise_text(str(choice)) for choice in value or []]
        while choices and not choices[-1]:
            choices.pop()
        return choices

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.clean(initial) != self.clean(data)


class ItemForm(forms.ModelForm[Item]):
    choices = ChoicesField(label=_("Choices"), required=False)

    class Meta:
        model = Item
        fields = "__all__"  # noqa: DJ007  the admin's fieldsets name them

    def clean_text(self) -> str:
        return normalise_text(self.cleaned_data["text"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        cleaned["choices"] = self._with_places_of_images(cleaned.get("choices", []))
        if not cleaned.get("text") and not self._images(ItemImage.Role.QUESTION):
            self.add_error("text", _("An item needs a text or a question image."))
        return cleaned

    def _with_places_of_images(self, choices: list[str]) -> list[str]:
        """A choice that is an image has no text, but keeps its place."""
        places = [image.position + 1 for image in self._images(ItemImage.Role.CHOICE)]
        return choices + [""] * (max(places, default=0) - len(choices))

    def _images(self, role: str) -> list[ItemImage]:
        return [image for image in self.instance.images.all() if image.role == role] if self.instance.pk else []
