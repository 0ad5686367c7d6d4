"""What the pages of truth sets count. A set may have millions of pairs: what took long is kept for a while."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce
from typing import Any, TypeVar

from django.contrib.auth.models import User
from django.core.cache import cache
from django.db.models import Count, Prefetch, Q, QuerySet, Sum

from groundtruth.models import Judgement, LedgerEntry, Relevance, TruthPair, TruthQuery, TruthSet
from groundtruth.review_selectors import under_review
from itembank.models import ItemImage

Found = TypeVar("Found")

LONG = 0.05
"""Seconds from which a count is kept."""
KEPT_FOR = 20
"""How many times as long as it took a count is kept."""
FROZEN_KEPT_FOR = 24 * 3600
"""Seconds: what a frozen set says does not change."""


@dataclass(frozen=True, slots=True)
class SetCounts:
    """Queries of a set, and its pairs by final relevance; None are those that nobody judged."""

    queries: int = 0
    pairs: Mapping[int | None, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.pairs.values())

    @property
    def unjudged(self) -> int:
        return self.pairs.get(None, 0)

    @property
    def judged(self) -> int:
        return self.total - self.unjudged


@dataclass(frozen=True, slots=True)
class CategoryCounts:
    """The part of a set whose query items are of one category. `answered` queries have a relevant item."""

    category: str
    counts: SetCounts
    answered: int
    approved: int

    @property
    def without_relevant(self) -> int:
        return self.counts.queries - self.answered


def set_counts(sets: Iterable[TruthSet]) -> dict[int, SetCounts]:
    """By set id: two queries for all those whose counts are not kept."""
    chosen = {each.pk: each for each in sets}
    found: dict[int, SetCounts] = {}
    for key, counts in cache.get_many([_key("counts", each) for each in chosen.values()]).items():
        found[int(key.split("-")[2])] = counts
    missing = [each for pk, each in chosen.items() if pk not in found]
    started = time.monotonic()
    fresh = _counted(missing) if missing else {}
    took = time.monotonic() - started
    for each in missing:
        _keep(_key("counts", each), fresh[each.pk], each, took)
    return found | fresh


def _counted(sets: Sequence[TruthSet]) -> dict[int, SetCounts]:
    queries = dict(_grouped(TruthQuery.objects.filter(truth_set__in=sets), "truth_set"))
    pairs: dict[int, dict[int | None, int]] = {each.pk: {} for each in sets}
    for pk, relevance, count in _grouped(TruthPair.objects.filter(truth_set__in=sets), "truth_set", "final_relevance"):
        pairs[pk][relevance] = count
    return {each.pk: SetCounts(queries.get(each.pk, 0), pairs[each.pk]) for each in sets}


def _grouped(rows: QuerySet[Any], *fields: str) -> Iterable[tuple[Any, ...]]:
    grouped: Iterable[tuple[Any, ...]] = rows.order_by().values_list(*fields).annotate(count=Count("pk"))
    return grouped


def category_counts(truth_set: TruthSet) -> list[CategoryCounts]:
    """By category of the query item, in the order of their names."""
    return _kept(_key("categories", truth_set), truth_set, lambda: _by_category(truth_set))


def _by_category(truth_set: TruthSet) -> list[CategoryCounts]:
    pairs = TruthPair.objects.filter(truth_set=truth_set).order_by()
    by_category: dict[str, dict[int | None, int]] = {}
    approved: dict[str, int] = {}
    grouped = pairs.values_list("query__item__category", "final_relevance")
    for category, relevance, count, said in grouped.annotate(count=Count("pk"), said=Count("approved_relevance")):
        by_category.setdefault(category, {})[relevance] = count
        approved[category] = approved.get(category, 0) + said
    queries = TruthQuery.objects.filter(truth_set=truth_set)
    relevant = pairs.filter(final_relevance__gte=Relevance.RELATED).values("query")
    answered = dict(_grouped(queries.filter(pk__in=relevant), "item__category"))
    return [
        CategoryCounts(
            name, SetCounts(count, by_category.get(name, {})), answered.get(name, 0), approved.get(name, 0)
        )
        for name, count in sorted(_grouped(queries, "item__category"))
    ]  # fmt: skip


def in_all(parts: Sequence[CategoryCounts]) -> CategoryCounts:
    """The sum over the categories."""
    return reduce(_added, parts, CategoryCounts("", SetCounts(), 0, 0))


def _added(one: CategoryCounts, other: CategoryCounts) -> CategoryCounts:
    relevances = {*one.counts.pairs, *other.counts.pairs}
    pairs = {each: one.counts.pairs.get(each, 0) + other.counts.pairs.get(each, 0) for each in relevances}
    counts = SetCounts(one.counts.queries + other.counts.queries, pairs)
    return CategoryCounts("", counts, one.answered + other.answered, one.approved + other.approved)


def _key(what: str, truth_set: TruthSet) -> str:
    return f"truth-{what}-{truth_set.pk}-{truth_set.fingerprint[:16]}"


def _kept(key: str, truth_set: TruthSet, count: Callable[[], Found]) -> Found:
    kept: Found | None = cache.get(key)
    if kept is not None:
        return kept
    started = time.monotonic()
    found = count()
    _keep(key, found, truth_set, time.monotonic() - started)
    return found


def _keep(key: str, found: object, truth_set: TruthSet, took: float) -> None:
    if took >= LONG:
        cache.set(key, found, timeout=FROZEN_KEPT_FOR if truth_set.frozen else KEPT_FOR * took)


# ---- money


def spent_on(truth_set: TruthSet) -> tuple[Decimal, Decimal]:
    """Dollars charged for judging the set, and dollars put aside for calls on their way."""
    under_way = (LedgerEntry.State.RESERVED, LedgerEntry.State.SENT, LedgerEntry.State.RECEIVED)
    sums = LedgerEntry.objects.filter(job__truth_set=truth_set).aggregate(
        charged=Sum("charged_usd"), reserved=Sum("reserved_usd", filter=Q(state__in=under_way))
    )
    return sums["charged"] or Decimal(0), sums["reserved"] or Decimal(0)


# ---- pairs


def shown_pair(pk: int) -> TruthPair | None:
    """A pair with what its page shows of its items."""
    images = ItemImage.objects.order_by("role", "position")
    pairs = TruthPair.objects.select_related("truth_set", "query__item", "item").prefetch_related(
        Prefetch("item__images", images), Prefetch("query__item__images", images)
    )
    return pairs.filter(pk=pk).first()


def shown_words(pair: TruthPair, user: User) -> tuple[list[Judgement], int]:
    """What models and people said of the pair, models first; and how many people's words are hidden from the user.

    Those of others are, while the pair is under review: who is yet to judge it is not to read them.
    """
    words = list(pair.judgements.select_related("prompt").order_by("source", "judge", "swapped", "id"))
    if not TruthPair.objects.filter(under_review(), pk=pair.pk).exists():
        return words, 0
    shown = [each for each in words if each.reviewer_id in {None, user.pk}]
    return shown, len(words) - len(shown)
