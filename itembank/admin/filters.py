"""List filters whose choices come from the bank by one query for all of them."""

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.db.models import Field, Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_lazy

from itembank.admin.base import row_id
from itembank.bank import FilterOptions, filter_options, value_choices
from itembank.matching import metadata_matching
from itembank.models import Item

if TYPE_CHECKING:
    from django.contrib.admin import ChoicesFieldListFilter as ChoicesDropdownFilter
    from django.contrib.admin import FieldListFilter as FieldTextFilter
    from django.contrib.admin import SimpleListFilter as DropdownFilter
    from django.contrib.admin import SimpleListFilter as TextFilter
else:
    from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, FieldTextFilter, TextFilter

__all__ = [
    "ChoicesDropdownFilter",
    "DropdownFilter",
    "FieldTextFilter",
    "MetadataFilter",
    "UploadFilter",
    "value_filter",
]


def options_of(request: HttpRequest) -> FilterOptions:
    """The options, read once a request."""
    if not hasattr(request, "item_filter_options"):
        request.item_filter_options = filter_options()  # type: ignore[attr-defined]
    return request.item_filter_options  # type: ignore[attr-defined,no-any-return]


class ValueFilter(DropdownFilter):
    """A drop-down of the values of one field that occur in the bank."""

    parameter_name: str

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, str]]:
        return value_choices(options_of(request), self.parameter_name)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        value = self.value()
        known = {key for key, _ in self.lookup_choices}
        return queryset.filter(**{self.parameter_name: value}) if value in known else queryset


@cache
def value_filter(field: str) -> type[ValueFilter]:
    title = cast("Field[Any, Any]", Item._meta.get_field(field)).verbose_name
    return type(f"{field.title()}Filter", (ValueFilter,), {"title": title, "parameter_name": field})


class UploadFilter(ValueFilter):
    """A drop-down of the newest uploads; an address may name any."""

    title = cast("Field[Any, Any]", Item._meta.get_field("batch")).verbose_name
    parameter_name = "batch"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        chosen = row_id(self.value())
        return queryset if chosen is None else queryset.filter(batch=chosen)


class MetadataFilter(TextFilter):
    """One "key=value", as search takes it."""

    title = gettext_lazy("metadata (key=value)")
    parameter_name = "metadata"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        given = (self.value() or "").replace("\x00", "").strip()
        if not given:
            return queryset
        key, separator, value = (part.strip() for part in given.partition("="))
        try:
            return queryset.filter(metadata_matching([f"{key}{separator}{value}"]))
        except ValueError:
            text = gettext("“%(pair)s” says nothing of metadata. Write key=value, for example source=KMWPS.")
            messages.warning(request, text % {"pair": given})
            return queryset.none()
