"""Micro-batches by token budget."""

from collections.abc import Sequence


def pack(costs: Sequence[int], *, budget: int, padded: bool) -> list[list[int]]:
    """Indices of `costs` grouped into batches within `budget`, longest first.

    Items of like cost come together, so that padding wastes little; longest first, so that a batch too large
    for the device shows at once. A padded batch costs its longest item times its size, another the sum. An
    item above the budget goes alone. Ties keep the order given.
    """
    batches: list[list[int]] = []
    longest = total = 0
    for index in sorted(range(len(costs)), key=lambda i: -costs[i]):
        size = len(batches[-1]) + 1 if batches else 1
        spent = longest * size if padded else total + costs[index]
        if not batches or spent > budget:
            batches.append([index])
            longest = total = costs[index]
        else:
            batches[-1].append(index)
            total += costs[index]
    return batches
