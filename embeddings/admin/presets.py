"""Presets and specifications in the words of the pages."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from django.db.models import Field
from django.utils.translation import gettext as _

from embeddings.encoders.choices import Weights, parse_pixels, weights_of, write_pixels
from embeddings.encoders.presets import PRESETS, Preset
from embeddings.models import Encoder

REVISION_SHOWN = 20
"""Characters of a revision on the page: enough to tell commits apart; the rest is in its title."""


@dataclass(frozen=True, slots=True)
class PresetCard:
    """A preset as the page offers it; `taken` where an encoder of its slug is there already."""

    preset: Preset
    weights: Weights
    taken: bool


def preset_card(preset: Preset, slugs: Iterable[str]) -> PresetCard:
    return PresetCard(preset, weights_of(preset), preset.slug in slugs)


def preset_groups() -> list[tuple[str, list[PresetCard]]]:
    """All presets: those that run as they are, then those that need weights."""
    slugs = set(Encoder.objects.values_list("slug", flat=True))
    cards = [preset_card(preset, slugs) for preset in PRESETS.values()]
    return [
        (_("Run here without a download"), [card for card in cards if not card.weights.needed]),
        (_("Need the model's weights"), [card for card in cards if card.weights.needed]),
    ]


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of a specification; `whole` where the value is cut for the page."""

    label: str
    value: str
    whole: str = ""


def specification(encoder: Encoder) -> list[Fact]:
    """The fields that define the space, in the words of the page; those that say nothing are left out."""
    fields = [cast("Field[Any, Any]", Encoder._meta.get_field(name)) for name in Encoder.SPEC_FIELDS]
    shown = [field for field in fields if field.name not in ("modality", "options") and getattr(encoder, field.name)]
    facts = [Fact(str(_("modality")), str(encoder.get_modality_display()))]
    facts += [_fact(encoder, field) for field in shown]
    return facts + list(_option_facts(encoder))


def _fact(encoder: Encoder, field: "Field[Any, Any]") -> Fact:
    value, label = getattr(encoder, field.name), str(field.verbose_name)
    if field.name == "revision" and len(value) > REVISION_SHOWN:
        return Fact(label, f"{value[:REVISION_SHOWN]}…", value)
    if field.name == "precision" and value == "auto":
        return Fact(label, _("auto: fixed when it is first used"))
    if field.name in ("min_pixels", "max_pixels") and value == parse_pixels(square := write_pixels(value)):
        return Fact(label, f"{square} ({value})")
    return Fact(label, str(value))


def _option_facts(encoder: Encoder) -> Iterator[Fact]:
    names = {"server": _("model server"), "text_queries": _("queries by text")}
    for name, value in encoder.options.items():
        yield Fact(str(names.get(name, name)), _("yes") if value is True else str(value))
