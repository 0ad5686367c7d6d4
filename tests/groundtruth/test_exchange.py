"""Truth sets in and out of files, with the rows that they become."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundtruth.exchange import (
    FORMATS,
    Format,
    ImportRefused,
    UnknownItems,
    export_queries,
    export_truth,
    import_truth,
    importing,
)
from groundtruth.fingerprint import fingerprint_of
from groundtruth.models import Change, TruthSet
from tests.factories import make_item, make_staff
from tests.groundtruth.factories import make_pair, make_query, make_truth_set

pytestmark = pytest.mark.django_db


def imported(content: bytes | str, format: Format = "csv", **arguments: Any) -> Any:
    file = io.BytesIO(content.encode() if isinstance(content, str) else content)
    return import_truth(file=file, format=format, name="imported", **arguments)


def exported(truth_set: TruthSet, format: Format) -> bytes:
    return b"".join(export_truth(truth_set, format))


def rows(*lines: str) -> str:
    return "\n".join(["query_id,source_item_id,query_type,item_id,relevance", *lines])


def items(*codes: str) -> None:
    for code in codes:
        make_item(code=code)


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    truth=st.dictionaries(
        st.integers(0, 4), st.dictionaries(st.integers(0, 4), st.integers(0, 3), max_size=4), max_size=4, min_size=1
    )
)
def test_what_was_exported_is_imported_as_the_same_truth(format: Format, truth: dict[int, dict[int, int]]) -> None:
    bank = [make_item() for _ in range(5)]
    bank[0].code = f"=가 {bank[0].code}" if format != "trec" else bank[0].code
    bank[0].save()
    truth_set = make_truth_set()
    for place, said in truth.items():
        query = make_query(truth_set, bank[place], query_type="similar_item")
        for item, relevance in said.items():
            if item != place:
                make_pair(query, bank[item], relevance=relevance)
    queries = io.BytesIO(b"".join(export_queries(truth_set))) if format == "trec" else None
    summary = imported(exported(truth_set, format), format, queries=queries)
    assert fingerprint_of(summary.truth_set) == fingerprint_of(truth_set)
    assert exported(summary.truth_set, format) == exported(truth_set, format)


def test_an_import_makes_a_set_and_says_so_in_the_trail() -> None:
    items("A", "B", "C")
    user = make_staff()
    summary = imported(rows("1,A,,B,3", "1,A,,C,0", "2,B,,,"), user=user)
    assert (summary.queries, summary.pairs, summary.unknown_count) == (2, 2, 0)
    truth_set = summary.truth_set
    assert (truth_set.method, truth_set.scope, truth_set.created_by) == ("manual", "bank", user)
    assert Change.objects.get(action="import").new == {"queries": 2, "pairs": 2}


def test_importing_again_makes_the_next_version() -> None:
    items("A", "B")
    assert [imported(rows("1,A,,B,3")).truth_set.version for _ in range(2)] == [1, 2]


def test_unknown_items_are_listed_and_nothing_is_imported() -> None:
    items("A")
    lines = [f"1,A,,X{number:02d},3" for number in range(25)]
    with pytest.raises(UnknownItems) as refusal:
        imported(rows(*lines, "2,Y,,A,3"))
    assert refusal.value.codes == [f"X{number:02d}" for number in range(20)]
    assert refusal.value.count == 26
    assert "26 unknown items" in str(refusal.value)
    assert not TruthSet.objects.exists()


def test_unknown_items_are_skipped_where_that_is_asked_for() -> None:
    items("A", "B")
    summary = imported(rows("1,A,,B,3", "1,A,,X,2", "2,Y,,A,3"), skip_unknown=True)
    assert (summary.queries, summary.pairs) == (1, 1)
    assert (summary.skipped_queries, summary.skipped_pairs) == (1, 2)
    assert (summary.unknown, summary.unknown_count) == (("X", "Y"), 2)


def test_a_file_of_which_nothing_is_known_is_refused_even_then() -> None:
    with pytest.raises(ImportRefused, match="no query"):
        imported(rows("1,A,,B,3"), skip_unknown=True)
    assert not TruthSet.objects.exists()


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["1,A,,B,3", "1,A,,B,2"], "row 3, id: The item “B” is there twice"),
        (["1,A,,A,3"], "cannot be relevant to itself"),
        (["1,A,,B,3", "2,A,,C,3"], "row 3, source_item_id: The item “A”"),
        (["1,A,,B,9"], "row 2, relevance"),
    ],
)
def test_rows_that_contradict_each_other_are_named_and_nothing_is_imported(lines: list[str], reason: str) -> None:
    items("A", "B", "C")
    with pytest.raises(ImportRefused, match=reason):
        imported(rows(*lines))
    assert not TruthSet.objects.exists()


def test_a_query_that_is_twice_in_a_json_is_named() -> None:
    items("A", "B")
    queries = [{"query_id": "1", "source_item_id": code, "relevant_items": []} for code in "AB"]
    with pytest.raises(ImportRefused, match="row 2, query_id"):
        imported(json.dumps({"queries": queries}), "json")


def test_only_the_first_errors_are_listed_and_all_are_counted() -> None:
    with pytest.raises(ImportRefused) as refusal:
        imported(rows(*["1,A,,B,9"] * 30))
    assert (len(refusal.value.errors), refusal.value.count) == (20, 30)
    assert str(refusal.value).endswith("… and 10 more.")


def test_a_json_that_breaks_off_leaves_nothing() -> None:
    items("A", "B")
    query = '{"query_id": "1", "source_item_id": "A", "relevant_items": [{"id": "B", "relevance": 3}]}'
    with pytest.raises(ImportRefused, match="not valid JSON"):
        imported('{"queries": [' + query + ", ", "json")
    assert not TruthSet.objects.exists()
    assert imported(f'{{"queries": [{query}]}}', "json").pairs == 1


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MAX_BYTES", 10)
    with pytest.raises(ImportRefused, match="larger"):
        imported(rows())


def test_qrels_name_their_query_items_by_code() -> None:
    items("A", "Q_B", "C", "D")
    summary = imported("Q_A 0 C 3\nQ_B 0 C 2\nD 0 C 1\n", "trec")
    found = dict(summary.truth_set.queries.values_list("query_id", "item__code"))
    assert found == {"Q_A": "A", "Q_B": "Q_B", "D": "D"}


def test_an_export_has_what_people_approved_and_leaves_out_what_nobody_judged() -> None:
    items("A", "B", "C")
    truth_set = imported(rows("1,A,,B,3")).truth_set
    truth_set.pairs.update(approved_relevance=1)
    make_pair(truth_set.queries.get())
    assert exported(truth_set, "trec") == b"1 0 B 1\n"
    (query,) = json.loads(exported(truth_set, "json"))["queries"]
    assert query["relevant_items"] == [{"id": "B", "relevance": 1}]


def test_the_commands_import_and_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    items("A", "B")
    source, out, queries = tmp_path / "truth.csv", tmp_path / "truth.qrels", tmp_path / "queries.csv"
    source.write_text(rows("1,A,,B,3", "1,A,,X,3"), encoding="utf-8")
    with pytest.raises(CommandError, match="1 unknown items"):
        call_command("import_truth", str(source), "--name", "truth")
    call_command("import_truth", str(source), "--name", "truth", "--skip-unknown")
    call_command("export_truth", "truth", str(out), "--version", "1", "--queries", str(queries))
    assert out.read_bytes() == b"1 0 B 3\n"
    call_command("import_truth", str(out), "--name", "truth", "--queries", str(queries))
    assert "truth v2: 1 queries and 1 pairs imported." in capsys.readouterr().out
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["import_truth", "missing.json", "--name", "truth"],
        ["import_truth", "truth.doc", "--name", "truth"],
        ["export_truth", "missing", "out.json"],
    ],
)
def test_a_command_that_cannot_be_done_says_why(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command(*arguments)
