import itertools
import json
import tracemalloc
from pathlib import Path

import pytest

from itembank.uploads import ItemDraft, Limits, RowErrors, open_upload

from .builders import codes, item, jsonl, parsed, stored

GOOD = jsonl(item("A"))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"id": "B", "subject": NaN}', "json-nan"),
        (b'{"id": "B", "x": Infinity}', "json-nan"),
        (b'{"id": "B", "x": 1e999}', "json-number"),
        (b'{"id": "B", "x": ' + b"9" * 5000 + b"}", "json-number"),
        (b'{"id": "B", "id": "C"}', "json-duplicate-key"),
        (b'{"id": "B", "metadata": {"a": 1, "a": 2}}', "json-duplicate-key"),
        (rb'{"id": "B", "text": "\u0000"}', "nul"),
        (rb'{"id": "B", "metadata": {"\u0000": 1}}', "nul"),
        (rb'{"id": "B", "text": "\ud83d"}', "surrogate"),
        (rb'{"id": "B", "metadata": {"a": ["\uDC00"]}}', "surrogate"),
        (b'{"id": "B", "text": "\x00"}', "json-syntax"),
        (b'{"id": "B", "text": "\xff"}', "encoding"),
        (b'{"id": "B", "text": "\xed\xa0\x80"}', "encoding"),
        (b'{"id": "B"', "json-syntax"),
        (b'{"id": "B"} {"id": "C"}', "json-syntax"),
        (b'{"id": "B",}', "json-syntax"),
        (b"{'id': 'B'}", "json-syntax"),
        (b'["B"]', "not-an-object"),
        (b"null", "not-an-object"),
        (b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "json-depth"),
        (b'{"x": ' + b"[" * 40 + b"]" * 40 + b"}", "json-depth"),
    ],
)
def test_a_bad_line_is_an_error_of_that_line_alone(tmp_path: Path, line: bytes, code: str) -> None:
    rows = parsed(stored(tmp_path, "items.jsonl", GOOD + line + b"\n" + jsonl(item("Z"))))
    assert [codes(row) for row in rows] == [[], [code], []]
    assert [row.row for row in rows] == [1, 2, 3]


def test_escapes_that_only_look_dangerous_are_fine(tmp_path: Path) -> None:
    text = "\\u0000 \\ud83d 😀 " + "{" * 50
    rows = parsed(stored(tmp_path, "items.jsonl", json.dumps(item(text=text)).encode()))
    assert isinstance(rows[0], ItemDraft)
    assert rows[0].text == text


def test_an_overlong_line_is_refused_and_the_next_one_read(tmp_path: Path) -> None:
    data = jsonl(item("A"), item("B", text="x" * 3_000_000), item("C"))
    rows = parsed(stored(tmp_path, "items.jsonl", data), limits=Limits(row_bytes=1000))
    assert [codes(row) for row in rows] == [[], ["line-too-long"], []]
    assert isinstance(rows[1], RowErrors)
    assert len(rows[1].fields["line"]) <= 2000


def test_bom_blank_lines_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    data = b"\xef\xbb\xbf" + jsonl(item("A")) + b"\r\n \r\n" + jsonl(item("B")).replace(b"\n", b"\r\n")
    rows = parsed(stored(tmp_path, "items.jsonl", data))
    assert [(row.row, codes(row)) for row in rows] == [(1, []), (4, [])]


def test_a_rejected_row_can_be_stored_whatever_it_held(tmp_path: Path) -> None:
    lines = [rb'{"id": "\ud800\u0000", "metadata": {"a\u0000": 1}}', b'{"id": 1, "subject": ["\\u0007"]}', b'{"\0": 1}']
    for row in parsed(stored(tmp_path, "items.jsonl", b"\n".join(lines))):
        assert isinstance(row, RowErrors)
        kept = "".join([*row.fields, *row.fields.values()])
        assert "\0" not in kept
        kept.encode()


def test_rows_are_streamed_not_held(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    with path.open("wb") as stream:
        for number in range(20_000):
            stream.write(jsonl(item(f"C{number}", text="가나다라" * 250)))
    tracemalloc.start()
    with open_upload(path) as upload:
        assert sum(isinstance(row, ItemDraft) for row in upload.rows()) == 20_000
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size > 55_000_000
    assert peak < 8_000_000


def test_the_first_rows_come_before_the_last_are_read(tmp_path: Path) -> None:
    path = stored(tmp_path, "items.jsonl", jsonl(*(item(f"C{number}") for number in range(1000))) + b"broken")
    with open_upload(path) as upload:
        assert [row.row for row in itertools.islice(upload.rows(), 3)] == [1, 2, 3]
        assert [row.row for row in itertools.islice(upload.rows(), 2)] == [1, 2]
