"""What a judge job is told besides its model and its prompt."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from django.utils.translation import gettext as _


class JudgeError(Exception):
    """A judge job that cannot be made or done; the message says to the person what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeParameters:
    """`asked()` is what can change an answer, and so is part of a question's hash; the rest says what to ask.

    `candidates` bounds the candidates of a query in a list. `both_orders_share` of the questions, drawn by `seed`, are
    asked a second time in the other order. `max_image_side` is in pixels: larger images are scaled down to it.
    `concurrency` is how many requests are on their way at once.
    """

    temperature: float = 0.0
    max_output_tokens: int = 2_000
    max_image_side: int = 768
    seed: int = 1
    candidates: int = 20
    both_orders_share: float = 0.1
    concurrency: int = 4

    def __post_init__(self) -> None:
        limits = {
            "temperature": (0, 2),
            "max_output_tokens": (50, 16_000),
            "max_image_side": (64, 2_048),
            "seed": (0, 2**31 - 1),
            "candidates": (1, 50),
            "both_orders_share": (0, 1),
            "concurrency": (1, 32),
        }
        for name, (least, most) in limits.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
                raise JudgeError(
                    _("%(name)s is %(value)s; it must be from %(least)s to %(most)s.")
                    % {"name": name, "value": value, "least": least, "most": most}
                )

    def asked(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("temperature", "max_output_tokens", "max_image_side", "seed")}

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "JudgeParameters":
        """Of a job's row; names of other versions of the program are left out."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})
