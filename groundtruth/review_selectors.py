"""What the pages of review show: rounds, how far they are, and pairs with what was said of them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet

from groundtruth.models import Change, Judgement, ReviewPair, ReviewRound, TruthPair, TruthSet
from groundtruth.review_order import PairFacts
from itembank.models import ItemImage

TFIDF = "tfidf"
ROWS_AT_ONCE = 10_000
SEEN = "judgement-seen"
"""The audit trail's word for a reviewer who asked for the model's judgement before judging."""

JUDGED_BY_MODELS = (TruthSet.Method.LLM_TEXT, TruthSet.Method.LLM_IMAGES)


@dataclass(frozen=True, slots=True)
class RoundProgress:
    """Pairs of a round: all, settled, disputed; and how many of them the person judged."""

    total: int
    settled: int
    disputed: int
    mine: int

    @property
    def percent(self) -> float:
        return round(100 * self.settled / self.total, 2) if self.total else 0

    @property
    def open(self) -> int:
        return self.total - self.settled - self.disputed


def counted_rounds() -> QuerySet[ReviewRound]:
    """Rounds with their set and the numbers `total`, `settled` and `disputed`."""
    states = ReviewPair.State
    return ReviewRound.objects.select_related("truth_set", "created_by").annotate(
        total=Count("pairs"),
        settled=Count("pairs", filter=Q(pairs__state=states.SETTLED)),
        disputed=Count("pairs", filter=Q(pairs__state=states.DISPUTED)),
    )


def round_progress(review_round: ReviewRound, user: User) -> RoundProgress:
    counts = dict(review_round.pairs.order_by().values_list("state").annotate(Count("pk")))
    return RoundProgress(
        total=sum(counts.values()),
        settled=counts.get(ReviewPair.State.SETTLED, 0),
        disputed=counts.get(ReviewPair.State.DISPUTED, 0),
        mine=words_of_people(review_round).filter(reviewer=user, outcome=Judgement.Outcome.JUDGED).count(),
    )


def under_review(pair: str = "pk") -> Exists:
    """Whether people are still to judge the pair with that id, in an open round: what others say of it is then hidden
    from them."""
    unsettled = ReviewPair.objects.filter(pair=OuterRef(pair), round__closed_at=None)
    return Exists(unsettled.exclude(state=ReviewPair.State.SETTLED))


def words_of_people(review_round: ReviewRound) -> QuerySet[Judgement]:
    """What people said of the round's pairs, in this round or an earlier one: a person says it once."""
    return Judgement.objects.filter(source=Judgement.Source.PERSON, pair__reviews__round=review_round)


def reviewers(review_round: ReviewRound) -> list[dict[str, Any]]:
    """Each person who said something of the round's pairs: `judge` and how many judged, unsure and skipped."""
    outcomes = {name: Count("pk", filter=Q(outcome=name)) for name in Judgement.Outcome.values}
    return list(words_of_people(review_round).order_by("judge").values("judge").annotate(**outcomes))


def shown_pairs(reviews: Iterable[ReviewPair]) -> list[ReviewPair]:
    """The same, in their order, with items and pictures; four queries for all."""
    order = [review.pk for review in reviews]
    images = ItemImage.objects.order_by("role", "position")
    found = ReviewPair.objects.select_related("pair__item", "pair__query__item", "pair__truth_set").prefetch_related(
        Prefetch("pair__item__images", images), Prefetch("pair__query__item__images", images)
    )
    by_id = found.in_bulk(order)
    return [by_id[pk] for pk in order if pk in by_id]


def model_words(pair: TruthPair) -> list[Judgement]:
    judged = pair.judgements.filter(source=Judgement.Source.MODEL)
    return list(judged.select_related("prompt").order_by("swapped", "judge", "id"))


def own_words(reviews: Sequence[ReviewPair], user: User) -> dict[int, Judgement]:
    """What the person said of the pairs before, by pair id."""
    said = Judgement.objects.filter(reviewer=user, pair__in=[review.pair_id for review in reviews])
    return {judgement.pair_id: judgement for judgement in said}


def seen_pairs(reviews: Sequence[ReviewPair], user: User) -> set[int]:
    """Ids of the pairs whose judgement by the model the person asked for."""
    seen = Change.objects.filter(action=SEEN, user=user, pair__in=[review.pair_id for review in reviews])
    return set(seen.values_list("pair_id", flat=True).distinct())


# ---- what a round is made from


def chosen_pairs(truth_set: TruthSet, relevances: Iterable[int | None] | None) -> QuerySet[TruthPair]:
    """Pairs of the set with one of the relevances, None for those that nobody judged; all where none are named."""
    pairs = truth_set.pairs.order_by("pk")
    if relevances is None:
        return pairs
    wanted = set(relevances)
    unjudged = Q(final_relevance__isnull=True) if None in wanted else Q(pk__in=[])
    return pairs.filter(Q(final_relevance__in=wanted - {None}) | unjudged)


def facts_of(truth_set: TruthSet, pairs: QuerySet[TruthPair]) -> list[PairFacts]:
    """What the order and the sample are decided by; three queries, whatever the size. Half a kilobyte a pair."""
    votes = _votes(truth_set)
    fields = ("pk", "query__query_id", "item__code", "query__item__category", "relevance", "score", "provenance")
    drawn_by_tfidf = pairs.order_by().filter(provenance__has_key=TFIDF).exists()
    return list(_facts(truth_set, pairs.values_list(*fields).iterator(ROWS_AT_ONCE), votes, drawn_by_tfidf))


def _facts(
    truth_set: TruthSet, rows: Iterable[tuple[Any, ...]], votes: dict[int, list[int]], drawn_by_tfidf: bool
) -> Iterator[PairFacts]:
    hybrid = truth_set.method == TruthSet.Method.HYBRID
    combined = len(truth_set.parameters.get("sets", ()))
    for pk, query_id, code, category, relevance, score, provenance in rows:
        said = [word for word in provenance.values() if isinstance(word, int)] if hybrid else []
        said += [0] if hybrid and len(provenance) < combined else []  # a set that lacks the pair holds it for unlike
        sources = {} if hybrid else provenance
        words = [value for name, value in sources.items() if name != TFIDF and isinstance(value, (int, float))]
        words += [relevance / 3] if relevance is not None and truth_set.method in JUDGED_BY_MODELS else []
        yield PairFacts(
            pair_id=pk,
            key=f"{query_id}\n{code}",
            category=category,
            relevance=relevance,
            score=score,
            votes=(*votes.get(pk, ()), *said),
            likeness=max(words, default=0.0),
            tfidf=float(sources.get(TFIDF) or 0) if drawn_by_tfidf else None,
        )


def _votes(truth_set: TruthSet) -> dict[int, list[int]]:
    """What models said of each pair of the set, in both orders where both were asked."""
    said = Judgement.objects.filter(pair__truth_set=truth_set, source=Judgement.Source.MODEL, relevance__isnull=False)
    votes: dict[int, list[int]] = defaultdict(list)
    for pair, relevance in said.order_by().values_list("pair_id", "relevance"):
        votes[pair].append(relevance or 0)
    return votes
