"""Tokens in the admin: made once, shown once, never more than the maker may, and revoked."""

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client

from itembank.api.scopes import PERMISSIONS, Scope
from itembank.models import ApiCall, ApiToken
from itembank.tokens import TokenError, make_token
from tests.api import Api, problem
from tests.factories import allow, make_admin, make_staff

pytestmark = pytest.mark.django_db

TOKENS = "/admin/itembank/apitoken/"
ASKED = {"client": "loader", "scopes": ["items:read"], "days": 30}


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    return client


def made(client: Client) -> str:
    response = client.post(f"{TOKENS}add/", ASKED)
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    found = re.search(r'data-token .*value="(ib_[\w-]+)"', response.content.decode())
    assert found
    return found[1]


def test_a_token_is_shown_once_and_works(admin: Client) -> None:
    secret = made(admin)
    assert Api(token=secret).get("/items").status_code == 200
    token = ApiToken.objects.get()
    for page in (TOKENS, f"{TOKENS}{token.pk}/change/", "/admin/"):
        assert secret not in admin.get(page).content.decode()


def test_a_token_expires_after_the_days_that_were_chosen(admin: Client) -> None:
    made(admin)
    token = ApiToken.objects.get()
    assert token.expires_at is not None
    assert (token.expires_at - token.created_at).days in {29, 30}


def test_nobody_hands_on_more_than_they_may(client: Client) -> None:
    client.force_login(allow(make_staff(), "itembank.add_apitoken", *PERMISSIONS[Scope.SEARCH]))
    assert "Read items" not in client.get(f"{TOKENS}add/", headers={"accept-language": "en"}).content.decode()
    client.post(f"{TOKENS}add/", ASKED)
    assert not ApiToken.objects.exists()
    client.post(f"{TOKENS}add/", ASKED | {"scopes": ["search"]})
    assert ApiToken.objects.get().scopes == ["search"]


def test_the_service_hands_on_no_more_than_its_maker_may_either() -> None:
    maker = allow(make_staff(), *PERMISSIONS[Scope.SEARCH])
    with pytest.raises(TokenError):
        make_token(client="c", scopes=["search", "jobs:write"], user=maker)
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("role", ["Engineer", "Lead"])
def test_engineers_and_leads_make_and_revoke_tokens(client: Client, role: str) -> None:
    user = make_staff()
    user.groups.add(Group.objects.get(name__endswith=role))
    client.force_login(user)
    secret = made(client)
    client.post(TOKENS, {"action": "revoke", "_selected_action": [ApiToken.objects.get().pk]})
    problem(Api(token=secret).get("/items"), 401, "token-revoked")


@pytest.mark.parametrize("page", [TOKENS, f"{TOKENS}add/", f"{TOKENS}1/change/", "/admin/itembank/apicall/"])
def test_content_staff_have_none_of_these_pages(client: Client, page: str) -> None:
    make_token(client="c", scopes=["search"])
    user = make_staff()
    user.groups.add(Group.objects.get(name__endswith="Content staff"))
    client.force_login(user)
    assert client.get(page).status_code == 403


@pytest.mark.parametrize("wrong", [{"client": ""}, {"client": "a" * 101}, {"scopes": []}, {"days": 0}, {"days": 9_999}])
def test_a_form_that_is_wrong_makes_no_token(admin: Client, wrong: dict[str, object]) -> None:
    assert admin.post(f"{TOKENS}add/", ASKED | wrong).status_code == 200
    assert not ApiToken.objects.exists()


def test_tokens_are_made_by_those_who_may(client: Client) -> None:
    client.force_login(allow(make_staff(), "itembank.view_apitoken"))
    assert client.get(TOKENS).status_code == 200
    assert client.post(f"{TOKENS}add/", ASKED).status_code == 403


def test_a_token_is_revoked_in_the_list(admin: Client) -> None:
    token, secret = make_token(client="c", scopes=["items:read"])
    admin.post(TOKENS, {"action": "revoke", "_selected_action": [token.pk]})
    problem(Api(token=secret).get("/items"), 401, "token-revoked")


def test_who_may_only_see_tokens_cannot_revoke_them(client: Client) -> None:
    client.force_login(allow(make_staff(), "itembank.view_apitoken"))
    token, secret = make_token(client="c", scopes=["items:read"])
    client.post(TOKENS, {"action": "revoke", "_selected_action": [token.pk]})
    assert Api(token=secret).get("/items").status_code == 200


def test_tokens_are_neither_changed_nor_deleted(admin: Client) -> None:
    token, _secret = make_token(client="c", scopes=["items:read"])
    admin.post(f"{TOKENS}{token.pk}/change/", {"client": "d"})
    assert admin.post(f"{TOKENS}{token.pk}/delete/", {"post": "yes"}).status_code == 403
    assert ApiToken.objects.get().client == "c"


def test_calls_can_be_read_and_nothing_else(admin: Client) -> None:
    Api("search", client="curious").get("/items")
    html = admin.get("/admin/itembank/apicall/").content.decode()
    assert "curious" in html
    assert admin.get("/admin/itembank/apicall/add/").status_code == 403
    assert admin.post(f"/admin/itembank/apicall/{ApiCall.objects.get().pk}/delete/", {"post": "yes"}).status_code == 403


def test_the_pages_are_in_the_sidebar_of_those_who_may(admin: Client) -> None:
    assert TOKENS in admin.get("/admin/").content.decode()


# ---- the page of one token


@pytest.fixture
def engineer(client: Client) -> Client:
    user = make_staff("engineer", first_name="지민")
    user.groups.add(Group.objects.get(name__endswith="Engineer"))
    client.force_login(user)
    return client


def page_of(token: ApiToken) -> str:
    return f"{TOKENS}{token.pk}/change/"


def read(client: Client, page: str) -> str:
    return client.get(page, headers={"accept-language": "en"}).content.decode()


def test_the_page_names_scopes_in_words_and_as_programs_do(engineer: Client) -> None:
    token, _secret = make_token(client="c", scopes=["items:read", "gone:read"])
    html = read(engineer, page_of(token))
    assert "Read items and their images (items:read)" in html
    assert "gone:read" in html


def test_the_page_says_how_many_calls_the_client_made_in_this_minute(engineer: Client, settings: Any) -> None:
    settings.API_CALLS_PER_MINUTE = 77
    api = Api(client="busy")
    for _ in range(2):  # on the turn of a minute, a new count begins
        api.get("/items")
    assert re.search(r"[12] / 77", read(engineer, page_of(ApiToken.objects.get())))


def test_the_page_leads_to_the_token_s_calls_on_record_alone(engineer: Client) -> None:
    Api("search", client="curious").get("/items")
    Api("search", client="other").get("/items")
    token = ApiToken.objects.get(client="curious")
    address = f"/admin/itembank/apicall/?token={token.pk}"
    assert f'href="{address}">1</a>' in read(engineer, page_of(token))
    html = read(engineer, address)
    assert "curious" in html
    assert "other" not in html


def test_a_token_is_revoked_on_its_page_and_the_history_says_who_did_it(engineer: Client) -> None:
    token, secret = make_token(client="c", scopes=["items:read"])
    html = read(engineer, page_of(token))
    assert f'name="_selected_action" value="{token.pk}"' in html
    engineer.post(TOKENS, {"action": "revoke", "_selected_action": [token.pk]})
    problem(Api(token=secret).get("/items"), 401, "token-revoked")
    assert 'name="_selected_action"' not in read(engineer, page_of(token))
    assert LogEntry.objects.get(object_id=token.pk).user.username == "engineer"


def test_the_page_of_a_token_has_no_button_for_who_may_only_see_it(client: Client) -> None:
    token, _secret = make_token(client="c", scopes=["items:read"])
    client.force_login(allow(make_staff(), "itembank.view_apitoken"))
    assert 'name="_selected_action"' not in read(client, page_of(token))


def test_who_made_a_token_is_named_and_no_link_to_accounts(engineer: Client) -> None:
    made(engineer)
    html = read(engineer, page_of(ApiToken.objects.get()))
    assert "지민" in html
    assert "/admin/auth/user/" not in html


def test_the_page_of_a_call_says_when_it_was(engineer: Client) -> None:
    Api("search", client="curious").get("/items")
    call = ApiCall.objects.get()
    assert str(call.at.year) in read(engineer, f"/admin/itembank/apicall/{call.pk}/change/")
