"""What an evaluation run is told, complete: equal settings and fingerprints give equal rankings."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from django.utils.translation import gettext as _

from embeddings.search.types import MAX_K

METHODS = ("dense", "lexical", "hybrid", "rrf", "ensemble")
WITH_WORDS = frozenset({"lexical", "hybrid", "rrf"})
SCOPES = ("truth", "bank")
QUERY_VIEWS = ("item", "text", "image")
CORPORA = ("all", "text-only", "with-images")
MOST_DEPTH = 1_000


class EvaluationError(Exception):
    """An evaluation that cannot be made; the message says to the person what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """`encoders` are slugs: none for lexical, one for dense, hybrid and rrf, two or more with `weights` for ensemble.

    `alpha` is the dense share of a hybrid. `query_view` is what of the query item is asked: all of it, its text or its
    images. `corpus` narrows the items of the scope. `depth` results are kept a query; the first `rerank_top` are
    reranked where `reranker` names one. `fingerprints` are those of the encoders and the reranker by slug, and of
    "truth" and "corpus" (its items with their content hashes), filled in when the run starts.
    """

    scope: str = "truth"
    method: str = "dense"
    encoders: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    alpha: float = 0.5
    query_view: str = "item"
    corpus: str = "all"
    depth: int = 100
    reranker: str = ""
    rerank_top: int = 50
    rerank_threshold: float = 0.0
    seed: int = 1
    fingerprints: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, known in (("method", METHODS), ("scope", SCOPES), ("query_view", QUERY_VIEWS), ("corpus", CORPORA)):
            if getattr(self, name) not in known:
                raise EvaluationError(
                    _("%(name)s cannot be “%(value)s”. Use one of %(known)s.")
                    % {"name": name, "value": getattr(self, name), "known": ", ".join(known)}
                )
        if self.query_view == "image" and self.method in WITH_WORDS:
            raise EvaluationError(_("Images alone cannot be asked by words. Use a dense method."))
        self._check_encoders()
        reranked = {"rerank_top": (1, min(self.depth, MAX_K)), "rerank_threshold": (0, 1)} if self.reranker else {}
        numbers = {"alpha": (0, 1), "depth": (1, MOST_DEPTH)} | reranked
        for name, (least, most) in numbers.items():
            if not least <= getattr(self, name) <= most:
                raise EvaluationError(
                    _("%(name)s is %(value)s; it must be from %(least)s to %(most)s.")
                    % {"name": name, "value": getattr(self, name), "least": least, "most": most}
                )

    def _check_encoders(self) -> None:
        least, most = {"lexical": (0, 0), "ensemble": (2, 8)}.get(self.method, (1, 1))
        if not least <= len(self.encoders) <= most:
            raise EvaluationError(
                _("The method %(method)s takes %(least)s to %(most)s encoders, not %(count)s.")
                % {"method": self.method, "least": least, "most": most, "count": len(self.encoders)}
            )
        if self.weights and (
            len(self.weights) != len(self.encoders) or not all(0 < each < math.inf for each in self.weights)
        ):
            raise EvaluationError(_("Give each encoder of an ensemble one weight above 0."))

    def adds_reranker_to(self, plain: "RunSettings") -> bool:
        """Whether this is that search with a reranker and nothing else, over the same truth, items and encoders."""
        return bool(self.reranker) and not plain.reranker and self._first_stage() == plain._first_stage()

    def _first_stage(self) -> dict[str, Any]:
        aside = {"reranker", "rerank_top", "rerank_threshold"}
        told = {name: value for name, value in self.as_json().items() if name not in aside}
        prints = {name: value for name, value in self.fingerprints.items() if name != f"reranker {self.reranker}"}
        return told | {"fingerprints": prints}

    def as_json(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "RunSettings":
        known = {each.name for each in fields(cls)}
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in stored.items() if name in known
        }
        return cls(**values)
