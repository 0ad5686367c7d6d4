"""Reviewing by keys: the next pair is there at once, judgements are sent behind it, and none is lost."""

from typing import Any

import pytest

from groundtruth.models import Judgement, ReviewRound
from groundtruth.review_rounds import create_round
from tests.factories import make_image, make_item
from tests.groundtruth.factories import make_pair, make_query, make_truth_set

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

REASON = "발상이 같다"


@pytest.fixture
def review_round() -> ReviewRound:
    truth_set = make_truth_set(method="llm-text")
    query = make_query(truth_set, make_item(code="QUERY-1", text=r"$\frac{1}{2}x=3$의 해를 구하시오."))
    for number in range(1, 7):
        item = make_item(code=f"CAND-{number}")
        make_image(item)
        pair = make_pair(query, item, relevance=2)
        Judgement.objects.create(pair=pair, source="model", judge="gpt-4o-mini", relevance=2, reason=REASON)
    return create_round(truth_set=truth_set, name="round", order="random")


@pytest.fixture
def review(admin_page: Any, review_round: ReviewRound) -> Any:
    admin_page.goto(f"/admin/groundtruth/reviewround/{review_round.pk}/review/")
    return admin_page


def _shown(page: Any) -> str:
    return str(page.locator("#review-pair [data-pair]").get_attribute("data-pair"))


def _saved(page: Any) -> None:
    page.wait_for_function("document.querySelector('[data-saving]').hidden")


def _said(review_round: ReviewRound) -> list[tuple[int, str, int | None]]:
    rows = Judgement.objects.filter(source="person").order_by("pair__reviews__position")
    return list(rows.values_list("pair__reviews__position", "outcome", "relevance"))


def test_keys_judge_and_the_next_pair_is_there_before_the_server_answered(
    review: Any, review_round: ReviewRound
) -> None:
    ids = [str(pk) for pk in review_round.pairs.order_by("position").values_list("pk", flat=True)]
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    review.route("**/judge/", hold)
    shown = [_shown(review)]
    for key in ("3", "s"):
        review.keyboard.press(key)
        shown.append(_shown(review))
    assert shown == ids[:3]
    review.unroute("**/judge/")
    review.wait_for_timeout(50)
    held[0].continue_()
    _saved(review)
    assert _said(review_round) == [(1, "judged", 3), (2, "skipped", None)]


def test_a_round_is_judged_to_its_end_by_keys(review: Any, review_round: ReviewRound) -> None:
    for position, key in enumerate("3210us", start=1):
        review.wait_for_selector("#review-pair [data-pair]")
        assert _shown(review) == str(review_round.pairs.get(position=position).pk)
        review.keyboard.press(key)
    review.wait_for_selector("#review-pair .ib-empty")
    assert [(outcome, relevance) for _, outcome, relevance in _said(review_round)] == [
        ("judged", 3), ("judged", 2), ("judged", 1), ("judged", 0), ("unsure", None), ("skipped", None),
    ]  # fmt: skip
    assert review.locator("[data-settled]").inner_text() == "4"


def test_a_key_takes_back_the_last_judgement(review: Any, review_round: ReviewRound) -> None:
    first = _shown(review)
    review.keyboard.press("3")
    second = _shown(review)
    review.keyboard.press("z")
    review.wait_for_selector(f'#review-pair [data-pair="{first}"]')
    assert _said(review_round) == []
    review.keyboard.press("0")
    assert _shown(review) == second
    _saved(review)
    assert _said(review_round) == [(1, "judged", 0)]


def test_the_models_judgement_comes_by_a_key_and_only_then(review: Any, review_round: ReviewRound) -> None:
    assert REASON not in review.content()
    review.keyboard.press("m")
    review.wait_for_selector("#review-pair .ib-review-judgement")
    assert REASON in review.locator("#review-pair").inner_text()


def test_letters_typed_into_the_comment_judge_nothing(review: Any, review_round: ReviewRound) -> None:
    first = _shown(review)
    review.keyboard.press("c")
    review.keyboard.type("s3 u")
    assert _shown(review) == first
    review.keyboard.press("Escape")
    review.keyboard.press("2")
    _saved(review)
    assert Judgement.objects.get(source="person").reason == "s3 u"


def test_keys_work_while_a_korean_keyboard_is_on(review: Any, review_round: ReviewRound) -> None:
    typed = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'ㄴ', code: 'KeyS', bubbles: true}))"
    review.evaluate(typed)
    _saved(review)
    assert _said(review_round) == [(1, "skipped", None)]


def test_guidelines_open_and_close_by_a_key(review: Any) -> None:
    guidelines = review.locator("#review-guidelines dl")
    assert not guidelines.is_visible()
    review.keyboard.press("g")
    assert guidelines.is_visible()
    review.keyboard.press("g")
    assert not guidelines.is_visible()


def test_what_could_not_be_sent_is_kept_over_a_reload_and_sent_then(review: Any, review_round: ReviewRound) -> None:
    review.route("**/judge/", lambda route: route.fulfill(status=204, content_type="text/html"))
    review.on("dialog", lambda dialog: dialog.accept())
    review.keyboard.press("3")
    review.keyboard.press("1")
    review.wait_for_selector("#review-error:not([hidden])")
    assert _said(review_round) == []
    review.unroute("**/judge/")
    review.reload()
    _saved(review)
    assert _said(review_round) == [(1, "judged", 3), (2, "judged", 1)]
    assert _shown(review) == str(review_round.pairs.get(position=3).pk)


def test_a_refusal_is_shown_with_its_reason_and_can_be_done_without(review: Any, review_round: ReviewRound) -> None:
    review.route("**/judge/", lambda route: route.fulfill(json={"error": "The truth set is frozen."}))
    review.keyboard.press("3")
    review.wait_for_selector("#review-error:not([hidden])")
    assert "The truth set is frozen." in review.locator("#review-error").inner_text()
    review.unroute("**/judge/")
    review.click("[data-discard]")
    review.keyboard.press("0")
    _saved(review)
    assert _said(review_round) == [(2, "judged", 0)]


@pytest.mark.parametrize("width", [1400, 420])
def test_the_pages_of_review_are_no_wider_than_their_window(
    admin_page: Any, review_round: ReviewRound, width: int
) -> None:
    admin_page.set_viewport_size({"width": width, "height": 900})
    for address in ("", "add/", f"{review_round.pk}/change/", f"{review_round.pk}/review/"):
        admin_page.goto(f"/admin/groundtruth/reviewround/{address}")
        assert admin_page.evaluate("document.documentElement.scrollWidth") <= width, address
