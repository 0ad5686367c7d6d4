"""A file is taken only where its name and its first bytes agree."""

from pathlib import Path

import pytest

from itembank.uploads import UploadError, open_upload

from .builders import item, jsonl, only_draft, parsed, picture, stored, workbook, zipped

ITEMS = jsonl(item())


def refused(path: Path) -> UploadError:
    with pytest.raises(UploadError) as caught:
        parsed(path)
    assert str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("items.txt", ITEMS, "format-unknown"),
        ("items", ITEMS, "format-unknown"),
        ("items.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "format-unknown"),
        ("items.jsonl", b"", "file-empty"),
        ("items.json", b" \n\n", "file-empty"),
        ("items.zip", b"", "file-empty"),
        ("items.json", b"id,subject,text\n", "format-mismatch"),
        ("items.json", zipped({"a": b"x"}), "format-mismatch"),
        ("items.jsonl", b'{"items": [\n', "format-mismatch"),
        ("items.jsonl", b"{\n", "format-mismatch"),
        ("items.jsonl", b"[\n", "format-mismatch"),
        ("items.csv", workbook([("id",)]), "format-mismatch"),
        ("items.csv", ITEMS, "format-mismatch"),
        ("items.zip", ITEMS, "format-mismatch"),
        ("items.zip", picture(), "format-mismatch"),
        ("items.zip", workbook([("id",)]), "zip-no-items"),
        ("items.json", '{"items": []}'.encode("utf-16"), "encoding"),
    ],
)
def test_what_a_file_is_not_is_said(tmp_path: Path, name: str, data: bytes, code: str) -> None:
    assert refused(stored(tmp_path, name, data)).errors[0].code == code


def test_the_message_names_the_format_that_was_found(tmp_path: Path) -> None:
    assert ".jsonl" in str(refused(stored(tmp_path, "items.csv", ITEMS)))


def test_a_file_that_is_not_there_is_an_upload_error(tmp_path: Path) -> None:
    assert refused(tmp_path / "items.json").errors[0].code == "file-unreadable"


@pytest.mark.parametrize("name", ["ITEMS.JSONL", "items.ndjson", "문항.jsonl"])
def test_names_may_be_in_any_case_and_language(tmp_path: Path, name: str) -> None:
    assert only_draft(parsed(stored(tmp_path, name, ITEMS))).code == "M-1"


def test_rows_can_be_read_again_from_the_start(tmp_path: Path) -> None:
    path = stored(tmp_path, "u.zip", zipped({"items.jsonl": jsonl(item("A"), item("B"))}))
    with open_upload(path) as upload:
        assert [row.row for row in upload.rows()] == [row.row for row in upload.rows()] == [1, 2]
