"""Whatever the bytes are, the answer is rows or an UploadError: never another exception."""

import io
import json
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from itembank.uploads import ImageDraft, ItemDraft, RowErrors, UploadError, open_upload

from .builders import item, jsonl, sheet_csv, workbook, zipped

SHEET = [("id", "subject", "text", "metadata"), ("A", "수학", 'x "y"', "{}"), ("B", "과학", "z\nw", '{"a": 1}')]
SEEDS = {
    ".json": json.dumps({"v": 1.5, "items": [item("A"), item("B", metadata={"a": [1, None]})]}).encode(),
    ".jsonl": jsonl(item("A"), item("B", choices=["1", "2"])),
    ".csv": sheet_csv(SHEET),
    ".xlsx": workbook(SHEET),
    ".zip": zipped({"items.jsonl": jsonl(item("A", image_path="a.png")), "a.png": b"x"}),
}
quick = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)


def outcome(suffix: str, data: bytes) -> list[ItemDraft | RowErrors] | UploadError:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "items" + suffix)
        path.write_bytes(data)
        try:
            with open_upload(path) as upload:
                return list(upload.rows())
        except UploadError as error:
            assert all(str(one.message) for one in error.errors)
            return error


def assert_sound(result: list[ItemDraft | RowErrors] | UploadError) -> None:
    for row in [] if isinstance(result, UploadError) else result:
        if isinstance(row, ItemDraft):
            json.dumps([row.text, row.metadata, row.choices], allow_nan=False, ensure_ascii=False).encode()
            assert row.code and row.subject
            assert row.text or any(isinstance(image, ImageDraft) for image in row.images)
        else:
            assert row.errors and all(str(error.message) and error.row == row.row for error in row.errors)
            kept = "".join([*row.fields, *row.fields.values()])
            assert "\0" not in kept
            kept.encode()


@quick
@given(suffix=st.sampled_from(sorted(SEEDS)), data=st.binary(max_size=200))
def test_random_bytes(suffix: str, data: bytes) -> None:
    assert_sound(outcome(suffix, data))


@quick
@given(suffix=st.sampled_from(sorted(SEEDS)), choose=st.data())
def test_good_files_with_damage(suffix: str, choose: st.DataObject) -> None:
    changed = bytearray(SEEDS[suffix])
    for _change in range(choose.draw(st.integers(1, 5))):
        at = choose.draw(st.integers(0, max(len(changed) - 1, 0)))
        changed[at : at + choose.draw(st.integers(0, 3))] = choose.draw(st.binary(max_size=3))
    assert_sound(outcome(suffix, bytes(changed)))


@quick
@given(at=st.integers(0, 4000), inserted=st.binary(min_size=1, max_size=4))
def test_workbooks_with_a_damaged_sheet(at: int, inserted: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(SEEDS[".xlsx"])) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"]
    at %= len(sheet)
    parts["xl/worksheets/sheet1.xml"] = sheet[:at] + inserted + sheet[at + len(inserted) :]
    assert_sound(outcome(".xlsx", zipped(parts)))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=6,
)
fields = st.sampled_from(
    ["id", "subject", "grade", "item_type", "difficulty", "text", "image_path", "has_image", "metadata", "choices",
     "answer", "explanation_image_path", "choice_image_paths", "choice_1", "본문", "other"]
)  # fmt: skip


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
@quick
@given(rows=st.lists(st.dictionaries(fields, json_values, max_size=8), min_size=1, max_size=4))
def test_fields_of_any_json_type(suffix: str, rows: list[dict[str, object]]) -> None:
    lines = [json.dumps({"id": "A", "subject": "수학"} | row) for row in rows]
    data = "[" + ",".join(lines) + "]" if suffix == ".json" else "\n".join(lines)
    result = outcome(suffix, data.encode())
    assert isinstance(result, list)
    assert len(result) == len(rows)
    assert_sound(result)


@quick
@given(cells=st.lists(st.lists(st.text(max_size=6), min_size=4, max_size=5), max_size=4))
def test_cells_of_any_text(cells: list[list[str]]) -> None:
    assert_sound(outcome(".csv", sheet_csv([SHEET[0], *cells])))
