"""Which items filters mean: any of the values within a field, all of the fields together.

Metadata is filtered by pairs of "key=value": several values of one key are alternatives, different keys must all hold.
A value means the JSON string, and the number or boolean of the same writing, because an upload by CSV knows strings
alone where one by JSON knows all three.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_LONGEST_NUMBER = 40  # characters; longer ones are text

Wanted = dict[str, Any]


def wanted_metadata(pairs: Iterable[str]) -> list[list[Wanted]]:
    """A list for each key, of objects of which an item's metadata must contain one. Raises ValueError for a text that
    is no "key=value".
    """
    wanted: dict[str, list[Wanted]] = {}
    for pair in dict.fromkeys(pairs):
        key, separator, value = pair.partition("=")
        if not (key and separator and value):
            raise ValueError(pair)
        wanted.setdefault(key, []).extend({key: each} for each in _readings(value))
    return list(wanted.values())


def matching(fields: Mapping[str, Sequence[Any]]) -> Q:
    """The condition of field -> its values. Raises ValueError as `wanted_metadata` does."""
    condition = Q()
    for name, values in fields.items():
        if name == "metadata":
            condition &= metadata_matching(values)
        else:
            condition &= Q(**{f"{name}__in": values})
    return condition


def metadata_matching(pairs: Iterable[str]) -> Q:
    condition = Q()
    for alternatives in wanted_metadata(pairs):
        condition &= reduce(or_, (Q(metadata__contains=each) for each in alternatives))
    return condition


def _readings(value: str) -> list[Any]:
    """What a value may be in JSON."""
    if value in {"true", "false"}:
        return [value, value == "true"]
    if len(value) > _LONGEST_NUMBER or not _NUMBER.fullmatch(value):
        return [value]
    number = json.loads(value)
    return [value, number] if math.isfinite(number) else [value]
