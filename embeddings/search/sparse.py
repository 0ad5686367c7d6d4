"""The best products of sparse rows, with ties decided by place and never by luck.

Imports of scipy and sparse_dot_topn stay inside: a process that does not search by words needs neither.
"""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embeddings.search.fusion import Places, Ranking

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

BLOCK_ROWS = 1024
SPARE = 16  # so many more than asked are kept, among which places decide between equal scores


def best_products(
    queries: "csr_matrix", transposed: "csr_matrix", own: Places, *, top: int, digits: int, min_score: float = 0.0
) -> Iterator[Ranking]:
    """For each of `queries` (q, terms) the `top` columns of `transposed` (terms, n) with the highest product.

    Products are rounded to `digits`: beyond, equal ones differ by the order they were summed in. Only those above 0 and
    from `min_score` up count. `own` (q,) is the column that a query must not find, or -1. Both matrices are float32.
    """
    for start in range(0, queries.shape[0], BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        yield from _block(queries[block], transposed, own[block], top=top, digits=digits, min_score=min_score)


def _block(
    queries: "csr_matrix", transposed: "csr_matrix", own: Places, *, top: int, digits: int, min_score: float
) -> Iterator[Ranking]:
    from sparse_dot_topn import sp_matmul_topn

    kept = top + 1 + SPARE  # one for the query itself
    threshold = max(0.0, min_score - 0.5 * 10**-digits)
    best = sp_matmul_topn(queries, transposed, kept, threshold=threshold, n_threads=_cores())
    for row in range(queries.shape[0]):
        span = slice(best.indptr[row], best.indptr[row + 1])
        places, scores = best.indices[span], best.data[span]
        if len(places) == kept and _cut_through_ties(scores, top, digits):
            product = queries[row] @ transposed
            places, scores = product.indices, product.data
        rounded = np.round(scores.astype(np.float64), digits)
        wanted = (places != own[row]) & (rounded >= min_score) & (rounded > 0)
        yield _ordered(places[wanted].astype(np.int64), rounded[wanted], top)


def _cut_through_ties(scores: NDArray[np.float32], top: int, digits: int) -> bool:
    """Whether a row that was left out may have the score of one that counts."""
    rounded = np.sort(np.round(scores, digits))[::-1]
    return bool(rounded[-1] >= rounded[top])


def _ordered(places: Places, scores: NDArray[np.float64], top: int) -> Ranking:
    order = np.lexsort((places, -scores))[:top]
    return Ranking(places[order], scores[order])


def _cores() -> int:
    return len(os.sched_getaffinity(0))
