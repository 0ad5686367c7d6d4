"""What a search takes and gives. Requests check themselves: one that exists can be run."""

import math
from dataclasses import dataclass, field, replace

from django.utils.translation import gettext as _

from embeddings.search.errors import SearchError, check_storable
from embeddings.search.filters import FILTER_FIELDS, Filters
from itembank.formulas import as_formula, is_bare_latex

__all__ = ["FILTER_FIELDS", "Filters", "Rerank", "SearchError", "SearchRequest"]

MAX_K = 100
MAX_TEXT_CHARACTERS = 20_000
METHODS = ("dense", "lexical", "hybrid", "rrf", "ensemble")
MAX_ENCODERS = 8
DEFAULT_TOP_N = 50


@dataclass(frozen=True, slots=True)
class Rerank:
    """The best `top_n` hits are read once more by the reranker of that slug; those that it scores below `threshold`
    (0 to 1) keep their order after the others. `everywhere` is also for queries in a slice where the reranker is
    switched off. Raises SearchError where a number is out of range.
    """

    reranker: str
    top_n: int = DEFAULT_TOP_N
    threshold: float = 0.0
    everywhere: bool = False

    def __post_init__(self) -> None:
        check_reranking(self.top_n, self.threshold)
        check_storable(self.reranker)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """One search, by text, a formula (LaTeX, with or without delimiters), an image (bytes of a file as uploaded), these
    together, or an item that is in the bank.

    `method` is "dense" (by vectors), "lexical" (by words: the text's, or the item's), "hybrid" (both, normalised;
    `alpha` is the share of the vectors), "rrf" (both, by their ranks), or "ensemble" (several `encoders`, normalised,
    with `weights`, equal where none are given). `encoder` is a slug, None the active one. `exact` compares with every
    vector instead of using an index. Hits that score lower than `weak_below` are marked; None leaves it to the lines of
    the signals (embeddings/search/weak.py). Raises SearchError when the parts do not make a query or a number is out of
    range.
    """

    text: str = ""
    formula: str = ""
    image: bytes | None = None
    item_code: str | None = None
    method: str = "dense"
    encoder: str | None = None
    encoders: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    alpha: float = 0.5
    filters: Filters = field(default_factory=Filters)
    k: int = 10
    exact: bool = False
    weak_below: float | None = None
    leave_out_near_duplicates: bool = False
    rerank: Rerank | None = None

    def __post_init__(self) -> None:
        self._check_query()
        self._check_method()
        if not 1 <= self.k <= MAX_K:
            raise SearchError(
                "k-out-of-range",
                _("%(k)s results cannot be shown. Ask for 1 to %(most)s.") % {"k": self.k, "most": MAX_K},
            )
        if self.weak_below is not None and not math.isfinite(self.weak_below):
            raise SearchError("bad-number", _("%(value)s is no score. Use a number.") % {"value": self.weak_below})

    def settled(self) -> "SearchRequest":
        """The same request with its formula in its text, as signals read it."""
        if self.item_code:
            return self
        text = self.text.replace("\x00", " ").strip()
        if is_bare_latex(text):
            text = as_formula(text) or text
        formula = as_formula(self.formula) or ""
        return replace(self, text="\n".join(filter(None, (text, formula))), formula="")

    def _check_method(self) -> None:
        if self.method not in METHODS:
            raise SearchError(
                "unknown-method",
                _("There is no search method “%(method)s”. Use one of %(known)s.")
                % {"method": self.method, "known": ", ".join(METHODS)},
            )
        for slug in (self.encoder or "", *self.encoders):
            check_storable(slug)
        if not 0 <= self.alpha <= 1:
            raise SearchError("bad-alpha", _("The share of the vectors (alpha) is a number from 0 to 1."))
        if (self.method == "ensemble") != bool(self.encoders) or len(set(self.encoders)) != len(self.encoders):
            raise _bad_ensemble()
        if self.encoders and (self.encoder or not 2 <= len(self.encoders) <= MAX_ENCODERS):
            raise _bad_ensemble()
        weighed = [weight for weight in self.weights if math.isfinite(weight) and weight > 0]
        if self.weights and not len(weighed) == len(self.weights) == len(self.encoders):
            raise SearchError("bad-weights", _("Give each encoder of an ensemble one weight above 0."))

    def _check_query(self) -> None:
        has_content = bool(self.text.replace("\x00", " ").strip() or self.formula.strip()) or bool(self.image)
        if self.item_code and has_content:
            raise SearchError(
                "two-queries", _("Search by an item or by text and image, not by both. Leave one of them out.")
            )
        if not self.item_code and not has_content:
            raise SearchError(
                "empty-query", _("There is nothing to search for. Enter text, add an image or name an item.")
            )
        length = len(self.text) + len(self.formula)
        if length > MAX_TEXT_CHARACTERS:
            raise SearchError(
                "query-too-long",
                _("The text has %(length)s characters. Shorten it to %(most)s.")
                % {"length": length, "most": MAX_TEXT_CHARACTERS},
            )
        for text in (self.text.replace("\x00", " "), self.formula, self.item_code or ""):
            check_storable(text)
        if self.formula.strip() and as_formula(self.formula) is None:
            raise SearchError(
                "broken-formula", _("The formula is not one piece of LaTeX. Leave out text and further “$” signs.")
            )


def check_reranking(top_n: int, threshold: float) -> None:
    """Raises SearchError."""
    if not 1 <= top_n <= MAX_K:
        raise SearchError(
            "k-out-of-range",
            _("%(number)s hits cannot be reranked. Choose 1 to %(most)s.") % {"number": top_n, "most": MAX_K},
        )
    if not 0 <= threshold <= 1:
        raise SearchError(
            "threshold-out-of-range",
            _("A reranker scores from 0 to 1; %(threshold)s is no threshold for it.") % {"threshold": threshold},
        )


def _bad_ensemble() -> SearchError:
    return SearchError(
        "bad-ensemble",
        _("An ensemble takes 2 to %(most)s different encoders, and other methods one.") % {"most": MAX_ENCODERS},
    )
