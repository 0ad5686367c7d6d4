import datetime
import io
import zipfile
from pathlib import Path

import openpyxl
import pytest

from itembank.uploads import ItemDraft, Limits, RowErrors, UploadError

from .builders import codes, only_draft, parsed, stored, workbook, zipped

HEADER = ("문항코드", "과목", "학년", "난이도", "본문")
ROW = ("A1", "수학", 3, 3, "1 + 1은?")
SHEET = "xl/worksheets/sheet1.xml"
INLINE = 't="inlineStr"><is><t>1 + 1은?</t></is>'.encode()
STRINGS = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"


def refused_code(path: Path, limits: Limits | None = None) -> str:
    with pytest.raises(UploadError) as refused:
        parsed(path, limits=limits)
    assert str(refused.value)
    return refused.value.errors[0].code


def with_part(book: bytes, name: str, change: tuple[bytes, bytes]) -> bytes:
    """The workbook with one part changed."""
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    assert change[0] in parts[name]
    return zipped(parts | {name: parts[name].replace(*change)})


def test_openpyxl_reads_xml_through_defusedxml() -> None:
    assert openpyxl.DEFUSEDXML


def test_a_sheet_becomes_drafts(tmp_path: Path) -> None:
    draft = only_draft(parsed(stored(tmp_path, "items.xlsx", workbook([HEADER, ROW]))))
    assert (draft.row, draft.code, draft.grade, draft.difficulty, draft.text) == (2, "A1", "3", 3, "1 + 1은?")


def test_numbers_and_dates_become_plain_text(tmp_path: Path) -> None:
    when = datetime.datetime(2024, 3, 2)
    cells = (1001.0, "수학", 2.0, None, 0.5, when, True)
    path = stored(tmp_path, "items.xlsx", workbook([(*HEADER, "작성일", "검토"), cells]))
    draft = only_draft(parsed(path))
    assert (draft.code, draft.grade, draft.text) == ("1001", "2", "0.5")
    assert draft.metadata == {"작성일": "2024-03-02", "검토": True}


@pytest.mark.parametrize("title", ["items", "Items", "문항"])
def test_the_sheet_with_the_name_wins_over_the_first(tmp_path: Path, title: str) -> None:
    path = stored(tmp_path, "items.xlsx", workbook([HEADER, ROW], title, before="표지"))
    assert only_draft(parsed(path)).code == "A1"


def test_shared_strings_are_read_as_excel_writes_them(tmp_path: Path) -> None:
    book = with_part(workbook([HEADER, ROW]), SHEET, (INLINE, b't="s"><v>0</v>'))
    override = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{STRINGS}"/></Types>'
    book = with_part(book, "[Content_Types].xml", (b"</Types>", override.encode()))
    text = '<si><t>줄 1_x000D_\n</t><r><t xml:space="preserve">$x$ </t></r><r><t>값</t></r></si>'
    table = f'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">{text}</sst>'
    with zipfile.ZipFile(stored(tmp_path, "items.xlsx", book), "a") as archive:
        archive.writestr("xl/sharedStrings.xml", table)
    assert only_draft(parsed(tmp_path / "items.xlsx")).text == "줄 1\n$x$ 값"


def test_the_first_sheet_is_read_where_none_has_the_name(tmp_path: Path) -> None:
    path = stored(tmp_path, "items.xlsx", workbook([HEADER, ROW], "자료", before="표지"))
    assert refused_code(path) == "header-missing"


def test_rows_are_numbered_as_the_sheet_shows_them(tmp_path: Path) -> None:
    rows = [HEADER, ROW, (), (None, " "), ("A2", *ROW[1:]), ("A3", None, 1, 1, "x")]
    outcome = parsed(stored(tmp_path, "items.xlsx", workbook(rows)))
    assert [(row.row, codes(row)) for row in outcome] == [(2, []), (5, []), (6, ["required"])]


def test_a_cell_beside_the_table_is_an_error_of_its_row(tmp_path: Path) -> None:
    path = stored(tmp_path, "items.xlsx", workbook([HEADER, (*ROW, "메모")]))
    assert codes(parsed(path)[0]) == ["column-count"]


def test_a_cell_that_shows_an_error_is_an_error_of_its_row(tmp_path: Path) -> None:
    path = stored(tmp_path, "items.xlsx", workbook([HEADER, (*ROW[:4], "#REF!")]))
    assert codes(parsed(path)[0]) == ["cell-error"]


def test_a_formula_gives_the_value_it_was_saved_with(tmp_path: Path) -> None:
    book = workbook([HEADER, (*ROW[:4], "=1+1")])
    saved = with_part(book, SHEET, (b"<f>1+1</f><v />", b"<f>1+1</f><v>2</v>"))
    assert only_draft(parsed(stored(tmp_path, "items.xlsx", saved))).text == "2"


def test_a_formula_without_a_saved_value_is_no_empty_cell(tmp_path: Path) -> None:
    rows = [(*HEADER, "정답"), (*ROW, "=1+1"), ("A2", *ROW[1:], "2")]
    outcome = parsed(stored(tmp_path, "items.xlsx", workbook(rows)))
    assert [codes(row) for row in outcome] == [["formula-without-value"], []]
    assert isinstance(outcome[0], RowErrors)
    assert outcome[0].errors[0].field == "answer"


def test_a_formula_whose_value_is_empty_text_is_an_empty_cell(tmp_path: Path) -> None:
    book = workbook([(*HEADER, "정답"), (*ROW, "=A1")])
    saved = with_part(book, SHEET, (b'<c r="F2"><f>A1</f><v />', b'<c r="F2" t="str"><f>A1</f><v></v>'))
    assert only_draft(parsed(stored(tmp_path, "items.xlsx", saved))).answer == ""


def test_a_wrong_dimension_in_the_file_loses_no_row(tmp_path: Path) -> None:
    book = workbook([HEADER, ROW, ("A2", *ROW[1:])])
    lying = with_part(book, SHEET, (b'ref="A1:E3"', b'ref="A1:B2"'))
    assert len(parsed(stored(tmp_path, "items.xlsx", lying))) == 2


def test_entities_in_the_workbook_are_refused(tmp_path: Path) -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><worksheet'
    evil = with_part(workbook([HEADER, ROW]), SHEET, (b"<worksheet", bomb))
    assert refused_code(stored(tmp_path, "items.xlsx", evil)) == "xlsx-broken"


def test_a_row_number_beyond_any_sheet_is_refused(tmp_path: Path) -> None:
    evil = with_part(workbook([HEADER, ROW]), SHEET, (b'<row r="2"', b'<row r="99999999999"'))
    path = stored(tmp_path, "items.xlsx", evil)
    assert refused_code(path, Limits(sheet_rows=1000)) == "xlsx-too-many-rows"


def test_a_missing_shared_string_is_a_broken_workbook(tmp_path: Path) -> None:
    evil = with_part(workbook([HEADER, ROW]), SHEET, (INLINE, b't="s"><v>500</v>'))
    assert refused_code(stored(tmp_path, "items.xlsx", evil)) == "xlsx-broken"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "xls-old"),
        (b"id,subject,text\n", "format-mismatch"),
        (zipped({"a.txt": b"x"}), "xlsx-broken"),
        (zipped({"xl/workbook.xml": b"<x/>"}), "xlsx-broken"),
        (workbook([HEADER, ROW])[:-200], "zip-broken"),
        (workbook([]), "header-missing"),
        (workbook([(*HEADER, "id"), ROW]), "header-duplicate"),
    ],
)
def test_what_is_no_workbook_of_items_is_refused(tmp_path: Path, data: bytes, code: str) -> None:
    assert refused_code(stored(tmp_path, "items.xlsx", data)) == code


def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = stored(tmp_path, "items.xlsx", workbook([HEADER, (*ROW[:4], "x" * 30_000)]))
    assert refused_code(path, Limits(spreadsheet_bytes=20_000)) == "zip-entry-too-large"


def test_a_workbook_is_read_out_of_a_zip(tmp_path: Path) -> None:
    path = stored(tmp_path, "upload.zip", zipped({"items.xlsx": workbook([HEADER, ROW])}))
    assert isinstance(parsed(path)[0], ItemDraft)
