"""Evaluation runs and metrics over the API."""

from typing import get_args

import pytest

from evaluation.api import State
from evaluation.models import EvaluationRun
from evaluation.results import results_of
from tests.api import Api, Bank, make_bank, problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Api:
    return Api("runs:read")


@pytest.fixture
def bank() -> Bank:
    return make_bank()


def test_a_run_is_read_and_listed(api: Api, bank: Bank) -> None:
    run = api.get(f"/runs/{bank.run.pk}").json()
    assert (run["state"], run["truth_set"], run["configuration"]["method"]) == ("completed", bank.truth.pk, "dense")
    assert api.get("/runs").json()["items"] == [run]
    assert api.get("/runs", state="failed").json()["items"] == []
    assert api.get("/runs", truth_set=bank.truth.pk + 1).json()["items"] == []


def test_metrics_are_those_of_the_stored_rankings(api: Api, bank: Bank) -> None:
    found = api.get(f"/runs/{bank.run.pk}/metrics").json()
    expected = results_of(bank.run).intervals
    assert {each["name"]: each["mean"] for each in found["metrics"]} == {
        name: pytest.approx(each.mean) for name, each in expected.items()
    }
    assert found["queries"] == 1


def test_a_stricter_relevance_counts_fewer_pairs(api: Api, bank: Bank) -> None:
    bank.truth.pairs.update(relevance=1)
    found = api.get(f"/runs/{bank.run.pk}/metrics", minimum_relevance=3).json()
    assert (found["queries"], found["without_relevant"]) == (0, 1)
    assert {each["mean"] for each in found["metrics"]} == {None}
    problem(api.get(f"/runs/{bank.run.pk}/metrics", minimum_relevance=4), 422, "invalid-request")


def test_a_run_that_goes_on_has_no_metrics_yet(api: Api, bank: Bank) -> None:
    EvaluationRun.objects.update(state="running")
    problem(api.get(f"/runs/{bank.run.pk}/metrics"), 409, "run-not-completed")


def test_a_run_that_is_not_there_is_not_found(api: Api) -> None:
    problem(api.get("/runs/1"), 404, "not-found")
    problem(api.get("/runs/1/metrics"), 404, "not-found")


def test_the_document_names_the_states_that_there_are() -> None:
    assert set(get_args(State)) == set(EvaluationRun.State.values)
