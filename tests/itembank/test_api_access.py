"""Who gets into the API: tokens, sessions, scopes, the number of calls, and what is kept on record."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from itembank.api import throttle
from itembank.api.scopes import PERMISSIONS, Scope
from itembank.models import ApiCall, ApiToken
from itembank.tokens import make_token, revoke_token
from tests.api import PREFIX, Api, problem
from tests.factories import allow, make_item, make_staff

pytestmark = pytest.mark.django_db


def test_anyone_may_ask_whether_the_bank_is_there() -> None:
    assert Api(token="").get("/health").json() == {"status": "ok"}


def test_without_a_token_nobody_gets_in_and_is_told_how() -> None:
    response = Api(token="").get("/items")
    assert "Bearer" in problem(response, 401, "not-signed-in")["detail"]
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("token", ["ib_wrong", "ib_" + "A" * 43, "é" * 10, "a" * 5_000, "a b", "\x00"])
def test_a_wrong_token_is_refused(token: str) -> None:
    problem(Api(token=token).get("/items"), 401, "token-unknown")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic dTpw", "ib_x"])
def test_a_header_that_names_no_token_is_refused(header: str) -> None:
    problem(Client(headers={"authorization": header}).get(f"{PREFIX}/items"), 401, "token-unknown")


def test_a_wrong_token_is_not_made_good_by_a_session() -> None:
    api = Api(token="ib_wrong")
    api.client.force_login(allow(make_staff(), *PERMISSIONS[Scope.ITEMS_READ]))
    problem(api.get("/items"), 401, "token-unknown")


def test_a_revoked_token_is_refused_from_the_next_call_on() -> None:
    api = Api()
    assert api.get("/items").status_code == 200
    assert revoke_token(token=ApiToken.objects.get())
    problem(api.get("/items"), 401, "token-revoked")


def test_an_expired_token_is_refused() -> None:
    _token, secret = make_token(client="old", scopes=["items:read"], expires_at=timezone.now() - timedelta(seconds=1))
    problem(Api(token=secret).get("/items"), 401, "token-expired")


def test_a_token_that_expires_later_gets_in() -> None:
    _token, secret = make_token(client="new", scopes=["items:read"], expires_at=timezone.now() + timedelta(days=1))
    assert Api(token=secret).get("/items").status_code == 200


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        (Scope.ITEMS_READ, "/items"),
        (Scope.ENCODERS_READ, "/encoders"),
        (Scope.JOBS_READ, "/jobs"),
        (Scope.TRUTH_READ, "/truth-sets"),
        (Scope.RUNS_READ, "/runs"),
    ],
)
def test_a_scope_opens_its_door_and_no_other(scope: Scope, path: str) -> None:
    assert Api(scope).get(path).status_code == 200
    others = [each for each in Scope if each != scope]
    assert problem(Api(*others, client="other").get(path), 403, "scope-missing")["scope"] == scope


def test_hits_with_their_items_take_the_scope_for_items_too() -> None:
    code = make_item().code
    body = {"item": code, "with_items": True}
    assert problem(Api("search").post("/search", body), 403, "scope-missing")["scope"] == "items:read"


def test_the_secret_of_a_token_is_not_kept() -> None:
    token, secret = make_token(client="c", scopes=["search"])
    row = ApiToken.objects.values().get(pk=token.pk)
    assert secret.startswith(row["prefix"])
    assert secret not in str(row)
    assert len(secret) > 40


def test_the_last_use_is_noted_once_a_minute() -> None:
    api = Api()
    api.get("/items")
    first = ApiToken.objects.get().last_used_at
    assert first is not None
    api.get("/items")
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(minutes=2))
    api.get("/items")
    assert (ApiToken.objects.get().last_used_at or first) >= first


# ---- sessions


@pytest.fixture
def staff() -> User:
    return make_staff()


def session(user: User, **options: Any) -> Client:
    client = Client(raise_request_exception=False, **options)
    client.force_login(user)
    return client


def test_a_colleague_has_the_scopes_of_their_permissions(staff: User) -> None:
    problem(session(staff).get(f"{PREFIX}/items"), 403, "scope-missing")
    allow(staff, *PERMISSIONS[Scope.ITEMS_READ])
    assert session(staff).get(f"{PREFIX}/items").status_code == 200


@pytest.mark.parametrize("change", [{"is_staff": False}, {"is_active": False}])
def test_people_who_are_no_staff_do_not_get_in(staff: User, change: dict[str, bool]) -> None:
    allow(staff, *PERMISSIONS[Scope.ITEMS_READ])
    client = session(staff)
    User.objects.update(**change)
    problem(client.get(f"{PREFIX}/items"), 401, "not-signed-in")


def test_a_session_changes_nothing_without_its_csrf_token(staff: User) -> None:
    allow(staff, *PERMISSIONS[Scope.JOBS_WRITE])
    client = session(staff, enforce_csrf_checks=True)
    asked: dict[str, Any] = {
        "path": f"{PREFIX}/jobs",
        "data": {"encoder": "x"},
        "content_type": "application/json",
    }
    problem(client.post(**asked), 403, "csrf-failed")
    client.get("/admin/")
    client.cookies["csrftoken"] = "a" * 32
    problem(client.post(**asked, headers={"x-csrftoken": "a" * 32}), 422, "unknown-encoder")


def test_a_token_needs_no_csrf_token() -> None:
    api = Api()
    api.client.handler.enforce_csrf_checks = True
    problem(api.post("/jobs", {"encoder": "x"}), 422, "unknown-encoder")


# ---- how many calls


def test_calls_above_the_rate_are_refused_with_the_time_to_wait(settings: Any) -> None:
    settings.API_CALLS_PER_MINUTE = 3
    api = Api(client="eager")
    answers = [api.get("/items") for _ in range(8)]  # on the turn of a minute, a new count begins
    assert answers[0].status_code == 200
    response = answers[-1]
    problem(response, 429, "too-many-calls")
    assert 1 <= int(response["Retry-After"]) <= 60


def test_tokens_of_one_client_are_counted_together_and_clients_apart(settings: Any) -> None:
    settings.API_CALLS_PER_MINUTE = 2
    first, second = Api(client="one"), Api(client="one")
    for _ in range(6):
        first.get("/items")
    assert second.get("/items").status_code == 429
    assert Api(client="another").get("/items").status_code == 200


def test_a_broker_that_is_away_stops_no_call_and_is_asked_again_later(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    settings.API_CALLS_PER_MINUTE = 1
    api = Api(client="lucky")
    with caplog.at_level(logging.WARNING):
        assert [api.get("/items").status_code for _ in range(3)] == [200, 200, 200]
    assert [each.name for each in caplog.records].count(throttle.__name__) == 1


# ---- the record


def test_a_change_is_on_record_with_client_address_and_answer() -> None:
    Api(client="loader").post("/jobs", {"encoder": "nope"})
    call = ApiCall.objects.get()
    assert (call.caller, call.method, call.path, call.status) == ("loader", "POST", "/api/v1/jobs", 422)
    assert call.token is not None


def test_a_refused_call_of_a_known_client_is_on_record() -> None:
    Api("search", client="curious").get("/items")
    assert ApiCall.objects.get().status == 403


def test_reading_leaves_no_row() -> None:
    Api().get("/items")
    assert not ApiCall.objects.exists()


def test_a_refused_stranger_leaves_a_line_and_no_row_and_no_token(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "itembank.api.calls"):
        Api(token="ib_secretsecret").get("/items/a\nb", q="ib_secretsecret")
    assert not ApiCall.objects.exists()
    line = next(each.getMessage() for each in caplog.records if each.name == "itembank.api.calls")
    assert "401" in line
    assert "\n" not in line
    assert "ib_secret" not in caplog.text


def test_the_three_roles_have_the_scopes_of_their_work() -> None:
    from itembank.api.scopes import scopes_of

    found = {}
    for group in Group.objects.all():
        user = make_staff(f"user-{group.pk}")
        user.groups.add(group)
        found[group.name] = scopes_of(User.objects.get(pk=user.pk))
    staff, engineer, lead = (next(v for k, v in found.items() if name in k) for name in ("Content", "Engineer", "Lead"))
    assert staff == {Scope.SEARCH, Scope.ITEMS_READ, Scope.TRUTH_READ}
    assert engineer == lead == frozenset(Scope)
