"""Exact search for many queries at once: the same as comparing every pair, with ties by place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embeddings.search import exact
from embeddings.search.dense import Span
from embeddings.search.exact import ExactSearch

ANYONE = -1


def places(vectors: list[list[float]], query: list[float], *, own: int = ANYONE, depth: int = 10) -> list[int]:
    search = ExactSearch(np.array(vectors, np.float16), np.arange(len(vectors)))
    (found,) = search.nearest(np.array([query], np.float16), np.array([own]), depth=depth)
    ids: list[int] = found.places.tolist()
    return ids


def test_the_nearest_comes_first_whatever_its_length() -> None:
    assert places([[1, 1], [0, 9], [5, 0]], [1, 0]) == [2, 0, 1]


def test_equal_scores_go_by_place() -> None:
    assert places([[0, 1], [2, 2], [1, 1], [3, 3]], [1, 1]) == [1, 2, 3, 0]


def test_ties_at_the_cut_keep_the_first_places() -> None:
    assert places([[1, 0]] * 50, [1, 0], depth=3) == [0, 1, 2]


def test_a_query_does_not_find_its_own_item() -> None:
    assert places([[1, 0], [1, 0], [0, 1]], [1, 0], own=0, depth=2) == [1, 2]


def test_a_vector_without_direction_is_not_found_and_finds_nothing() -> None:
    assert places([[0, 0], [1, 0]], [1, 0]) == [1]
    assert places([[1, 0]], [0, 0]) == []


def test_an_empty_corpus_finds_nothing() -> None:
    search = ExactSearch(np.empty((0, 2), np.float16), np.empty(0, np.int64))
    (found,) = search.nearest(np.ones((1, 2), np.float16), np.array([ANYONE]), depth=5)
    assert len(found.places) == 0


def test_a_query_with_one_part_of_a_concatenation_is_compared_in_that_part() -> None:
    vectors = np.array([[1, 0, 0, 9], [0, 1, 0, 0], [0.6, 0.8, 0, 0]], np.float16)
    search = ExactSearch(vectors, np.arange(3), spans=(Span(0, 2), Span(2, 2)))
    text, both = search.nearest(np.array([[1, 0, 0, 0], [1, 0, 0, 9]], np.float16), np.array([-1, -1]), depth=3)
    assert text.places.tolist() == [0, 2, 1]
    np.testing.assert_allclose(text.scores, [1, 0.6, 0], atol=1e-3)
    assert both.scores[0] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("queries", "items"), [(1, 7), (5, 1000), (256, 64)])
def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, queries: int, items: int) -> None:
    vectors = np.random.default_rng(1).standard_normal((90, 6)).astype(np.float16)
    whole = list(ExactSearch(vectors, np.arange(90)).nearest(vectors, np.arange(90), depth=8))
    monkeypatch.setattr(exact, "BLOCK_QUERIES", queries)
    monkeypatch.setattr(exact, "BLOCK_ITEMS", items)
    in_blocks = list(ExactSearch(vectors, np.arange(90)).nearest(vectors, np.arange(90), depth=8))
    assert [each.places.tolist() for each in in_blocks] == [each.places.tolist() for each in whole]


@settings(max_examples=50)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 1000))
def test_it_finds_what_a_comparison_of_all_pairs_finds(count: int, depth: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).integers(-2, 3, (count, 3)).astype(np.float16)
    wide = vectors.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1)
    cosines = np.round((wide @ wide.T) / np.maximum(np.outer(lengths, lengths), 1e-9), exact.SCORE_DIGITS)
    found = ExactSearch(vectors, np.arange(count)).nearest(vectors, np.arange(count), depth=depth)
    for row, ranking in enumerate(found):
        others = [place for place in np.flatnonzero(lengths) if place != row] if lengths[row] else []
        expected = sorted(others, key=lambda place: (-cosines[row, place], place))[:depth]
        np.testing.assert_allclose(ranking.scores, cosines[row, expected], atol=2e-6)
        assert set(ranking.places.tolist()).isdisjoint({row})
