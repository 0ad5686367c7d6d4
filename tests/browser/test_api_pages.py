"""The API's own page, which is all script, and the page that makes a token."""

import re
from typing import Any

import pytest

from itembank.models import ApiToken
from tests.factories import make_item

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_page_shows_the_operations_and_calls_one_by_session(admin_page: Any) -> None:
    make_item(code="BROWSER-1")
    hosts = set()
    admin_page.on("request", lambda request: hosts.add(re.sub(r"^(\w+://[^/]+).*", r"\1", request.url)))
    admin_page.goto("/api/v1/docs")
    operation = admin_page.locator("#operations-items-list_items")
    operation.locator(".opblock-summary-control").click()
    operation.locator(".try-out__btn").click()
    operation.locator("button.execute").click()
    operation.get_by_text("BROWSER-1").first.wait_for()
    assert len({host for host in hosts if not host.startswith(("data:", "blob:"))}) == 1


def test_a_token_is_made_and_shown(admin_page: Any) -> None:
    admin_page.goto("/admin/itembank/apitoken/add/")
    admin_page.fill("[name=client]", "loader")
    admin_page.check("input[value='items:read']")
    admin_page.click(".ib-actions button[type=submit]")
    assert re.fullmatch(r"ib_[\w-]{43}", admin_page.input_value("[data-token]"))
    assert ApiToken.objects.get().scopes == ["items:read"]
