"""A truth set in a browser: a build is followed to its end, freezing is asked and done by clicks."""

from typing import Any

import pytest

from groundtruth.models import TruthSet
from tests.factories import make_item
from tests.groundtruth.factories import make_pair, make_query, make_truth_set

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ADD = "/admin/groundtruth/truthset/add/"


def test_a_page_follows_its_build_and_shows_the_set_at_its_end(admin_page: Any) -> None:
    truth_set = make_truth_set(method="tfidf", state="building", done=1, total=4)
    make_pair(make_query(truth_set), relevance=3)
    admin_page.goto(f"/admin/groundtruth/truthset/{truth_set.pk}/change/")
    TruthSet.objects.filter(pk=truth_set.pk).update(done=3)
    admin_page.wait_for_function("document.querySelector('[data-percent]').textContent === '75'")
    TruthSet.objects.filter(pk=truth_set.pk).update(state="ready")
    admin_page.wait_for_selector(f"a[href*='truthpair/?truth_set={truth_set.pk}']")


def test_a_set_is_made_filled_and_frozen_by_clicks(admin_page: Any) -> None:
    make_item(code="Q"), make_item(code="A")
    admin_page.goto(ADD)
    admin_page.click("a[href='?way=manual']")
    admin_page.fill("[name=name]", "직접")
    admin_page.click("form:has([name=name]) button[type=submit]")
    admin_page.click("a[href*='truthpair/add/']")
    admin_page.fill("[name=query_item]", "Q")
    admin_page.fill("[name=item]", "A")
    admin_page.click("form:has([name=query_item]) button[type=submit]")
    admin_page.click("button[name=relevance][value='2']")
    admin_page.wait_for_selector("button[value='2'][aria-pressed=true]")
    truth_set = TruthSet.objects.get()
    admin_page.goto(f"/admin/groundtruth/truthset/{truth_set.pk}/freeze/")
    admin_page.click("form:has(.ib-heading) button[type=submit]")
    admin_page.wait_for_selector("dd.ib-mono")
    truth_set.refresh_from_db()
    assert truth_set.frozen
    assert truth_set.pairs.get().approved_relevance == 2


def test_pages_stay_inside_a_narrow_window(admin_page: Any) -> None:
    truth_set = make_truth_set(method="tfidf")
    pair = make_pair(make_query(truth_set), relevance=1, provenance={"tfidf": 0.61})
    admin_page.set_viewport_size({"width": 390, "height": 800})
    for address in (f"truthset/{truth_set.pk}/change/", f"truthpair/{pair.pk}/change/", "truthset/add/?way=tfidf"):
        admin_page.goto(f"/admin/groundtruth/{address}")
        assert admin_page.evaluate("document.documentElement.scrollWidth") <= 390
