"""Reviewing: pairs are dealt to people, who judge, skip, are unsure, or take back what they said last.

People who agree approve a pair's relevance, which wins over the model's. The set keeps both, and the audit trail
what was before.
"""

from collections.abc import Iterable
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from groundtruth import audit
from groundtruth.models import Change, Judgement, ReviewPair, ReviewRound, TruthPair
from groundtruth.review_order import verdict
from groundtruth.review_rounds import ReviewError
from groundtruth.review_selectors import SEEN, seen_pairs, shown_pairs
from groundtruth.set_services import lock_for_writing, set_relevance

LEASE = timedelta(minutes=15)
"""How long a dealt pair is kept for a person who says nothing; a person at work renews it with every answer."""

DEALT_AT_ONCE = 3
"""The pair on the page and those loaded behind it, so that the next one is there when a key is pressed."""

Outcome = Judgement.Outcome
ANSWERS: dict[str, tuple[Outcome, int | None]] = {
    **{str(relevance): (Outcome.JUDGED, relevance) for relevance in range(4)},
    "skip": (Outcome.SKIPPED, None),
    "unsure": (Outcome.UNSURE, None),
}
PERMISSION = "groundtruth.review_pairs"
UNSETTLED = (ReviewPair.State.OPEN, ReviewPair.State.DISPUTED)


@transaction.atomic
def deal(*, review_round: ReviewRound, user: User, count: int = DEALT_AT_ONCE) -> list[ReviewPair]:
    """Up to `count` pairs for the person, first those dealt to them before; nobody else is dealt them meanwhile."""
    if review_round.closed_at or review_round.truth_set.frozen:
        return []
    waiting = _unanswered(review_round, user).select_for_update(skip_locked=True, of=("self",))
    mine = list(waiting.filter(dealt_to=user)[:count])
    free = Q(dealt_to=None) | Q(dealt_until__lt=Now())
    mine += waiting.filter(free).exclude(dealt_to=user)[: count - len(mine)] if len(mine) < count else []
    _keep_for(mine, user)
    return shown_pairs(mine)


def elsewhere(*, review_round: ReviewRound, user: User) -> int:
    """Pairs that the person could judge, but that are dealt to somebody else now."""
    return _unanswered(review_round, user).exclude(dealt_to=user).filter(dealt_until__gte=Now()).count()


def _unanswered(review_round: ReviewRound, user: User) -> QuerySet[ReviewPair]:
    """Unsettled pairs that the person neither judged ever nor skipped, or was unsure of, in this round."""
    said = Judgement.objects.filter(pair=OuterRef("pair"), reviewer=user).filter(
        Q(outcome=Outcome.JUDGED) | Q(created_at__gte=review_round.created_at)
    )
    rows = ReviewPair.objects.filter(~Exists(said), round=review_round, state__in=UNSETTLED)
    return rows.order_by("position")


def _keep_for(reviews: Iterable[ReviewPair], user: User) -> None:
    kept = ReviewPair.objects.filter(pk__in=[review.pk for review in reviews])
    kept.update(dealt_to=user, dealt_until=timezone.now() + LEASE)


@transaction.atomic
def judge(*, review: ReviewPair, user: User, answer: str, comment: str = "") -> Judgement:
    """Write what the person says of a pair: a key of ANSWERS (KeyError for another).

    Said twice, the later word counts. Raises ReviewError for a closed round, SetFrozenError.
    """
    outcome, relevance = ANSWERS[answer]
    pair = _open_pair(review)
    before = pair.approved_relevance, _said(pair, user)
    verdict_before = _approved_by_people(review, pair)
    judgement, _created = Judgement.objects.update_or_create(
        pair=pair,
        reviewer=user,
        source=Judgement.Source.PERSON,
        defaults={
            "judge": user.get_username(),
            "outcome": outcome,
            "relevance": relevance,
            "reason": comment.strip(),
            "created_at": timezone.now(),
        },
    )
    _settle(review, pair, user, verdict_before)
    _record("judge", pair, user, before)
    return judgement


@transaction.atomic
def take_back(*, review_round: ReviewRound, user: User) -> ReviewPair:
    """Take back the last thing that the person said in the round, and deal them its pair again.

    Raises ReviewError where they said nothing, or the round is closed; SetFrozenError.
    """
    said = Judgement.objects.filter(
        pair__reviews__round=review_round, reviewer=user, created_at__gte=review_round.created_at
    )
    last = said.order_by("-created_at", "-pk").first()
    if last is None:
        raise ReviewError(_("There is nothing to take back in this round."))
    review = review_round.pairs.select_related("round").get(pair=last.pair_id)
    pair = _open_pair(review)
    before = pair.approved_relevance, _said(pair, user)
    verdict_before = _approved_by_people(review, pair)
    last.delete()
    _settle(review, pair, user, verdict_before)
    _record("take-back", pair, user, before)
    if _free_for(review, user):
        _keep_for([review], user)
    return shown_pairs([review])[0]


@transaction.atomic
def show_judgement(*, review: ReviewPair, user: User) -> None:
    """Note in the audit trail that the person saw the model's judgement, once, and before they judged."""
    pair = review.pair
    judged = pair.judgements.filter(reviewer=user, outcome=Outcome.JUDGED).exists()
    if not judged and pair.pk not in seen_pairs([review], user):
        audit.record(action=SEEN, target=_target(pair), pair=pair, user=user)


def note_seen(*, pair: TruthPair, user: User) -> None:
    """The same for a reviewer who looks at the pair outside of its round, while it is under review."""
    review = pair.reviews.filter(round__closed_at=None, state__in=UNSETTLED).first()
    if review is not None and user.has_perm(PERMISSION):
        show_judgement(review=review, user=user)


def _open_pair(review: ReviewPair) -> TruthPair:
    """The pair as it is now; its set is held until the transaction ends."""
    lock_for_writing(truth_set=review.pair.truth_set)
    if ReviewRound.objects.filter(pk=review.round_id, closed_at__isnull=False).exists():
        raise ReviewError(_("The review round is closed."))
    return TruthPair.objects.select_related("query", "item", "truth_set").get(pk=review.pair_id)


def _free_for(review: ReviewPair, user: User) -> bool:
    held = review.dealt_until is not None and review.dealt_until > timezone.now()
    return review.dealt_to_id in {None, user.pk} or not held


def _relevances(pair: TruthPair) -> list[int]:
    judged = pair.judgements.filter(source=Judgement.Source.PERSON, outcome=Outcome.JUDGED).order_by("pk")
    return [relevance for relevance in judged.values_list("relevance", flat=True) if relevance is not None]


def _approved_by_people(review: ReviewPair, pair: TruthPair) -> bool:
    """Whether the pair's approved relevance is what people in rounds come to, not somebody's own setting."""
    said = verdict(_relevances(pair), review.round.reviewers_a_pair)[1]
    return said is not None and said == pair.approved_relevance


def _settle(review: ReviewPair, pair: TruthPair, user: User, approved_by_people: bool) -> None:
    """Bring states and approval in line with what people say now."""
    relevances = _relevances(pair)
    for each in pair.reviews.filter(round__closed_at=None).select_related("round"):
        state = verdict(relevances, each.round.reviewers_a_pair)[0]
        ReviewPair.objects.filter(pk=each.pk).update(state=state)
    pair.reviews.filter(dealt_to=user).update(dealt_to=None, dealt_until=None)
    agreed = verdict(relevances, review.round.reviewers_a_pair)[1]
    if agreed is not None:
        set_relevance(pair=pair, relevance=agreed, user=user)
    elif approved_by_people:
        set_relevance(pair=pair, relevance=_approved_before_review(pair), user=user)


def _approved_before_review(pair: TruthPair) -> int | None:
    """The approved relevance from before anybody reviewed the pair: back along the trail for as long as it is whole."""
    value = pair.approved_relevance
    trail = Change.objects.filter(pair=pair, action__in=["judge", "take-back"]).order_by("-pk")
    for old, new in trail.values_list("old__approved", "new__approved"):
        if new != value:
            break
        value = old
    return value


def _said(pair: TruthPair, user: User) -> str | None:
    own = pair.judgements.filter(reviewer=user).first()
    if own is None:
        return None
    return str(own.relevance) if own.relevance is not None else own.outcome


def _record(action: str, pair: TruthPair, user: User, before: tuple[int | None, str | None]) -> None:
    old = {"approved": before[0], "answer": before[1]}
    new = {"approved": pair.approved_relevance, "answer": _said(pair, user)}
    audit.record(action=action, target=_target(pair), pair=pair, old=old, new=new, user=user)


def _target(pair: TruthPair) -> str:
    return f"{pair.query} / {pair.item}"
