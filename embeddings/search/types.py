"""What a search takes and gives. Requests check themselves: one that exists can be run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from django.utils.translation import gettext as _

from itembank.models import Item

MIN_DIFFICULTY, MAX_DIFFICULTY = 1, 5
MAX_K = 100
MAX_TEXT_CHARACTERS = 20_000
METHODS = ("dense", "lexical")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """One search, by text, image (bytes of a file as uploaded), both, or an item that is in the bank.

    `method` is "dense" (by vectors) or "lexical" (by words: the text's, or the item's). `encoder` is a slug, None the
    active one. `exact` compares with every vector instead of using an index.
    Raises SearchError when the parts do not make a query or `k` is out of range.
    """

    text: str = ""
    image: bytes | None = None
    item_code: str | None = None
    method: str = "dense"
    encoder: str | None = None
    filters: Filters = field(default_factory=Filters)
    k: int = 10
    exact: bool = False

    def __post_init__(self) -> None:
        self._check_query()
        if self.method not in METHODS:
            raise SearchError(
                "unknown-method",
                _("There is no search method “%(method)s”. Use one of %(known)s.")
                % {"method": self.method, "known": ", ".join(METHODS)},
            )
        if not 1 <= self.k <= MAX_K:
            raise SearchError(
                "k-out-of-range",
                _("%(k)s results cannot be shown. Ask for 1 to %(most)s.") % {"k": self.k, "most": MAX_K},
            )

    def _check_query(self) -> None:
        has_content = bool(self.text.replace("\x00", " ").strip()) or bool(self.image)
        if self.item_code and has_content:
            raise SearchError(
                "two-queries", _("Search by an item or by text and image, not by both. Leave one of them out.")
            )
        if not self.item_code and not has_content:
            raise SearchError(
                "empty-query", _("There is nothing to search for. Enter text, add an image or name an item.")
            )
        if len(self.text) > MAX_TEXT_CHARACTERS:
            raise SearchError(
                "query-too-long",
                _("The text has %(length)s characters. Shorten it to %(most)s.")
                % {"length": len(self.text), "most": MAX_TEXT_CHARACTERS},
            )
        _check_storable(self.text.replace("\x00", " "))
        _check_storable(self.item_code or "")


@dataclass(frozen=True, slots=True)
class Hit:
    """One item found. `signals` holds the score of each method: the cosine (1 is the same direction), or that of BM25,
    which has no upper end. `matched_terms` are the words that it was found by, each with its part of that score.
    """

    rank: int
    item_id: int
    code: str
    score: float
    signals: Mapping[str, float]
    matched_terms: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class SearchResponse:
    """Hits by (score descending, code ascending).

    `route` says how they were found: "index", "index-filtered", "exact", "exact-filtered", "bits", "bits-filtered" or
    "words". `encoder` is empty where none was asked. `timings_ms` holds the stages "encode", "search" and their
    "total". `notes` are translated warnings about this answer.
    """

    hits: tuple[Hit, ...]
    encoder: str
    method: str
    route: str
    timings_ms: Mapping[str, float]
    notes: tuple[str, ...] = ()


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
