"""Items over the API: pages, filters, one item, its images."""

from contextlib import closing
from typing import Any

import pytest

from itembank.models import Item, UploadBatch
from itembank.thumbnails import SIZES
from tests.api import Api, problem
from tests.embeddings.spaces import make_items
from tests.factories import make_image, make_item

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Api:
    return Api("items:read")


def test_pages_hold_every_item_once_in_the_order_of_the_bank(api: Api) -> None:
    codes = [item.code for item in make_items(7)]
    seen: list[str] = []
    cursor: Any = ""
    while cursor is not None:
        page = api.get("/items", limit=3, cursor=cursor).json()
        assert len(page["items"]) <= 3
        seen += [item["code"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert seen == codes


def test_a_page_stays_in_place_when_items_before_it_are_deleted(api: Api) -> None:
    items = make_items(6)
    cursor = api.get("/items", limit=3).json()["next_cursor"]
    items[0].delete()
    assert [each["code"] for each in api.get("/items", cursor=cursor).json()["items"]] == [i.code for i in items[3:]]


def test_the_last_full_page_has_no_next(api: Api) -> None:
    make_items(4)
    assert api.get("/items", limit=4).json()["next_cursor"] is None


def test_a_page_takes_few_queries_however_many_items(api: Api, django_assert_max_num_queries: Any) -> None:
    for item in make_items(5):
        make_image(item)
    with django_assert_max_num_queries(5):
        assert len(api.get("/items").json()["items"]) == 5


def test_filters_take_any_value_within_a_field_and_all_fields_together(api: Api) -> None:
    make_item(code="A", subject="수학", difficulty=1)
    make_item(code="B", subject="과학", difficulty=1)
    make_item(code="C", subject="국어", difficulty=1)
    make_item(code="D", subject="수학", difficulty=2)
    page = api.get("/items", subject=["수학", "과학"], difficulty=[1]).json()
    assert [item["code"] for item in page["items"]] == ["A", "B"]


def test_items_are_found_by_category_and_by_code(api: Api) -> None:
    item = make_item(code="P/1")
    make_image(item)
    make_item(code="T")
    assert [each["code"] for each in api.get("/items", category="image").json()["items"]] == ["P/1"]
    assert [each["code"] for each in api.get("/items", code=["T", "X"]).json()["items"]] == ["T"]


def test_an_item_is_read_whole_also_where_its_code_holds_a_slash(api: Api) -> None:
    make_item(code="P/1 가", text="기울기 $a$", choices=["1", "2"], answer="2", explanation="끝")
    item = api.get("/items/P%2F1%20가").json()
    assert (item["text"], item["choices"], item["answer"], item["explanation"]) == ("기울기 $a$", ["1", "2"], "2", "끝")
    assert item["images"] == []


def test_an_item_that_is_not_there_is_said(api: Api) -> None:
    problem(api.get("/items/nope"), 404, "unknown-item")


def test_the_link_of_an_image_leads_to_it_with_the_same_token(api: Api) -> None:
    stored = make_image(make_item(code="P"))
    image = api.get("/items/P").json()["images"][0]
    assert (image["role"], image["width"], image["sha256"]) == ("question", 120, stored.sha256)
    problem(Api("search", client="other").client.get(image["url"]), 403, "scope-missing")
    with closing(api.client.get(image["url"])) as response, stored.file.open() as file:
        assert response["Content-Type"] == "image/png"
        assert b"".join(response) == file.read()
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"


@pytest.mark.parametrize("size", SIZES)
def test_a_small_copy_of_an_image_can_be_had(api: Api, size: int) -> None:
    image = make_image(make_item())
    with closing(api.get(f"/images/{image.pk}", size=size)) as response:
        assert response["Content-Type"] == "image/webp"


def test_copies_come_in_few_sizes_so_that_calls_cannot_fill_the_disk(api: Api) -> None:
    problem(api.get(f"/images/{make_image(make_item()).pk}", size=97), 422, "invalid-request")


@pytest.mark.parametrize("query", [{}, {"size": 96}])
def test_an_image_whose_file_is_lost_is_not_found(api: Api, query: dict[str, int]) -> None:
    image = make_image(make_item())
    image.file.storage.delete(image.file.name)
    problem(api.get(f"/images/{image.pk}", **query), 404, "not-found")


def test_choices_of_any_kind_are_given_as_text(api: Api) -> None:
    item = make_item(code="N")
    Item.objects.filter(pk=item.pk).update(choices=[1, "나"])
    assert api.get("/items/N").json()["choices"] == ["1", "나"]


def test_metadata_that_is_no_pair_is_refused(api: Api) -> None:
    problem(api.get("/items", metadata="source"), 422, "invalid-request")


def test_items_are_listed_by_their_upload_and_metadata(api: Api) -> None:
    upload = UploadBatch.objects.create(file_name="a.csv")
    for code, metadata in (("A", {"year": 2024}), ("B", {"year": "2024"}), ("C", {"year": 2023})):
        make_item(code=code, metadata=metadata)
    Item.objects.exclude(code="B").update(batch=upload)
    listed = api.get("/items", batch=[upload.pk], metadata=["year=2024"]).json()["items"]
    assert [item["code"] for item in listed] == ["A"]
