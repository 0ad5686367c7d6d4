"""The page of agreement in a window of its own, wide and narrow."""

from typing import Any

import pytest

from groundtruth.models import Judgement, TruthSet
from tests.factories import make_item
from tests.groundtruth.factories import make_pair, make_prompt, make_query, make_truth_set

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

JUDGE = "gpt-4o-2024-08-06"


@pytest.fixture
def truth_set() -> TruthSet:
    truth_set, prompt = make_truth_set(method="llm-text"), make_prompt()
    for number in range(12):
        query = make_query(truth_set, make_item(code=f"Q-{number}"))
        pair = make_pair(query, make_item(code=f"C-{number}"), relevance=number % 4, approved_relevance=number % 3)
        Judgement.objects.create(pair=pair, source="model", judge=JUDGE, prompt=prompt, relevance=3, reason="why " * 40)
    return truth_set


@pytest.mark.parametrize("width", [1400, 420])
def test_the_page_is_no_wider_than_its_window(admin_page: Any, truth_set: TruthSet, width: int) -> None:
    admin_page.set_viewport_size({"width": width, "height": 900})
    admin_page.goto(f"/admin/groundtruth/agreement/{truth_set.pk}/")
    assert admin_page.evaluate("document.documentElement.scrollWidth") <= width


def test_another_judge_is_chosen_from_the_list_and_its_reasons_open(admin_page: Any, truth_set: TruthSet) -> None:
    admin_page.goto(f"/admin/groundtruth/agreement/{truth_set.pk}/")
    name = admin_page.locator("[name=c] option", has_text=JUDGE)
    admin_page.select_option("[name=c]", name.get_attribute("value"))
    admin_page.click(".ib-agreement-choice button")
    assert JUDGE in admin_page.locator(".ib-agreement-name").inner_text()
    reasons = admin_page.locator(".ib-agreement-list details").first
    assert not reasons.locator("p").is_visible()
    reasons.locator("summary").click()
    assert "why why" in reasons.locator("p").inner_text()
