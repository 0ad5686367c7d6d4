"""The first page, sign-in, languages, and the headers that every page carries."""

from typing import Any

import pytest
from django.test import Client

from itembank.models import UploadBatch
from tests.factories import allow, make_admin, make_encoder, make_image, make_item, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    return client


def test_an_empty_bank_says_what_to_do_first(admin: Client) -> None:
    html = admin.get("/admin/").content.decode()
    assert "/admin/itembank/uploadbatch/add/" in html
    assert "ib-steps" in html


def test_the_page_counts_items_by_category(admin: Client) -> None:
    make_item(text="글")
    make_image(make_item())
    counts = admin.get("/admin/").context["counts"]
    assert (counts.total, counts.image, counts.text_only) == (2, 1, 1)


def test_the_page_shows_the_coverage_of_each_encoder(admin: Client) -> None:
    make_item()
    make_encoder("hashing")
    (row,) = admin.get("/admin/").context["coverage"]
    assert row["covered"].missing == 1
    assert sum(part.percent for part in row["parts"]) == 100


def test_recent_uploads_are_listed(admin: Client) -> None:
    UploadBatch.objects.create(file="uploads/x.json", file_name="중간고사.json", state="imported")
    assert "중간고사.json" in admin.get("/admin/").content.decode()


def test_the_page_takes_few_queries(admin: Client, django_assert_max_num_queries: Any) -> None:
    for _ in range(5):
        make_item()
    make_encoder("hashing")
    with django_assert_max_num_queries(12):
        admin.get("/admin/")


def test_people_see_only_what_they_may(client: Client) -> None:
    make_item()
    client.force_login(allow(make_staff(), "itembank.view_item"))
    response = client.get("/admin/")
    assert response.context["counts"].total == 1
    assert not {"coverage", "jobs", "uploads"} & response.context.keys()
    assert "/admin/embeddings/encoder/" not in response.content.decode()


def test_visitors_are_asked_to_sign_in(client: Client) -> None:
    assert client.get("/admin/")["Location"] == "/admin/login/?next=/admin/"


def test_signing_in_without_a_destination_leads_to_the_home_page(client: Client) -> None:
    make_staff("visitor")
    response = client.post("/admin/login/", {"username": "visitor", "password": "correct horse"})
    assert response["Location"] == "/admin/"


def test_korean_is_the_default_language_even_before_sign_in(client: Client) -> None:
    html = client.get("/admin/login/").content.decode()
    assert '<html lang="ko"' in html
    assert "문항은행" in html


def test_english_is_one_click_away_and_stays(client: Client) -> None:
    response = client.post("/i18n/setlang/", {"language": "en", "next": "/admin/login/"}, follow=True)
    html = response.content.decode()
    assert '<html lang="en"' in html
    assert "문항은행" not in html


@pytest.mark.parametrize("address", ["/admin/login/", "/admin/"])
def test_pages_run_no_script_that_is_not_ours(admin: Client, address: str) -> None:
    policy = admin.get(address)["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval'" in policy
    assert "frame-ancestors 'none'" in policy
