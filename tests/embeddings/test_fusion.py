"""Rankings made into one: by scores, by ranks, with ties by place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings.search.fusion import Ranking, reciprocal_rank, weighted


def ranking(**scores: float) -> Ranking:
    """Of letters: a is place 0, b is place 1."""
    ordered = sorted(scores.items(), key=lambda entry: (-entry[1], entry[0]))
    return Ranking(np.array([ord(name) - 97 for name, _ in ordered]), np.array([score for _, score in ordered]))


def letters(places: np.ndarray) -> str:
    return "".join(chr(97 + place) for place in places)


def test_scores_are_brought_to_the_same_scale_before_they_are_weighted() -> None:
    dense, lexical = ranking(a=0.9, b=0.8, c=0.5), ranking(b=30.0, c=20.0, a=10.0)
    fused = weighted([dense, lexical], [0.5, 0.5])
    assert letters(fused.places) == "bac"
    np.testing.assert_allclose(fused.scores, [0.5 * 0.75 + 0.5, 0.5, 0.25])


def test_shares_say_what_each_signal_gave() -> None:
    fused = weighted([ranking(a=2, b=1), ranking(b=1)], [3, 1])
    np.testing.assert_allclose(fused.shares, [[0.75, 0], [0, 0.25]])


def test_an_item_that_one_signal_lacks_gets_nothing_from_it() -> None:
    fused = weighted([ranking(a=1.0, b=0.5), ranking(c=1.0, b=0.5)], [0.5, 0.5])
    assert dict(zip(letters(fused.places), fused.scores, strict=True)) == {"a": 0.5, "c": 0.5, "b": 0.0}


def test_all_weight_on_one_signal_is_that_signals_order() -> None:
    assert letters(weighted([ranking(b=3, a=2, c=1), ranking(c=9, a=1)], [1, 0]).places)[:3] == "bac"


def test_equal_scores_go_by_place() -> None:
    assert letters(weighted([ranking(d=1, b=1, c=1)], [1]).places) == "bcd"


def test_reciprocal_ranks_are_added() -> None:
    fused = reciprocal_rank([ranking(a=9, b=8), ranking(b=0.9)])
    assert letters(fused.places) == "ba"
    np.testing.assert_allclose(fused.scores, [1 / 62 + 1 / 61, 1 / 61])


def test_empty_rankings_fuse_to_nothing() -> None:
    assert len(weighted([ranking(), ranking()], [1, 1]).places) == 0
    assert len(reciprocal_rank([ranking()]).places) == 0


@pytest.mark.parametrize("weights", [[1], [0, 0], [1, -1], []])
def test_weights_that_do_not_fit_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="one weight"):
        weighted([ranking(a=1), ranking(a=1)], weights)


@given(
    st.lists(st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-1e3, 1e3)), min_size=1, max_size=4),
    st.floats(0.01, 100),
)
def test_another_scale_of_a_signal_changes_nothing(signals: list[dict[str, float]], scale: float) -> None:
    weights = [1.0] * len(signals)
    plain = weighted([ranking(**{name: round(score, 3) for name, score in each.items()}) for each in signals], weights)
    scaled = weighted(
        [ranking(**{name: round(score, 3) * scale for name, score in each.items()}) for each in signals], weights
    )
    by_place = dict(zip(scaled.places.tolist(), scaled.scores.tolist(), strict=True))
    assert {
        place: pytest.approx(score, abs=1e-9)
        for place, score in zip(plain.places.tolist(), plain.scores.tolist(), strict=True)
    } == by_place
