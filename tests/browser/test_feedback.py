"""The history of searches and thumbs in a real browser: back to a search, and all of it gone at a wish."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from embeddings.feedback import remember, set_mark
from embeddings.models import SearchMark, SearchQuery
from embeddings.search import search
from embeddings.search.types import SearchRequest
from groundtruth.models import TruthSet
from itembank.models import Item
from tests.embeddings.spaces import clustered, fill, make_items, make_space

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def items(admin_page: Any) -> list[Item]:
    """Six, of which the administrator asked about the first and marked the second."""
    made, space = make_items(6), make_space(8)
    fill(space, made, clustered(6, 8))
    user = User.objects.get(username="admin")
    link = f"item={made[0].code}&encoder={space.slug}"
    request = SearchRequest(item_code=made[0].code, encoder=space.slug)
    query = remember(user=user, request=request, response=search(request), link=link)
    set_mark(user=user, query=query, item=made[1], verdict=1, found_by={"rank": 1})
    return made


def test_a_search_is_asked_again_from_the_history_and_the_history_deleted(admin_page: Any, items: list[Item]) -> None:
    admin_page.goto("/admin/search/history/")
    admin_page.click('.ib-feedback-actions a[href*="item="]')
    admin_page.wait_for_url("**/admin/search/?item=*")
    admin_page.goto("/admin/search/history/")
    admin_page.click('a[href$="/history/clear/"]')
    admin_page.click("form .ib-danger")
    admin_page.wait_for_selector(".ib-empty")
    assert not SearchQuery.objects.exists()
    assert SearchMark.objects.exists()


def test_a_truth_set_is_made_from_the_list_of_thumbs(admin_page: Any, items: list[Item]) -> None:
    admin_page.goto("/admin/search/marks/")
    admin_page.click('a[href$="/from-thumbs/"]')
    admin_page.select_option("[name=up]", "3")
    admin_page.click("form[method=get] button")
    admin_page.fill("#plan [name=name]", "marked")
    admin_page.click("#plan button[type=submit]")
    admin_page.wait_for_url("**/truthset/*/change/")
    assert TruthSet.objects.get().pairs.get().relevance == 3
