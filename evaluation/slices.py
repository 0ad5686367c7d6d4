"""Queries by what they are: category, subject, unit, grade, difficulty."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MINIMUM = 20  # queries; below it a hit rate of one half is known to 20 points or worse


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """`indices` into the queries, ascending; `small` where there are too few of them to say much. "" is: not given."""

    name: str
    indices: NDArray[np.intp]
    small: bool

    def __len__(self) -> int:
        return len(self.indices)


def group(queries: Sequence[str], keys: Mapping[str, str], minimum: int = MINIMUM) -> tuple[Slice, ...]:
    """Each query in one slice, slices by name with "" last. A query without a key is in the slice ""."""
    places: dict[str, list[int]] = {}
    for place, query in enumerate(queries):
        places.setdefault(keys.get(query, ""), []).append(place)
    return tuple(
        Slice(name, np.array(places[name], dtype=np.intp), len(places[name]) < minimum)
        for name in sorted(places, key=lambda name: (not name, name))
    )
