"""Who said what of the pairs of a set that people reviewed. A few queries, whatever the size.

The raters are the set's method, each model with each version of its prompt (asked in the plain order), and each person.
Methods and models are held against people, whose settled label is the approved relevance; persons against each other.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from groundtruth.agreement import Agreement, Observation, Weights, compare
from groundtruth.models import Judgement, TruthPair, TruthSet
from groundtruth.review_selectors import under_review

METHOD, PEOPLE, PERSONS = "method", "people", "persons"
COUPLES_SHOWN = 30


class ReviewedPair(NamedTuple):
    """A pair of which a person said something, or whose relevance people approved. Ids as text are those people use.

    One that is still under review counts in figures, but is in no list: who is yet to judge it would read what others
    said.
    """

    pk: int
    query: int
    query_id: str
    query_code: str
    code: str
    subject: str
    category: str
    under_review: bool


@dataclass(slots=True)
class Labels:
    """Reviewed pairs by id; and by rater, in the order to show them, their names and what they say of each pair."""

    pairs: dict[int, ReviewedPair]
    names: dict[str, str] = field(default_factory=dict)
    said: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))

    @property
    def machines(self) -> list[str]:
        return [rater for rater in self.names if rater == METHOD or rater.startswith("model:")]

    @property
    def persons(self) -> list[str]:
        return [rater for rater in self.names if rater.startswith("person:")]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two raters who said something of the same pairs. `symmetric`: all couples of persons together."""

    key: str
    left: str
    right: str
    observations: list[Observation]
    symmetric: bool = False

    @property
    def with_people(self) -> bool:
        return self.key.endswith(f"/{PEOPLE}")

    @property
    def pairs(self) -> int:
        return len({each.pair for each in self.observations})


# ---- who said what


def reviewed(truth_set: TruthSet) -> QuerySet[TruthPair]:
    said = Judgement.objects.filter(
        pair=OuterRef("pk"), source=Judgement.Source.PERSON, outcome=Judgement.Outcome.JUDGED
    )
    return truth_set.pairs.filter(Q(approved_relevance__isnull=False) | Exists(said)).order_by()


def read_labels(truth_set: TruthSet) -> Labels:
    """Two queries."""
    fields = ("pk", "query_id", "query__query_id", "query__item__code", "item__code", "query__item__subject")
    rows = reviewed(truth_set).values_list(
        *fields, "query__item__category", under_review(), "relevance", "approved_relevance"
    )
    labels = Labels({})
    labels.names |= {PEOPLE: _("People"), METHOD: _("Method: %(method)s") % {"method": truth_set.get_method_display()}}
    for *about, relevance, approved in rows.order_by("query__query_id", "item__code"):
        pair = ReviewedPair(*about)
        labels.pairs[pair.pk] = pair
        _note(labels, METHOD, pair.pk, relevance)
        _note(labels, PEOPLE, pair.pk, approved)
    _read_judgements(truth_set, labels)
    return labels


def _read_judgements(truth_set: TruthSet, labels: Labels) -> None:
    judged = Judgement.objects.filter(
        pair__truth_set=truth_set, pair__in=reviewed(truth_set), outcome=Judgement.Outcome.JUDGED, swapped=False
    )
    ordered = judged.select_related("prompt", "reviewer").order_by("source", "judge", "prompt__version", "pk")
    only = ("pair_id", "source", "judge", "relevance", "reviewer__username", "prompt__kind", "prompt__version")
    for judgement in ordered.only(*only):
        rater = rater_of(judgement)
        labels.names.setdefault(rater, _name_of(judgement))
        _note(labels, rater, judgement.pair_id, judgement.relevance)


def _note(labels: Labels, rater: str, pair: int, relevance: int | None) -> None:
    if relevance is not None:
        labels.said[rater][pair] = relevance


def rater_of(judgement: Judgement) -> str:
    if judgement.source == Judgement.Source.PERSON:
        return f"person:{judgement.reviewer_id}"
    return f"model:{judgement.prompt_id or 0}:{judgement.judge}"


def _name_of(judgement: Judgement) -> str:
    if judgement.reviewer is not None:
        return judgement.reviewer.get_username()
    return f"{judgement.judge} · {judgement.prompt}" if judgement.prompt else judgement.judge


# ---- who is held against whom


def comparisons(labels: Labels) -> list[Comparison]:
    """Machines against people; then all couples of persons together; then couples, those with most pairs first."""
    machines = [
        Comparison(f"{rater}/{PEOPLE}", rater, PEOPLE, _both(labels, rater, PEOPLE)) for rater in labels.machines
    ]
    couples = [
        Comparison(f"{left}/{right}", left, right, _both(labels, left, right))
        for left, right in combinations(labels.persons, 2)
    ]
    couples = sorted((each for each in couples if each.observations), key=lambda each: -each.pairs)
    together = [observation for couple in couples for observation in couple.observations]
    pooled = [Comparison(PERSONS, PERSONS, PERSONS, together, symmetric=True)] if len(couples) > 1 else []
    return [each for each in machines if each.observations] + pooled + couples[:COUPLES_SHOWN]


def _both(labels: Labels, left: str, right: str) -> list[Observation]:
    first, other = labels.said[left], labels.said[right]
    return [Observation(pk, labels.pairs[pk].query, first[pk], other[pk]) for pk in first if pk in other]


def agreement(comparison: Comparison, weights: Weights = Weights.QUADRATIC) -> Agreement:
    return compare(comparison.observations, weights=weights, symmetric=comparison.symmetric)


class Slice(NamedTuple):
    """The pairs whose query item has this subject or category."""

    value: str
    agreement: Agreement


def by_subject(labels: Labels, comparison: Comparison, weights: Weights = Weights.QUADRATIC) -> list[Slice]:
    return _slices(labels, comparison, weights, lambda pair: pair.subject)


def by_category(labels: Labels, comparison: Comparison, weights: Weights = Weights.QUADRATIC) -> list[Slice]:
    return _slices(labels, comparison, weights, lambda pair: pair.category)


def _slices(labels: Labels, comparison: Comparison, weights: Weights, of: Callable[[ReviewedPair], str]) -> list[Slice]:
    """The largest first."""
    groups: dict[str, list[Observation]] = defaultdict(list)
    for each in comparison.observations:
        groups[of(labels.pairs[each.pair])].append(each)
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return [Slice(value, compare(each, weights=weights, symmetric=comparison.symmetric)) for value, each in ordered]


# ---- where they do not agree on "similar"


def listed(labels: Labels, observations: Iterable[Observation]) -> list[Observation]:
    """Those that may be shown one by one."""
    return [each for each in observations if not labels.pairs[each.pair].under_review]


def false_positives(comparison: Comparison) -> list[Observation]:
    """The left rater says similar, the right one not; of all couples of persons, either. Widest apart first."""
    if not comparison.symmetric:
        return _apart(each for each in comparison.observations if each.similar == (True, False))
    apart = _apart(each for each in comparison.observations if len(set(each.similar)) > 1)
    return list({each.pair: each for each in reversed(apart)}.values())[::-1]


def false_negatives(comparison: Comparison) -> list[Observation]:
    """The other way round; of all couples of persons none, as they are in the other list."""
    if comparison.symmetric:
        return []
    return _apart(each for each in comparison.observations if each.similar == (False, True))


def _apart(observations: Iterable[Observation]) -> list[Observation]:
    return sorted(observations, key=lambda each: (-abs(each.left - each.right), each.pair))


class Difference(NamedTuple):
    """A pair that raters see differently: what each of them says, by name, and what was written of it."""

    pair: TruthPair
    said: list[tuple[str, int]]
    reasons: list[str]


def differences(labels: Labels, comparison: Comparison, observations: Sequence[Observation]) -> list[Difference]:
    """In the order given; two queries for all."""
    ids = [each.pair for each in observations]
    pairs = TruthPair.objects.select_related("item", "query__item").in_bulk(ids)
    reasons = _reasons(comparison, ids)
    raters = labels.persons if comparison.symmetric else [comparison.left, comparison.right]
    return [
        Difference(
            pairs[pk],
            [(labels.names[each], labels.said[each][pk]) for each in raters if pk in labels.said[each]],
            reasons[pk],
        )
        for pk in ids
        if pk in pairs
    ]


def _reasons(comparison: Comparison, pairs: Iterable[int]) -> dict[int, list[str]]:
    """What raters of the comparison gave as reasons: where people or the persons are one side, each person."""
    written: dict[int, list[str]] = defaultdict(list)
    judged = Judgement.objects.filter(pair__in=pairs, swapped=False).exclude(reason="")
    for judgement in judged.order_by("pair", "source", "pk"):
        person = judgement.source == Judgement.Source.PERSON
        everybody = comparison.with_people or comparison.symmetric
        if (person and everybody) or rater_of(judgement) in {comparison.left, comparison.right}:
            written[judgement.pair_id].append(f"{judgement.judge}: {judgement.reason}")
    return written


# ---- all of it


def labelled_rows(labels: Labels) -> Iterator[list[str]]:
    """The table of who said what: a first row of names, then a row for each pair whose review has ended; empty where
    nothing."""
    raters = list(labels.names)
    about = ["query_id", "source_item_id", "item_id", "subject", "category"]
    yield [*about, *(rater if rater in {PEOPLE, METHOD} else labels.names[rater] for rater in raters)]
    for pk, pair in labels.pairs.items():
        if pair.under_review:
            continue
        said = (labels.said[rater].get(pk) for rater in raters)
        texts = ["" if relevance is None else str(relevance) for relevance in said]
        yield [pair.query_id, pair.query_code, pair.code, pair.subject, pair.category, *texts]
