"""Search by words: BM25 over the terms of items, with filters, up to date, and with the terms that each hit matched.

Scores come from the index in this process. PostgreSQL then says which of the best items exist and pass the filters, so
that a deleted item is never a hit and an edit of a filtered field counts at once.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from embeddings.search.conditions import condition_of, values_of
from embeddings.search.lexical_index import INDEX
from embeddings.search.lexical_scores import Scored, Scoring, Shares
from embeddings.search.statements import binary_rows
from embeddings.search.types import Filters

FEW = 5_000  # items that pass a filter: so many are fetched before scoring, more are asked about after it
SPARE = 32  # candidates beyond those wanted, for items deleted since
GROWTH = 8


class LexicalHit(NamedTuple):
    """`shares` are the matched terms, with the part of the score that each gave; they add up to 1."""

    item_id: int
    code: str
    score: float
    shares: Shares


class Found(NamedTuple):
    """`full_score` is that of an item of mean length with each word of the query."""

    hits: list[LexicalHit]
    full_score: float


def lexical(terms: Sequence[str], *, filters: Filters, k: int, without: int | None = None) -> list[LexicalHit]:
    """The hits of `by_words`."""
    return by_words(terms, filters=filters, k=k, without=without).hits


def by_words(terms: Sequence[str], *, filters: Filters, k: int, without: int | None = None) -> Found:
    """The `k` best items by (score descending, code ascending in code point order), all with a score above 0.

    A term counts as often as it is given. `without` is the item that the query stands for.
    """
    allowed, snapshot = _few_allowed(filters), INDEX.current()
    scoring = Scoring(snapshot, terms, allowed)
    first = (k + SPARE) * (GROWTH if filters and allowed is None else 1)
    rows = _passing(scoring, filters, k, without, first=first)
    shares = scoring.shares([item_id for item_id, _code, _score in rows])
    hits = [LexicalHit(*row, each) for row, each in zip(rows, shares, strict=True)]
    return Found(hits, snapshot.full_score(terms))


def _passing(
    scoring: Scoring, filters: Filters, k: int, without: int | None, *, first: int
) -> list[tuple[int, str, float]]:
    """More and more candidates are taken, `first` to begin with, until enough of them pass or there are no more."""
    for most in _growing(first):
        parts = scoring.best(most)
        rows = _existing(parts, filters, k, without)
        if len(rows) == k or all(len(part.item_ids) < most for part in parts):
            return rows
    raise AssertionError("growth has no end")


def _growing(most: int) -> Iterator[int]:
    while True:
        yield most
        most *= GROWTH


def _few_allowed(filters: Filters) -> NDArray[np.int64] | None:
    """The items that pass, where they are few; None where they are many."""
    if not filters:
        return None
    statement = sql.SQL(
        "SELECT string_agg(int8send(id), ''::bytea) FROM (SELECT id FROM itembank_item WHERE {condition} LIMIT {most})"
    ).format(condition=condition_of(filters), most=sql.Literal(FEW + 1))
    found = np.frombuffer(binary_rows(statement, values_of(filters))[0][0] or b"", ">i8").astype(np.int64)
    return None if len(found) > FEW else found


def _existing(parts: Sequence[Scored], filters: Filters, k: int, without: int | None) -> list[tuple[int, str, float]]:
    statement = sql.SQL(
        "SELECT item.id, item.code, score FROM unnest(%(ids)s::bigint[], %(scores)s::float8[]) AS given (id, score) "
        "JOIN itembank_item AS item ON item.id = given.id WHERE item.id <> %(without)s {condition} "
        'ORDER BY score DESC, item.code COLLATE "C" LIMIT %(k)s'
    ).format(condition=sql.SQL("AND {}").format(condition_of(filters)) if filters else sql.SQL(""))
    parameters = {
        "ids": np.concatenate([part.item_ids for part in parts]).tolist(),
        "scores": np.concatenate([part.scores for part in parts]).tolist(),
        "without": without or 0,
        "k": k,
    }
    return [(item_id, code, score) for item_id, code, score in binary_rows(statement, parameters | values_of(filters))]
