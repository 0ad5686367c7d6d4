"""The download of rejected rows: complete, readable by Excel, harmless in a spreadsheet."""

import csv
import io

import pytest

from itembank.imports.rejected import FORMULA_STARTS, rejected_csv
from itembank.models import UploadBatch
from tests.itembank.uploading import checked
from tests.itembank.uploads.builders import item, jsonl

pytestmark = pytest.mark.django_db


def table(batch: UploadBatch) -> list[list[str]]:
    text = "".join(rejected_csv(batch))
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text[1:], newline="")))


def test_each_reason_is_a_line_with_the_row_as_it_came() -> None:
    rows = [
        item("A-1"),
        item("A-2", difficulty="9", has_image="maybe", extra="x"),
        item("A-3", subject="", text='",\n'),
    ]
    header, *lines = table(checked(jsonl(*rows)))
    columns = ["difficulty", "has_image", "id", "subject", "text", "extra"]
    assert header[3:] == columns
    assert [line[:2] for line in lines] == [["2", "has_image"], ["2", "difficulty"], ["3", "subject"]]
    assert all(line[2] for line in lines)
    assert lines[0][3:] == ["9", "maybe", "A-2", "수학", "1 + 1은?", "x"]
    assert lines[2][3:] == ["", "", "A-3", "", '",\n', ""]


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_no_cell_is_a_formula(start: str) -> None:
    row = {"id": f"{start}1", "subject": f"{start}cmd|' /C calc'!A0", f"{start}name": start, "difficulty": "9"}
    cells = [cell for line in table(checked(jsonl(row))) for cell in line]
    assert f"'{start}cmd|' /C calc'!A0" in cells
    assert not [cell for cell in cells if cell.startswith(FORMULA_STARTS)]


def test_a_line_that_is_no_json_is_shown_from_its_start() -> None:
    header, line = table(checked(jsonl(item("A-1")) + b'{"id": "A-2", oops}\n'))
    assert (line[0], line[header.index("line")]) == ("2", '{"id": "A-2", oops}')
