"""What thumbs come to where several people gave them. Pure functions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, get_args

Rule = Literal["majority", "unanimous", "newest"]
RULES: tuple[Rule, ...] = get_args(Rule)
Pair = tuple[int, int]
"""The ids of the query item and of the item that was found."""


class Thumb(NamedTuple):
    """`person` is None for somebody whose account is gone; their word counts like another's."""

    query: int
    item: int
    up: bool
    at: datetime
    person: int | None = None
    person_name: str = ""


@dataclass(frozen=True, slots=True)
class Settled:
    """What a pair comes to; `up` is None where people disagree and the rule does not decide."""

    up: bool | None
    ups: int
    downs: int

    @property
    def disputed(self) -> bool:
        return self.ups > 0 and self.downs > 0

    @property
    def share(self) -> float:
        """Of the thumbs that point up, 0 to 1."""
        return self.ups / (self.ups + self.downs)


def settle(thumbs: Iterable[Thumb], rule: Rule) -> Mapping[Pair, Settled]:
    """Each pair with what its thumbs come to, pairs in the order of their ids.

    "majority": more ups than downs are similar, fewer are not, equally many decide nothing. "unanimous": a single
    other word decides nothing. "newest": the last word counts; of two at the same time, the one that points down.
    """
    said: dict[Pair, list[Thumb]] = {}
    for thumb in thumbs:
        said.setdefault((thumb.query, thumb.item), []).append(thumb)
    return {pair: _settled(said[pair], rule) for pair in sorted(said)}


def _settled(thumbs: list[Thumb], rule: Rule) -> Settled:
    ups = sum(thumb.up for thumb in thumbs)
    downs = len(thumbs) - ups
    if rule == "newest":
        return Settled(max(thumbs, key=lambda thumb: (thumb.at, not thumb.up)).up, ups, downs)
    undecided = ups == downs if rule == "majority" else ups > 0 and downs > 0
    return Settled(None if undecided else ups > downs, ups, downs)
