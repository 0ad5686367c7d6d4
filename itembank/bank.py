"""What the bank holds, as pages ask it: counts and the values to filter by. Fast also at 176,443 items."""

from dataclasses import dataclass, fields

from django.db import connection
from django.db.models import Count

from itembank.models import Item, item_type_label


@dataclass(frozen=True, slots=True)
class ItemCounts:
    """How many items the bank holds, by category."""

    image: int = 0
    latex: int = 0
    text_only: int = 0

    @property
    def total(self) -> int:
        return self.image + self.latex + self.text_only


def item_counts() -> ItemCounts:
    return ItemCounts(**dict(Item.objects.order_by().values_list("category").annotate(Count("pk"))))


@dataclass(frozen=True, slots=True)
class FilterOptions:
    """The values that occur in the bank, sorted; without the empty one. `batch` holds the number and the name of the
    newest uploads that items came with, the newest first.
    """

    subject: list[str]
    grade: list[str]
    unit: list[str]
    item_type: list[str]
    difficulty: list[int]
    curriculum_code: list[str]
    cognitive_level: list[str]
    batch: list[tuple[int, str]]


def value_choices(options: FilterOptions, field: str) -> list[tuple[str, str]]:
    """(value, what the reader sees) of one field, for a drop-down; none of a field whose values are not listed."""
    if field == "batch":
        return [(str(number), f"{name} ({number})") for number, name in options.batch]
    shown = item_type_label if field == "item_type" else str
    return [(str(value), shown(value)) for value in getattr(options, field, [])]


# A loose index scan: one probe a value, where DISTINCT reads every row.
_VALUES = """
WITH RECURSIVE value(v) AS (
    (SELECT {column} FROM itembank_item ORDER BY {column} LIMIT 1)
    UNION ALL
    SELECT (SELECT {column} FROM itembank_item WHERE {column} > v ORDER BY {column} LIMIT 1)
    FROM value WHERE v IS NOT NULL
)
SELECT coalesce(array_agg(v ORDER BY v), '{{}}') FROM value WHERE v IS NOT NULL AND v::text <> ''
"""


_UPLOADS = """
SELECT coalesce(json_agg(json_build_array(id, file_name) ORDER BY id DESC), '[]') FROM (
    SELECT id, file_name FROM itembank_uploadbatch AS batch
    WHERE EXISTS (SELECT FROM itembank_item WHERE batch_id = batch.id) ORDER BY id DESC LIMIT 100
) AS newest
"""
_COLUMNS = tuple(field.name for field in fields(FilterOptions) if field.name != "batch")


def filter_options() -> FilterOptions:
    """All the options in one query."""
    values = [_VALUES.format(column=column) for column in _COLUMNS]
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(f"({each})" for each in (*values, _UPLOADS)))
        ((*found, uploads),) = cursor.fetchall()
    uploaded = [(number, name) for number, name in uploads]
    return FilterOptions(**dict(zip(_COLUMNS, found, strict=True)), batch=uploaded)
