"""How far an export or an import is."""

from collections.abc import Callable
from enum import StrEnum


class Stage(StrEnum):
    WRITE = "write"
    CHECK = "check"
    STORE = "store"


Report = Callable[[Stage, int, int], None]  # stage, vectors done, vectors in all


def silent(stage: Stage, done: int, total: int) -> None:
    """Report to nobody."""
