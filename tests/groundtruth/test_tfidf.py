"""TF-IDF and its neighbours: arithmetic done by hand, and a comparison with every pair."""

import math
from typing import Any

import numpy as np
import pytest

from embeddings.search import sparse
from groundtruth import tfidf
from groundtruth.tfidf import fit, neighbours


def found(documents: list[list[str]], **options: object) -> dict[int, list[tuple[int, float]]]:
    matrix = fit(documents)
    asked: dict[str, Any] = {"top": 5, "min_score": 0.0} | options
    rows = asked.get("rows", range(len(documents)))
    best = neighbours(matrix, **asked)
    return {
        row: list(zip(each.places.tolist(), each.scores.tolist(), strict=True))
        for row, each in zip(rows, best, strict=True)
    }


def test_the_cosine_is_that_of_the_formula() -> None:
    # "a" is in both of two documents and weighs 1; "b" and "c", and the pairs "a b" and "a c", weigh 1 + ln(3/2).
    rare = 1 + math.log(3 / 2)
    [(other, score)] = found([["a", "b"], ["a", "c"]])[0]
    assert other == 1
    assert score == pytest.approx(1 / (1 + 2 * rare**2), abs=1e-5)


def test_a_term_that_comes_twice_weighs_a_logarithm_more() -> None:
    often = 1 + math.log(2)
    only_term = found([["a"], ["a", "a"]])[0][0][1]
    pair = 1 + math.log(3 / 2)
    assert only_term == pytest.approx(often / math.hypot(often, pair), abs=1e-5)


def test_the_same_words_in_another_order_are_less_alike() -> None:
    scores = dict(found([["a", "b", "c"], ["a", "b", "c"], ["c", "b", "a"], ["d"]])[0])
    assert scores[1] == 1 and scores[2] < 0.8


def test_an_item_is_never_its_own_neighbour() -> None:
    everything = found([["a"]] * 40)
    assert all(row not in dict(others) for row, others in everything.items())


def test_equal_scores_go_by_row_however_many_there_are() -> None:
    everything = found([["a"]] * 60 + [["b"]])
    assert [other for other, _ in everything[0]] == [1, 2, 3, 4, 5]
    assert [other for other, _ in everything[59]] == [0, 1, 2, 3, 4]
    assert everything[60] == []


def test_pairs_below_the_lowest_score_are_left_out() -> None:
    documents = [["a", "b"], ["a", "c"], ["a", "b"]]
    assert [other for other, _ in found(documents, min_score=0.5)[0]] == [2]


def test_a_document_without_terms_has_no_neighbours() -> None:
    assert found([[], ["a"], []]) == {0: [], 1: [], 2: []}
    assert found([]) == {}


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_blocks_find_what_a_comparison_of_all_pairs_finds(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(sparse, "BLOCK_ROWS", block)
    random = np.random.default_rng(3)
    documents = [[f"t{n}" for n in random.zipf(1.6, size=12) if n < 50] for _ in range(150)]
    matrix = fit(documents)
    every = np.round((matrix @ matrix.T).toarray().astype(np.float64), tfidf.SCORE_DIGITS)
    np.fill_diagonal(every, -1)
    for products, each in zip(every, neighbours(matrix, top=5, min_score=0.1), strict=True):
        order = np.lexsort((np.arange(150), -products))[:5]
        assert each.places.tolist() == [row for row in order.tolist() if products[row] >= 0.1]


def test_only_the_rows_asked_for_are_compared() -> None:
    assert list(found([["a"], ["a"], ["b"]], rows=[1])) == [1]
