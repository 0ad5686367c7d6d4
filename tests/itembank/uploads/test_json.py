import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itembank.uploads import ItemDraft, Limits, UploadError
from itembank.uploads.json_items import read_json

from .builders import codes, item, parsed, stored


def document(*items: Any, **others: Any) -> bytes:
    return json.dumps({**others, "items": items}, ensure_ascii=False, indent=1).encode()


@pytest.mark.parametrize("data", [document(item("A"), item("B")), json.dumps([item("A"), item("B")]).encode()])
def test_a_document_and_a_bare_list_are_read(tmp_path: Path, data: bytes) -> None:
    rows = parsed(stored(tmp_path, "items.json", data))
    assert [row.code for row in rows if isinstance(row, ItemDraft)] == ["A", "B"]
    assert [row.row for row in rows] == [1, 2]


def test_keys_beside_items_are_passed_over(tmp_path: Path) -> None:
    data = document(item("A"), version=1, note={"items": [1]}, list=[[], {}])
    assert len(parsed(stored(tmp_path, "items.json", data))) == 1
    trailing = b'{"items": [], "version": 1.5, "done": true}'
    assert parsed(stored(tmp_path, "items.json", trailing)) == []


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b'{"id": NaN}', "json-nan"),
        (b'{"id": "B", "id": "C"}', "json-duplicate-key"),
        (rb'{"id": "\u0000"}', "nul"),
        (rb'{"id": "\udfff"}', "surrogate"),
        (b'{"x": 1e999}', "json-number"),
        (b'{"x": ' + b"7" * 5000 + b"}", "json-number"),
        (b'{"x":' + b"[" * 50 + b"]" * 50 + b"}", "json-depth"),
        (b"12", "not-an-object"),
        (b'"text"', "not-an-object"),
    ],
)
def test_a_bad_item_is_an_error_of_that_item_alone(tmp_path: Path, bad: bytes, code: str) -> None:
    good = json.dumps(item("A")).encode()
    last = json.dumps(item("Z")).encode()
    rows = parsed(stored(tmp_path, "items.json", b'{"items": [' + b",".join([good, bad, last]) + b"]}"))
    assert [codes(row) for row in rows] == [[], [code], []]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"rows": []}', "items-missing"),
        (b"{}", "items-missing"),
        (b'{"items": {}}', "items-not-a-list"),
        (b'{"items": [], "items": []}', "json-duplicate-key"),
        (b'{"items": [', "json-syntax"),
        (b'{"items": [{"id": "A"', "json-syntax"),
        (b'{"items": [{"id": "A"},]}', "json-syntax"),
        (b'{"items": [],}', "json-syntax"),
        (b'{"items": [] "a": 1}', "json-syntax"),
        (b'{"items": []} x', "json-syntax"),
        (b'{"id": "A"}\n{"id": "B"}', "items-missing"),
        (b"[1 2]", "json-syntax"),
        (b"{items: []}", "json-syntax"),
        (b'{"items": [{"text": "\xff"}]}', "encoding"),
        (b'{"items": [' + b"[" * 100_000, "json-depth"),
        (b'{"items": [{"text": "' + b"x" * 100_000, "json-value-too-long"),
    ],
)
def test_a_broken_document_is_refused_as_a_whole(tmp_path: Path, data: bytes, code: str) -> None:
    with pytest.raises(UploadError) as refused:
        parsed(stored(tmp_path, "items.json", data), limits=Limits(row_bytes=50_000))
    assert [error.code for error in refused.value.errors] == [code]
    assert refused.value.errors[0].row is None
    assert str(refused.value)


def test_a_syntax_error_names_line_and_column(tmp_path: Path) -> None:
    data = b'{"items": [\n' + (b'{"id": "' + b"A" * 200 + b'"},\n') * 3000 + b'{"id" "B"}\n]}'
    with pytest.raises(UploadError, match=r"line 3002, column 7"):
        parsed(stored(tmp_path, "items.json", data))


class _Trickle:
    """Gives one byte at a time, so that every value is cut at every place."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, _size: int) -> bytes:
        first, self._data = self._data[:1], self._data[1:]
        return first


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text(max_size=3), json_values, max_size=3), max_size=4))
def test_where_the_blocks_of_the_file_end_makes_no_difference(items: list[dict[str, Any]]) -> None:
    data = json.dumps({"n": 12, "items": items, "m": 3.5}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    clean = "\\u0000" not in data.decode("utf-8", "replace")
    rows = list(read_json(_Trickle(data), Limits()))  # type: ignore[arg-type]
    assert len(rows) == len(items)
    assert not clean or [row.fields for row in rows] == items
