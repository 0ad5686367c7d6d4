"""Who may see, send, and confirm uploads."""

from contextlib import closing

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from itembank.models import UploadBatch
from tests.factories import allow, make_staff
from tests.itembank.uploading import checked
from tests.itembank.uploads.builders import item, jsonl, picture, zipped

pytestmark = pytest.mark.django_db

LIST = "/admin/itembank/uploadbatch/"
PAGES = ["", "add/", "example.zip", "{pk}/change/", "{pk}/progress/", "{pk}/rejected.csv", "{pk}/images/{sha256}/"]
CONTROLS = ["{pk}/control/confirm/", "{pk}/control/cancel/"]


@pytest.fixture
def batch() -> UploadBatch:
    return checked(jsonl(item("A-1", image_path="1.png")), images=zipped({"1.png": picture()}))


def address(batch: UploadBatch, path: str) -> str:
    return LIST + path.format(pk=batch.pk, sha256=batch.rows.get().raw["images"][0]["sha256"])


def signed_in(client: Client, *permissions: str) -> Client:
    client.force_login(allow(make_staff(), *permissions))
    return client


@pytest.mark.parametrize("path", PAGES)
def test_visitors_are_asked_to_sign_in(client: Client, batch: UploadBatch, path: str) -> None:
    response = client.get(address(batch, path))
    assert response.status_code == 302
    assert "/login/" in response.headers["Location"]


@pytest.mark.parametrize("path", PAGES)
def test_staff_without_permission_see_nothing(client: Client, batch: UploadBatch, path: str) -> None:
    assert signed_in(client).get(address(batch, path)).status_code == 403


@pytest.mark.parametrize("path", [path for path in PAGES if path != "add/"])
def test_viewers_see_the_preview(client: Client, batch: UploadBatch, path: str) -> None:
    with closing(signed_in(client, "itembank.view_uploadbatch").get(address(batch, path))) as response:
        assert response.status_code == 200


def test_viewers_send_nothing(client: Client) -> None:
    viewer = signed_in(client, "itembank.view_uploadbatch")
    sent = {"file": SimpleUploadedFile("items.jsonl", jsonl(item("A-1")))}
    assert viewer.post(f"{LIST}add/", sent).status_code == 403
    assert not UploadBatch.objects.exists()


def test_uploaders_send_and_see_but_do_not_confirm(client: Client) -> None:
    uploader = signed_in(client, "itembank.add_uploadbatch")
    sent = {"file": SimpleUploadedFile("items.jsonl", jsonl(item("A-1")))}
    assert uploader.post(f"{LIST}add/", sent).status_code == 302
    batch = UploadBatch.objects.get()
    assert "/control/" not in uploader.get(f"{LIST}{batch.pk}/change/").content.decode()
    assert uploader.post(f"{LIST}{batch.pk}/control/cancel/").status_code == 403


@pytest.mark.parametrize("path", CONTROLS)
@pytest.mark.parametrize("permissions", [(), ("itembank.view_uploadbatch", "itembank.add_uploadbatch")])
def test_only_importers_confirm_and_cancel(
    client: Client, batch: UploadBatch, path: str, permissions: tuple[str, ...]
) -> None:
    assert signed_in(client, *permissions).post(address(batch, path)).status_code == 403
    batch.refresh_from_db()
    assert batch.state == UploadBatch.State.READY


@pytest.mark.parametrize(("path", "state"), [(CONTROLS[0], "importing"), (CONTROLS[1], "cancelled")])
def test_importers_confirm_and_cancel(client: Client, batch: UploadBatch, path: str, state: str) -> None:
    importer = signed_in(client, "itembank.view_uploadbatch", "itembank.import_uploads")
    assert importer.post(address(batch, path)).status_code == 302
    batch.refresh_from_db()
    assert batch.state == state


def test_nobody_deletes_an_upload_in_the_admin(admin_client: Client, batch: UploadBatch) -> None:
    assert admin_client.post(f"{LIST}{batch.pk}/delete/", {"post": "yes"}).status_code == 403
    assert UploadBatch.objects.exists()
