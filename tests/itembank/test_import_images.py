"""Images of imported items: stored once, replaced with their item, never half there."""

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from itembank.models import Item, ItemImage, SanitisedImage
from tests.itembank.uploading import checked, confirmed, counts, imported, stored_files
from tests.itembank.uploads.builders import item, jsonl, picture, zipped

pytestmark = pytest.mark.django_db


@pytest.fixture
def media(settings: Any) -> Path:
    return Path(settings.MEDIA_ROOT)


def broken_picture() -> bytes:
    """The upper half of a PNG."""
    stream = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(stream, "PNG")
    return stream.getvalue()[: stream.tell() // 2]


def with_image(code: str = "A-1", path: str = "images/1.png", **fields: Any) -> dict[str, Any]:
    return item(code, image_path=path, has_image=True, **fields)


def test_an_item_lands_with_its_images() -> None:
    images = zipped({"q.png": picture(size=(8, 6)), "c.jpg": picture("JPEG"), "e.png": picture(size=(2, 2))})
    row = item("A-1", image_path="q.png", has_image=True, choices=["", "나"], choice_image_paths=["c.jpg", None])
    imported(jsonl(row | {"explanation_image_path": "e.png"}), images=images)
    landed = Item.objects.get()
    places = list(landed.images.order_by("role").values_list("role", "position", "width", "height"))
    assert places == [("choice", 0, 4, 3), ("explanation", 0, 2, 2), ("question", 0, 8, 6)]
    assert landed.category == "image"
    for image in landed.images.all():
        with image.file.open() as file, Image.open(file) as stored:
            assert stored.size == (image.width, image.height)


def test_equal_images_share_one_file(media: Path) -> None:
    images = zipped({"1.png": picture(), "2.png": picture()})
    imported(jsonl(with_image("A-1", "1.png"), with_image("A-2", "2.png")), images=images)
    assert ItemImage.objects.count() == 2
    assert len(stored_files(media)) == 1


def test_the_same_images_again_change_nothing() -> None:
    images = zipped({"images/1.png": picture()})
    imported(jsonl(with_image()), images=images)
    before = list(ItemImage.objects.values())
    assert counts(imported(jsonl(with_image()), images=images)) == (0, 0, 1, 0)
    assert list(ItemImage.objects.values()) == before


def test_a_new_picture_replaces_the_old_one_and_outdates_the_vectors() -> None:
    imported(jsonl(with_image()), images=zipped({"images/1.png": picture(size=(4, 3))}))
    before = Item.objects.get().content_hash
    batch = imported(jsonl(with_image()), images=zipped({"images/1.png": picture(size=(5, 5))}))
    assert counts(batch) == (0, 1, 0, 0)
    assert [(image.width, image.height) for image in ItemImage.objects.all()] == [(5, 5)]
    assert Item.objects.get().content_hash != before


def test_an_image_of_the_explanation_is_not_what_encoders_see() -> None:
    imported(jsonl(item("A-1", explanation_image_path="e.png")), images=zipped({"e.png": picture()}))
    landed = Item.objects.get()
    before = landed.content_hash
    assert landed.category == "text_only"
    imported(jsonl(item("A-1", explanation_image_path="e.png")), images=zipped({"e.png": picture(size=(9, 9))}))
    assert Item.objects.get().content_hash == before


def test_an_image_that_goes_away_leaves_the_item() -> None:
    imported(jsonl(with_image()), images=zipped({"images/1.png": picture()}))
    imported(jsonl(item("A-1")))
    assert (ItemImage.objects.count(), Item.objects.get().category) == (0, "text_only")


def test_an_item_that_says_it_has_an_image_is_never_taken_as_text() -> None:
    batch = checked(jsonl(item("A-1", has_image=True), with_image("A-2", "images/missing.png"), item("A-3")))
    assert counts(batch) == (1, 0, 0, 2)
    fields = [(row.code, row.field) for row in batch.rows.filter(outcome="rejected")]
    assert fields == [("A-1", "image_path"), ("A-2", "image_path")]
    confirmed(batch)
    assert list(Item.objects.values_list("code", flat=True)) == ["A-3"]


def test_a_broken_image_is_found_in_the_preview_and_keeps_its_row_out(media: Path) -> None:
    images = zipped({"good.png": picture(), "broken.png": broken_picture(), "no.png": b"<svg/>"})
    rows = [with_image("A-1", "good.png"), with_image("A-2", "broken.png"), with_image("A-3", "no.png")]
    batch = checked(jsonl(*rows), images=images)
    assert counts(batch) == (1, 0, 0, 2)
    reasons = dict(batch.rows.filter(outcome="rejected").values_list("code", "reason_code"))
    assert reasons == {"A-2": "image-broken", "A-3": "image-format"}
    assert batch.rows.get(code="A-2").raw["image_path"] == "broken.png"
    confirmed(batch)
    assert list(Item.objects.values_list("code", flat=True)) == ["A-1"]
    assert len(stored_files(media)) == 1


def test_one_broken_image_of_two_keeps_the_whole_item_out() -> None:
    images = zipped({"good.png": picture(), "broken.png": broken_picture()})
    row = item("A-1", image_path=["good.png", "broken.png"], has_image=True)
    assert counts(imported(jsonl(row), images=images)) == (0, 0, 0, 1)
    assert (Item.objects.count(), ItemImage.objects.count()) == (0, 0)


def test_a_stored_file_that_was_lost_is_made_again(media: Path) -> None:
    images = zipped({"images/1.png": picture()})
    imported(jsonl(with_image()), images=images)
    (name,) = stored_files(media)
    (media / name).unlink()
    imported(jsonl(with_image()), images=images)
    assert stored_files(media) == [name]
    assert SanitisedImage.objects.count() == 1


@pytest.mark.parametrize("remembered", [True, False], ids=["picture-known", "picture-new"])
def test_a_stored_file_that_was_damaged_is_made_whole_again(media: Path, remembered: bool) -> None:
    images = zipped({"images/1.png": picture()})
    imported(jsonl(with_image()), images=images)
    (name,) = stored_files(media)
    whole = (media / name).read_bytes()
    (media / name).write_bytes(whole[:-10])
    if not remembered:
        SanitisedImage.objects.all().delete()
    imported(jsonl(with_image()), images=images)
    assert (media / name).read_bytes() == whole
    assert stored_files(media) == [name]


def test_a_stored_file_of_the_right_size_with_wrong_bytes_is_made_again(media: Path) -> None:
    images = zipped({"images/1.png": picture()})
    imported(jsonl(with_image()), images=images)
    (name,) = stored_files(media)
    whole = (media / name).read_bytes()
    (media / name).write_bytes(bytes(len(whole)))
    imported(jsonl(with_image()), images=images)
    assert (media / name).read_bytes() == whole


def test_a_whole_file_is_not_written_again(media: Path) -> None:
    images = zipped({"images/1.png": picture()})
    imported(jsonl(with_image()), images=images)
    (name,) = stored_files(media)
    before = (media / name).stat()
    SanitisedImage.objects.all().delete()
    imported(jsonl(with_image()), images=images)
    assert (media / name).stat().st_ino == before.st_ino


def test_a_zip_brings_items_and_images_together() -> None:
    data = zipped({"items.jsonl": jsonl(with_image()), "images/1.png": picture()})
    assert counts(imported(data, name="items.zip")) == (1, 0, 0, 0)
    assert ItemImage.objects.get().file.name.startswith("items/")
