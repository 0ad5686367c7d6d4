"""A truth set as a file, in canonical order: the same truth gives the same bytes, whatever the rows' history."""

from collections.abc import Callable, Iterator

from django.db.models import F
from django.db.models.functions import Collate

from groundtruth.exchange.formats import Format
from groundtruth.exchange.ground_truth_json import write_ground_truth
from groundtruth.exchange.qrels import write_qrels
from groundtruth.exchange.records import PairRecord, QueryRecord
from groundtruth.exchange.truth_csv import write_query_csv, write_truth_csv
from groundtruth.models import TruthQuery, TruthSet

ROWS_AT_ONCE = 10_000
WRITERS: dict[Format, Callable[[Iterator[QueryRecord | PairRecord]], Iterator[bytes]]] = {
    "json": write_ground_truth,
    "trec": write_qrels,
    "csv": write_truth_csv,
}


def export_truth(truth_set: TruthSet, format: Format) -> Iterator[bytes]:
    """The file in pieces: all queries, and the judged pairs with their final relevance.

    Raises NotForQrels for ids that qrels cannot hold. A set that others write to meanwhile is given as it was when the
    first piece was asked for.
    """
    return WRITERS[format](_records(truth_set))


def export_queries(truth_set: TruthSet) -> Iterator[bytes]:
    """The file of queries that goes with qrels, as CSV."""
    return write_query_csv(_records(truth_set))


def _records(truth_set: TruthSet) -> Iterator[QueryRecord | PairRecord]:
    """By one statement, so that queries and pairs are of one moment."""
    last = None
    for query_id, source, query_type, item, relevance in _rows(truth_set):
        if query_id != last:
            yield QueryRecord(0, query_id, source, query_type)
            last = query_id
        if item is not None and relevance is not None:
            yield PairRecord(0, query_id, item, relevance)


def _rows(truth_set: TruthSet) -> Iterator[tuple[str, str, str, str | None, int | None]]:
    """Ordered by code point where texts are compared: the collations of databases differ."""
    ordered = TruthQuery.objects.filter(truth_set=truth_set).order_by(
        Collate("query_id", "C"), F("pairs__final_relevance").desc(nulls_last=True), Collate("pairs__item__code", "C")
    )
    values = ordered.values_list("query_id", "item__code", "query_type", "pairs__item__code", "pairs__final_relevance")
    return values.iterator(chunk_size=ROWS_AT_ONCE)
