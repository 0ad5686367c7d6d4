"""Which file of the batch a path means: exact, under a date folder, or by a unique name."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itembank.uploads import ImageEntry, ImageError, ImageSource, Limits, UploadError
from itembank.uploads.images import folder_entries, normalised_path

from .builders import codes, item, jsonl, parsed, picture, stored, zipped


def source(*paths: str, folder: str = "") -> ImageSource:
    return ImageSource([ImageEntry(path, lambda: open("/dev/null", "rb")) for path in paths], folder=folder)  # noqa: PTH123


def error_code(images: ImageSource, path: str) -> str:
    with pytest.raises(ImageError) as refused:
        images.resolve(path)
    assert str(refused.value)
    return refused.value.code


@pytest.mark.parametrize(
    ("paths", "wanted", "found"),
    [
        (["a.png", "x/a.png"], "a.png", "a.png"),
        (["images/a.png"], "images/a.png", "images/a.png"),
        (["images/a.png"], "./images//a.png", "images/a.png"),
        (["images/a.png"], "images\\a.png", "images/a.png"),
        (["images/a.png"], "/images/a.png", "images/a.png"),
        (["images/a.png"], "D:\\images\\a.png", "images/a.png"),
        (["images/A.PNG"], "images/a.png", "images/A.PNG"),
        (["a.PNG", "a.png"], "a.png", "a.png"),
        (["20240302/a.png", "x/y/a.png"], "a.png", "20240302/a.png"),
        (["2024/03/02/a.png", "x/y/a.png"], "a.png", "2024/03/02/a.png"),
        (["images/20240302/a.png", "other/a.png"], "images/a.png", "images/20240302/a.png"),
        (["x/y/a.png", "b.png"], "a.png", "x/y/a.png"),
        (["x/y/a.png"], "elsewhere/a.png", "x/y/a.png"),
        (["각.png"], unicodedata.normalize("NFD", "각.png"), "각.png"),
    ],
)
def test_a_path_finds_its_file(paths: list[str], wanted: str, found: str) -> None:
    assert source(*paths).resolve(wanted).path == found


def test_a_path_counts_from_the_folder_of_the_item_file_first() -> None:
    images = source("batch/images/a.png", "images/a.png", folder="batch")
    assert images.resolve("images/a.png").path == "batch/images/a.png"
    assert images.resolve("batch/images/a.png").path == "batch/images/a.png"


@pytest.mark.parametrize(
    ("paths", "wanted"),
    [
        (["20240302/a.png", "20240303/a.png"], "a.png"),
        (["x/a.png", "y/a.png"], "a.png"),
        (["x/A.png", "x/a.PNG"], "x/a.png"),
    ],
)
def test_a_path_that_may_be_several_files_lists_them(paths: list[str], wanted: str) -> None:
    with pytest.raises(ImageError) as refused:
        source(*paths).resolve(wanted)
    assert refused.value.code == "image-ambiguous"
    assert all(path in str(refused.value) for path in paths)


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ("b.png", "image-missing"),
        ("a", "image-missing"),
        ("../a.png", "image-path-unsafe"),
        ("x/../a.png", "image-path-unsafe"),
        ("..\\a.png", "image-path-unsafe"),
        ("/", "image-path-unsafe"),
        ("a.png\0", "image-path-unsafe"),
        ("https://example.com/a.png", "image-path-url"),
        ("//example.com/a.png", "image-path-url"),
        ("data:image/png;base64,AAAA", "image-path-url"),
        ("file:///a.png", "image-path-url"),
    ],
)
def test_a_path_that_means_no_file_of_the_batch_is_an_error(wanted: str, code: str) -> None:
    assert error_code(source("a.png"), wanted) == code


def test_an_upload_without_images_says_so() -> None:
    with pytest.raises(ImageError, match="has no images"):
        source().resolve("a.png")


def test_a_folder_gives_its_files_and_none_that_a_link_leads_to(tmp_path: Path) -> None:
    stored(tmp_path, "outside/secret.png", picture())
    stored(tmp_path, "images/20240302/a.png", picture())
    stored(tmp_path, "images/.DS_Store", b"x")
    (tmp_path / "images/secret.png").symlink_to(tmp_path / "outside/secret.png")
    (tmp_path / "images/outside").symlink_to(tmp_path / "outside")
    (tmp_path / "images/b.png").symlink_to(tmp_path / "images/20240302/a.png")
    images = ImageSource(folder_entries(tmp_path / "images", Limits()))
    assert images.read(images.resolve("a.png")) == picture()
    assert images.read(images.resolve("b.png")) == picture()
    assert error_code(images, "secret.png") == "image-missing"


def test_a_folder_with_too_many_files_is_refused(tmp_path: Path) -> None:
    for number in range(4):
        stored(tmp_path, f"images/{number}.png", b"x")
    with pytest.raises(UploadError) as refused:
        parsed(stored(tmp_path, "i.jsonl", jsonl(item())), images=tmp_path / "images", limits=Limits(entries=3))
    assert refused.value.errors[0].code == "folder-entries"


def test_images_that_are_no_zip_are_refused(tmp_path: Path) -> None:
    path = stored(tmp_path, "i.jsonl", jsonl(item()))
    with pytest.raises(UploadError) as refused:
        parsed(path, images=stored(tmp_path, "images.zip", picture()))
    assert refused.value.errors[0].code == "format-mismatch"


def test_an_image_that_is_too_large_is_refused_when_read(tmp_path: Path) -> None:
    stored(tmp_path, "images/a.png", b"x" * 1001)
    limits = Limits(image_bytes=1000)
    images = ImageSource(folder_entries(tmp_path / "images", limits), limits=limits)
    with pytest.raises(ImageError) as refused:
        images.read(images.resolve("a.png"))
    assert refused.value.code == "image-file-too-large"


def test_an_image_in_two_places_is_refused_on_opening(tmp_path: Path) -> None:
    path = stored(tmp_path, "u.zip", zipped({"i.jsonl": jsonl(item()), "a.png": picture()}))
    with pytest.raises(UploadError) as refused:
        parsed(path, images=stored(tmp_path, "images.zip", zipped({"a.png": picture()})))
    assert refused.value.errors[0].code == "name-duplicate"


def test_a_missing_image_is_never_a_text_only_item(tmp_path: Path) -> None:
    rows = jsonl(item("A", image_path="a.png"), item("B", image_path="a.png", has_image=True), item("C"))
    outcome = parsed(stored(tmp_path, "items.jsonl", rows))
    assert [codes(row) for row in outcome] == [["image-missing"], ["image-missing"], []]


@given(st.text(alphabet=st.sampled_from("a./\\:C각\u1100\u1161 \0")))
def test_a_normalised_path_stays_inside_and_is_stable(path: str) -> None:
    try:
        normalised = normalised_path(path)
    except ImageError:
        return
    parts = normalised.split("/")
    assert not {"", ".", ".."} & set(parts)
    assert "\\" not in normalised
    assert unicodedata.is_normalized("NFC", normalised)
