"""The form of an item."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput
from django.utils.datastructures import MultiValueDict
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from itembank.canonical import normalise_text
from itembank.models import Item, ItemImage
from itembank.uploads import strict_json, values

SPARE_CHOICES = 1
FEWEST_CHOICES = 5


def as_uploaded(text: str) -> str:
    """The text as an upload brings it. Raises ValidationError on a character that no field may hold."""
    text = values.cleaned(text)
    character = values.control_character(text)
    if character:
        message = _("It contains the control character {character}. Remove it.")
        raise ValidationError(format_lazy(message, character=character), "control-character")
    return normalise_text(text)


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
        choices = [as_uploaded(str(choice)) for choice in value or []]
        while choices and not choices[-1]:
            choices.pop()
        return choices

    def has_changed(self, initial: Any, data: Any) -> bool:
        return list(initial or []) != self.clean(data)


class MetadataField(forms.JSONField):
    """An object, by the rules of an upload; an empty box is an empty object."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, dict):
            return value
        try:
            decoded = strict_json.decode(value) if (value or "").strip() else {}
        except strict_json.StrictJSONError as error:
            raise ValidationError(error.message, error.code) from error
        if not isinstance(decoded, dict):
            raise ValidationError(_('This must be an object: {"name": value}.'), "wrong-type")
        return decoded

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What is refused is shown again as it was typed."""
        try:
            return self.to_python(data)
        except ValidationError:
            return InvalidJSONInput(data)


class ItemForm(forms.ModelForm[Item]):
    choices = ChoicesField(label=_("Choices"), required=False)
    opened_hash = forms.CharField(widget=forms.HiddenInput, required=False)
    """The record hash of the item when the page was opened: who saves has seen what the save replaces."""

    class Meta:
        model = Item
        fields = "__all__"  # noqa: DJ007  the admin's fieldsets name them
        field_classes = {"metadata": MetadataField}

    def get_initial_for_field(self, field: forms.Field, field_name: str) -> Any:
        if field_name == "opened_hash":
            return self.instance.record_hash
        return super().get_initial_for_field(field, field_name)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self._refuse_outdated()
        self._clean_texts()
        if "choices" in cleaned:
            cleaned["choices"] = self._with_places_of_images(cleaned["choices"])
        if "text" in cleaned and not cleaned["text"] and not self._images(ItemImage.Role.QUESTION):
            self.add_error("text", _("An item needs a text or a question image."))
        return cleaned

    def _refuse_outdated(self) -> None:
        """Locks the item until the admin, which saves in the same transaction, is done."""
        if not self.instance.pk:
            return
        stored = Item.objects.select_for_update(no_key=True).filter(pk=self.instance.pk)
        if stored.values_list("record_hash", flat=True).first() != self.cleaned_data.get("opened_hash"):
            message = _("This item was changed since you opened it. Open its page again and repeat your edit.")
            self.add_error(None, message)

    def _clean_texts(self) -> None:
        for name, value in list(self.cleaned_data.items()):
            if isinstance(value, str):
                try:
                    self.cleaned_data[name] = as_uploaded(value)
                except ValidationError as error:
                    self.add_error(name, error)

    def _with_places_of_images(self, choices: list[str]) -> list[str]:
        """A choice that is an image has no text, but keeps its place. Where all are images, there may be no list."""
        if not choices and not self.instance.choices:
            return []
        places = [image.position + 1 for image in self._images(ItemImage.Role.CHOICE)]
        return choices + [""] * (max(places, default=0) - len(choices))

    def _images(self, role: str) -> list[ItemImage]:
        return [image for image in self.instance.images.all() if image.role == role] if self.instance.pk else []
