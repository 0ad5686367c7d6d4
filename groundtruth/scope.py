"""Which items a truth set is about, drawn by a seed: the same items from the same bank, in whatever order rows lie."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from groundtruth.set_services import SetError
from itembank.models import Item

DEFAULT_QUOTAS: Mapping[str, int] = {"image": 35, "text_only": 35, "latex": 30}


class ScopeError(SetError):
    """The items asked for cannot be drawn; the message says why."""


def with_text() -> QuerySet[Item]:
    """The items that have words to compare."""
    return Item.objects.filter(~Q(text="") | ~Q(choices=[]))


def parse_quotas(text: str) -> dict[str, int]:
    """Items by category from "image=35,text_only=35,latex=30". Raises ScopeError."""
    quotas: dict[str, int] = {}
    for part in text.split(","):
        name, _separator, count = (each.strip() for each in part.partition("="))
        if name not in Item.ItemCategory.values or name in quotas or not (count.isascii() and count.isdigit()):
            raise ScopeError(
                _("“%(part)s” is not of the form category=count. Name each of %(known)s at most once.")
                % {"part": part, "known": ", ".join(Item.ItemCategory.values)}
            )
        quotas[name] = int(count[:9])
    return quotas


def draw(
    *, seed: int, quotas: Mapping[str, int], items: QuerySet[Item] | None = None, take_all: bool = False
) -> list[int]:
    """Ids of so many items of each category, of its subjects in proportion, out of `items` (by default with text).

    Raises ScopeError where a category has fewer, unless `take_all` says to be content with them.
    """
    bank = defaultdict[str, dict[str, list[tuple[str, int]]]](lambda: defaultdict(list))
    found = (with_text() if items is None else items).filter(category__in=quotas).order_by()
    for pk, code, category, subject in found.values_list("pk", "code", "category", "subject").iterator():
        bank[category][subject].append((code, pk))
    _check_enough({name: sum(map(len, bank[name].values())) for name in quotas}, quotas, take_all=take_all)
    return [pk for name in sorted(quotas) for pk in _drawn(bank[name], quotas[name], seed)]


def _check_enough(there: Mapping[str, int], quotas: Mapping[str, int], *, take_all: bool) -> None:
    if not any(quotas.values()) or not any(there.values()):
        raise ScopeError(_("There are no such items to draw from."))
    short = [f"{name}: {there[name]:,} < {count:,}" for name, count in quotas.items() if there[name] < count]
    if short and not take_all:
        raise ScopeError(
            _("The bank has fewer items than asked (%(counts)s). Ask for fewer, or take all there are with --take-all.")
            % {"counts": "; ".join(short)}
        )


def _drawn(by_subject: Mapping[str, Sequence[tuple[str, int]]], count: int, seed: int) -> list[int]:
    shares = _shares({subject: len(items) for subject, items in by_subject.items()}, count)
    return [
        pk
        for subject in sorted(by_subject)
        for _code, pk in sorted(by_subject[subject], key=lambda item: _lot(seed, item[0]))[: shares[subject]]
    ]


def _shares(sizes: Mapping[str, int], count: int) -> dict[str, int]:
    """`count` split in proportion to the sizes by largest remainders, equal ones by name; never more than there are."""
    total = sum(sizes.values())
    if count >= total:
        return dict(sizes)
    shares = {name: count * size // total for name, size in sizes.items()}
    by_remainder = sorted(sizes, key=lambda name: (-(count * sizes[name] % total), name))
    for name in by_remainder[: count - sum(shares.values())]:
        shares[name] += 1
    return shares


def _lot(seed: int, code: str) -> bytes:
    return hashlib.sha256(f"{seed}/{code}".encode()).digest()
