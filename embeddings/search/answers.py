"""What a search gives: hits, each with why it is one."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SignalScore:
    """What one signal says of a hit.

    `score` is the signal's own: the cosine (1 is the same direction), or that of BM25, which has no upper end; None and
    no `rank` where its list does not hold the item. `normalised` is the score as it is fused (0 to 1; by ranks
    1 / (60 + rank)), `share` what of the hit's score it gave: shares add up to it. Both are the score itself where one
    signal alone ranks. `image_used` is that an image of the item is in the vector compared.
    """

    score: float | None
    normalised: float
    share: float
    rank: int | None
    image_used: bool = False


@dataclass(frozen=True, slots=True)
class RerankScore:
    """`score` (0 to 1) is None where the reranker did not judge the hit: it is beyond the top N, or `problem`
    (translated, else "") says why. `rank` is that before, `image_used` that an image of the item was read.
    """

    score: float | None
    rank: int
    image_used: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """One item found, with what each signal says of it by the signal's name: "dense", "lexical", or an encoder of an
    ensemble. `matched_terms` are the words that it was found by, each with its part of that score.

    Hits of one `group` have the same text but for numbers; group 0 is that of the query item, None is a hit alone.
    `weak` is that no signal has it at its line or above (`SearchResponse.weak_below`), or a score below the request's
    own cut-off or the reranker's threshold.
    """

    rank: int
    item_id: int
    code: str
    score: float
    signals: Mapping[str, SignalScore]
    matched_terms: tuple[tuple[str, float], ...] = ()
    weak: bool = False
    group: int | None = None
    reranked: RerankScore | None = None

    @property
    def image_used(self) -> bool:
        """Whether an image of the item took part in its place."""
        scores = (*self.signals.values(), *((self.reranked,) if self.reranked else ()))
        return any(each.image_used for each in scores)


@dataclass(frozen=True, slots=True)
class SearchResponse:
    """Hits by (score descending, code ascending), or as the reranker ordered them.

    `route` says how they were found: "index", "index-filtered", "exact", "exact-filtered", "bits", "bits-filtered" or
    "words", with "+" between those of several signals. `encoder` is empty where none was asked, and has ", " between
    several. `timings_ms` holds the stages "encode", "search", "rerank" where a reranker read hits, and their "total".
    `reranked_by` is the slug of the reranker that ordered the hits, empty where none did. `notes` are translated
    warnings about this answer. `weak_below` is the line of each signal that has one, in its own scores.
    """

    hits: tuple[Hit, ...]
    encoder: str
    method: str
    route: str
    timings_ms: Mapping[str, float]
    notes: tuple[str, ...] = ()
    reranked_by: str = ""
    weak_below: Mapping[str, float] = field(default_factory=dict)
