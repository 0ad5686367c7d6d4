"""Filters as a condition in SQL, for every statement that asks which items pass."""

import json

from psycopg import sql

from embeddings.search.filters import Filters
from itembank.matching import wanted_metadata


def condition_of(filters: Filters) -> sql.Composed:
    """Of itembank_item, with the parameters of `values_of`."""
    plain = [
        sql.SQL("{} = ANY({})").format(sql.Identifier(_COLUMNS.get(name, name)), sql.Placeholder(name))
        for name in filters.as_dict()
        if name != "metadata"
    ]
    contained = [
        sql.SQL("metadata @> ANY({}::text[]::jsonb[])").format(sql.Placeholder(name)) for name in _metadata_of(filters)
    ]
    return sql.SQL(" AND ").join(plain + contained)


def values_of(filters: Filters) -> dict[str, list[str | int]]:
    """The parameters of the condition."""
    plain: dict[str, list[str | int]] = {
        name: list(values) for name, values in filters.as_dict().items() if name != "metadata"
    }
    return plain | _metadata_of(filters)


_COLUMNS = {"batch": "batch_id"}  # where a column is called otherwise than its field


def _metadata_of(filters: Filters) -> dict[str, list[str | int]]:
    """A parameter for each key: the objects, as JSON, of which metadata must contain one."""
    return {
        f"metadata_{number}": [json.dumps(each) for each in alternatives]
        for number, alternatives in enumerate(wanted_metadata(filters.metadata))
    }
