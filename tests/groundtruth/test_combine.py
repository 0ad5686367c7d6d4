"""Combining truths: the arithmetic by hand, and what holds whatever the truths say."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtruth.combine import Combination, Combined, combine_query, exact_weights, takes_query

COMBINATIONS: tuple[Combination, ...] = ("intersection", "union", "vote")
relevances = st.dictionaries(st.integers(1, 6), st.integers(0, 3), max_size=6)
votes_of_some = st.lists(st.none() | relevances, min_size=2, max_size=5).filter(any)
weights_to_hundredths = st.lists(st.integers(1, 300).map(lambda each: Fraction(each, 100)), min_size=5, max_size=5)
thresholds = st.integers(1, 3)


def combined(
    votes: list[Mapping[int, int] | None],
    combination: Combination,
    weights: list[float] | None = None,
    threshold: int = 2,
) -> dict[int, int]:
    weights = weights or [1] * len(votes)
    found = combine_query(votes, combination, weights=exact_weights(weights), threshold=threshold)
    return {candidate: each.relevance for candidate, each in found.items()}


def test_an_intersection_keeps_what_all_call_relevant_at_the_lowest_relevance() -> None:
    assert combined([{1: 3, 2: 3, 3: 2}, {1: 2, 2: 1}], "intersection") == {1: 2}


def test_an_intersection_has_nothing_of_a_query_that_one_truth_lacks() -> None:
    assert combined([{1: 3}, None], "intersection") == {}


def test_a_union_keeps_what_any_calls_relevant_at_the_highest_relevance() -> None:
    assert combined([{1: 3, 2: 1, 3: 1}, {1: 2, 2: 2}, None], "union") == {1: 3, 2: 2}


def test_a_vote_keeps_what_half_of_the_weight_calls_relevant() -> None:
    assert combined([{1: 3, 2: 3}, {1: 2}, {2: 0}], "vote", [2, 1, 1]) == {1: 3, 2: 2}


def test_a_vote_rounds_the_mean_half_up() -> None:
    assert combined([{1: 3}, {1: 2}], "vote") == {1: 3}
    assert combined([{1: 3}, {1: 0}], "vote") == {1: 2}
    assert combined([{1: 3}, {1: 2}], "vote", [1, 1.1]) == {1: 2}


def test_a_truth_votes_only_on_queries_that_it_has() -> None:
    assert combined([{1: 3}, None, None], "vote") == {1: 3}
    assert combined([{1: 3}, {}, {}], "vote") == {}


def test_decimal_weights_weigh_what_they_say() -> None:
    """In binary fractions 0.1 + 0.2 is more than 0.3, and the vote of 0.3 would be less than half."""
    assert combined([{1: 3}, {}, {}], "vote", [0.3, 0.1, 0.2]) == {1: 3}


def test_the_share_is_of_the_weight_that_has_the_query() -> None:
    found = combine_query([{1: 3}, {1: 1}, None], "vote", weights=exact_weights([3, 1, 5]), threshold=2)
    assert found == {1: Combined(relevance=3, share=0.75)}


@pytest.mark.parametrize("weight", [0, -1.0, float("nan"), float("inf")])
def test_weights_are_numbers_above_zero(weight: float) -> None:
    with pytest.raises(ValueError):
        exact_weights([1, weight])


def test_an_intersection_takes_shared_queries_and_the_others_any() -> None:
    assert [takes_query([{}, None], each) for each in COMBINATIONS] == [False, True, True]
    assert [takes_query([{}, {}], each) for each in COMBINATIONS] == [True, True, True]


@given(votes_of_some, thresholds)
def test_an_intersection_is_within_a_vote_which_is_within_a_union(votes: Any, threshold: int) -> None:
    intersection, union, vote = (combined(votes, each, threshold=threshold) for each in COMBINATIONS)
    assert intersection.keys() <= vote.keys() <= union.keys()
    assert all(relevance >= threshold for relevance in (intersection | union).values())


@given(votes_of_some, weights_to_hundredths, thresholds, st.sampled_from(COMBINATIONS), st.data())
def test_the_order_of_the_truths_does_not_matter(
    votes: Any, weights: Any, threshold: int, combination: Combination, data: st.DataObject
) -> None:
    pairs = list(zip(votes, weights, strict=False))
    other = data.draw(st.permutations(pairs))
    one, two = (
        combine_query([vote for vote, _w in each], combination, weights=[w for _vote, w in each], threshold=threshold)
        for each in (pairs, other)
    )
    assert one == two


@given(relevances, st.integers(2, 4), st.sampled_from(COMBINATIONS), thresholds)
def test_truths_that_agree_are_their_own_combination(
    truth: dict[int, int], count: int, combination: Combination, threshold: int
) -> None:
    relevant = {candidate: relevance for candidate, relevance in truth.items() if relevance >= threshold}
    assert combined([truth] * count, combination, threshold=threshold) == relevant


@given(votes_of_some, weights_to_hundredths, st.integers(2, 50))
def test_only_the_ratio_of_weights_matters(votes: Any, weights: Any, factor: int) -> None:
    ours = weights[: len(votes)]
    scaled = [weight * factor for weight in ours]
    one, two = (combine_query(votes, "vote", weights=each, threshold=2) for each in (ours, scaled))
    assert one == two
