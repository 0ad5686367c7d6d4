"""Pages of the item list: whole, in order and without a count of all, whatever is asked of them."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from itembank.admin import paging
from itembank.admin.items import ItemAdmin
from itembank.models import Item
from tests.embeddings.spaces import make_items
from tests.factories import make_admin, make_image, make_item

pytestmark = pytest.mark.django_db

LIST = "/admin/itembank/item/"


@pytest.fixture
def admin(client: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(ItemAdmin, "list_per_page", 4)
    client.force_login(make_admin())
    client.cookies.load({"django_language": "en"})
    return client


@pytest.fixture
def few_are_many(bank: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than five rows are estimated, and PostgreSQL knows the table well."""
    monkeypatch.setattr(paging, "MOST_COUNTED", 5)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE itembank_item")


@pytest.fixture
def bank() -> None:
    """Thirty items whose codes are not in the order of their making."""
    for number in range(30):
        unit, text = ("일차함수", "확률")[number % 2], f"기울기 {number}" if number % 3 else f"넓이 Area {number}"
        make_item(code=f"C-{number * 7 % 30:02d}", difficulty=number % 5 + 1, unit=unit, text=text)


def _pages(client: Client, query: dict[str, str]) -> Iterator[list[str]]:
    last = 1
    for number in range(1, 20):
        listed = client.get(LIST, query | {"p": str(number)}).context["cl"]
        last = listed.paginator.num_pages
        yield [item.code for item in listed.result_list]
        if number >= last:
            return


@pytest.mark.usefixtures("bank")
@pytest.mark.parametrize(
    ("query", "kept", "order"),
    [
        ({}, {}, "code"),
        ({"o": "-2"}, {}, "-code"),
        ({"o": "8"}, {}, "difficulty pk"),
        ({"q": "기울기"}, {"text__contains": "기울기"}, "code"),
        ({"q": "area"}, {"text__contains": "Area"}, "code"),
        ({"unit__icontains": "함수", "o": "-8"}, {"unit": "일차함수"}, "-difficulty -pk"),
        ({"difficulty": "3"}, {"difficulty": 3}, "code"),
    ],
)
def test_pages_hold_each_item_once_and_in_order(
    admin: Client, query: dict[str, str], kept: dict[str, Any], order: str
) -> None:
    pages = list(_pages(admin, query))
    assert list(chain(*pages)) == _in_order(kept, order)
    assert max(map(len, pages)) <= 4


@pytest.mark.usefixtures("bank", "few_are_many")
@pytest.mark.parametrize(("query", "kept"), [({}, {}), ({"q": "기울기"}, {"text__contains": "기울기"})])
def test_pages_of_many_rows_are_in_order_too(admin: Client, query: dict[str, str], kept: dict[str, Any]) -> None:
    listed = list(chain(*_pages(admin, query)))
    assert len(listed) > 6
    assert listed == _in_order(kept, "code")


def _in_order(kept: dict[str, Any], order: str) -> list[str]:
    return list(Item.objects.filter(**kept).order_by(*order.split()).values_list("code", flat=True))


@pytest.mark.usefixtures("bank")
def test_few_rows_are_counted(admin: Client) -> None:
    assert _footer(admin.get(LIST)).split()[:2] == ["-", "30"]


@pytest.mark.usefixtures("few_are_many")
def test_the_number_of_many_rows_is_said_to_be_an_estimate(admin: Client) -> None:
    assert "about 30" in _footer(admin.get(LIST))


@pytest.mark.usefixtures("few_are_many")
def test_where_the_estimate_is_too_low_the_list_says_what_was_counted(admin: Client) -> None:
    response = admin.get(LIST, {"q": "기울기"})
    assert "more than 5" in _footer(response)
    assert "6 results" not in response.content.decode()


@pytest.mark.usefixtures("few_are_many")
@pytest.mark.parametrize("page", ["5", "8", "900", "1" + "0" * 19, "9" * 400])
def test_pages_offered_by_too_high_an_estimate_are_the_last_one(admin: Client, page: str) -> None:
    Item.objects.filter(code__gt="C-15").delete()
    listed = admin.get(LIST, {"p": page}).context["cl"]
    assert [item.code for item in listed.result_list] == ["C-12", "C-13", "C-14", "C-15"]
    assert (listed.page_num, listed.paginator.num_pages) == (4, 4)


@pytest.mark.usefixtures("few_are_many")
def test_on_the_last_page_the_number_of_rows_is_no_estimate(admin: Client) -> None:
    assert _footer(admin.get(LIST, {"p": "8"})).split()[:2] == ["-", "30"]


@pytest.mark.usefixtures("few_are_many")
@pytest.mark.parametrize("page", ["4", "8"])
def test_a_list_without_filters_is_never_called_a_part_of_itself(admin: Client, page: str) -> None:
    Item.objects.filter(code__gt="C-15").delete()
    response = admin.get(LIST, {"p": page})
    assert response.context["cl"].full_result_count == response.context["cl"].result_count
    assert "results (" not in response.content.decode()


@pytest.mark.usefixtures("bank")
def test_few_results_are_said_beside_the_title(admin: Client) -> None:
    assert "20 results" in admin.get(LIST, {"q": "기울기"}).content.decode()


@pytest.mark.usefixtures("bank")
def test_the_list_offers_no_counts_by_filter(admin: Client) -> None:
    assert "_facets" not in admin.get(LIST).content.decode()
    assert not admin.get(LIST, {"_facets": "True"}).context["cl"].add_facets


def _footer(response: Any) -> str:
    html = str(response.content.decode())
    return html[html.index('<div class="py-4">') :].removeprefix('<div class="py-4">')[:200]


@pytest.mark.parametrize(
    "query", [{}, {"q": "기울기"}, {"q": "없는 말"}, {"unit__icontains": "함수"}, {"metadata": "a=b"}, {"p": "2"}]
)
def test_no_page_takes_many_queries_or_counts_all_items(
    admin: Client, query: dict[str, str], django_assert_max_num_queries: Any
) -> None:
    for _ in range(6):
        make_image(make_item())
    with django_assert_max_num_queries(15) as asked:
        assert admin.get(LIST, query).status_code == 200
    for each in asked.captured_queries:
        assert "count(" not in each["sql"].lower() or "LIMIT" in each["sql"], each["sql"]


@pytest.mark.usefixtures("bank")
@pytest.mark.parametrize("word", ["기울기", "Area 0"])
def test_a_word_is_looked_for_by_one_scan_of_the_texts(
    admin: Client, word: str, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(15) as asked:
        assert admin.get(LIST, {"q": word}).context["cl"].result_count
    looking = [
        each["sql"] for each in asked.captured_queries if "%기울기%" in each["sql"] or "%AREA%" in each["sql"].upper()
    ]
    assert len([sql for sql in looking if "IN (" not in sql]) == 1


@pytest.mark.parametrize("items", [0, 200])
def test_the_search_page_opens_with_few_queries(items: int, client: Client, django_assert_max_num_queries: Any) -> None:
    make_items(items)
    client.force_login(make_admin())
    with django_assert_max_num_queries(15):
        assert client.get("/admin/search/").status_code == 200
