"""An edit by hand beside an import: what is stored at the moment of the save counts."""

import threading

import pytest
from django.db import connection, transaction

from itembank.models import Item
from itembank.services import save_item
from tests.factories import make_item
from tests.itembank.uploading import imported
from tests.itembank.uploads.builders import item, jsonl, picture, zipped


def _figure(size: tuple[int, int]) -> str:
    """Import the item with a figure of that size; returns the batch's content hash of it."""
    imported(jsonl(item("A-1", image_path="1.png", has_image=True)), images=zipped({"1.png": picture(size=size)}))
    return Item.objects.get().content_hash


@pytest.mark.django_db
def test_an_edit_over_a_figure_that_was_replaced_meanwhile_has_the_hash_of_the_new_one() -> None:
    _figure((4, 3))
    edited = Item.objects.prefetch_related("images").get()
    assert [image.width for image in edited.images.all()] == [4]
    current = _figure((5, 5))
    edited.unit = "도형"
    save_item(item=edited)
    assert Item.objects.get().content_hash == current


@pytest.mark.django_db
def test_an_edit_leaves_the_upload_that_brought_the_item_last() -> None:
    imported(jsonl(item("A-1")))
    edited = Item.objects.get()
    last = imported(jsonl(item("A-1", unit="함수")))
    save_item(item=edited)
    assert Item.objects.get().batch == last


@pytest.mark.django_db
def test_an_item_that_was_deleted_meanwhile_does_not_come_back() -> None:
    edited = make_item()
    Item.objects.all().delete()
    with pytest.raises(Item.DoesNotExist):
        save_item(item=edited)
    assert not Item.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_edit_waits_for_the_import_that_has_the_item() -> None:
    _figure((4, 3))
    edited = Item.objects.get()

    def save() -> None:
        save_item(item=edited)
        connection.close()

    other = threading.Thread(target=save)
    with transaction.atomic():
        current = _figure((5, 5))
        other.start()
        other.join(0.5)
        assert other.is_alive()
    other.join()
    assert Item.objects.get().content_hash == current
