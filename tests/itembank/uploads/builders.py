"""Small uploads, good and hostile, built byte by byte."""

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import openpyxl
from PIL import Image

from itembank.uploads import ItemDraft, Limits, ParsedRow, RowErrors, open_upload


def item(code: str = "M-1", **fields: Any) -> dict[str, Any]:
    return {"id": code, "subject": "수학", "text": "1 + 1은?"} | fields


def jsonl(*items: Mapping[str, Any]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in items).encode()


def sheet_csv(rows: Iterable[Sequence[object]], encoding: str = "utf-8-sig") -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode(encoding)


def workbook(rows: Iterable[Sequence[object]], title: str = "Sheet1", before: str = "") -> bytes:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    if before:
        sheet.title = before
        sheet = book.create_sheet(title)
    sheet.title = title
    for row in rows:
        sheet.append(list(row))
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def zipped_as(raw_name: bytes, data: bytes, *, utf8_flag: bool = False) -> bytes:
    """A ZIP with one entry whose name is exactly these bytes."""
    placeholder = "x" * len(raw_name)
    archive = bytearray(zipped({placeholder: data}).replace(placeholder.encode(), raw_name))
    if utf8_flag:
        archive[7] |= 0x08
        archive[archive.rindex(b"PK\x01\x02") + 9] |= 0x08
    return bytes(archive)


def picture(image_format: str = "PNG", size: tuple[int, int] = (4, 3), mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size, 0).save(stream, image_format)
    return stream.getvalue()


def stored(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def parsed(path: Path, *, images: Path | None = None, limits: Limits | None = None) -> list[ParsedRow]:
    with open_upload(path, images=images, limits=limits) as upload:
        return list(upload.rows())


def only_draft(rows: list[ParsedRow]) -> ItemDraft:
    (row,) = rows
    assert isinstance(row, ItemDraft), row
    return row


def codes(row: ParsedRow) -> list[str]:
    """The error codes of a row; none for a draft."""
    return [error.code for error in row.errors] if isinstance(row, RowErrors) else []
