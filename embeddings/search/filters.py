"""Which items may be hits."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from django.utils.translation import gettext as _

from embeddings.search.errors import SearchError, check_storable
from itembank.matching import wanted_metadata
from itembank.models import Item

MIN_DIFFICULTY, MAX_DIFFICULTY = 1, 5
MAX_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Filters:
    """Any of the values within a field, all of the fields together. Empty: every item.

    `batch` holds numbers of uploads, `metadata` pairs of "key=value" (itembank/matching.py). Raises SearchError for
    what no item can have.
    """

    subject: tuple[str, ...] = ()
    grade: tuple[str, ...] = ()
    unit: tuple[str, ...] = ()
    item_type: tuple[str, ...] = ()
    difficulty: tuple[int, ...] = ()
    category: tuple[str, ...] = ()
    curriculum_code: tuple[str, ...] = ()
    cognitive_level: tuple[str, ...] = ()
    batch: tuple[int, ...] = ()
    metadata: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for values in self.as_dict().values():
            for value in values:
                check_storable(str(value))
        for level in self.difficulty:
            if not MIN_DIFFICULTY <= level <= MAX_DIFFICULTY:
                raise _bad_difficulty(str(level))
        for number in self.batch:
            if not 1 <= number <= MAX_ID:
                raise _bad_batch(str(number))
        _check_categories(self.category)
        _check_metadata(self.metadata)

    def __bool__(self) -> bool:
        return any(self.as_dict().values())

    def as_dict(self) -> dict[str, tuple[str, ...] | tuple[int, ...]]:
        """Field -> its values, for the fields that filter."""
        return {name: values for name in FILTER_FIELDS if (values := getattr(self, name))}

    @classmethod
    def parse(cls, pairs: Iterable[str]) -> "Filters":
        """Filters from "field=value" strings, such as "subject=수학" and "metadata=source=KMWPS". A field may come
        several times. Raises SearchError.
        """
        values: dict[str, list[Any]] = {}
        for pair in pairs:
            name, value = _split(pair)
            values.setdefault(name, []).append(_READERS.get(name, str)(value))
        return cls(**{name: tuple(dict.fromkeys(found)) for name, found in values.items()})


FILTER_FIELDS = tuple(each.name for each in fields(Filters))


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
    return _whole(value, 2, _bad_difficulty)


def _batch(value: str) -> int:
    return _whole(value, len(str(MAX_ID)), _bad_batch)


def _whole(value: str, digits: int, bad: Callable[[str], SearchError]) -> int:
    if not (value.isascii() and value.isdigit()) or len(value) > digits:
        raise bad(value)
    return int(value)


def _pair(value: str) -> str:
    key, separator, wanted = (part.strip() for part in value.partition("="))
    return f"{key}{separator}{wanted}"


_READERS: Mapping[str, Callable[[str], Any]] = {"difficulty": _difficulty, "batch": _batch, "metadata": _pair}


def _check_categories(categories: Iterable[str]) -> None:
    for value in categories:
        if value not in Item.ItemCategory.values:
            raise SearchError(
                "unknown-category",
                _("There is no category “%(value)s”. Use one of %(known)s.")
                % {"value": value, "known": ", ".join(Item.ItemCategory.values)},
            )


def _check_metadata(pairs: Iterable[str]) -> None:
    try:
        wanted_metadata(pairs)
    except ValueError as error:
        raise SearchError(
            "broken-metadata",
            _("“%(pair)s” says nothing of metadata. Write key=value, for example source=KMWPS.") % {"pair": error},
        ) from error


def _bad_difficulty(value: str) -> SearchError:
    return SearchError(
        "bad-difficulty",
        _("“%(value)s” is not a difficulty. Use a whole number from %(least)s to %(most)s.")
        % {"value": value, "least": MIN_DIFFICULTY, "most": MAX_DIFFICULTY},
    )


def _bad_batch(value: str) -> SearchError:
    return SearchError(
        "bad-batch",
        _("“%(value)s” is no upload. Use its number, which stands in the address of its page.") % {"value": value},
    )
