"""List filters whose choices come from the bank by one query for all of them."""

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from django.contrib.admin import ModelAdmin
from django.db.models import Field, Model, QuerySet
from django.http import HttpRequest

from itembank.bank import FilterOptions, filter_options, value_choices
from itembank.models import Item

if TYPE_CHECKING:
    from django.contrib.admin import ChoicesFieldListFilter as ChoicesDropdownFilter
    from django.contrib.admin import FieldListFilter as FieldTextFilter
    from django.contrib.admin import SimpleListFilter as DropdownFilter
else:
    from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, FieldTextFilter

__all__ = ["ChoicesDropdownFilter", "DropdownFilter", "FieldTextFilter", "value_filter"]


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
