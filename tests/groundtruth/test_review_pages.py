"""The pages of review: who may open what, what they show and hide, and judging with and without a script."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from groundtruth.models import Change, Judgement, ReviewRound, TruthPair
from groundtruth.review_rounds import create_round
from groundtruth.review_selectors import SEEN
from groundtruth.review_services import deal, judge
from groundtruth.set_services import freeze_set
from tests.factories import allow, make_image, make_item, make_staff
from tests.groundtruth.factories import make_pair, make_query, make_truth_set

pytestmark = pytest.mark.django_db

LIST = "/admin/groundtruth/reviewround/"
REASON = "the same idea in other words"
SCRIPT = {"Accept": "application/json"}


@pytest.fixture
def review_round() -> ReviewRound:
    """Five pairs with a model's judgement each."""
    truth_set = make_truth_set(method="llm-text")
    query = make_query(truth_set, make_item(code="QUERY-1", text=r"$\frac{1}{2}$의 값을 구하시오."))
    for number in range(1, 6):
        pair = make_pair(query, make_item(code=f"CAND-{number}"), relevance=2)
        Judgement.objects.create(pair=pair, source="model", judge="gpt-4o-mini", relevance=2, reason=REASON)
    return create_round(truth_set=truth_set, name="round", order="random")


@pytest.fixture
def teacher(client: Client) -> User:
    user = allow(make_staff("teacher"), "groundtruth.review_pairs")
    client.force_login(user)
    return user


def _at(review_round: ReviewRound, view: str = "review") -> str:
    return f"{LIST}{review_round.pk}/{view}/"


def _page(client: Client, review_round: ReviewRound, query: str = "") -> str:
    response = client.get(_at(review_round) + query)
    assert response.status_code == 200
    return response.content.decode()


def _first(review_round: ReviewRound) -> int:
    return review_round.pairs.get(position=1).pk


# ---- who may


@pytest.mark.parametrize(
    ("view", "permission"),
    [
        ("review", "review_pairs"),
        ("judge", "review_pairs"),
        ("undo", "review_pairs"),
        ("reveal", "review_pairs"),
        ("change", "view_reviewround"),
        ("control/close", "change_reviewround"),
        ("control/delete", "delete_reviewround"),
    ],
)
def test_each_view_takes_its_permission(client: Client, review_round: ReviewRound, view: str, permission: str) -> None:
    everything = {"review_pairs", "view_reviewround", "change_reviewround", "delete_reviewround", "add_reviewround"}
    opens = {permission} | ({"review_pairs", "change_reviewround"} if permission == "view_reviewround" else set())
    colleague = allow(make_staff("other"), *(f"groundtruth.{name}" for name in everything - opens))
    client.force_login(colleague)
    send = client.get if view in {"review", "change"} else client.post
    values: dict[str, int | str] = {"pair": _first(review_round), "answer": "3"}
    assert send(_at(review_round, view), values).status_code == 403
    client.force_login(allow(make_staff("able"), f"groundtruth.{permission}"))
    assert send(_at(review_round, view), values).status_code in {200, 302}


@pytest.mark.parametrize("view", ["review", "judge", "undo", "reveal", "change", "control/close"])
def test_visitors_are_asked_to_sign_in(client: Client, review_round: ReviewRound, view: str) -> None:
    send = client.get if view in {"review", "change"} else client.post
    values: dict[str, int | str] = {"pair": _first(review_round), "answer": "3"}
    response = send(_at(review_round, view), values)
    assert response.status_code == 302
    assert "/login/" in response["Location"]


@pytest.mark.parametrize("view", ["judge", "undo", "reveal", "control/close"])
def test_nothing_changes_by_a_link(client: Client, teacher: User, review_round: ReviewRound, view: str) -> None:
    assert client.get(_at(review_round, view)).status_code == 405


def test_only_who_may_add_rounds_makes_one(client: Client, review_round: ReviewRound) -> None:
    given: dict[str, Any] = {"truth_set": review_round.truth_set_id, "name": "second", "order": "random", "seed": "1"}
    given |= {"reviewers_a_pair": "2", "relevances": ["2", "none"], "limit": "3"}
    client.force_login(allow(make_staff(), "groundtruth.review_pairs"))
    assert client.post(f"{LIST}add/", given).status_code == 403
    client.force_login(allow(make_staff("engineer"), "groundtruth.add_reviewround", "groundtruth.view_reviewround"))
    assert client.post(f"{LIST}add/", given).status_code == 302
    made = ReviewRound.objects.get(name="second")
    assert (made.pairs.count(), made.reviewers_a_pair, made.created_by) == (3, 2, User.objects.get(username="engineer"))


@pytest.mark.parametrize(("language", "words"), [("en", "0 · Not similar"), ("ko", "0 · 유사하지 않음")])
def test_the_form_of_a_round_speaks_the_readers_language(client: Client, language: str, words: str) -> None:
    client.force_login(allow(make_staff(), "groundtruth.add_reviewround"))
    assert words in client.get(f"{LIST}add/", headers={"Accept-Language": language}).content.decode()


def test_a_pair_of_another_round_is_not_judged_through_this_one(
    client: Client, teacher: User, review_round: ReviewRound
) -> None:
    other = create_round(truth_set=review_round.truth_set, name="other")
    response = client.post(_at(review_round, "judge"), {"pair": _first(other), "answer": "3"})
    assert response.status_code == 404


# ---- what the page shows


def test_two_items_are_side_by_side_with_formulas_and_pictures(
    client: Client, teacher: User, review_round: ReviewRound
) -> None:
    image = make_image(review_round.pairs.get(position=1).pair.item)
    html = _page(client, review_round)
    assert "<mfrac>" in html
    assert f"/media/thumbnails/{image.pk}/320/" in html
    assert html.index("QUERY-1") < html.index("CAND-")


def test_the_models_judgement_is_not_in_the_page_before_it_is_asked_for(
    client: Client, teacher: User, review_round: ReviewRound
) -> None:
    assert REASON not in _page(client, review_round)
    answer = client.post(_at(review_round, "reveal"), {"pair": _first(review_round)}, headers=SCRIPT)
    assert REASON in answer.json()["html"]
    assert Change.objects.get(action=SEEN).user == teacher
    assert _page(client, review_round).count(REASON) == 1


def test_a_round_may_show_the_models_judgement_at_once(
    client: Client, teacher: User, review_round: ReviewRound
) -> None:
    ReviewRound.objects.update(show_judgement=True)
    assert _page(client, review_round).count(REASON) == 3


def test_what_other_people_said_is_not_shown(client: Client, teacher: User, review_round: ReviewRound) -> None:
    ReviewRound.objects.update(reviewers_a_pair=2)
    judge(review=review_round.pairs.get(position=1), user=make_staff(), answer="0", comment="says the other")
    assert "says the other" not in _page(client, review_round)


@pytest.mark.parametrize("guidelines", ["", "Only count the method of solution."])
def test_guidelines_are_at_hand(client: Client, teacher: User, review_round: ReviewRound, guidelines: str) -> None:
    review_round.truth_set.guidelines = guidelines
    review_round.truth_set.save()
    html = client.get(_at(review_round), headers={"Accept-Language": "en"}).content.decode()
    assert (guidelines or "Nearly the same type: the same idea") in html


def test_the_page_takes_few_queries(
    client: Client, teacher: User, review_round: ReviewRound, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(25):
        _page(client, review_round)


def test_a_frozen_set_is_shown_as_such_and_offers_no_answers(
    client: Client, teacher: User, review_round: ReviewRound
) -> None:
    freeze_set(truth_set=review_round.truth_set, user=None)
    assert "review-form" not in _page(client, review_round)


def test_the_page_of_a_round_shows_who_judged_how_much(
    client: Client, teacher: User, review_round: ReviewRound
) -> None:
    for position, answer in ((1, "3"), (2, "0"), (3, "unsure")):
        judge(review=review_round.pairs.get(position=position), user=teacher, answer=answer)
    context = client.get(_at(review_round, "change")).context
    assert context["reviewers"] == [{"judge": "teacher", "judged": 2, "unsure": 1, "skipped": 0}]
    assert (context["progress"].settled, context["progress"].percent) == (2, 40)


def test_the_page_of_a_round_leads_to_the_agreement_on_its_set(
    client: Client, teacher: User, review_round: ReviewRound
) -> None:
    link = f"/admin/groundtruth/agreement/{review_round.truth_set_id}/"
    assert link not in client.get(_at(review_round, "change")).content.decode()
    allow(teacher, "groundtruth.view_truthset")
    assert link in client.get(_at(review_round, "change")).content.decode()


def test_the_list_of_rounds_takes_a_fixed_number_of_queries(
    client: Client, teacher: User, review_round: ReviewRound, django_assert_max_num_queries: Any
) -> None:
    for number in range(8):
        create_round(truth_set=review_round.truth_set, name=f"round {number}")
    with django_assert_max_num_queries(10):
        assert client.get(LIST).content.decode().count("0 / 5") == 9


# ---- judging without a script


def test_a_plain_form_judges_and_comes_back_to_the_next_pair(
    client: Client, teacher: User, review_round: ReviewRound
) -> None:
    first = _first(review_round)
    values = {"pair": first, "answer": "3", "comment": "good"}
    response = client.post(_at(review_round, "judge"), values, follow=True)
    assert response.context["card"].review.position == 2
    said = Judgement.objects.get(reviewer=teacher)
    assert (said.relevance, said.reason) == (3, "good")


def test_a_plain_form_takes_back_the_last_judgement_and_shows_its_pair(
    client: Client, teacher: User, review_round: ReviewRound
) -> None:
    client.post(_at(review_round, "judge"), {"pair": _first(review_round), "answer": "3"})
    response = client.post(_at(review_round, "undo"), follow=True)
    assert response.context["card"].review.position == 1
    assert TruthPair.objects.filter(approved_relevance__isnull=False).count() == 0


def test_a_plain_form_shows_the_models_judgement(client: Client, teacher: User, review_round: ReviewRound) -> None:
    response = client.post(_at(review_round, "reveal"), {"pair": _first(review_round)}, follow=True)
    assert response.content.decode().count(REASON) == 1


def test_a_plain_form_says_why_a_frozen_set_is_not_judged(
    client: Client, teacher: User, review_round: ReviewRound
) -> None:
    freeze_set(truth_set=review_round.truth_set, user=None)
    response = client.post(_at(review_round, "judge"), {"pair": _first(review_round), "answer": "3"}, follow=True)
    assert len(list(response.context["messages"])) == 1
    assert not Judgement.objects.filter(source="person").exists()


# ---- judging with the script


def test_the_script_gets_the_pairs_that_it_lacks(client: Client, teacher: User, review_round: ReviewRound) -> None:
    dealt = [review.pk for review in deal(review_round=review_round, user=teacher)]
    values = {"pair": dealt[0], "answer": "3", "held": ",".join(map(str, dealt[1:]))}
    answer = client.post(_at(review_round, "judge"), values, headers=SCRIPT).json()
    assert [pair["id"] for pair in answer["pairs"]] == [review_round.pairs.get(position=4).pk]
    assert REASON not in answer["pairs"][0]["html"]
    assert answer["progress"] == {"settled": 1, "disputed": 0, "mine": 1, "percent": 20}


def test_the_script_is_told_when_nothing_is_left(client: Client, teacher: User, review_round: ReviewRound) -> None:
    for review in review_round.pairs.all():
        answer = client.post(_at(review_round, "judge"), {"pair": review.pk, "answer": "skip"}, headers=SCRIPT).json()
    assert answer["pairs"] == []
    assert "ib-empty" in answer["end"]


def test_the_script_gets_the_pair_that_was_taken_back(client: Client, teacher: User, review_round: ReviewRound) -> None:
    client.post(_at(review_round, "judge"), {"pair": _first(review_round), "answer": "3"}, headers=SCRIPT)
    answer = client.post(_at(review_round, "undo"), headers=SCRIPT).json()
    assert answer["pairs"][0]["id"] == _first(review_round)
    assert answer["progress"]["settled"] == 0


def test_the_script_is_told_why_something_was_refused(client: Client, teacher: User, review_round: ReviewRound) -> None:
    freeze_set(truth_set=review_round.truth_set, user=None)
    response = client.post(_at(review_round, "judge"), {"pair": _first(review_round), "answer": "3"}, headers=SCRIPT)
    assert response.status_code == 409
    assert response.json()["error"]


@pytest.mark.parametrize("values", [{"answer": "4"}, {"answer": ""}, {"pair": "x", "answer": "3"}, {"answer": "3"}])
def test_nonsense_is_refused(client: Client, teacher: User, review_round: ReviewRound, values: dict[str, str]) -> None:
    assert client.post(_at(review_round, "judge"), values, headers=SCRIPT).status_code in {400, 404}
    assert not Judgement.objects.filter(source="person").exists()
