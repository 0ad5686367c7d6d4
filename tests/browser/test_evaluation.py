"""Evaluation in a browser: a run that is watched, and pages that fit their window."""

from typing import Any

import pytest
from django.core.cache import cache

from evaluation.engine.run import work_on
from evaluation.report_services import create_report
from evaluation.run_services import create_run
from evaluation.run_settings import RunSettings
from tests.evaluation.small_bank import Bank, make_bank
from tests.factories import make_image

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RUNS = "/admin/evaluation/evaluationrun/"


@pytest.fixture
def bank() -> Bank:
    cache.clear()
    return make_bank()


def test_a_watched_run_shows_its_figures_as_soon_as_it_is_complete(admin_page: Any, bank: Bank) -> None:
    run = create_run(truth_set=bank.truth, settings=RunSettings(encoders=(bank.encoder.slug,)))
    admin_page.goto(f"{RUNS}{run.pk}/change/")
    assert admin_page.locator("[data-percent]").inner_text() == "0"
    work_on(run.pk)
    admin_page.wait_for_selector(".ev-metrics")
    assert admin_page.locator(".ev-metrics tr").count() > 10


@pytest.mark.parametrize("width", [1400, 420])
def test_the_pages_of_evaluation_are_no_wider_than_their_window(admin_page: Any, bank: Bank, width: int) -> None:
    runs = [bank.run(), bank.run(method="lexical")]
    make_image(bank.items[0], size=(900, 300))
    ids = ",".join(str(run.pk) for run in runs)
    query = bank.truth.queries.get(item=bank.items[0])
    report = create_report(title="r", candidate=runs[0], baseline=runs[1])
    admin_page.set_viewport_size({"width": width, "height": 900})
    run = f"{RUNS}{runs[0].pk}"
    for address in (
        RUNS, f"{RUNS}add/", f"{RUNS}matrix/", f"{run}/change/", f"{run}/queries/", f"{run}/queries/{query.pk}/",
        f"{RUNS}compare/?runs={ids}", f"{RUNS}compare/query/?runs={ids}&query={query.pk}", f"{RUNS}truths/?runs={ids}",
        "/admin/evaluation/criterion/", "/admin/evaluation/performancerun/", "/admin/evaluation/report/add/",
        f"/admin/evaluation/report/{report.pk}/change/",
    ):  # fmt: skip
        admin_page.goto(address)
        assert admin_page.evaluate("document.documentElement.scrollWidth") <= width, address
