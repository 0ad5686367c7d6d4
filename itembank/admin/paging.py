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

    @cached_property
    def count(self) -> int:
        most = MOST_COUNTED + 1
        counted = len(self._first_keys) if self.by_scan else self.object_list.order_by().values("pk")[:most].count()
        return counted if counted < most else max(most, _estimated(self.object_list))

    @property
    def about(self) -> str:
        """How many rows there are, in words, where they were not all counted."""
        if self.count <= MOST_COUNTED:
            return ""
        # An estimate below what was counted is worth nothing: the pages end with the rows that were counted.
        if self.count == MOST_COUNTED + 1:
            return _("more than %(count)s") % {"count": number_format(MOST_COUNTED, force_grouping=True)}
        return _("about %(count)s") % {"count": number_format(self.count, force_grouping=True)}

    def page(self, number: int | str) -> Page[Any]:
        number = self.validate_number(number)
        start = (number - 1) * self.per_page
        keys = self._keys(start, start + self.per_page)
        return Page(self.object_list.filter(**{f"{self.key}__in": keys}), number, self)

    def _keys(self, start: int, end: int) -> Sequence[Any]:
        if self.by_scan and end <= MOST_COUNTED:
            return self._first_keys[start:end]
        return list(self.object_list.values_list(self.key, flat=True)[start:end])

    @cached_property
    def _first_keys(self) -> Sequence[Any]:
        return list(self.object_list.values_list(self.key, flat=True)[: MOST_COUNTED + 1])


def _estimated(rows: QuerySet[Model]) -> int:
    plan = json.loads(rows.order_by().values("pk").explain(format="json"))
    return int(plan[0]["Plan"]["Plan Rows"])
