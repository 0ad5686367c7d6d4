from pathlib import Path

import pytest

from itembank.uploads import ItemDraft, Limits, RowErrors, UploadError

from .builders import codes, only_draft, parsed, picture, sheet_csv, stored, zipped

HEADER = ("id", "subject", "text")


def refused_code(path: Path, limits: Limits | None = None) -> str:
    with pytest.raises(UploadError) as refused:
        parsed(path, limits=limits)
    assert str(refused.value)
    return refused.value.errors[0].code


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_the_encodings_of_korean_spreadsheets_are_read(tmp_path: Path, encoding: str) -> None:
    rows = [("문항코드", "과목", "학년", "난이도", "본문"), ("A1", "수학", 3, "중", "햏과 뷁의 합은?")]
    draft = only_draft(parsed(stored(tmp_path, "items.csv", sheet_csv(rows, encoding))))
    assert (draft.code, draft.subject, draft.grade, draft.difficulty) == ("A1", "수학", "3", 3)
    assert draft.text == "햏과 뷁의 합은?"


def test_cells_get_the_types_of_their_fields(tmp_path: Path) -> None:
    header = (*HEADER, "has_image", "image_path", "metadata", "choices", "출처")
    cells = ("A", "수학", "x", "TRUE", "a.png | b.png", '{"year": 2024}', '["1", "2"]', "EBS")
    for name in ("a.png", "b.png"):
        stored(tmp_path, f"images/{name}", picture())
    path = stored(tmp_path, "items.csv", sheet_csv([header, cells]))
    draft = only_draft(parsed(path, images=tmp_path / "images"))
    assert [image.path for image in draft.images] == ["a.png", "b.png"]
    assert draft.metadata == {"year": 2024, "출처": "EBS"}
    assert draft.choices == ("1", "2")


def test_several_paths_may_come_as_a_json_list(tmp_path: Path) -> None:
    rows = [(*HEADER, "이미지"), ("A", "수학", "x", '["a|1.png", "b.png"]')]
    path = stored(tmp_path, "items.csv", sheet_csv(rows))
    images = stored(tmp_path, "i.zip", zipped({"a|1.png": picture(), "b.png": picture()}))
    assert len(only_draft(parsed(path, images=images)).images) == 2


def test_choices_may_have_a_column_each(tmp_path: Path) -> None:
    header = (*HEADER, "선택지1", "선택지 2", "choice_3", "choice_4")
    path = stored(tmp_path, "items.csv", sheet_csv([header, ("A", "수학", "x", "가", "나", "다", "")]))
    assert only_draft(parsed(path)).choices == ("가", "나", "다")


def test_a_blank_cell_of_an_unknown_column_leaves_no_trace(tmp_path: Path) -> None:
    path = stored(tmp_path, "items.csv", sheet_csv([(*HEADER, "출처"), ("A", "수학", "x", " ")]))
    assert only_draft(parsed(path)).metadata == {}


def test_rows_are_numbered_as_a_spreadsheet_shows_them(tmp_path: Path) -> None:
    rows = [HEADER, ("A", "수학", "첫 줄\n둘째 줄"), (), ("", "", ""), ("B", "수학", "x")]
    path = stored(tmp_path, "items.csv", sheet_csv(rows))
    drafts = parsed(path)
    assert [row.row for row in drafts] == [2, 5]
    assert isinstance(drafts[0], ItemDraft)
    assert drafts[0].text == "첫 줄\n둘째 줄"


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        (("B", "수학"), "column-count"),
        (("B", "수학", "x", "{}", "y"), "column-count"),
        (("B", "수학", "x\0", "{}"), "nul"),
        (("B", "수학", "x", "{"), "json-syntax"),
        (("B", "수학", "x", '{"a": NaN}'), "json-nan"),
        (("B", "수학", "x", '{"a": 1, "a": 2}'), "json-duplicate-key"),
        (("B", "수학", "x", r'"\ud800"'), "surrogate"),
        (("B", "수학", "x", "[1]"), "wrong-type"),
    ],
)
def test_a_bad_row_is_an_error_of_that_row_alone(tmp_path: Path, cells: tuple[str, ...], code: str) -> None:
    rows = [(*HEADER, "metadata"), ("A", "수학", "x", ""), cells, ("C", "수학", "x", "")]
    outcome = parsed(stored(tmp_path, "items.csv", sheet_csv(rows)))
    assert [codes(row) for row in outcome] == [[], [code], []]
    assert isinstance(outcome[1], RowErrors)
    assert outcome[1].fields["id"] == "B"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'id,subject,text\nA,s,"open\nB,s,x\n', "csv-syntax"),
        (b'id,subject,text\nA,s,"one" two\n', "csv-syntax"),
        (b"id,subject,text\nA,s," + b"x" * 140_000 + b"\n", "csv-syntax"),
        (b"id,subject,text\nA,s,\x80\xff\n", "encoding"),
        ("id,subject,text\n".encode("utf-16"), "encoding"),
        (b"id,text\nA,x\n", "header-missing"),
        (b"subject,text\ns,x\n", "header-missing"),
        (b"id,subject\nA,s\n", "header-missing"),
        (b"A,s,x\n", "header-missing"),
        (b"\n\nid,subject,text\n", "header-missing"),
        (b"id;subject;text\nA;s;x\n", "csv-separator"),
        (b"id\tsubject\ttext\nA\ts\tx\n", "csv-separator"),
        (b"id,subject,text,text\nA,s,x,y\n", "header-duplicate"),
        ("id,subject,text,문항코드\nA,s,x,y\n".encode(), "header-duplicate"),
        (b"id,,subject,text\nA,s,x,y\n", "header-blank"),
        (b"id,subject,text," + b",".join(b"c%d" % n for n in range(200)), "header-too-wide"),
        (b'[{"id": "A"}]', "format-mismatch"),
    ],
)
def test_a_broken_file_is_refused_as_a_whole(tmp_path: Path, data: bytes, code: str) -> None:
    assert refused_code(stored(tmp_path, "items.csv", data)) == code


def test_an_open_quote_is_reported_with_its_line(tmp_path: Path) -> None:
    data = b'id,subject,text\nA,s,"two\nlines"\nB,s,"open\nC,s,x\n'
    with pytest.raises(UploadError, match=r"Row 3 \(line 4\)"):
        parsed(stored(tmp_path, "items.csv", data))


def test_a_csv_is_read_out_of_a_zip(tmp_path: Path) -> None:
    data = sheet_csv([HEADER, ("A", "수학", "가")], "cp949")
    assert only_draft(parsed(stored(tmp_path, "u.zip", zipped({"묶음/items.csv": data})))).text == "가"
