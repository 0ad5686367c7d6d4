"""Hostile and careless ZIP files: each kind has its error, and none is unpacked."""

import io
import stat
import struct
import unicodedata
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itembank.uploads import ItemDraft, Limits, UploadError, open_upload
from itembank.uploads.archive import Archive, safe_name

from .builders import codes, item, jsonl, only_draft, parsed, picture, stored, zipped, zipped_as

ITEMS = jsonl(item())


def refused_code(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(UploadError) as refused:
        Archive(io.BytesIO(data), limits or Limits())
    assert str(refused.value)
    return refused.value.errors[0].code


def names(data: bytes) -> list[str]:
    return list(Archive(io.BytesIO(data), Limits()).names)


def with_mode(mode: int) -> bytes:
    info = zipfile.ZipInfo("a.png")
    info.create_system = 3
    info.external_attr = mode << 16
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(info, b"/etc/passwd")
    return stream.getvalue()


def with_flag(data: bytes, flag: int) -> bytes:
    changed = bytearray(data)
    changed[6] |= flag
    changed[changed.rindex(b"PK\x01\x02") + 8] |= flag
    return bytes(changed)


def with_claimed_size(data: bytes, size: int) -> bytes:
    """The ZIP with a lie about the unpacked size of its last entry."""
    changed = bytearray(data)
    struct.pack_into("<I", changed, changed.rindex(b"PK\x01\x02") + 24, size)
    return bytes(changed)


@pytest.mark.parametrize(
    "name", ["../a.png", "a/../../b.png", "/a.png", "C:\\a.png", "..\\a.png", "c:a.png", "\\\\host\\a.png"]
)
def test_names_that_lead_out_of_the_archive_are_refused(name: str) -> None:
    assert refused_code(zipped_as(name.encode(), b"x")) == "zip-path"


@pytest.mark.parametrize("name", [b"a\nb.png", b"a\x00b.png", b"\x7f.png"])
def test_names_with_control_characters_are_refused(name: bytes) -> None:
    assert refused_code(zipped_as(name, b"x")) == "zip-name"


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o600, stat.S_IFCHR | 0o600])
def test_links_and_devices_are_refused(mode: int) -> None:
    assert refused_code(with_mode(mode)) == "zip-link"


def test_an_encrypted_entry_is_refused() -> None:
    assert refused_code(with_flag(zipped({"a.png": b"x"}), 0x1)) == "zip-encrypted"


@pytest.mark.parametrize("name", ["inner.zip", "a/inner.7Z", "x.tar.gz"])
def test_an_archive_in_the_archive_is_refused(name: str) -> None:
    assert refused_code(zipped({name: zipped({"a": b""})})) == "zip-nested"


def test_an_unusual_compression_is_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.png", b"x" * 100)
    assert refused_code(stream.getvalue()) == "zip-method"


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_truncated_archive_is_refused(cut: int) -> None:
    assert refused_code(zipped({"a.jsonl": bytes(range(256)) * 4})[:-cut]) == "zip-broken"


def test_too_many_entries_are_refused() -> None:
    assert refused_code(zipped({f"{n}": b"" for n in range(4)}), Limits(entries=3)) == "zip-entries"


def test_an_entry_that_is_too_large_is_refused() -> None:
    assert refused_code(zipped({"a": b"x" * 1001}), Limits(entry_bytes=1000)) == "zip-entry-too-large"


def test_too_much_in_total_is_refused() -> None:
    data = zipped({"a": b"x" * 600, "b": b"y" * 600})
    assert refused_code(data, Limits(total_bytes=1000)) == "zip-too-large"


def test_a_zip_bomb_is_refused() -> None:
    assert refused_code(zipped({"a.json": b"\0" * 30_000_000})) == "zip-ratio"


def test_what_is_read_is_counted_whatever_the_header_says() -> None:
    bomb = with_claimed_size(zipped({"a.png": b"\0" * 5_000_000}), 1000)
    archive = Archive(io.BytesIO(bomb), Limits())
    with pytest.raises(UploadError), archive.open("a.png") as stream:
        while block := stream.read(1000):
            assert len(block) <= 1000


def test_a_damaged_entry_is_found_when_it_is_read() -> None:
    noise = bytes(range(256))
    damaged = zipped({"a.jsonl": noise}).replace(noise[100:120], noise[:20])
    with pytest.raises(UploadError) as refused, Archive(io.BytesIO(damaged), Limits()).open("a.jsonl") as stream:
        stream.read()
    assert refused.value.errors[0].code == "zip-entry-broken"


def test_a_damaged_image_is_found_before_it_lands(tmp_path: Path) -> None:
    data = picture(size=(40, 40))
    archive = zipped({"i.jsonl": jsonl(item(image_path="a.png")), "a.png": data})
    at = archive.index(b"a.png") + 20
    path = stored(tmp_path, "u.zip", archive[:at] + b"\xff\xff\xff\xff" + archive[at + 4 :])
    from itembank.uploads import ImageError

    with open_upload(path) as upload, pytest.raises(ImageError) as broken:
        upload.images.read(upload.images.resolve("a.png"))
    assert broken.value.code == "image-unreadable"


@pytest.mark.parametrize(
    ("raw", "utf8_flag"),
    [
        ("그림/각.png".encode(), True),
        ("그림/각.png".encode(), False),
        ("그림/각.png".encode("cp949"), False),
        ("그림\\각.png".encode("cp949"), False),
        (unicodedata.normalize("NFD", "그림/각.png").encode(), False),
        ("./그림//각.png".encode(), True),
    ],
)
def test_korean_names_are_read_whoever_made_the_zip(raw: bytes, utf8_flag: bool) -> None:
    assert names(zipped_as(raw, b"x", utf8_flag=utf8_flag)) == ["그림/각.png"]


def test_a_name_in_no_known_encoding_is_refused() -> None:
    assert refused_code(zipped_as(b"\xff\xff.png", b"x")) == "zip-name"


def test_a_name_that_lies_about_being_utf8_is_refused() -> None:
    assert refused_code(zipped_as(b"\xff\xff.png", b"x", utf8_flag=True)) == "zip-broken"


def test_two_names_that_are_equal_after_normalising_are_refused() -> None:
    pair = {"각.png": b"1", unicodedata.normalize("NFD", "각.png"): b"2"}
    assert refused_code(zipped(pair)) == "name-duplicate"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_equal_names_are_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.png", b"1")
        archive.writestr("a.png", b"2")
    assert refused_code(stream.getvalue()) == "name-duplicate"


def test_what_macos_and_windows_leave_behind_is_ignored() -> None:
    junk = ["__MACOSX/._items.jsonl", "__MACOSX/x.json", ".DS_Store", "a/.DS_Store", "a/Thumbs.db", "a/._b.png"]
    assert names(zipped({"items.jsonl": ITEMS, "a/": b""} | dict.fromkeys(junk, b"x"))) == ["items.jsonl"]


def test_a_zip_holds_items_and_their_images(tmp_path: Path) -> None:
    row = jsonl(item(image_path="images/a.png", has_image=True))
    path = stored(tmp_path, "u.zip", zipped({"묶음/items.jsonl": row, "묶음/images/a.png": picture()}))
    draft = only_draft(parsed(path))
    assert [image.path for image in draft.images] == ["images/a.png"]


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"a.png": b"x"}, "zip-no-items"),
        ({}, "zip-no-items"),
        ({"a.json": b"[]", "b/c.csv": b"x"}, "zip-several-items"),
        ({"items.xlsx": b"no workbook"}, "format-mismatch"),
        ({"items.json": b""}, "file-empty"),
    ],
)
def test_a_zip_must_hold_one_item_file(tmp_path: Path, files: dict[str, bytes], code: str) -> None:
    with pytest.raises(UploadError) as refused:
        parsed(stored(tmp_path, "u.zip", zipped(files)))
    assert refused.value.errors[0].code == code


def test_several_item_files_are_listed(tmp_path: Path) -> None:
    with pytest.raises(UploadError, match=r"a\.json, b/c\.csv"):
        parsed(stored(tmp_path, "u.zip", zipped({"a.json": b"[]", "b/c.csv": b"x"})))


def test_a_ground_truth_beside_the_items_is_no_second_item_file(tmp_path: Path) -> None:
    path = stored(tmp_path, "u.zip", zipped({"items.jsonl": ITEMS, "ground_truth.json": b"[]"}))
    assert isinstance(parsed(path)[0], ItemDraft)


def test_a_damaged_item_file_refuses_the_upload(tmp_path: Path) -> None:
    noise = jsonl(*(item(f"C{n}") for n in range(5)))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("items.jsonl", noise)
    path = stored(tmp_path, "u.zip", stream.getvalue().replace(b'"C3"', b'"D3"'))
    with pytest.raises(UploadError) as refused:
        parsed(path)
    assert refused.value.errors[0].code == "zip-entry-broken"


def test_images_come_from_the_zip_and_from_a_second_one(tmp_path: Path) -> None:
    rows = jsonl(item("A", image_path="a.png"), item("B", image_path="b.png"), item("C", image_path="c.png"))
    path = stored(tmp_path, "u.zip", zipped({"items.jsonl": rows, "a.png": picture()}))
    images = stored(tmp_path, "images.zip", zipped({"b.png": picture()}))
    assert [codes(row) for row in parsed(path, images=images)] == [[], [], ["image-missing"]]


@given(st.text(alphabet=st.sampled_from("a.b/\\:C각\u1100\u1161 ")))
def test_a_safe_name_stays_inside_and_is_stable(name: str) -> None:
    try:
        safe = safe_name(name)
    except UploadError:
        return
    assert not safe.startswith("/")
    assert ".." not in safe.split("/")
    assert unicodedata.is_normalized("NFC", safe)
    assert safe_name(safe) == safe
