"""Rounds of review: made from a set, or drawn as a sample, then closed. Each function owns its transaction."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from groundtruth import audit
from groundtruth.models import Judgement, ReviewPair, ReviewRound, TruthSet
from groundtruth.review_order import PairFacts, drawn_sample, shuffled, uncertain_first, verdict
from groundtruth.review_selectors import chosen_pairs, facts_of, words_of_people
from groundtruth.set_services import SetError, lock_for_writing

ROWS_AT_ONCE = 2000
NAME_LENGTH = 100
MOST_PAIRS = 20_000
"""Weeks of work. Dealing stays quick, and a round is made while the visitor waits."""


class ReviewError(SetError):
    """This cannot be done with the round; the message says so to the user."""


@transaction.atomic
def create_round(
    *,
    truth_set: TruthSet,
    name: str,
    order: str = ReviewRound.Order.UNCERTAIN,
    reviewers_a_pair: int = 1,
    show_judgement: bool = False,
    relevances: Iterable[int | None] | None = None,
    pair_ids: Collection[int] | None = None,
    limit: int | None = None,
    seed: int = 1,
    user: User | None = None,
) -> ReviewRound:
    """A round over the set's pairs of the relevances (None: those nobody judged), all of them where none are named.

    `pair_ids` takes those of them alone, `limit` the first so many of the order. Raises ReviewError where no pair is
    chosen or the name is taken; SetFrozenError.
    """
    locked = lock_for_writing(truth_set=truth_set)
    facts = facts_of(locked, chosen_pairs(locked, relevances))
    if pair_ids is not None:
        facts = [each for each in facts if each.pair_id in pair_ids]
    ordered = uncertain_first(facts, seed) if order == ReviewRound.Order.UNCERTAIN else shuffled(facts, seed)
    made = ReviewRound(
        truth_set=locked,
        name=name,
        order=order,
        reviewers_a_pair=reviewers_a_pair,
        show_judgement=show_judgement,
        seed=seed,
        created_by=user,
    )
    return _saved(made, ordered[:limit])


@transaction.atomic
def sample_round(
    *, truth_set: TruthSet, pairs: int, seed: int, name: str = "", reviewers_a_pair: int = 1, user: User | None = None
) -> ReviewRound:
    """A round over a verification sample: by category of the query item, of every relevance that the method gave.

    The same set, number and seed draw the same pairs, whatever people said of them meanwhile. Raises ReviewError
    where nothing was judged or the name is taken; SetFrozenError.
    """
    locked = lock_for_writing(truth_set=truth_set)
    chosen = drawn_sample(facts_of(locked, chosen_pairs(locked, None)), pairs, seed)
    made = ReviewRound(
        truth_set=locked,
        name=name or _("Sample of %(pairs)s pairs, seed %(seed)s") % {"pairs": pairs, "seed": seed},
        order=ReviewRound.Order.RANDOM,
        reviewers_a_pair=reviewers_a_pair,
        seed=seed,
        created_by=user,
    )
    return _saved(made, chosen)


def _saved(made: ReviewRound, chosen: Sequence[PairFacts]) -> ReviewRound:
    made.name = made.name.strip()
    _refuse_odd(made, chosen)
    made.save()
    rows = (ReviewPair(round=made, pair_id=pair.pair_id, position=at) for at, pair in enumerate(chosen, start=1))
    ReviewPair.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)
    _count_earlier_words(made)
    audit.record(
        action="create-round", target=str(made), truth_set=made.truth_set, new=_described(made), user=made.created_by
    )
    return made


def _refuse_odd(made: ReviewRound, chosen: Sequence[PairFacts]) -> None:
    if not 1 <= len(made.name) <= NAME_LENGTH:
        raise ReviewError(_("The name of a review round has 1 to 100 characters."))
    if made.truth_set.state != TruthSet.State.READY:
        raise ReviewError(_("The truth set “%(set)s” is not built yet.") % {"set": made.truth_set})
    if ReviewRound.objects.filter(truth_set=made.truth_set, name=made.name).exists():
        raise ReviewError(_("This set has a review round “%(name)s” already; give another name.") % {"name": made.name})
    if not chosen:
        raise ReviewError(_("The set has no such pairs to review."))
    if len(chosen) > MOST_PAIRS:
        message = _("A round has at most %(most)s pairs, and these are %(count)s. Say how many, or which relevances.")
        raise ReviewError(message % {"most": f"{MOST_PAIRS:,}", "count": f"{len(chosen):,}"})


def _count_earlier_words(made: ReviewRound) -> None:
    """A person says it once: what was said of a pair in an earlier round counts in this one."""
    said: dict[int, list[int]] = {}
    judged = words_of_people(made).filter(outcome=Judgement.Outcome.JUDGED)
    for pair, relevance in judged.order_by("pk").values_list("pair_id", "relevance"):
        said.setdefault(pair, []).append(relevance or 0)
    rows = list(made.pairs.filter(pair__in=said))
    for row in rows:
        row.state = verdict(said[row.pair_id], made.reviewers_a_pair)[0]
    ReviewPair.objects.bulk_update(rows, ["state"], batch_size=ROWS_AT_ONCE)


@transaction.atomic
def close_round(*, review_round: ReviewRound, user: User | None) -> None:
    """End the round; what was judged stays. Raises ReviewError for one that is closed."""
    now = timezone.now()
    if not ReviewRound.objects.filter(pk=review_round.pk, closed_at=None).update(closed_at=now):
        raise ReviewError(_("The review round is closed."))
    _record(review_round, "close-round", user)


@transaction.atomic
def reopen_round(*, review_round: ReviewRound, user: User | None) -> None:
    """Let people go on with a closed round, in which other rounds' words count. Raises SetFrozenError, and ReviewError
    for one that is open."""
    lock_for_writing(truth_set=review_round.truth_set)
    closed = ReviewRound.objects.filter(pk=review_round.pk, closed_at__isnull=False)
    if not closed.update(closed_at=None):
        raise ReviewError(_("The review round is open."))
    _count_earlier_words(review_round)
    _record(review_round, "reopen-round", user)


@transaction.atomic
def delete_round(*, review_round: ReviewRound, user: User | None) -> None:
    """Remove the round; what people said of its pairs, and what was approved, stays with the set."""
    old = {**_described(review_round), "settled": review_round.pairs.filter(state=ReviewPair.State.SETTLED).count()}
    _record(review_round, "delete-round", user, old)
    review_round.delete()


def _described(review_round: ReviewRound) -> dict[str, Any]:
    return {
        "round": review_round.name,
        "pairs": review_round.pairs.count(),
        "order": str(review_round.order),
        "reviewers": review_round.reviewers_a_pair,
    }


def _record(review_round: ReviewRound, action: str, user: User | None, old: dict[str, Any] | None = None) -> None:
    audit.record(action=action, target=str(review_round), truth_set=review_round.truth_set, old=old, user=user)
