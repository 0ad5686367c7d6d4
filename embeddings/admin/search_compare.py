"""Two lists of hits beside each other: where each hit is in the other list, and how much they have in common."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A rank in this list and in the other, None where the other does not hold the item."""

    here: int
    there: int | None

    @property
    def kind(self) -> str:
        """ "only", "same", "higher" or "lower": than in the other list."""
        if self.there is None:
            return "only"
        return "same" if self.there == self.here else "higher" if self.here < self.there else "lower"

    @property
    def by(self) -> int:
        return abs(self.here - (self.there or self.here))


@dataclass(frozen=True, slots=True)
class Common:
    """What two lists share. `overlap` is the share of their union, 0 to 1; 1 for two empty lists."""

    both: int
    same_rank: int
    most: int
    union: int

    @property
    def overlap(self) -> float:
        return self.both / self.union if self.union else 1.0

    @property
    def percent(self) -> int:
        return round(100 * self.overlap)


def places(here: Sequence[int], there: Sequence[int]) -> list[Place]:
    """The place of each item of `here`, which are item ids by rank."""
    ranks = {item: rank for rank, item in enumerate(there, start=1)}
    return [Place(rank, ranks.get(item)) for rank, item in enumerate(here, start=1)]


def common(first: Sequence[int], second: Sequence[int]) -> Common:
    shared = set(first) & set(second)
    same = sum(one == other for one, other in zip(first, second, strict=False))
    return Common(len(shared), same, max(len(first), len(second)), len(set(first) | set(second)))
