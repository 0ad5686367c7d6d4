"""Stored files reach signed-in staff only, and whatever they hold, the browser does not run them."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from tests.factories import make_image, make_item, make_staff

pytestmark = pytest.mark.django_db

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(make_staff())
    return client


@pytest.fixture
def store(settings: Any) -> Path:
    root = Path(settings.MEDIA_ROOT)
    (root / "items").mkdir(parents=True)
    (root / "items" / "a.png").write_bytes(PNG)
    (root / "uploads").mkdir()
    (root / "items" / "문항.html").write_text("<script>alert(1)</script>", encoding="utf-8")
    (root / "uploads" / "문항.html").write_text("<script>alert(1)</script>", encoding="utf-8")
    (root.parent / "secret").write_text("key", encoding="utf-8")
    return root


def test_visitors_are_sent_to_sign_in(client: Client, store: Path) -> None:
    response = client.get("/media/items/a.png")
    assert response.status_code == 302
    assert response["Location"] == "/admin/login/?next=/media/items/a.png"


def test_people_who_are_not_staff_are_refused(client: Client, store: Path) -> None:
    client.force_login(User.objects.create_user("teacher"))
    assert client.get("/media/items/a.png").status_code == 403


def test_staff_whose_account_was_closed_are_sent_to_sign_in(staff: Client, store: Path) -> None:
    User.objects.update(is_active=False)
    assert staff.get("/media/items/a.png").status_code == 302


def test_staff_get_the_file_with_its_type(staff: Client, store: Path) -> None:
    response = staff.get("/media/items/a.png")
    assert response.status_code == 200
    assert response["Content-Type"] == "image/png"
    assert b"".join(response) == PNG


def test_the_browser_may_neither_guess_nor_run_nor_share_what_it_gets(staff: Client, store: Path) -> None:
    with closing(staff.get("/media/items/a.png")) as response:
        pass
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response["Cache-Control"].startswith("private")


def test_what_is_not_a_picture_is_downloaded_and_never_shown(staff: Client, store: Path) -> None:
    with closing(staff.get("/media/items/문항.html")) as response:
        pass
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("path", ["uploads/문항.html", "items/../uploads/문항.html", "./uploads//문항.html"])
def test_uploads_as_they_came_are_for_those_who_may_upload(staff: Client, store: Path, path: str) -> None:
    assert staff.get(f"/media/{path}").status_code == 403
    User.objects.get().user_permissions.add(Permission.objects.get(codename="add_uploadbatch"))
    with closing(staff.get(f"/media/{path}")) as response:
        assert response.status_code == 200


@pytest.mark.parametrize(
    "path",
    ["../secret", "items/../../secret", "%2e%2e/secret", "/etc/passwd", "items", "items/b.png", "items/a\x00.png"],
)
def test_paths_that_lead_elsewhere_or_nowhere_are_not_found(staff: Client, store: Path, path: str) -> None:
    assert staff.get(f"/media/{path}").status_code == 404


def test_files_are_only_read(staff: Client, store: Path) -> None:
    assert staff.post("/media/items/a.png").status_code == 405


def test_thumbnails_are_for_staff_too(client: Client) -> None:
    image = make_image(make_item())
    assert client.get(f"/media/thumbnails/{image.pk}/96/").status_code == 302


def test_staff_get_thumbnails_as_webp(staff: Client) -> None:
    image = make_image(make_item())
    with closing(staff.get(f"/media/thumbnails/{image.pk}/96/")) as response:
        pass
    assert response["Content-Type"] == "image/webp"


def test_thumbnails_come_in_few_sizes_so_that_requests_cannot_fill_the_disk(staff: Client) -> None:
    image = make_image(make_item())
    assert staff.get(f"/media/thumbnails/{image.pk}/97/").status_code == 404


def test_the_thumbnail_of_a_lost_file_is_not_found(staff: Client) -> None:
    image = make_image(make_item())
    image.file.storage.delete(image.file.name)
    assert staff.get(f"/media/thumbnails/{image.pk}/96/").status_code == 404
