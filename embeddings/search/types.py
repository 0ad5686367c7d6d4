"""What a search takes and gives. Requests check themselves: one that exists can be run."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace

from django.utils.translation import gettext as _

from itembank.formulas import as_formula, is_bare_latex
from itembank.models import Item

MIN_DIFFICULTY, MAX_DIFFICULTY = 1, 5
MAX_K = 100
MAX_TEXT_CHARACTERS = 20_000
METHODS = ("dense", "lexical", "hybrid", "rrf", "ensemble")
MAX_ENCODERS = 8
DEFAULT_TOP_N = 50
WEAK_BELOW: Mapping[str, float] = {
    "dense": 0.5,  # a cosine
    "lexical": 3.0,  # of BM25: less than one rare word
    "hybrid": 0.25,  # of the best that all signals together can give
    "ensemble": 0.25,
    "rrf": 0.0125,  # the twentieth of one ranking alone, or the hundredth of two
}
"""Hits with a lower score are marked weak, where the request says nothing else."""


class SearchError(Exception):
    """A search that cannot be run. `code` is stable; `message` is translated and says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Filters:
    """Which items may be hits: any of the values within a field, all of the fields together. Empty: every item."""

    subject: tuple[str, ...] = ()
    grade: tuple[str, ...] = ()
    unit: tuple[str, ...] = ()
    item_type: tuple[str, ...] = ()
    difficulty: tuple[int, ...] = ()
    category: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for value in (*self.subject, *self.grade, *self.unit, *self.item_type):
            _check_storable(value)
        for level in self.difficulty:
            if not MIN_DIFFICULTY <= level <= MAX_DIFFICULTY:
                raise _bad_difficulty(str(level))
        for value in self.category:
            if value not in Item.ItemCategory.values:
                raise SearchError(
                    "unknown-category",
                    _("There is no category “%(value)s”. Use one of %(known)s.")
                    % {"value": value, "known": ", ".join(Item.ItemCategory.values)},
                )

    def __bool__(self) -> bool:
        return any(self.as_dict().values())

    def as_dict(self) -> dict[str, tuple[str, ...] | tuple[int, ...]]:
        """Field -> its values, for the fields that filter."""
        return {name: values for name in FILTER_FIELDS if (values := getattr(self, name))}

    @classmethod
    def parse(cls, pairs: Iterable[str]) -> "Filters":
        """Filters from "field=value" strings; a field may come several times. Raises SearchError."""
        values: dict[str, list[str]] = {}
        for pair in pairs:
            name, value = _split(pair)
            values.setdefault(name, []).append(value)
        difficulty = tuple(_difficulty(value) for value in values.pop("difficulty", []))
        return cls(difficulty=difficulty, **{name: tuple(dict.fromkeys(found)) for name, found in values.items()})


FILTER_FIELDS = tuple(each.name for each in fields(Filters))


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
        _check_storable(self.reranker)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """One search, by text, a formula (LaTeX, with or without delimiters), an image (bytes of a file as uploaded), these
    together, or an item that is in the bank.

    `method` is "dense" (by vectors), "lexical" (by words: the text's, or the item's), "hybrid" (both, normalised;
    `alpha` is the share of the vectors), "rrf" (both, by their ranks), or "ensemble" (several `encoders`, normalised,
    with `weights`, equal where none are given). `encoder` is a slug, None the active one. `exact` compares with every
    vector instead of using an index. Hits that score lower than `weak_below` are marked; None is the method's own
    (WEAK_BELOW). Raises SearchError when the parts do not make a query or a number is out of range.
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
            _check_storable(slug)
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
            _check_storable(text)
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


def _check_storable(text: str) -> None:
    if any(character == "\x00" or 0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise SearchError("broken-text", _("The text holds a broken character (NUL or half of a pair). Type it again."))


def _split(pair: str) -> tuple[str, str]:
    name, separator, value = (part.strip() for part in pair.partition("="))
    if not separator or not value:
        raise SearchError(
            "broken-filter",
            _("The filter “%(filter)s” is not of the form field=value, for example subject=수학.") % {"filter": pair},
        )
    if name not in FILTER_FIELDS:
        raise SearchError(
            "unknown-filter",
            _("There is no filter “%(name)s”. Use one of %(known)s.")
            % {"name": name, "known": ", ".join(FILTER_FIELDS)},
        )
    return name, value


def _difficulty(value: str) -> int:
    if not (value.isascii() and value.isdigit()) or len(value) > 2:
        raise _bad_difficulty(value)
    return int(value)


def _bad_difficulty(value: str) -> SearchError:
    return SearchError(
        "bad-difficulty",
        _("“%(value)s” is not a difficulty. Use a whole number from %(least)s to %(most)s.")
        % {"value": value, "least": MIN_DIFFICULTY, "most": MAX_DIFFICULTY},
    )


def _bad_ensemble() -> SearchError:
    return SearchError(
        "bad-ensemble",
        _("An ensemble takes 2 to %(most)s different encoders, and other methods one.") % {"most": MAX_ENCODERS},
    )
