"""Which pairs come first, what a sample holds, and what several people's words come to."""

from collections import Counter

import pytest

from groundtruth.models import ReviewPair
from groundtruth.models.sets import Relevance
from groundtruth.review_order import (
    Line,
    PairFacts,
    drawn_sample,
    line_of,
    shared_out,
    shuffled,
    uncertain_first,
    uncertainty,
    verdict,
)

State = ReviewPair.State


def _facts(number: int, **values: object) -> PairFacts:
    return PairFacts(**{"pair_id": number, "key": str(number), "category": "latex"} | values)  # type: ignore[arg-type]


def _ids(facts: list[PairFacts]) -> list[int]:
    return [pair.pair_id for pair in facts]


def test_pairs_on_which_judges_disagree_come_first() -> None:
    agreed, apart, further = _facts(1, votes=(2, 2)), _facts(2, votes=(1, 2)), _facts(3, votes=(3, 0))
    assert _ids(uncertain_first([agreed, apart, further], seed=1)) == [3, 2, 1]


def test_the_line_lies_between_the_lowest_similar_and_the_highest_other_score() -> None:
    facts = [_facts(1, relevance=3, score=0.9), _facts(2, relevance=2, score=0.6), _facts(3, relevance=1, score=0.4)]
    assert line_of(facts) == Line(0.5, 0.4)


def test_without_scores_there_is_no_line() -> None:
    assert line_of([_facts(1, relevance=3), _facts(2, score=0.5)]) is None


def test_a_score_near_the_line_comes_before_a_clear_one() -> None:
    scores = {1: (3, 0.9), 2: (2, 0.5), 3: (1, 0.4), 4: (0, 0.0)}
    facts = [_facts(number, relevance=relevance, score=score) for number, (relevance, score) in scores.items()]
    assert set(_ids(uncertain_first(facts, seed=1))[:2]) == {2, 3}


def test_a_likeness_that_tfidf_missed_comes_before_one_that_it_found() -> None:
    missed, found = _facts(1, likeness=0.9, tfidf=0.1), _facts(2, likeness=0.9, tfidf=0.85)
    assert _ids(uncertain_first([found, missed], seed=1)) == [1, 2]


def test_tfidf_misses_nothing_where_it_never_looked() -> None:
    assert uncertainty(_facts(1, likeness=0.9, tfidf=None), None) == 0


def test_a_random_order_follows_the_seed_and_not_the_order_that_pairs_come_in() -> None:
    facts = [_facts(number) for number in range(20)]
    assert shuffled(facts, 7) == shuffled(reversed(facts), 7)
    assert shuffled(facts, 7) != shuffled(facts, 8)


def test_a_sample_shares_out_by_category_and_has_every_relevance() -> None:
    facts = [
        _facts(number, key=f"{category}{number}", category=category, relevance=3 if number % 10 else number // 10 % 4)
        for category, size in (("image", 200), ("latex", 80), ("text_only", 40))
        for number in range(size)
    ]
    drawn = drawn_sample(facts, 40, seed=3)
    assert Counter(pair.category for pair in drawn) == {"image": 25, "latex": 10, "text_only": 5}
    for category in ("image", "latex", "text_only"):
        assert {pair.relevance for pair in drawn if pair.category == category} == set(Relevance.values)


def test_a_sample_leaves_out_what_nobody_judged() -> None:
    assert _ids(drawn_sample([_facts(1), _facts(2, relevance=0)], 5, seed=1)) == [2]


def test_a_small_category_is_in_the_sample_too() -> None:
    assert shared_out(5, {"image": 1000, "latex": 1, "text_only": 0}) == {"image": 4, "latex": 1, "text_only": 0}


def test_no_category_gives_more_than_it_has() -> None:
    assert shared_out(10, {"image": 3, "latex": 2}) == {"image": 3, "latex": 2}


@pytest.mark.parametrize(
    ("relevances", "wanted", "expected"),
    [
        ([], 1, (State.OPEN, None)),
        ([2], 1, (State.SETTLED, 2)),
        ([2], 2, (State.OPEN, None)),
        ([2, 2], 2, (State.SETTLED, 2)),
        ([2, 3], 2, (State.DISPUTED, None)),
        ([2, 3, 3], 2, (State.SETTLED, 3)),
        ([3, 0, 2], 2, (State.SETTLED, 2)),
        ([0, 3], 1, (State.DISPUTED, None)),
    ],
)
def test_what_people_say_comes_to(relevances: list[int], wanted: int, expected: tuple[str, int | None]) -> None:
    assert verdict(relevances, wanted) == expected
