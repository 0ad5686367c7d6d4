"""The bank's items."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from itembank.admin.base import BankChangeList, ModelAdmin
from itembank.admin.filters import (
    ChoicesDropdownFilter,
    FieldTextFilter,
    MetadataFilter,
    UploadFilter,
    value_filter,
)
from itembank.admin.forms import ItemForm
from itembank.admin.paging import LargeListPaginator
from itembank.models import Item
from itembank.services import save_item
from itembank.templatetags.items import excerpt, first_image, thumbnail


class ItemChangeList(BankChangeList):
    """Shows the paginator's page also where there is no other, and a number that is estimated in one place, as such."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Item]) -> list[Any]:
        """As an index of the bank has it: items of one difficulty by the order in which they came."""
        ordering: list[Any] = super().get_ordering(request, queryset)
        by_index = {"difficulty": ["difficulty", "pk"], "-difficulty": ["-difficulty", "-pk"]}
        return by_index.get(ordering[0], ordering)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.multi_page:
            self.result_list = self.paginator.page(1).object_list
        # The page asked for may have led to a better count.
        self.result_count = self.paginator.count
        self.page_num = min(self.page_num, self.paginator.num_pages)
        # Of what is not filtered both numbers are one; else the page would call it a part.
        if self.paginator.about or self.full_result_count is not None:
            self.full_result_count = self.result_count


@admin.register(Item)
class ItemAdmin(ModelAdmin[Item]):
    form = ItemForm
    list_display = (
        "picture",
        "code",
        "start_of_text",
        "subject",
        "grade",
        "unit",
        "type_label",
        "difficulty",
        "category",
    )
    list_display_links = ("picture", "code", "start_of_text")
    # A large bank has thousands of units and curriculum codes, more than a drop-down can hold: they are typed in part.
    list_filter = (
        value_filter("subject"),
        value_filter("grade"),
        ("unit", FieldTextFilter),
        value_filter("item_type"),
        value_filter("difficulty"),
        ("category", ChoicesDropdownFilter),
        ("curriculum_code", FieldTextFilter),
        value_filter("cognitive_level"),
        UploadFilter,
        MetadataFilter,
    )
    search_fields = ("code", "text")
    search_help_text = _("The beginning of a code, or words of the text")
    ordering = ("code",)
    sortable_by = ("code", "difficulty")
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each would count the bank
    list_filter_submit = True
    list_fullwidth = True
    change_form_outer_before_template = "itembank/item_page.html"
    change_form_before_template = "itembank/item_opened.html"
    warn_unsaved_form = True
    fieldsets = (
        (_("Question"), {"fields": ("code", "text", "choices", "answer", "explanation")}),
        (
            _("Classification"),
            {
                "fields": (
                    ("subject", "grade"),
                    ("unit", "item_type"),
                    ("difficulty", "cognitive_level"),
                    "curriculum_code",
                    "metadata",
                )
            },
        ),
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BankChangeList]:
        return ItemChangeList

    def get_paginator(
        self, request: HttpRequest, queryset: Any, per_page: int, orphans: int = 0, allow_empty_first_page: bool = True
    ) -> LargeListPaginator:
        given = [name for name, value in request.GET.items() if value]
        return LargeListPaginator(
            queryset, per_page, by_scan=any(name == SEARCH_VAR or name.endswith("__icontains") for name in given)
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Item]:
        return super().get_queryset(request).prefetch_related("images")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Item], search_term: str
    ) -> tuple[QuerySet[Item], bool]:
        """By the beginning of the code, which has an index; where no code begins so, by words of the text."""
        words = search_term.replace("\x00", "").split()
        if not words:
            return queryset, False
        by_code = queryset.filter(code__startswith=" ".join(words))
        if by_code.exists():
            return by_code, False
        for word in words:
            cased = word.upper() != word.lower()  # Korean is not, and takes a third of the time
            queryset = queryset.filter(**{"text__icontains" if cased else "text__contains": word})
        return queryset, False

    def get_readonly_fields(self, request: HttpRequest, obj: Item | None = None) -> tuple[str, ...]:
        return ("code",) if obj else ()

    def save_model(self, request: HttpRequest, obj: Item, form: ModelForm[Item], change: bool) -> None:
        save_item(item=obj)

    @admin.display(description=_("image"))
    def picture(self, item: Item) -> SafeString | str:
        return thumbnail(first_image(item)) or "–"

    @admin.display(description=_("item type"))
    def type_label(self, item: Item) -> str:
        return item.item_type_label

    @admin.display(description=_("text"))
    def start_of_text(self, item: Item) -> SafeString:
        return format_html('<span class="ib-excerpt">{}</span>', excerpt(item.text) or "–")
