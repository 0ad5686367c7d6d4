"""The pages of truth sets: the list, one set, freezing, versions, exports, and who may do what."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from groundtruth import truth_selectors
from groundtruth.models import Change, Judgement, TruthPair, TruthSet
from groundtruth.set_services import freeze_set
from tests.factories import allow, make_admin, make_item, make_staff
from tests.groundtruth.factories import make_judge_job, make_pair, make_query, make_truth_set

pytestmark = pytest.mark.django_db

LIST = "/admin/groundtruth/truthset/"
PAIRS = "/admin/groundtruth/truthpair/"
TRAIL = "/admin/groundtruth/change/"


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    client.cookies["django_language"] = "en"
    return client


@pytest.fixture
def signed_in(client: Client) -> Callable[..., Client]:
    """A colleague with the permissions."""

    def sign_in(*permissions: str) -> Client:
        client.force_login(allow(make_staff(), *(f"groundtruth.{each}" for each in permissions)))
        client.cookies["django_language"] = "en"
        return client

    return sign_in


@pytest.fixture(autouse=True)
def _always_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, no count is kept."""
    monkeypatch.setattr(truth_selectors, "LONG", float("inf"))


def _set(**fields: Any) -> TruthSet:
    """Two queries, one of them without a relevant item; three pairs, one of them not judged."""
    truth_set = make_truth_set(**fields)
    answered, other = make_query(truth_set), make_query(truth_set)
    make_pair(answered, relevance=3)
    make_pair(answered)
    make_pair(other, relevance=0)
    return truth_set


def _page(client: Client, truth_set: TruthSet) -> Any:
    return client.get(f"{LIST}{truth_set.pk}/change/")


def _press(client: Client, truth_set: TruthSet, control: str) -> Any:
    return client.post(f"{LIST}{truth_set.pk}/control/{control}/", follow=True)


def _html(answer: Any) -> str:
    assert answer.status_code == 200
    return str(answer.content.decode())


# ---- the list


def test_the_list_counts_queries_and_pairs_by_relevance(admin: Client) -> None:
    _set(name="first")
    shown = admin.get(LIST).context["cl"].result_list[0]
    assert (shown.counted.queries, shown.counted.pairs) == (2, {3: 1, 0: 1, None: 1})


def test_a_list_of_many_sets_asks_the_database_no_oftener_than_one_of_few(admin: Client) -> None:
    def asked() -> int:
        with CaptureQueriesContext(
            connection,
        ) as caught:
            assert admin.get(LIST).status_code == 200
        return len(caught)

    _set()
    few = asked()
    for _ in range(8):
        _set()
    assert asked() == few


def test_the_list_shows_how_far_a_build_is(admin: Client) -> None:
    make_truth_set(method="tfidf", state="building", done=30, total=120)
    assert "25% · 30 / 120" in _html(admin.get(LIST))


@pytest.mark.parametrize("address", [LIST, PAIRS, TRAIL])
def test_who_has_no_permission_sees_none_of_the_lists(signed_in: Callable[..., Client], address: str) -> None:
    assert signed_in().get(address).status_code == 403


def test_the_sidebar_leads_to_sets_and_trail(signed_in: Callable[..., Client]) -> None:
    html = _html(signed_in("view_truthset", "view_change").get("/admin/"))
    assert LIST in html
    assert TRAIL in html


def test_counts_that_took_long_are_kept_for_a_while(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth_selectors, "LONG", 0)
    monkeypatch.setattr(truth_selectors, "KEPT_FOR", 1_000_000)
    truth_set = _set()
    first = truth_selectors.set_counts([truth_set])
    parts = truth_selectors.category_counts(truth_set)
    make_pair(truth_set.queries.all()[0], relevance=1)
    with CaptureQueriesContext(connection) as caught:
        assert truth_selectors.set_counts([truth_set]) == first
        assert truth_selectors.category_counts(truth_set) == parts
    assert not caught.captured_queries


def test_counts_from_before_a_set_was_frozen_are_not_shown_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth_selectors, "LONG", 0)
    monkeypatch.setattr(truth_selectors, "KEPT_FOR", 1_000_000)
    truth_set = _set()
    truth_selectors.set_counts([truth_set])
    make_pair(truth_set.queries.all()[0], relevance=1)
    freeze_set(truth_set=truth_set, user=None)
    assert truth_selectors.set_counts([truth_set])[truth_set.pk].total == 4


# ---- one set


def test_queries_without_a_relevant_item_are_told_aloud(admin: Client) -> None:
    page = _page(admin, _set())
    assert page.context["total"].without_relevant == 1
    assert "1 of 2 queries have no relevant item" in _html(page)


def test_counts_are_told_by_category_of_the_query_item(admin: Client) -> None:
    truth_set = make_truth_set()
    plain = make_query(truth_set, make_item(text="사과는 몇 개입니까?"))
    formula = make_query(truth_set, make_item(text="$x^2=4$"))
    make_pair(plain, relevance=2)
    make_pair(formula, relevance=1, approved_relevance=3)
    rows = {row["label"]: row["pairs"] for row in _page(admin, truth_set).context["rows"]}
    assert sorted(rows.values()) == [[0, 1, 0, 0, 0], [1, 0, 0, 0, 0]]
    assert len(rows) == 2


def test_parameters_are_told_in_words(admin: Client) -> None:
    quotas = {"image": 35, "latex": 30}
    truth_set = make_truth_set(method="tfidf", parameters={"top": 5, "thresholds": [0.6, 0.4, 0.2], "quotas": quotas})
    told = dict(_page(admin, truth_set).context["parameters"])
    assert told["candidates of a query"] == "5"
    assert told["lowest cosines of relevance 3, 2, 1"] == "0.6, 0.4, 0.2"
    assert told["drawn items"].endswith("30")


def test_a_page_of_a_larger_set_asks_the_database_no_oftener(admin: Client) -> None:
    truth_set = _set()

    def asked() -> int:
        with CaptureQueriesContext(connection) as caught:
            _html(_page(admin, truth_set))
        return len(caught)

    few = asked()
    for _ in range(5):
        make_pair(make_query(truth_set), relevance=1)
    assert asked() == few


def test_jobs_and_money_are_for_those_who_may_see_them(signed_in: Callable[..., Client]) -> None:
    truth_set = _set()
    make_judge_job(truth_set)
    assert "was spent on this set" not in _html(_page(signed_in("view_truthset"), truth_set))


def test_jobs_and_money_are_shown_with_a_link_to_plan_another(admin: Client) -> None:
    truth_set = _set()
    job = make_judge_job(truth_set)
    html = _html(_page(admin, truth_set))
    assert "$0.00 was spent on this set" in html
    assert f"/admin/groundtruth/judgejob/{job.pk}/change/" in html
    assert f"/admin/groundtruth/judgejob/add/?truth_set={truth_set.pk}" in html


@pytest.mark.parametrize("pk", ["0", "9" * 25, "nonsense"])
def test_a_set_that_is_not_there_is_no_error_of_the_server(admin: Client, pk: str) -> None:
    assert admin.get(f"{LIST}{pk}/change/").status_code == 404


def test_guidelines_are_written_and_recorded(admin: Client) -> None:
    truth_set = _set()
    admin.post(f"{LIST}{truth_set.pk}/change/", {"description": "", "guidelines": "Same idea: 3."})
    truth_set.refresh_from_db()
    assert truth_set.guidelines == "Same idea: 3."
    assert Change.objects.get(action="describe").new == {"guidelines": "Same idea: 3."}


def test_guidelines_of_a_frozen_set_stay(admin: Client) -> None:
    truth_set = freeze_set(truth_set=_set(guidelines="old"), user=None)
    answer = admin.post(f"{LIST}{truth_set.pk}/change/", {"description": "", "guidelines": "new"}, follow=True)
    assert "is frozen" in _html(answer)
    truth_set.refresh_from_db()
    assert truth_set.guidelines == "old"


def test_who_only_sees_sets_writes_no_guidelines(signed_in: Callable[..., Client]) -> None:
    client, truth_set = signed_in("view_truthset"), _set()
    assert client.post(f"{LIST}{truth_set.pk}/change/", {"guidelines": "x"}).status_code == 403


# ---- a build under way


def test_progress_is_told_in_the_words_of_the_script(admin: Client) -> None:
    truth_set = make_truth_set(method="tfidf", state="building", done=1, total=4)
    answer = admin.get(f"{LIST}{truth_set.pk}/progress/").json()
    assert (answer["state"], answer["percent"], answer["finished"], answer["total"]) == ("running", 25.0, "1", "4")
    TruthSet.objects.filter(pk=truth_set.pk).update(state="ready")
    assert admin.get(f"{LIST}{truth_set.pk}/progress/").json()["state"] == "ready"


def test_a_build_is_cancelled_and_begun_again(admin: Client) -> None:
    truth_set = make_truth_set(method="tfidf", state="building")
    _press(admin, truth_set, "cancel")
    truth_set.refresh_from_db()
    assert truth_set.state == "cancelled"
    _press(admin, truth_set, "again")
    truth_set.refresh_from_db()
    assert truth_set.state == "building"


def test_what_cannot_be_cancelled_says_so(admin: Client) -> None:
    assert "is not being built" in _html(_press(admin, _set(), "cancel"))


@pytest.mark.parametrize("control", ["cancel", "again", "new-version"])
def test_who_only_sees_sets_presses_no_button(signed_in: Callable[..., Client], control: str) -> None:
    client, truth_set = signed_in("view_truthset"), make_truth_set(method="tfidf", state="building")
    assert _press(client, truth_set, control).status_code == 403
    truth_set.refresh_from_db()
    assert truth_set.state == "building"


# ---- freezing, versions, deleting


def test_freezing_asks_first_and_says_what_it_means(admin: Client) -> None:
    truth_set = _set()
    html = _html(admin.get(f"{LIST}{truth_set.pk}/freeze/"))
    assert "never changes again" in html
    assert "1 pairs are not judged yet" in html
    truth_set.refresh_from_db()
    assert not truth_set.frozen


def test_a_confirmed_freeze_closes_the_set_and_shows_its_fingerprint(admin: Client) -> None:
    truth_set = _set()
    html = _html(admin.post(f"{LIST}{truth_set.pk}/freeze/", follow=True))
    truth_set.refresh_from_db()
    assert truth_set.frozen
    assert truth_set.fingerprint in html


def test_a_set_without_a_relevant_pair_is_not_frozen(admin: Client) -> None:
    truth_set = make_truth_set()
    assert "has no relevant pair" in _html(admin.post(f"{LIST}{truth_set.pk}/freeze/", follow=True))


@pytest.mark.parametrize("method", ["get", "post"])
def test_who_changes_sets_cannot_freeze_them(signed_in: Callable[..., Client], method: str) -> None:
    client, truth_set = signed_in("view_truthset", "change_truthset", "delete_truthset"), _set()
    assert getattr(client, method)(f"{LIST}{truth_set.pk}/freeze/").status_code == 403


def test_the_permission_to_freeze_is_enough_to_freeze(signed_in: Callable[..., Client]) -> None:
    client, truth_set = signed_in("freeze_truthset"), _set()
    client.post(f"{LIST}{truth_set.pk}/freeze/")
    truth_set.refresh_from_db()
    assert truth_set.frozen


def test_a_new_version_opens_with_all_that_the_old_one_says(admin: Client) -> None:
    truth_set = freeze_set(truth_set=_set(name="kept"), user=None)
    page = _press(admin, truth_set, "new-version")
    assert page.context["set"].version == 2
    assert page.context["total"].counts.total == 3


def test_deleting_asks_first_and_then_deletes(admin: Client) -> None:
    truth_set = _set()
    assert "cannot be brought back" in _html(admin.get(f"{LIST}{truth_set.pk}/delete/"))
    assert TruthSet.objects.exists()
    admin.post(f"{LIST}{truth_set.pk}/delete/")
    assert not TruthSet.objects.exists()


def test_a_frozen_set_is_not_deleted(admin: Client) -> None:
    truth_set = freeze_set(truth_set=_set(), user=None)
    assert "is frozen" in _html(admin.post(f"{LIST}{truth_set.pk}/delete/", follow=True))
    assert TruthSet.objects.exists()


def test_who_may_not_delete_is_refused(signed_in: Callable[..., Client]) -> None:
    client, truth_set = signed_in("view_truthset", "change_truthset", "freeze_truthset"), _set()
    assert client.post(f"{LIST}{truth_set.pk}/delete/").status_code == 403


# ---- exports


def test_a_set_is_exported_in_each_format(admin: Client) -> None:
    truth_set = _set(name="정답 세트")
    parts = {}
    for kind in ("json", "csv", "trec", "queries"):
        answer = admin.get(f"{LIST}{truth_set.pk}/export/{kind}/")
        assert "attachment" in answer["Content-Disposition"]
        parts[kind] = answer.getvalue().decode()
    assert len(json.loads(parts["json"])["queries"]) == 2
    assert len(parts["trec"].splitlines()) == 2  # judged pairs
    assert len(parts["queries"].splitlines()) == 3  # with the names of the columns


def test_ids_that_qrels_cannot_hold_are_told_on_the_page(admin: Client) -> None:
    truth_set = make_truth_set()
    make_pair(make_query(truth_set, query_id="with blank"), relevance=1)
    assert "has a blank in it" in _html(admin.get(f"{LIST}{truth_set.pk}/export/trec/", follow=True))


def test_exports_need_the_permission_to_see_sets(signed_in: Callable[..., Client]) -> None:
    assert signed_in("view_truthpair").get(f"{LIST}{_set().pk}/export/json/").status_code == 403


def test_an_unknown_format_is_not_there(admin: Client) -> None:
    assert admin.get(f"{LIST}{_set().pk}/export/xml/").status_code == 404


# ---- the audit trail


def test_the_trail_shows_who_did_what_and_can_be_filtered(admin: Client) -> None:
    truth_set, other = _set(), _set()
    admin.post(f"{LIST}{truth_set.pk}/freeze/")
    admin.post(f"{LIST}{other.pk}/change/", {"description": "", "guidelines": "x"})
    everything = admin.get(TRAIL).context["cl"].result_list
    chosen = admin.get(f"{TRAIL}?truth_set={truth_set.pk}&action=freeze").context["cl"].result_list
    assert {change.action for change in everything} == {"freeze", "describe"}
    assert [change.action for change in chosen] == ["freeze"]


def test_nobody_changes_the_trail(admin: Client) -> None:
    freeze_set(truth_set=_set(), user=None)
    change = Change.objects.get()
    assert admin.post(f"{TRAIL}{change.pk}/change/", {"target": "x"}).status_code == 403
    assert admin.post(f"{TRAIL}{change.pk}/delete/", {"post": "yes"}).status_code == 403
    assert admin.get(f"{TRAIL}add/").status_code == 403


def test_the_history_of_a_set_is_for_those_who_may_see_the_trail(signed_in: Callable[..., Client]) -> None:
    truth_set = freeze_set(truth_set=_set(), user=None)
    assert TRAIL not in _html(_page(signed_in("view_truthset"), truth_set))


def test_a_judgement_of_a_person_is_on_the_page_of_its_pair(admin: Client) -> None:
    pair = TruthPair.objects.get(pk=_set().pairs.all()[0].pk)
    user = make_staff("teacher")
    Judgement.objects.create(
        pair=pair, source="person", judge="teacher", reviewer=user, relevance=2, reason="같은 유형"
    )
    html = _html(admin.get(f"{PAIRS}{pair.pk}/change/"))
    assert "teacher" in html
    assert "같은 유형" in html
