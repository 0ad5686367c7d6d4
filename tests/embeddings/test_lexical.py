"""BM25 by hand, and what it does with ties, unknown terms and a query's own document."""

from math import log

import numpy as np
import pytest

from embeddings.search.lexical import K1, B, Bm25


def ranked(documents: list[str], query: str, *, own: int = -1, depth: int = 10) -> dict[int, float]:
    (found,) = Bm25(text.split() for text in documents).best([query.split()], np.array([own]), depth=depth)
    return dict(zip(found.places.tolist(), found.scores.tolist(), strict=True))


def test_a_score_is_that_of_the_formula() -> None:
    documents = ["원 넓이 원", "넓이 삼각형", "확률 주사위 동전 합"]
    idf = log(1 + (3 - 1 + 0.5) / (1 + 0.5))
    expected = idf * 2 * (K1 + 1) / (2 + K1 * (1 - B + B * 3 / 3))
    assert ranked(documents, "원") == {0: pytest.approx(expected, abs=1e-4)}


def test_a_rare_term_weighs_more_than_a_common_one() -> None:
    found = ranked(["a x", "a y", "a z", "a"], "a x")
    assert next(iter(found)) == 0
    assert found[0] > found[1] * 2


def test_equal_scores_go_by_place_also_at_the_cut() -> None:
    assert list(ranked(["b"] * 3 + ["a b"] * 60, "a", depth=5)) == [3, 4, 5, 6, 7]


def test_a_query_does_not_find_its_own_document() -> None:
    assert list(ranked(["a b", "a b", "a c"], "a b", own=0)) == [1, 2]


def test_unknown_terms_find_nothing() -> None:
    assert ranked(["a", "b"], "z") == {}


def test_what_shares_no_term_is_not_found() -> None:
    assert list(ranked(["a", "b", "a b"], "b")) == [1, 2]


def test_no_document_and_no_query_are_no_error() -> None:
    assert ranked([], "a") == {}
    assert list(Bm25([["a"]]).best([], np.empty(0, np.int64), depth=3)) == []


def test_each_query_of_many_gets_its_own_answer() -> None:
    index = Bm25([["a"], ["b"], ["c"]])
    found = index.best([["c"], ["a"]], np.array([-1, -1]), depth=2)
    assert [each.places.tolist() for each in found] == [[2], [0]]
