"""Why a hit is one, as rows that a page can show."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from django.utils.translation import gettext as _

from embeddings.search import Hit, RerankScore

SHOWN_TERMS = 12


@dataclass(frozen=True, slots=True)
class SignalRow:
    """One signal: its name for people, its numbers, its part of the hit's score in percent, and the line below which
    its scores are weak, where it has one.
    """

    label: str
    score: float | None
    normalised: float
    share: float
    percent: int
    rank: int | None
    image_used: bool
    line: float | None = None

    @property
    def is_weak(self) -> bool:
        return self.line is not None and self.score is not None and self.score < self.line


@dataclass(frozen=True)
class Why:
    """`titles` are the names of encoders by their slugs, `lines` those of weak hits by the signals' names."""

    hit: Hit
    titles: Mapping[str, str] = field(default_factory=dict)
    lines: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def rows(self) -> list[SignalRow]:
        whole = sum(abs(signal.share) for signal in self.hit.signals.values()) or 1.0
        return [
            SignalRow(
                self._label(name), signal.score, signal.normalised, signal.share,
                round(100 * abs(signal.share) / whole), signal.rank, signal.image_used, self.lines.get(name),
            )
            for name, signal in self.hit.signals.items()
        ]  # fmt: skip

    @property
    def is_fused(self) -> bool:
        return len(self.hit.signals) > 1

    @property
    def terms(self) -> list[tuple[str, int]]:
        """The words in common that count most: each with its part of the words' score in percent."""
        whole = sum(part for _term, part in self.hit.matched_terms) or 1.0
        best = sorted(self.hit.matched_terms, key=lambda each: -each[1])[:SHOWN_TERMS]
        return [(term, round(100 * part / whole)) for term, part in best]

    @property
    def other_terms(self) -> int:
        return max(0, len(self.hit.matched_terms) - SHOWN_TERMS)

    @property
    def reranked(self) -> RerankScore | None:
        return self.hit.reranked

    def _label(self, name: str) -> str:
        known = {"dense": _("By meaning"), "lexical": _("By words")}
        return known.get(name) or self.titles.get(name, name)
