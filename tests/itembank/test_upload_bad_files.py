"""Each kind of bad file through form, check and preview: a clear reason, nothing lands, no server error."""

import io
import json
import struct
import zlib
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.html import escape

from itembank.imports.passes import check_upload
from itembank.models import Item, ItemImage, UploadBatch
from tests.factories import make_admin
from tests.itembank.uploads.builders import item, jsonl, picture, sheet_csv, workbook, zipped, zipped_as

pytestmark = pytest.mark.django_db

LIST = "/admin/itembank/uploadbatch/"
HEADER = ("id", "subject", "text")


def json_items(rows: str) -> bytes:
    return f'{{"items": [{rows}]}}'.encode("utf-8", "surrogatepass")


def pictured(image: bytes) -> bytes:
    return zipped({"items.jsonl": jsonl(item("A-1", image_path="1.png", has_image=True)), "1.png": image})


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG header with a size and no pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(head)) + chunk + struct.pack(">I", zlib.crc32(chunk))


def damaged_zip() -> bytes:
    data = bytearray(zipped({"items.jsonl": jsonl(*(item(f"A-{number}") for number in range(500)))}))
    data[200:400] = bytes(200)
    return bytes(data)


WHOLE_FILE = {
    "nothing but blanks": ("items.json", b" \n "),
    "truncated JSON": ("items.json", b'{"items": [{"id": "A-1"'),
    "JSON of another shape": ("items.json", b'{"rows": []}'),
    "JSON without items": ("items.json", b'{"items": []}'),
    "JSON nested without end": ("items.json", b'{"items": ' + b"[" * 100_000),
    "JSON in UTF-16": ("items.json", json.dumps({"items": []}).encode("utf-16")),
    "CSV in no known encoding": ("items.csv", b"id,subject,text\nA-1,\xff\xfe\x81,x\n"),
    "CSV with an open quote": ("items.csv", b'id,subject,text\nA-1,math,"open\nA-2,math,x\n'),
    "CSV without the columns": ("items.csv", b"a,b\n1,2\n"),
    "CSV that is a workbook": ("items.csv", workbook([HEADER])),
    "XLSX that is no workbook": ("items.xlsx", zipped({"a.txt": b"x"})),
    "XLSX that is a text": ("items.xlsx", b"id,subject,text\n"),
    "XLSX with an entity": (
        "items.xlsx",
        zipped({"[Content_Types].xml": b"<!DOCTYPE x [<!ENTITY a 'a'>]><x>&a;</x>"}),
    ),
    "ZIP that is none": ("items.zip", b"PK\x03\x04 nothing"),
    "ZIP without items": ("items.zip", zipped({"1.png": picture()})),
    "ZIP with two item files": ("items.zip", zipped({"a.jsonl": jsonl(item()), "b.jsonl": jsonl(item())})),
    "ZIP with a damaged entry": ("items.zip", damaged_zip()),
    "ZIP that leads out": ("items.zip", zipped({"items.jsonl": jsonl(item()), "../../evil.png": picture()})),
    "ZIP bomb": ("items.zip", zipped({"items.jsonl": jsonl(item()), "1.png": bytes(30_000_000)})),
    "ZIP in a ZIP": ("items.zip", zipped({"items.jsonl": jsonl(item()), "inner.zip": zipped({})})),
    "ZIP with a name in no encoding": ("items.zip", zipped_as(b"\xff\xff.png", b"x")),
    "ZIP with two names that look alike": (
        "items.zip", zipped({"items.jsonl": jsonl(item()), "\uac00.png": picture(), "\u1100\u1161.png": picture()}),
    ),
}  # fmt: skip

ONE_ROW = {
    "a number that is none": ("items.json", json_items('{"id": "A", "subject": "s", "text": "t", "difficulty": NaN}')),
    "a key twice": ("items.json", json_items('{"id": "A-1", "id": "A-2", "subject": "s", "text": "t"}')),
    "U+0000": ("items.json", json_items('{"id": "A-1", "subject": "s", "text": "a\\u0000b"}')),
    "half a character": ("items.json", json_items('{"id": "A-1", "subject": "s", "text": "\\ud83d"}')),
    "a line that is no JSON": ("items.jsonl", b'{"id": \n'),
    "a line that is not UTF-8": ("items.jsonl", '{"id": "가"}\n'.encode("cp949")),
    "no fields": ("items.jsonl", b"{}\n"),
    "a text for an item": ("items.jsonl", b'"A-1"\n'),
    "no text and no image": ("items.jsonl", jsonl(item(text=""))),
    "an id that is too long": ("items.jsonl", jsonl(item("A" * 65))),
    "a text that is too long": ("items.jsonl", jsonl(item(text="가" * 100_001))),
    "an image that is missing": ("items.jsonl", jsonl(item(image_path="1.png", has_image=True))),
    "an image path that leads out": ("items.jsonl", jsonl(item(image_path="../../etc/passwd", has_image=True))),
    "an image address": ("items.jsonl", jsonl(item(image_path="http://127.0.0.1/1.png", has_image=True))),
    "an image it only says it has": ("items.jsonl", jsonl(item(has_image=True))),
    "an ambiguous image": (
        "items.zip",
        zipped({"items.jsonl": jsonl(item(image_path="1.png")), "a/1.png": picture(), "b/1.png": picture()}),
    ),
    "an image that is empty": ("items.zip", pictured(b"")),
    "an image that is a script": ("items.zip", pictured(b"<svg xmlns='http://www.w3.org/2000/svg'/>")),
    "an image of 169 megapixels": ("items.zip", pictured(png_that_claims(13_000, 13_000))),
    "an image without pixels": ("items.zip", pictured(png_that_claims(100, 100))),
    "a formula for an id": ("items.csv", sheet_csv([HEADER, ("=1 + 1", "", "x")])),
}  # fmt: skip


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    return client


def sent(client: Client, name: str, data: bytes) -> UploadBatch | None:
    """The upload after its check; None where the form has refused the file already, with a reason."""
    response = client.post(f"{LIST}add/", {"file": SimpleUploadedFile(name, data)})
    if response.status_code == 200:
        assert 'role="alert"' in response.content.decode()
        return None
    batch = UploadBatch.objects.get()
    check_upload(batch.pk)
    batch.refresh_from_db()
    return batch


def shown(client: Client, batch: UploadBatch) -> str:
    response = client.get(f"{LIST}{batch.pk}/change/")
    assert response.status_code == 200
    return str(response.content.decode())


@pytest.mark.parametrize(("name", "data"), WHOLE_FILE.values(), ids=WHOLE_FILE)
def test_a_file_that_is_bad_as_a_whole_is_refused_with_a_reason(admin: Client, name: str, data: bytes) -> None:
    batch = sent(admin, name, data)
    if batch is not None:
        assert (batch.state, bool(batch.error)) == (UploadBatch.State.FAILED, True)
        assert "log" not in batch.error  # a known fault, not an unexpected one
        assert escape(batch.error) in shown(admin, batch)
    assert (Item.objects.count(), ItemImage.objects.count()) == (0, 0)


@pytest.mark.parametrize(("name", "data"), ONE_ROW.values(), ids=ONE_ROW)
def test_a_bad_row_is_listed_with_its_reason(admin: Client, name: str, data: bytes) -> None:
    batch = sent(admin, name, data)
    assert batch is not None
    assert (batch.state, batch.rejected_count, batch.new_count) == (UploadBatch.State.READY, 1, 0)
    html = shown(admin, batch)
    for entry in batch.rows.filter(outcome="rejected"):
        assert entry.reason
        assert escape(entry.reason) in html
    assert "control/confirm" not in html
    response: Any = admin.get(f"{LIST}{batch.pk}/rejected.csv")
    assert len(io.BytesIO(response.getvalue()).readlines()) >= 2


def test_an_images_zip_that_is_bad_refuses_the_upload(admin: Client) -> None:
    files = {
        "file": SimpleUploadedFile("items.jsonl", jsonl(item())),
        "images_file": SimpleUploadedFile("i.zip", b"no"),
    }
    admin.post(f"{LIST}add/", files)
    batch = UploadBatch.objects.get()
    check_upload(batch.pk)
    batch.refresh_from_db()
    assert batch.state == UploadBatch.State.FAILED
    assert escape(batch.error) in shown(admin, batch)


@pytest.mark.parametrize(
    "name", ["a\x00b.jsonl", "../../x.jsonl", "<b>.jsonl", "C:\\x\\y.jsonl", "문항\u202e.jsonl", " .jsonl"]
)
def test_a_strange_file_name_is_no_server_error(admin: Client, name: str) -> None:
    batch = sent(admin, name, jsonl(item()))
    if batch is not None:
        assert "<b>.jsonl" not in shown(admin, batch)
        assert batch.state == UploadBatch.State.READY or batch.error
