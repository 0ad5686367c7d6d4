"""Switching a reranker off where it does harm, in a browser: from the comparison to the reranker's page and back on."""

from typing import Any

import pytest
from django.core.cache import cache

from embeddings.models import Reranker, RerankException
from evaluation.models import EvaluationRun
from groundtruth.models import TruthQuery
from itembank.models import Item
from tests.evaluation.factories import make_run
from tests.factories import make_item
from tests.groundtruth.factories import make_pair, make_query, make_truth_set

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RUNS = "/admin/evaluation/evaluationrun/"
RANKS = {"수학": (1, 3), "과학": (4, 1), "한국사와 사회 탐구의 통합": (2, 3)}  # without and with the reranker
COUNTS = {"수학": 24, "과학": 24, "한국사와 사회 탐구의 통합": 5}


@pytest.fixture
def reranker() -> Reranker:
    return Reranker.objects.create(
        slug="qwen3-vl-reranker-2b", backend="qwen3-vl", model_id="Qwen/Qwen3-VL-Reranker-2B", revision="1",
        instruction="Judge.", fingerprint="0" * 64,
    )  # fmt: skip


@pytest.fixture
def runs(reranker: Reranker) -> list[EvaluationRun]:
    """Without and with the reranker: it helps science, harms mathematics, and five queries are of a third subject."""
    cache.clear()
    truth = make_truth_set(name="kmwps")
    for subject, count in COUNTS.items():
        for _number in range(count):
            make_pair(make_query(truth, make_item(subject=subject)), relevance=3)
    others = [make_item() for _number in range(9)]

    def ranking(query: TruthQuery, which: int) -> list[Item]:
        return [*others[: RANKS[query.item.subject][which] - 1], query.pairs.all()[0].item]

    queries = list(truth.queries.select_related("item"))
    settings: list[dict[str, Any]] = [{"name": "봄"}, {"name": "봄, 재정렬", "reranker": reranker.slug}]
    return [
        make_run(truth, {query: ranking(query, which) for query in queries}, **each)
        for which, each in enumerate(settings)
    ]


def comparison(runs: list[EvaluationRun]) -> str:
    return f"{RUNS}compare/?runs={runs[0].pk},{runs[1].pk}&by=subject&metric=RR"


def test_what_is_ticked_is_switched_off_after_a_question_and_on_again_by_a_button(
    admin_page: Any, runs: list[EvaluationRun], reranker: Reranker
) -> None:
    admin_page.goto(comparison(runs))
    admin_page.click("#harm button[type=submit]")
    assert admin_page.locator("main, #content").first.inner_text().count("수학") >= 1
    assert not RerankException.objects.exists()
    admin_page.click(".ib-danger")
    admin_page.wait_for_selector("#harm")
    assert list(RerankException.objects.values_list("value", flat=True)) == ["수학"]
    admin_page.goto(f"/admin/embeddings/reranker/{reranker.pk}/change/")
    admin_page.click("#exceptions button")
    admin_page.wait_for_load_state()
    assert not RerankException.objects.exists()


@pytest.mark.parametrize("width", [1400, 420])
def test_the_pages_are_no_wider_than_their_window(
    admin_page: Any, runs: list[EvaluationRun], reranker: Reranker, width: int
) -> None:
    admin_page.set_viewport_size({"width": width, "height": 900})
    admin_page.goto(comparison(runs))
    admin_page.click("#harm button[type=submit]")
    admin_page.wait_for_selector(".ib-danger")
    assert admin_page.evaluate("document.documentElement.scrollWidth") <= width
    admin_page.click(".ib-danger")
    admin_page.wait_for_selector("#harm")
    for address in (comparison(runs), f"/admin/embeddings/reranker/{reranker.pk}/change/"):
        admin_page.goto(address)
        assert admin_page.evaluate("document.documentElement.scrollWidth") <= width, address
