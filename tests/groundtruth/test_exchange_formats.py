"""Truth files: what each format may hold, what it may not, and that what is written is read again."""

import io
import json
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtruth.exchange.ground_truth_json import read_ground_truth, write_ground_truth
from groundtruth.exchange.qrels import NotForQrels, read_qrels, write_qrels
from groundtruth.exchange.records import PairRecord, QueryRecord, Record
from groundtruth.exchange.truth_csv import read_query_csv, read_truth_csv, write_query_csv, write_truth_csv
from itembank.uploads.drafts import RowError, UploadError

Written = list[QueryRecord | PairRecord]
HEADER = "query_id,source_item_id,query_type,item_id,relevance\n"

# What text_of keeps as it is: printable, NFC, without blanks at the ends. With what spreadsheets take for formulas.
texts = st.from_regex(
    r"[=+\-@'＝가-힣A-Za-z0-9,\"\\][=+\-@'가-힣A-Za-z0-9 ,;\"\\]{0,8}[가-힣A-Za-z0-9']", fullmatch=True
)
codes = st.from_regex(r"[=+\-@'가-힣A-Za-z0-9,\"\\]{1,9}", fullmatch=True)


@st.composite
def truths(draw: st.DrawFn, names: st.SearchStrategy[str] = texts) -> Written:
    """Queries, each followed by its pairs, as exports give them."""
    records: Written = []
    for query_id in draw(st.lists(names, max_size=4, unique=True)):
        records.append(QueryRecord(0, query_id, draw(codes), draw(texts)))
        for item in draw(st.lists(codes, max_size=4, unique=True)):
            records.append(PairRecord(0, query_id, item, draw(st.integers(0, 3))))
    return records


def placeless(records: Iterator[Record]) -> Written:
    """Without row numbers; errors fail the test."""
    kept = [record for record in records if not isinstance(record, RowError)]
    return [record._replace(row=0) for record in kept]


def read_json(text: str) -> list[Record]:
    return list(read_ground_truth(io.BytesIO(text.encode())))


def read_csv(text: str) -> list[Record]:
    return list(read_truth_csv(io.BytesIO(text.encode())))


def read_lines(text: str) -> list[Record]:
    return list(read_qrels(io.BytesIO(text.encode())))


def faults(records: list[Record]) -> list[tuple[int | None, str, str]]:
    return [(each.row, each.field, each.code) for each in records if isinstance(each, RowError)]


@given(truths())
def test_json_is_read_as_it_was_written(truth: Written) -> None:
    written = b"".join(write_ground_truth(iter(truth)))
    records = list(read_ground_truth(io.BytesIO(written)))
    assert not faults(records)
    assert placeless(iter(records)) == truth
    json.loads(written)


@given(truths())
def test_csv_is_read_as_it_was_written(truth: Written) -> None:
    written = b"".join(write_truth_csv(iter(truth)))
    records = list(read_truth_csv(io.BytesIO(written)))
    assert not faults(records)
    assert placeless(iter(records)) == truth


@given(truths(names=codes))
def test_qrels_with_their_file_of_queries_are_read_as_they_were_written(truth: Written) -> None:
    queries, lines = b"".join(write_query_csv(iter(truth))), b"".join(write_qrels(iter(truth)))
    records = list(read_qrels(io.BytesIO(lines), read_query_csv(io.BytesIO(queries))))
    assert not faults(records)
    assert sorted(placeless(iter(records)), key=repr) == sorted(truth, key=repr)


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_whatever_the_bytes_are_readers_give_records_or_say_what_is_wrong(content: bytes) -> None:
    readers: list[Callable[[io.BytesIO], Iterator[Record]]] = [read_ground_truth, read_truth_csv, read_qrels]
    for reader in readers:
        try:
            assert all(isinstance(each, QueryRecord | PairRecord | RowError) for each in reader(io.BytesIO(content)))
        except UploadError as error:
            assert str(error)


def test_no_cell_of_a_csv_is_a_formula() -> None:
    truth: Written = [
        QueryRecord(0, "=1+1", "@sum", "-x"),
        PairRecord(0, "=1+1", "+cmd", 3),
        PairRecord(0, "q", "＝a", 1),
    ]
    lines = b"".join(write_truth_csv(iter(truth))).decode("utf-8-sig").splitlines()
    assert lines[1:] == ["'=1+1,'@sum,'-x,'+cmd,3", "'=1+1,'@sum,'-x,'＝a,1"]


def test_json_as_others_write_it_is_read() -> None:
    records = read_json(
        '{"made": "by hand", "queries": [{"query_id": "1", "source_item_id": "A", "relevant_items": []}, '
        '{"query_id": "2", "source_item_id": "B", "query_type": "t", "relevant_items": [{"id": "A", "relevance": 2}]}]}'
    )
    assert records == [
        QueryRecord(1, "1", "A", "similar_item"),
        QueryRecord(2, "2", "B", "t"),
        PairRecord(2, "2", "A", 2),
    ]


def a_query(**fields: object) -> str:
    values = {"query_id": "1", "source_item_id": "A", "relevant_items": [{"id": "B", "relevance": 3}]} | fields
    return json.dumps({"queries": [values]})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (a_query(query_id=""), (1, "query_id", "required")),
        (a_query(query_id="n" * 101), (1, "query_id", "too-long")),
        (a_query(query_id="a\nb"), (1, "query_id", "not-printable")),
        (a_query(source_item_id=7), (1, "source_item_id", "wrong-type")),
        (a_query(extra=1), (1, "extra", "unknown-field")),
        (a_query(relevant_items=None), (1, "relevant_items", "wrong-type")),
        (a_query(relevant_items=["B"]), (1, "relevant_items", "wrong-type")),
        (a_query(relevant_items=[{"id": "B", "relevance": 3, "why": ""}]), (1, "why", "unknown-field")),
        (a_query(relevant_items=[{"id": "B"}]), (1, "relevance", "relevance")),
        (a_query(relevant_items=[{"id": "B", "relevance": 4}]), (1, "relevance", "relevance")),
        (a_query(relevant_items=[{"id": "B", "relevance": True}]), (1, "relevance", "relevance")),
        (a_query(relevant_items=[{"id": "B", "relevance": 2.0}]), (1, "relevance", "relevance")),
        (a_query(relevant_items=[{"id": "B", "relevance": float("nan")}]), (1, "", "json-nan")),
        ('{"queries": [{"query_id": "1", "query_id": "2"}]}', (1, "", "json-duplicate-key")),
        ('{"queries": ["1"]}', (1, "", "not-an-object")),
    ],
)
def test_a_query_of_a_json_that_is_wrong_is_named(text: str, fault: tuple[int, str, str]) -> None:
    assert faults(read_json(text)) == [fault]


@pytest.mark.parametrize(
    "text", ["", "{", '{"items": []}', '{"queries": {}}', '{"queries": []} x', '{"queries": [{},]}']
)
def test_a_file_that_is_no_list_of_queries_is_refused(text: str) -> None:
    with pytest.raises(UploadError) as refusal:
        read_json(text)
    assert "item" not in str(refusal.value)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (",A,,B,3", (2, "query_id", "required")),
        ("1,,,B,3", (2, "source_item_id", "required")),
        ("1,A,,B,", (2, "relevance", "relevance")),
        ("1,A,,,3", (2, "item_id", "required")),
        ("1,A,,B,nan", (2, "relevance", "relevance")),
        ("1,A,,B,-1", (2, "relevance", "relevance")),
        ("1,A,,B,２", (2, "relevance", "relevance")),
        ("1,A,,B,3,more", (2, "", "column-count")),
        ("1,A,,B,3\n1,C,,D,3", (3, "query_id", "query-duplicate")),
    ],
)
def test_a_row_of_a_csv_that_is_wrong_is_named(row: str, fault: tuple[int, str, str]) -> None:
    assert faults(read_csv(HEADER + row)) == [fault]


def test_a_csv_in_cp949_with_its_rows_mixed_is_read() -> None:
    content = (HEADER + "가,A,,B,3\n나,B,,,\n\n가,A,,C,1\n").encode("cp949")
    assert list(read_truth_csv(io.BytesIO(content))) == [
        QueryRecord(2, "가", "A", "similar_item"),
        PairRecord(2, "가", "B", 3),
        QueryRecord(3, "나", "B", "similar_item"),
        PairRecord(5, "가", "C", 1),
    ]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "query_id,source_item_id,item_id",
        HEADER.strip() + ",score",
        "query_id,query_id,source_item_id,item_id,relevance",
    ],
)
def test_a_header_with_other_columns_is_refused(header: str) -> None:
    with pytest.raises(UploadError):
        read_csv(header + "\n1,A,B,3\n")


def test_qrels_are_read_whatever_separates_their_fields() -> None:
    assert read_lines("Q_A 0 B 3\r\n\nQ_A\t0\tC\t0\n") == [
        QueryRecord(1, "Q_A", None, "similar_item"),
        PairRecord(1, "Q_A", "B", 3),
        PairRecord(3, "Q_A", "C", 0),
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("A 0 B", (1, "", "qrels-line")),
        ("A 0 B 3 4", (1, "", "qrels-line")),
        ("A 0 B -1", (1, "relevance", "relevance")),
        ("A 0 B 1.0", (1, "relevance", "relevance")),
        ("A 0 " + "B" * 65 + " 1", (1, "id", "too-long")),
        ("A 0 B 1" + " " * 10_000 + "\n", (1, "", "qrels-line")),
    ],
)
def test_a_line_of_qrels_that_is_wrong_is_named(line: str, fault: tuple[int, str, str]) -> None:
    assert faults(read_lines(line)) == [fault]


def test_a_line_that_is_not_utf8_is_named() -> None:
    assert faults(list(read_qrels(io.BytesIO("가 0 B 1\n".encode("cp949"))))) == [(1, "", "encoding")]


def test_a_query_that_the_file_of_queries_lacks_is_named() -> None:
    queries = read_query_csv(io.BytesIO(b"query_id,source_item_id\n1,A\n"))
    records = list(read_qrels(io.BytesIO(b"1 0 B 3\n2 0 B 3\n"), queries))
    assert records[:2] == [QueryRecord(2, "1", "A", "similar_item"), PairRecord(1, "1", "B", 3)]
    assert faults(records) == [(2, "query_id", "query-unknown")]


def test_a_file_of_queries_with_errors_is_refused() -> None:
    queries = read_query_csv(io.BytesIO(b"query_id,source_item_id\n1,A\n1,A\n"))
    with pytest.raises(UploadError, match="twice"):
        list(read_qrels(io.BytesIO(b"1 0 B 3\n"), queries))


@pytest.mark.parametrize("query_id", ["a b", "a\u3000b"])
def test_ids_with_blanks_are_not_written_as_qrels(query_id: str) -> None:
    with pytest.raises(NotForQrels):
        list(write_qrels(iter([PairRecord(0, query_id, "B", 3)])))
