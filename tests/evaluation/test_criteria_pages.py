"""Criteria and performance runs as pages: edited by who may, with each change in the audit trail."""

from typing import Any

import pytest
from django.test import Client

from evaluation.models import Criterion, PerformanceRun
from groundtruth.models import Change
from tests.factories import allow, make_admin, make_staff

pytestmark = pytest.mark.django_db

CRITERIA = "/admin/evaluation/criterion/"
SPEED = "/admin/evaluation/performancerun/"


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    client.cookies["django_language"] = "en"
    return client


@pytest.fixture
def criterion() -> Criterion:
    return Criterion.objects.get(name="Top-5 recall")


def _sent(criterion: Criterion, **fields: Any) -> dict[str, Any]:
    names = ("name", "kind", "measure", "direction", "threshold", "no_go", "minimum_relevance", "position")
    return {name: getattr(criterion, name) for name in names} | {"active": "on"} | fields


def test_the_shipped_criteria_are_listed_with_their_lines(admin: Client) -> None:
    html = admin.get(CRITERIA).content.decode()
    for words in ("Top-5 recall", "0.800", "0.700", "P95 latency (ms)", "200"):
        assert words in html


def test_a_change_is_in_the_audit_trail_with_old_and_new(admin: Client, criterion: Criterion) -> None:
    admin.post(f"{CRITERIA}{criterion.pk}/change/", _sent(criterion, threshold=0.85))
    change = Change.objects.get(action="change-criterion")
    assert [(told or {})["threshold"] for told in (change.old, change.new)] == [0.8, 0.85]
    assert change.user is not None


def test_saving_without_a_change_leaves_no_trace(admin: Client, criterion: Criterion) -> None:
    admin.post(f"{CRITERIA}{criterion.pk}/change/", _sent(criterion))
    assert not Change.objects.filter(action="change-criterion").exists()


def test_a_deleted_criterion_is_in_the_audit_trail(admin: Client, criterion: Criterion) -> None:
    admin.post(f"{CRITERIA}{criterion.pk}/delete/", {"post": "yes"})
    assert (Change.objects.get(action="delete-criterion").old or {})["measure"] == "R@5"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"measure": "Recall5"}, "Use a metric such as"),
        ({"kind": "performance"}, "Use one of p95_ms"),
        ({"no_go": 0.9}, "must not be stricter"),
        ({"direction": "at-most"}, "must not be stricter"),
    ],
)
def test_a_criterion_that_nothing_can_meet_is_refused(
    admin: Client, criterion: Criterion, fields: Any, words: str
) -> None:
    answer = admin.post(f"{CRITERIA}{criterion.pk}/change/", _sent(criterion, **fields))
    assert words in answer.content.decode()
    criterion.refresh_from_db()
    assert (criterion.measure, criterion.no_go) == ("R@5", 0.7)


def test_who_may_only_see_criteria_changes_none(client: Client, criterion: Criterion) -> None:
    client.force_login(allow(make_staff(), "evaluation.view_criterion"))
    address = f"{CRITERIA}{criterion.pk}/change/"
    assert client.get(address).status_code == 200
    assert client.post(address, _sent(criterion, threshold=0.1)).status_code == 403
    assert client.get(f"{CRITERIA}add/").status_code == 403


def test_a_performance_run_shows_latency_by_stage_and_memory(admin: Client) -> None:
    spread = {"mean": 41.5, "p50": 40.0, "p95": 61.25, "p99": 70.0, "min": 30.0, "max": 90.0}
    run = PerformanceRun.objects.create(
        encoder_slug="kure-v1",
        encoder_fingerprint="f",
        machine={"cores": 2, "packages": {"numpy": "2"}},
        configuration={"calls": 1000},
        figures={
            "calls": 1000, "calls_ok": 1000, "latency_mean_ms": 41.5, "p95_ms": 61.25, "memory_gb": 2.5,
            "latency": {"text": {**spread, "stages": {"encode": spread, "total": spread}}}, "throughput": {"1": 24.0},
        },
    )  # fmt: skip
    assert "kure-v1" in admin.get(SPEED).content.decode()
    html = admin.get(f"{SPEED}{run.pk}/change/").content.decode()
    for words in ("encode", "61.3", "1,000 / 1,000", "24.0"):
        assert words in html
    assert "<td>total</td>" not in html  # the whole call has a row of its own


def test_performance_runs_need_their_permission(client: Client) -> None:
    client.force_login(make_staff())
    assert client.get(SPEED).status_code == 403
