"""Pages of a list that may hold hundreds of thousands of rows: none are counted to the end, and rows are read in full
for one page alone.
"""

import json
from collections.abc import Sequence
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Model, QuerySet
from django.utils.formats import number_format
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

MOST_COUNTED = 10_000
"""Beyond so many rows their number is PostgreSQL's estimate."""

MOST_PAGES = 10**9
"""More than any table has: addresses may name any number."""


class LargeListPaginator(Paginator[Any]):
    """Pages of an ordered queryset. With `by_scan`, finding rows takes a scan of all: the count and the page share one.

    Where rows are many, those before a page are passed over by their keys, which takes no look at the rows where an
    index holds the keys in this order.
    """

    template_name = "itembank/list_pagination.html"
    object_list: QuerySet[Model]

    def __init__(self, rows: QuerySet[Model], per_page: int, *, by_scan: bool = False) -> None:
        super().__init__(rows, per_page)
        self.by_scan = by_scan
        self.key = "code" if set(rows.query.order_by) <= {"code", "-code"} else "pk"

        self.counted_up_to = MOST_COUNTED + 1

    @cached_property
    def count(self) -> int:
        most = self.counted_up_to
        counted = len(self._first_keys) if self.by_scan and most == MOST_COUNTED + 1 else self._counted(most)
        return counted if counted < most else max(most, _estimated(self.object_list))

    @property
    def about(self) -> str:
        """How many rows there are, in words, where they were not all counted."""
        if self.count < self.counted_up_to:
            return ""
        # An estimate below what was counted is worth nothing: the pages end with the rows that were counted.
        if self.count == self.counted_up_to:
            return _("more than %(count)s") % {"count": number_format(self.count - 1, force_grouping=True)}
        return _("about %(count)s") % {"count": number_format(self.count, force_grouping=True)}

    def validate_number(self, number: float | str) -> int:
        """Where rows were estimated, they are counted as far as the last page, and further, before one shows it: an
        estimate of too few would hide pages. One of too many offers pages that are not there; they are the last one.
        """
        if self.about and str(number).isdecimal() and int(number) >= self.num_pages:
            asked = min(int(number), MOST_PAGES)
            self._count_up_to(asked * self.per_page + MOST_COUNTED + 1)
            number = min(asked, self.num_pages)
        return super().validate_number(number)

    def page(self, number: int | str) -> Page[Any]:
        number = self.validate_number(number)
        keys = self._keys_of(number)
        if not keys and self.about:
            self._count_up_to(number * self.per_page)
            number = self.num_pages
            keys = self._keys_of(number)
        return Page(self.object_list.filter(**{f"{self.key}__in": keys}), number, self)

    def _keys_of(self, page: int) -> Sequence[Any]:
        return self._keys((page - 1) * self.per_page, page * self.per_page)

    def _keys(self, start: int, end: int) -> Sequence[Any]:
        if self.by_scan and end <= MOST_COUNTED:
            return self._first_keys[start:end]
        return list(self.object_list.values_list(self.key, flat=True)[start:end])

    def _count_up_to(self, most: int) -> None:
        self.counted_up_to = most
        del self.count, self.num_pages

    def _counted(self, most: int) -> int:
        return self.object_list.order_by().values("pk")[:most].count()

    @cached_property
    def _first_keys(self) -> Sequence[Any]:
        return list(self.object_list.values_list(self.key, flat=True)[: MOST_COUNTED + 1])


def _estimated(rows: QuerySet[Model]) -> int:
    plan = json.loads(rows.order_by().values("pk").explain(format="json"))
    return int(plan[0]["Plan"]["Plan Rows"])
