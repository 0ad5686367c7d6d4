"""The form of a new encoder: the settings that its preset has, filled in as the preset has them."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from embeddings.admin.new_model_form import INPUT, SELECT, NewModelForm
from embeddings.encoders.choices import (
    SettingError,
    checked_settings,
    default_name,
    parse_pixels,
    settings_of,
    write_pixels,
)
from embeddings.encoders.errors import EncoderError, ModelUnavailable
from embeddings.encoders.precision import PRECISIONS
from embeddings.encoders.presets import PRESETS, Preset
from embeddings.models import Encoder
from embeddings.services import create_encoder

PRECISION_WORDS = {
    "auto": _("auto: what the GPU of its first use computes in, bf16 or fp16; fp32 without a GPU"),
    "fp32": _("fp32: exact, 4 bytes a weight"),
    "fp16": _("fp16: 2 bytes a weight, on every GPU"),
    "bf16": _("bf16: 2 bytes a weight, on GPUs from Ampere (RTX 30, A100) on"),
    "nf4": _("nf4: about a third of fp16, slightly different vectors; for GPUs that fp16 does not fit"),
}
_WIDE = {"class": "ib-input", "rows": 1}


class PixelsField(forms.CharField):
    """Pixels written as "512x512"; its value is their number."""

    def to_python(self, value: Any) -> Any:
        written = super().to_python(value)
        try:
            return parse_pixels(written) if written else None
        except ValueError as error:
            raise ValidationError(str(error)) from error


def _text(label: Any, help_text: Any = "") -> forms.CharField:
    # Not stripped: models are trained with the space after "query: ".
    widget = forms.Textarea(attrs=_WIDE)
    return forms.CharField(label=label, required=False, strip=False, help_text=help_text, widget=widget)


def _number(label: Any, help_text: Any = "") -> forms.IntegerField:
    widget = forms.NumberInput(attrs=INPUT)
    return forms.IntegerField(label=label, required=False, min_value=1, help_text=help_text, widget=widget)


def _pixels(label: Any) -> PixelsField:
    return PixelsField(label=label, required=False, widget=forms.TextInput(attrs=INPUT | {"style": "max-width: 10rem"}))


def _choice(label: Any, choices: list[tuple[str, Any]], help_text: Any = "") -> forms.ChoiceField:
    widget = forms.Select(attrs=SELECT)
    return forms.ChoiceField(label=label, required=False, choices=choices, help_text=help_text, widget=widget)


_SETTINGS = {
    "server", "precision", "document_instruction", "query_instruction", "max_length", "min_pixels", "max_pixels",
    "dimensions",
}  # fmt: skip


class EncoderForm(NewModelForm):
    """The settings of one preset. An empty instruction is none; elsewhere empty means "as the preset has it"."""

    slug_help = _("Commands call it by this. It cannot be changed later.")

    precision = _choice(_("precision"), [(name, PRECISION_WORDS[name]) for name in PRECISIONS])
    document_instruction = _text(_("instruction for documents"))
    query_instruction = _text(_("instruction for queries"))
    max_length = _number(_("longest text (tokens)"), _("What is longer is cut."))
    min_pixels = _pixels(_("fewest pixels"))
    max_pixels = _pixels(_("most pixels"))
    dimensions = _number(_("dimensions"), _("Fewer make searches faster and a little less exact. Empty: all."))

    def __init__(self, preset: Preset, data: Any = None) -> None:
        super().__init__(data, initial=_initial(preset))
        self.preset = preset
        self.fields["name"].widget.attrs["placeholder"] = str(preset.name)
        for name in _SETTINGS - set(settings_of(preset)):
            self.fields.pop(name, None)
        self.fields |= dict(_weight_fields(preset))

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"] or self.preset.slug
        if Encoder.objects.filter(slug=slug).exists():
            raise ValidationError(_("There is an encoder of this slug already; choose another."))
        return slug

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        try:
            self.chosen = checked_settings(self.preset, dict(self._given()))
        except SettingError as error:
            self.add_error(self._field_of(error.setting), str(error))
        return cleaned

    def create(self) -> Encoder | None:
        """The encoder; None where it was refused, which is then an error of the form."""
        slug = self.cleaned_data["slug"]
        name = self.cleaned_data["name"] or default_name(self.preset, slug)
        try:
            return create_encoder(preset=self.preset.slug, slug=slug, name=name, **self.chosen)
        except ValidationError as error:
            self.refuse(error)
        except EncoderError as error:
            self.add_error(self._concerned(error), str(error))
        return None

    def _given(self) -> Iterator[tuple[str, Any]]:
        """The settings that were sent and are right; an instruction may be empty."""
        for name in _SETTINGS & set(self.cleaned_data) & set(self.data):
            value = self.cleaned_data[name]
            if name.endswith("_instruction"):
                yield name, value.replace("\r\n", "\n")
            elif value not in (None, ""):
                yield name, value
        if weights := [self._weight(name, field) for name, field in _weight_fields(self.preset)]:
            yield "weights", weights

    def _weight(self, name: str, field: forms.Field) -> float:
        given = self.cleaned_data.get(name)
        return float(field.initial if given is None else given)

    def _field_of(self, setting: str) -> str | None:
        name = "weight_0" if setting == "weights" else setting
        return name if name in self.fields else None

    def _concerned(self, error: EncoderError) -> str | None:
        """The field of an error that only the model's files or its server could show."""
        if "server" in self.chosen:
            return "server"
        return "dimensions" if "dimensions" in self.chosen and not isinstance(error, ModelUnavailable) else None


def _weight_fields(preset: Preset) -> Iterator[tuple[str, forms.Field]]:
    for position, (part, weight) in enumerate(preset.parts):
        widget = forms.NumberInput(attrs=INPUT | {"step": "any"})
        label = _("weight of %(part)s") % {"part": PRESETS[part].name}
        yield (
            f"weight_{position}",
            forms.FloatField(label=label, required=False, min_value=0, initial=weight, widget=widget),
        )


def _initial(preset: Preset) -> dict[str, Any]:
    draft = preset.draft
    return {
        "slug": free_slug(preset.slug),
        "precision": draft.precision,
        "document_instruction": draft.document_instruction,
        "query_instruction": draft.query_instruction,
        "max_length": draft.max_length,
        "min_pixels": write_pixels(draft.min_pixels),
        "max_pixels": write_pixels(draft.max_pixels),
    }


def free_slug(preset: str) -> str:
    """The preset's slug, or the first of preset-2, preset-3, .. that no encoder has."""
    taken = set(Encoder.objects.filter(slug__startswith=preset).values_list("slug", flat=True))
    number = 2
    slug = preset
    while slug in taken:
        slug, number = f"{preset}-{number}", number + 1
    return slug
