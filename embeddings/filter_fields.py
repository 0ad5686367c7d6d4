"""The filters of the search page: each field with the values that the bank offers for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms

from embeddings.search.types import FILTER_FIELDS
from itembank.bank import FilterOptions, value_choices
from itembank.models import Item

LISTED = 30
"""Values that a field shows as boxes to tick. Those of a field with more are typed, with suggestions."""

SUGGESTED = 100
"""Suggestions that the page carries; others come as one types."""

OPEN_AT_FIRST = ("subject", "grade")
Choice = tuple[str, str]


class ValuesField(forms.Field):
    """A parameter that may come several times: its values, without blanks and repetitions."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: Any) -> list[str]:
        return list(dict.fromkeys(text for each in value or () if (text := str(each).strip())))


@dataclass(frozen=True, slots=True)
class Facet:
    """A field to filter by. `ticked` are the values in use; `boxes` these and those to tick, each with whether it is
    ticked; `suggestions` those to type, where `typed` says that there are too many for boxes.
    """

    name: str
    label: str
    ticked: Sequence[Choice]
    boxes: Sequence[tuple[str, str, bool]]
    suggestions: Sequence[Choice] = ()
    typed: bool = False
    grows: bool = False  # more suggestions than the page carries

    @property
    def is_open(self) -> bool:
        return bool(self.ticked) or self.name in OPEN_AT_FIRST


def facets(options: FilterOptions, chosen: dict[str, Sequence[str]]) -> list[Facet]:
    """Those that the bank has values for, and those in use."""
    made = (_facet(name, known_values(name, options), chosen.get(name, ())) for name in FILTER_FIELDS)
    return [facet for facet in made if facet.typed or facet.boxes]


def known_values(name: str, options: FilterOptions) -> list[Choice]:
    """(value, label) of a field, in order; none of a field whose values are not listed."""
    if name == "category":
        return [(value, str(label)) for value, label in Item.ItemCategory.choices]
    return value_choices(options, name)


def matching(known: Sequence[Choice], typed: str, *, most: int) -> list[Choice]:
    """The choices that hold what was typed, those that begin with it first."""
    wanted = typed.strip().casefold()
    found = [choice for choice in known if wanted in choice[1].casefold()]
    return sorted(found, key=lambda choice: not choice[1].casefold().startswith(wanted))[:most]


def _facet(name: str, known: Sequence[Choice], chosen: Sequence[str]) -> Facet:
    label = str(Item._meta.get_field(name).verbose_name)  # type: ignore[union-attr]
    labels = dict(known)
    ticked = [(value, labels.get(value, value)) for value in chosen]
    if name == "metadata" or len(known) > LISTED:
        boxes = [(*choice, True) for choice in ticked]
        return Facet(name, label, ticked, boxes, known[:SUGGESTED], typed=True, grows=len(known) > SUGGESTED)
    unknown = [choice for choice in ticked if choice[0] not in labels]
    return Facet(name, label, ticked, [(*choice, choice[0] in chosen) for choice in (*unknown, *known)])
