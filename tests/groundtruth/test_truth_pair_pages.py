"""The pages of pairs: a list that stays quick, one pair with what was said of it, approving, adding by hand."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from groundtruth.admin import truth_pairs
from groundtruth.models import Change, TruthPair, TruthSet
from groundtruth.review_rounds import create_round
from groundtruth.review_services import judge
from groundtruth.set_services import freeze_set
from tests.factories import allow, make_admin, make_item, make_staff
from tests.groundtruth.factories import make_pair, make_query, make_truth_set

pytestmark = pytest.mark.django_db

LIST = "/admin/groundtruth/truthpair/"


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


@pytest.fixture
def truth_set() -> TruthSet:
    """Query Q with the candidates A (3), B (1, approved 0) and C, which nobody judged."""
    truth_set = make_truth_set(method="tfidf")
    query = make_query(truth_set, make_item(code="Q"))
    make_pair(query, make_item(code="A"), relevance=3, score=0.7, provenance={"tfidf": 0.7})
    make_pair(query, make_item(code="B"), relevance=1, approved_relevance=0)
    make_pair(query, make_item(code="C"))
    return truth_set


def _codes(client: Client, truth_set: TruthSet, **asked: str) -> list[str]:
    answer = client.get(LIST, {"truth_set": str(truth_set.pk), **asked})
    assert answer.status_code == 200
    return [pair.item.code for pair in answer.context["cl"].result_list]


def _pair(truth_set: TruthSet, code: str = "A") -> TruthPair:
    return TruthPair.objects.get(truth_set=truth_set, item__code=code)


def _approve(client: Client, pair: TruthPair, relevance: str) -> Any:
    answer = client.post(f"{LIST}{pair.pk}/relevance/", {"relevance": relevance}, follow=True)
    pair.refresh_from_db()
    return answer


def _add(client: Client, truth_set: TruthSet, **given: Any) -> Any:
    values = {"query_item": "Q", "item": "D", "relevance": 2} | given
    return client.post(f"{LIST}add/?truth_set={truth_set.pk}", values)


# ---- the list


def test_unjudged_pairs_come_first_and_then_the_most_similar(admin: Client, truth_set: TruthSet) -> None:
    assert _codes(admin, truth_set) == ["C", "A", "B"]


@pytest.mark.parametrize(
    ("asked", "codes"),
    [
        ({"relevance": "3"}, ["A"]),
        ({"relevance": "none"}, ["C"]),
        ({"relevance": "0"}, ["B"]),
        ({"approval": "differs"}, ["B"]),
        ({"approval": "approved"}, ["B"]),
        ({"approval": "open"}, ["C", "A"]),
        ({"q": "Q"}, ["C", "A", "B"]),
        ({"q": "A"}, ["A"]),
        ({"q": "nothing"}, []),
    ],
)
def test_pairs_are_found_by(admin: Client, truth_set: TruthSet, asked: dict[str, str], codes: list[str]) -> None:
    assert _codes(admin, truth_set, **asked) == codes


@pytest.mark.parametrize("asked", [{"relevance": "9"}, {"relevance": "x"}, {"approval": "x"}, {"q": "\x00"}])
def test_choices_that_there_are_not_choose_nothing_away(
    admin: Client, truth_set: TruthSet, asked: dict[str, str]
) -> None:
    assert len(_codes(admin, truth_set, **asked)) == 3


def test_pairs_of_another_set_are_not_in_the_list(admin: Client, truth_set: TruthSet) -> None:
    make_pair(make_query(make_truth_set()), relevance=3)
    assert len(_codes(admin, truth_set)) == 3


@pytest.mark.parametrize("written", ["", "0", "x", "9" * 30, "-1"])
def test_without_a_set_the_list_of_sets_opens(admin: Client, written: str) -> None:
    answer = admin.get(LIST, {"truth_set": written})
    assert answer["Location"] == "/admin/groundtruth/truthset/"


def test_a_long_list_is_counted_no_further_than_people_page(
    admin: Client, truth_set: TruthSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(truth_pairs, "MOST_COUNTED", 2)
    with CaptureQueriesContext(connection) as caught:
        page = admin.get(LIST, {"truth_set": str(truth_set.pk)})
    assert page.context["cl"].result_count == 2
    assert "The first 2 are shown." in page.content.decode()
    counts = [query["sql"] for query in caught if "COUNT(" in query["sql"] and "truthpair" in query["sql"]]
    assert counts
    assert all("LIMIT 2" in sql for sql in counts)


def test_a_longer_list_asks_the_database_no_oftener(admin: Client, truth_set: TruthSet) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as caught:
            _codes(admin, truth_set)
        return len(caught)

    few = asked()
    for _ in range(5):
        make_pair(make_query(truth_set), relevance=1)
    assert asked() == few


# ---- one pair


def test_a_pair_shows_both_items_and_where_it_comes_from(admin: Client, truth_set: TruthSet) -> None:
    html = admin.get(f"{LIST}{_pair(truth_set).pk}/change/").content.decode()
    assert "tfidf 0.7" in html
    for code in ("Q", "A"):
        assert f">{code}</a>" in html


def test_who_has_no_permission_sees_no_pair(signed_in: Callable[..., Client], truth_set: TruthSet) -> None:
    assert signed_in("view_truthset").get(f"{LIST}{_pair(truth_set).pk}/change/").status_code == 403


@pytest.mark.parametrize("pk", ["0", "9" * 25, "nonsense"])
def test_a_pair_that_is_not_there_is_no_error_of_the_server(admin: Client, pk: str) -> None:
    assert admin.get(f"{LIST}{pk}/change/").status_code == 404


def test_an_approved_relevance_wins_and_is_in_the_history(admin: Client, truth_set: TruthSet) -> None:
    pair = _pair(truth_set)
    page = _approve(admin, pair, "1")
    assert (pair.relevance, pair.final_relevance) == (3, 1)
    assert [line["action"] for line in page.context["changes"]] == ["relevance approved"]


def test_an_approval_is_taken_back(admin: Client, truth_set: TruthSet) -> None:
    pair = _pair(truth_set, "B")
    _approve(admin, pair, "")
    assert (pair.approved_relevance, pair.final_relevance) == (None, 1)


@pytest.mark.parametrize("written", ["4", "-1", "x", "²", "1.5"])
def test_only_a_relevance_is_approved(admin: Client, truth_set: TruthSet, written: str) -> None:
    pair = _pair(truth_set)
    assert "from 0 to 3" in _approve(admin, pair, written).content.decode()
    assert pair.approved_relevance is None


def test_a_pair_of_a_frozen_set_is_not_approved(admin: Client, truth_set: TruthSet) -> None:
    freeze_set(truth_set=truth_set, user=None)
    pair = _pair(truth_set)
    assert "is frozen" in _approve(admin, pair, "1").content.decode()
    assert pair.approved_relevance is None


def test_who_only_sees_pairs_approves_none(signed_in: Callable[..., Client], truth_set: TruthSet) -> None:
    pair = _pair(truth_set)
    assert _approve(signed_in("view_truthpair"), pair, "1").status_code == 403
    assert pair.approved_relevance is None


def test_who_may_change_pairs_approves(signed_in: Callable[..., Client], truth_set: TruthSet) -> None:
    pair = _pair(truth_set)
    _approve(signed_in("change_truthpair"), pair, "1")
    assert pair.approved_relevance == 1


def test_pairs_are_not_deleted(admin: Client, truth_set: TruthSet) -> None:
    assert admin.post(f"{LIST}{_pair(truth_set).pk}/delete/", {"post": "yes"}).status_code == 403


# ---- a pair by hand


def test_a_pair_is_added_by_codes(admin: Client, truth_set: TruthSet) -> None:
    make_item(code="D")
    answer = _add(admin, truth_set)
    pair = _pair(truth_set, "D")
    assert answer["Location"] == f"{LIST}{pair.pk}/change/"
    assert pair.final_relevance == 2
    assert Change.objects.get().action == "add-pair"


def test_another_pair_of_the_same_query_can_follow(admin: Client, truth_set: TruthSet) -> None:
    make_item(code="D")
    assert _add(admin, truth_set, another="1")["Location"] == f"{LIST}add/?truth_set={truth_set.pk}&query_item=Q"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"item": "unknown"}, "There is no item with the code"),
        ({"item": "Q"}, "cannot be relevant to itself"),
        ({"item": "A"}, "is there already"),
        ({"relevance": 7}, "Select a valid choice"),
        ({"item": "x\x00"}, "Null characters"),
    ],
)
def test_a_pair_that_cannot_be_is_refused_with_the_reason(
    admin: Client, truth_set: TruthSet, given: dict[str, Any], said: str
) -> None:
    answer = _add(admin, truth_set, **given)
    assert said in answer.content.decode()
    assert truth_set.pairs.count() == 3


def test_a_frozen_set_takes_no_pair(admin: Client, truth_set: TruthSet) -> None:
    make_item(code="D")
    freeze_set(truth_set=truth_set, user=None)
    assert "is frozen" in _add(admin, truth_set).content.decode()


def test_the_button_of_the_list_adds_to_its_set(admin: Client, truth_set: TruthSet) -> None:
    page = admin.get(f"{LIST}add/", {"_changelist_filters": f"truth_set={truth_set.pk}&relevance=3"})
    assert page.context["set"] == truth_set


def test_who_may_not_add_pairs_is_refused(signed_in: Callable[..., Client], truth_set: TruthSet) -> None:
    make_item(code="D")
    assert _add(signed_in("view_truthpair", "change_truthpair"), truth_set).status_code == 403


@pytest.mark.parametrize("written", ["", "x", "0", "9" * 30])
def test_a_pair_needs_a_set(admin: Client, written: str) -> None:
    assert admin.get(f"{LIST}add/", {"truth_set": written}).status_code == 404


def test_what_others_said_is_hidden_while_the_pair_is_under_review(client: Client) -> None:
    pair = make_pair(make_query(make_truth_set()), relevance=3)
    made = create_round(truth_set=pair.truth_set, name="round", reviewers_a_pair=2)
    kim, lee = (allow(make_staff(name), "groundtruth.view_truthpair") for name in ("kim", "lee"))
    judge(review=made.pairs.get(), user=kim, answer="0", comment="kim says")
    seen = []
    for user in (kim, lee):
        client.force_login(user)
        seen.append("kim says" in client.get(f"{LIST}{pair.pk}/change/").content.decode())
    judge(review=made.pairs.get(), user=lee, answer="0")
    assert seen == [True, False]
    assert "kim says" in client.get(f"{LIST}{pair.pk}/change/").content.decode()


def test_a_reviewer_who_looks_at_a_pair_under_review_is_on_record_once(client: Client) -> None:
    pair = make_pair(make_query(make_truth_set()), relevance=3)
    made = create_round(truth_set=pair.truth_set, name="round")
    reviewer = allow(make_staff("reviewer"), "groundtruth.view_truthpair", "groundtruth.review_pairs")
    for user in (allow(make_staff("other"), "groundtruth.view_truthpair"), reviewer, reviewer):
        client.force_login(user)
        client.get(f"{LIST}{pair.pk}/change/")
    judge(review=made.pairs.get(), user=make_staff("another"), answer="3")
    client.get(f"{LIST}{pair.pk}/change/")
    assert [change.user for change in Change.objects.filter(action="judgement-seen")] == [reviewer]
