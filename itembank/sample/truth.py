"""Which sample items are similar, by construction: 3 same family, 2 same concept, 1 same unit."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from random import Random

from itembank.sample.families import Family

SAME_FAMILY, SAME_CONCEPT, SAME_UNIT = 3, 2, 1
ALL_QUERIES_UP_TO = 300
"""In a set of this size or less every item is a query."""
QUERIES_OF_LARGE_SETS = 100
"""In a larger set this many items are, drawn by the seed. Of a query, every relevant item is listed."""


def relevance(query: Family, candidate: Family) -> int:
    """The relevance of an item of one family to an item of another; 0 where they share no unit."""
    if query.key == candidate.key:
        return SAME_FAMILY
    if query.concept == candidate.concept:
        return SAME_CONCEPT
    return SAME_UNIT if _unit(query) == _unit(candidate) else 0


def queries(families: Sequence[Family], codes: Sequence[str], seed: int) -> Iterator[dict[str, object]]:
    """The queries of `ground_truth.json`, most relevant items first; `families[i]` is of the item `codes[i]`."""
    by_unit: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, family in enumerate(families):
        by_unit[_unit(family)].append(index)
    for index in _drawn(len(families), seed):
        grades = {i: relevance(families[index], families[i]) for i in by_unit[_unit(families[index])] if i != index}
        yield {
            "query_id": f"Q_{codes[index]}",
            "source_item_id": codes[index],
            "query_type": "similar_item",
            "relevant_items": [
                {"id": codes[i], "relevance": grades[i]} for i in sorted(grades, key=lambda i: (-grades[i], i))
            ],
        }


def _unit(family: Family) -> tuple[str, str]:
    return family.concept.subject, family.concept.unit


def _drawn(items: int, seed: int) -> Sequence[int]:
    if items <= ALL_QUERIES_UP_TO:
        return range(items)
    return sorted(Random(f"{seed}/queries").sample(range(items), QUERIES_OF_LARGE_SETS))
