"""The pages of uploads: sending, the preview, confirming, progress, downloads."""

import io
import zipfile
from contextlib import closing
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.html import escape

from itembank.imports.example import example_zip
from itembank.imports.passes import check_upload, import_upload
from itembank.models import Item, UploadBatch
from tests.factories import make_admin
from tests.itembank.uploading import checked, counts, imported, make_upload
from tests.itembank.uploads.builders import item, jsonl, picture, zipped

pytestmark = pytest.mark.django_db

LIST = "/admin/itembank/uploadbatch/"
State = UploadBatch.State


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    return client


def send(client: Client, data: bytes, name: str = "items.jsonl", **files: SimpleUploadedFile) -> Any:
    return client.post(f"{LIST}add/", {"file": SimpleUploadedFile(name, data), **files})


def page(client: Client, batch: UploadBatch, query: str = "") -> str:
    response = client.get(f"{LIST}{batch.pk}/change/{query}")
    assert response.status_code == 200
    return str(response.content.decode())


def test_a_sent_file_becomes_an_upload_that_waits_for_a_worker(admin: Client) -> None:
    response = send(admin, jsonl(item("A-1")), name="문항 2학기.jsonl")
    batch = UploadBatch.objects.get()
    assert response.headers["Location"] == f"{LIST}{batch.pk}/change/"
    assert (batch.state, batch.file_name) == (State.CHECKING, "문항 2학기.jsonl")
    assert batch.created_by is not None and batch.created_by.username == "admin"
    assert f'data-follow="{LIST}{batch.pk}/progress/"' in page(admin, batch)


def test_images_may_come_in_a_zip_of_their_own(admin: Client) -> None:
    images = SimpleUploadedFile("그림.zip", zipped({"1.png": picture()}))
    send(admin, jsonl(item("A-1", image_path="1.png", has_image=True)), images_file=images)
    batch = UploadBatch.objects.get()
    check_upload(batch.pk)
    batch.refresh_from_db()
    assert counts(batch) == (1, 0, 0, 0)


@pytest.mark.parametrize(
    ("name", "data"), [("items.exe", b"MZ"), ("items", b"{}"), ("items.jsonl", b""), ("x" * 300 + ".txt", b"x")]
)
def test_what_can_be_no_upload_is_refused_in_the_form(admin: Client, name: str, data: bytes) -> None:
    response = send(admin, data, name=name)
    assert response.status_code == 200
    assert 'role="alert"' in response.content.decode()
    assert not UploadBatch.objects.exists()


def test_a_form_without_a_file_says_so(admin: Client) -> None:
    response = admin.post(f"{LIST}add/", {})
    assert response.status_code == 200
    assert 'role="alert"' in response.content.decode()


def test_a_file_that_is_too_large_is_refused_in_the_form(admin: Client, settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES = 20
    response = send(admin, jsonl(item("A-1")))
    assert 'role="alert"' in response.content.decode()
    assert not UploadBatch.objects.exists()


def test_a_very_long_file_name_is_taken(admin: Client) -> None:
    assert send(admin, jsonl(item("A-1")), name="문" * 200 + ".jsonl").status_code == 302
    check_upload(UploadBatch.objects.get().pk)
    assert UploadBatch.objects.get().state == State.READY


def test_the_preview_shows_counts_reasons_rendered_text_and_pictures(admin: Client) -> None:
    rows = [
        item("A-1", text="$x^2$를 <b>구하시오</b><script>alert(1)</script>", image_path="1.png", has_image=True),
        item("A-2", difficulty="<i>9</i>"),
    ]
    batch = checked(jsonl(*rows), images=zipped({"1.png": picture(size=(200, 100))}))
    html = page(admin, batch)
    assert "<math" in html
    assert "<script>alert" not in html
    assert "<i>9</i>" not in html
    reason = batch.rows.get(outcome="rejected").reason
    assert escape(reason) in html
    for name in ("confirm", "cancel"):
        assert f'action="{LIST}{batch.pk}/control/{name}/"' in html
    image = batch.rows.get(outcome="new").raw["images"][0]
    assert f"{LIST}{batch.pk}/images/{image['sha256']}/" in html
    with closing(admin.get(f"{LIST}{batch.pk}/images/{image['sha256']}/")) as response:
        assert (response.status_code, response["Content-Type"]) == (200, "image/webp")


def test_an_image_is_shown_only_with_its_own_upload(admin: Client) -> None:
    one = checked(jsonl(item("A-1", image_path="1.png")), images=zipped({"1.png": picture()}))
    other = checked(jsonl(item("A-2")))
    sha256 = one.rows.get().raw["images"][0]["sha256"]
    assert admin.get(f"{LIST}{other.pk}/images/{sha256}/").status_code == 404
    assert admin.get(f"{LIST}{one.pk}/images/{'0' * 64}/").status_code == 404
    assert admin.get(f"{LIST}{one.pk}/images/x%00'/").status_code in (302, 404)


def test_confirming_lets_a_worker_import(admin: Client) -> None:
    batch = checked(jsonl(item("A-1")))
    admin.post(f"{LIST}{batch.pk}/control/confirm/")
    import_upload(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, Item.objects.count()) == (State.IMPORTED, 1)
    assert "control/confirm" not in page(admin, batch)


def test_confirming_twice_says_so(admin: Client) -> None:
    batch = imported(jsonl(item("A-1")))
    response = admin.post(f"{LIST}{batch.pk}/control/confirm/", follow=True)
    assert [message.level_tag for message in response.context["messages"]] == ["error"]


def test_cancelling_ends_the_upload(admin: Client) -> None:
    batch = checked(jsonl(item("A-1")))
    admin.post(f"{LIST}{batch.pk}/control/cancel/")
    batch.refresh_from_db()
    assert batch.state == State.CANCELLED
    assert "/control/" not in page(admin, batch)


def test_nothing_new_means_nothing_to_confirm(admin: Client) -> None:
    imported(jsonl(item("A-1")))
    html = page(admin, checked(jsonl(item("A-1"))))
    assert "control/confirm" not in html
    assert "control/cancel" in html


def test_a_failed_upload_says_why(admin: Client) -> None:
    batch = checked(b"{}", name="items.json")
    assert escape(batch.error) in page(admin, batch)


def test_many_rejected_rows_come_in_pages(admin: Client) -> None:
    batch = checked(jsonl(*(item(f"A-{number}", difficulty="9") for number in range(120))))
    assert "A-49" in page(admin, batch)
    assert "A-50" not in page(admin, batch)
    assert "A-119" in page(admin, batch, "?p=3")
    assert "A-119" in page(admin, batch, "?p=nonsense") or "A-49" in page(admin, batch, "?p=nonsense")


def test_progress_is_told_while_a_worker_is_at_it(admin: Client) -> None:
    batch = make_upload(jsonl(item("A-1")))
    waiting = admin.get(f"{LIST}{batch.pk}/progress/")
    assert "no-store" in waiting["Cache-Control"]
    assert (waiting.json()["state"], waiting.json()["percent"]) == ("checking", None)
    UploadBatch.objects.update(state=State.IMPORTING, total_rows=2000, processed_rows=500, new_count=500)
    answer = admin.get(f"{LIST}{batch.pk}/progress/").json()
    assert (answer["percent"], [part["count"] for part in answer["counts"]]) == (25, ["500", "0", "0", "0"])


def test_rejected_rows_are_downloaded_as_csv(admin: Client) -> None:
    batch = checked(jsonl(item("A-1", difficulty="9")))
    response = admin.get(f"{LIST}{batch.pk}/rejected.csv")
    assert response["Content-Disposition"] == f'attachment; filename="rejected-{batch.pk}.csv"'
    assert response.getvalue().startswith("\ufeff".encode())


def test_the_example_is_an_upload_that_the_bank_takes(admin: Client) -> None:
    response = admin.get(f"{LIST}example.zip")
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert set(archive.namelist()) == {"items.csv", "images/triangle.png"}
    assert counts(imported(example_zip(), name="example.zip")) == (3, 0, 0, 0)


def test_the_list_takes_a_fixed_number_of_queries(admin: Client, django_assert_max_num_queries: Any) -> None:
    for number in range(10):
        checked(jsonl(item(f"A-{number}")))
    with django_assert_max_num_queries(12):
        html = admin.get(LIST).content.decode()
    assert "items.jsonl" in html


@pytest.mark.parametrize(
    "path",
    ["999/change/", "999/progress/", "999/rejected.csv", "nonsense/change/", "999/images/x/", f"{10**30}/progress/"],
)
def test_an_upload_that_is_not_there_is_no_server_error(admin: Client, path: str) -> None:
    assert admin.get(LIST + path).status_code in (302, 404)


def test_controls_take_only_posts_and_known_names(admin: Client) -> None:
    batch = checked(jsonl(item("A-1")))
    assert admin.get(f"{LIST}{batch.pk}/control/confirm/").status_code == 405
    assert admin.post(f"{LIST}{batch.pk}/control/explode/").status_code == 404
    assert admin.post(f"{LIST}999/control/confirm/").status_code == 404


def test_forms_carry_a_token_against_forgery() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_admin())
    batch = checked(jsonl(item("A-1")))
    assert client.post(f"{LIST}{batch.pk}/control/confirm/").status_code == 403
    assert send(client, jsonl(item("A-1"))).status_code == 403
