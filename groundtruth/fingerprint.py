"""What a truth set says, as one hash: the same for the same truth, in whatever bank and order it was entered."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import chain

from django.db.models import F
from django.db.models.functions import Collate

from groundtruth.models import TruthPair, TruthQuery, TruthSet

FORM = "itembank truth 1"
ROWS_AT_ONCE = 10_000


def fingerprint_of(truth_set: TruthSet) -> str:
    """SHA-256 (hex) over the queries and the judged pairs with their final relevances, by codes, in canonical order.

    Candidates that nobody judged say nothing and are left out. Reads the pairs in pieces; call it in a transaction
    that keeps others from writing.
    """
    hashed = hashlib.sha256(FORM.encode())
    for line in chain(_lines(_queries(truth_set)), [b"\n"], _lines(_judged_pairs(truth_set))):
        hashed.update(line)
    return hashed.hexdigest()


def _lines(rows: Iterable[tuple[object, ...]]) -> Iterator[bytes]:
    return (b"\n" + json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() for row in rows)


def _queries(truth_set: TruthSet) -> Iterator[tuple[object, ...]]:
    """Ordered by code point: the collations of databases differ."""
    queries = TruthQuery.objects.filter(truth_set=truth_set).order_by(Collate("query_id", "C"))
    return queries.values_list("query_id", "item__code", "query_type").iterator(chunk_size=ROWS_AT_ONCE)


def _judged_pairs(truth_set: TruthSet) -> Iterator[tuple[object, ...]]:
    pairs = TruthPair.objects.filter(truth_set=truth_set, final_relevance__isnull=False)
    ordered = pairs.order_by(Collate(F("query__query_id"), "C"), Collate(F("item__code"), "C"))
    values = ordered.values_list("query__query_id", "item__code", "final_relevance")
    return values.iterator(chunk_size=ROWS_AT_ONCE)
