"""Dealing pairs to people, what they say of them, and what that comes to."""

import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from groundtruth.models import Change, Judgement, ReviewPair, ReviewRound, TruthPair
from groundtruth.review_rounds import ReviewError, close_round, create_round
from groundtruth.review_selectors import SEEN, round_progress
from groundtruth.review_services import deal, elsewhere, judge, show_judgement, take_back
from groundtruth.set_services import SetFrozenError, freeze_set, set_relevance
from tests.factories import make_staff
from tests.groundtruth.factories import make_pair, make_query, make_truth_set

pytestmark = pytest.mark.django_db


def _round(pairs: int = 1, reviewers: int = 1, **fields: Any) -> ReviewRound:
    truth_set = make_truth_set()
    query = make_query(truth_set)
    for _ in range(pairs):
        make_pair(query, **({"relevance": 1} | fields))
    return create_round(truth_set=truth_set, name="round", reviewers_a_pair=reviewers)


def _people(count: int) -> list[User]:
    return [make_staff(f"teacher{number}") for number in range(1, count + 1)]


def _pair(review_round: ReviewRound) -> TruthPair:
    return TruthPair.objects.get(reviews__round=review_round)


def _say(review_round: ReviewRound, user: User, answer: str) -> None:
    judge(review=review_round.pairs.get(), user=user, answer=answer)


def _state(review_round: ReviewRound) -> str:
    return review_round.pairs.get().state


def _dealt(review_round: ReviewRound, user: User, count: int = 1) -> list[int]:
    return [review.position for review in deal(review_round=review_round, user=user, count=count)]


# ---- dealing


def test_two_people_are_dealt_different_pairs() -> None:
    review_round, (one, two) = _round(pairs=4), _people(2)
    assert _dealt(review_round, one, 2) == [1, 2]
    assert _dealt(review_round, two, 3) == [3, 4]
    assert elsewhere(review_round=review_round, user=two) == 2


def test_who_comes_back_is_dealt_the_same_pairs() -> None:
    review_round, (one,) = _round(pairs=3), _people(1)
    assert _dealt(review_round, one, 2) == _dealt(review_round, one, 2) == [1, 2]
    assert _dealt(review_round, one, 3) == [1, 2, 3]


def test_a_pair_that_nobody_came_back_to_is_dealt_to_another() -> None:
    review_round, (one, two) = _round(), _people(2)
    assert _dealt(review_round, one) == [1]
    assert _dealt(review_round, two) == []
    review_round.pairs.update(dealt_until=timezone.now())
    assert _dealt(review_round, two) == [1]


@pytest.mark.django_db(transaction=True)
def test_ten_who_ask_at_once_are_dealt_ten_different_pairs() -> None:
    review_round, people = _round(pairs=10), _people(10)
    start = threading.Barrier(10)
    positions: list[int] = []

    def ask(user: User) -> None:
        try:
            start.wait()
            positions.extend(_dealt(review_round, user))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=[user]) for user in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(positions) == list(range(1, 11))


def test_a_skipped_pair_is_dealt_to_others_but_not_to_the_same_person_again() -> None:
    review_round, (one, two) = _round(), _people(2)
    _say(review_round, one, "skip")
    assert _dealt(review_round, one) == []
    assert _dealt(review_round, two) == [1]


def test_an_unsure_word_leaves_the_pair_to_another() -> None:
    review_round, (one, two) = _round(), _people(2)
    _say(review_round, one, "unsure")
    assert _state(review_round) == ReviewPair.State.OPEN
    assert (_dealt(review_round, one), _dealt(review_round, two)) == ([], [1])


def test_a_pair_skipped_in_one_round_is_dealt_again_in_the_next() -> None:
    review_round, (one,) = _round(), _people(1)
    _say(review_round, one, "skip")
    again = create_round(truth_set=review_round.truth_set, name="again")
    assert _dealt(again, one) == [1]


def test_a_closed_round_deals_nothing() -> None:
    review_round, (one,) = _round(), _people(1)
    close_round(review_round=review_round, user=None)
    review_round.refresh_from_db()
    assert _dealt(review_round, one) == []


# ---- judging


def test_one_reviewers_word_is_approved_at_once_and_wins_over_the_models() -> None:
    review_round, (one,) = _round(relevance=1), _people(1)
    _say(review_round, one, "3")
    pair = _pair(review_round)
    assert (pair.relevance, pair.approved_relevance, pair.final_relevance) == (1, 3, 3)
    assert _state(review_round) == ReviewPair.State.SETTLED


def test_two_reviewers_who_agree_settle_a_pair() -> None:
    review_round, (one, two) = _round(reviewers=2), _people(2)
    _say(review_round, one, "2")
    assert (_state(review_round), _pair(review_round).approved_relevance) == ("open", None)
    assert _dealt(review_round, one) == []
    _say(review_round, two, "2")
    assert (_state(review_round), _pair(review_round).approved_relevance) == ("settled", 2)


@pytest.mark.parametrize(("third", "approved"), [("3", 3), ("0", 0), ("2", 2)])
def test_a_third_decides_between_two_who_disagree(third: str, approved: int) -> None:
    review_round, (one, two, three) = _round(reviewers=2), _people(3)
    _say(review_round, one, "0")
    _say(review_round, two, "3")
    assert (_state(review_round), _pair(review_round).approved_relevance) == ("disputed", None)
    assert [_dealt(review_round, user) for user in (one, two, three)] == [[], [], [1]]
    _say(review_round, three, third)
    assert (_state(review_round), _pair(review_round).approved_relevance) == ("settled", approved)


def test_a_word_that_comes_after_the_pair_went_to_another_is_not_lost() -> None:
    review_round, (one, two) = _round(), _people(2)
    _say(review_round, two, "2")
    _say(review_round, one, "3")
    assert Judgement.objects.count() == 2
    assert (_state(review_round), _pair(review_round).approved_relevance) == ("disputed", None)


def test_the_same_word_sent_twice_is_one() -> None:
    review_round, (one,) = _round(), _people(1)
    _say(review_round, one, "3")
    _say(review_round, one, "3")
    assert Judgement.objects.get().relevance == 3


def test_a_comment_is_kept() -> None:
    review_round, (one,) = _round(), _people(1)
    judge(review=review_round.pairs.get(), user=one, answer="unsure", comment="  그림이 흐림 ")
    assert Judgement.objects.get().reason == "그림이 흐림"


def test_an_unknown_answer_is_refused() -> None:
    review_round, (one,) = _round(), _people(1)
    with pytest.raises(KeyError):
        _say(review_round, one, "4")


def test_every_word_is_in_the_audit_trail_with_what_was_before() -> None:
    review_round, (one,) = _round(), _people(1)
    _say(review_round, one, "3")
    _say(review_round, one, "2")
    trail = Change.objects.filter(action="judge", user=one).order_by("pk")
    assert [(change.old, change.new) for change in trail] == [
        ({"answer": None, "approved": None}, {"answer": "3", "approved": 3}),
        ({"answer": "3", "approved": 3}, {"answer": "2", "approved": 2}),
    ]


def test_a_frozen_set_refuses_review() -> None:
    review_round, (one,) = _round(), _people(1)
    freeze_set(truth_set=review_round.truth_set, user=None)
    with pytest.raises(SetFrozenError):
        _say(review_round, one, "0")
    assert Judgement.objects.count() == 0


def test_a_closed_round_refuses_words() -> None:
    review_round, (one,) = _round(), _people(1)
    close_round(review_round=review_round, user=None)
    with pytest.raises(ReviewError):
        _say(review_round, one, "0")


def test_progress_counts_pairs_and_ones_own_words() -> None:
    review_round, (one, two) = _round(pairs=3, reviewers=2), _people(2)
    for position, user, answer in ((1, one, "3"), (1, two, "3"), (2, one, "3"), (2, two, "0"), (3, two, "skip")):
        judge(review=review_round.pairs.get(position=position), user=user, answer=answer)
    progress = round_progress(review_round, two)
    assert (progress.total, progress.settled, progress.disputed, progress.open, progress.mine) == (3, 1, 1, 1, 2)


# ---- taking back


def test_the_last_word_is_taken_back_with_what_it_approved() -> None:
    review_round, (one,) = _round(pairs=2), _people(1)
    for position in (1, 2):
        judge(review=review_round.pairs.get(position=position), user=one, answer="3")
    assert take_back(review_round=review_round, user=one).position == 2
    assert list(review_round.pairs.values_list("state", "pair__approved_relevance")) == [("settled", 3), ("open", None)]
    assert _dealt(review_round, one) == [2]


def test_what_was_approved_before_the_review_comes_back() -> None:
    review_round, (one,) = _round(approved_relevance=0), _people(1)
    _say(review_round, one, "3")
    _say(review_round, one, "2")
    take_back(review_round=review_round, user=one)
    assert _pair(review_round).approved_relevance == 0


def test_what_somebody_set_by_hand_since_stays() -> None:
    review_round, (one,) = _round(), _people(1)
    _say(review_round, one, "3")
    set_relevance(pair=_pair(review_round), relevance=1, user=None)
    take_back(review_round=review_round, user=one)
    assert _pair(review_round).approved_relevance == 1


def test_a_pair_on_which_the_others_still_agree_stays_settled() -> None:
    review_round, (one, two, three) = _round(reviewers=2), _people(3)
    for user, answer in ((two, "3"), (three, "3"), (one, "0")):
        _say(review_round, user, answer)
    take_back(review_round=review_round, user=one)
    assert (_state(review_round), _pair(review_round).approved_relevance) == ("settled", 3)


def test_only_ones_own_words_are_taken_back() -> None:
    review_round, (one, two) = _round(), _people(2)
    _say(review_round, one, "3")
    with pytest.raises(ReviewError):
        take_back(review_round=review_round, user=two)
    assert Judgement.objects.count() == 1


def test_words_of_an_earlier_round_are_not_taken_back_in_a_later_one() -> None:
    review_round, (one,) = _round(), _people(1)
    _say(review_round, one, "3")
    later = create_round(truth_set=review_round.truth_set, name="later")
    with pytest.raises(ReviewError):
        take_back(review_round=later, user=one)


def test_what_is_taken_back_is_in_the_audit_trail() -> None:
    review_round, (one,) = _round(), _people(1)
    _say(review_round, one, "3")
    take_back(review_round=review_round, user=one)
    change = Change.objects.get(action="take-back")
    assert (change.user, change.old, change.new) == (
        one,
        {"answer": "3", "approved": 3},
        {"answer": None, "approved": None},
    )


# ---- the model's judgement


def test_who_asked_for_the_models_judgement_before_judging_is_in_the_trail_once() -> None:
    review_round, (one, two) = _round(), _people(2)
    review = review_round.pairs.get()
    for _ in range(2):
        show_judgement(review=review, user=one)
    judge(review=review, user=two, answer="3")
    show_judgement(review=review, user=two)
    assert list(Change.objects.filter(action=SEEN).values_list("user__username", flat=True)) == ["teacher1"]
