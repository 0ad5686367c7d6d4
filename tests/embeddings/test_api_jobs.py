"""Encoders and embedding jobs over the API."""

from collections.abc import Callable
from typing import Any, get_args

import pytest

from embeddings.api.jobs import JobScope, JobState
from embeddings.models import EmbeddingJob, Encoder
from tests.api import Api, problem
from tests.embeddings.spaces import clustered, fill, make_items, make_space
from tests.factories import make_encoder, make_item, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Api:
    return Api("encoders:read", "jobs:read", "jobs:write")


@pytest.fixture
def encoder() -> Encoder:
    return make_encoder()


def test_an_encoder_is_read_with_its_coverage(api: Api) -> None:
    space, items = make_space(8), make_items(4)
    fill(space, items[:3], clustered(3, 8))
    found = api.get(f"/encoders/{space.slug}").json()
    assert (found["slug"], found["dimensions"], found["is_active"]) == (space.slug, 8, False)
    assert found["coverage"] == {
        "embedded": 3, "stale": 0, "missing": 1, "quarantined": 0, "total": 4, "complete": False,
    }  # fmt: skip


def test_a_list_of_encoders_counts_coverage_only_where_asked(api: Api, encoder: Encoder) -> None:
    assert api.get("/encoders").json()["items"][0]["coverage"] is None
    assert api.get("/encoders", coverage="true").json()["items"][0]["coverage"]["total"] == 0


def test_an_encoder_that_is_not_there_is_not_found(api: Api) -> None:
    problem(api.get("/encoders/nope"), 404, "not-found")


def test_a_job_is_started_and_followed_to_its_end(
    api: Api, encoder: Encoder, work: Callable[[EmbeddingJob], EmbeddingJob]
) -> None:
    make_item()
    response = api.post("/jobs", {"encoder": encoder.slug})
    assert response.status_code == 201
    job = response.json()
    assert (job["state"], job["scope"], job["progress"]["pending"]) == ("running", "missing", 1)
    work(EmbeddingJob.objects.get(pk=job["id"]))
    followed = api.client.get(response["Location"]).json()
    assert (followed["state"], followed["progress"]["percent"], followed["progress"]["done"]) == ("completed", 100, 1)


def test_a_job_rings_the_worker_once_it_is_committed(
    api: Api, encoder: Encoder, django_capture_on_commit_callbacks: Any
) -> None:
    make_item()
    with django_capture_on_commit_callbacks() as callbacks:
        api.post("/jobs", {"encoder": encoder.slug})
    assert len(callbacks) == 1


def test_a_job_by_session_names_the_person_and_one_by_token_nobody(api: Api, encoder: Encoder) -> None:
    api.post("/jobs", {"encoder": encoder.slug})
    user = make_staff(is_superuser=True)
    api = Api(token="")
    api.client.force_login(user)
    api.post("/jobs", {"encoder": encoder.slug})
    assert [job.created_by for job in EmbeddingJob.objects.order_by("pk")] == [None, user]


def test_a_selection_is_named_by_codes(api: Api, encoder: Encoder) -> None:
    chosen, _other = make_item(), make_item()
    job = api.post("/jobs", {"encoder": encoder.slug, "scope": "selection", "items": [chosen.code]}).json()
    assert job["progress"]["total"] == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"scope": "selection"}, "items-and-scope"),
        ({"scope": "all", "items": ["A"]}, "items-and-scope"),
        ({"scope": "selection", "items": ["A"]}, "unknown-items"),
        ({"scope": "everything"}, "invalid-request"),
        ({"encoder": "nope"}, "unknown-encoder"),
    ],
)
def test_a_job_that_cannot_be_is_refused(api: Api, encoder: Encoder, body: dict[str, Any], code: str) -> None:
    problem(api.post("/jobs", {"encoder": encoder.slug} | body), 422, code)
    assert not EmbeddingJob.objects.exists()


def test_a_job_is_paused_resumed_and_cancelled(api: Api, encoder: Encoder) -> None:
    make_item()
    path = f"/jobs/{api.post('/jobs', {'encoder': encoder.slug}).json()['id']}"
    for control, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        assert api.post(f"{path}/{control}").json()["state"] == state
    assert "cancelled" in problem(api.post(f"{path}/resume"), 409, "job-state")["detail"].lower()


def test_what_cannot_be_done_with_a_job_is_refused(api: Api, encoder: Encoder) -> None:
    problem(api.post("/jobs/1/explode"), 422, "invalid-request")
    problem(api.post("/jobs/999/pause"), 404, "not-found")


def test_jobs_are_listed_the_newest_first_under_filters(api: Api, encoder: Encoder) -> None:
    first, second = (EmbeddingJob.objects.create(encoder=encoder, state=state) for state in ("paused", "completed"))
    assert [job["id"] for job in api.get("/jobs").json()["items"]] == [second.pk, first.pk]
    assert [job["id"] for job in api.get("/jobs", state="paused").json()["items"]] == [first.pk]
    assert api.get("/jobs", encoder="nope").json()["items"] == []


def test_pages_of_jobs_go_from_new_to_old(api: Api, encoder: Encoder) -> None:
    jobs = [EmbeddingJob.objects.create(encoder=encoder).pk for _ in range(3)]
    page = api.get("/jobs", limit=2).json()
    assert [job["id"] for job in page["items"]] == jobs[:0:-1]
    assert [job["id"] for job in api.get("/jobs", cursor=page["next_cursor"]).json()["items"]] == jobs[:1]


def test_the_document_names_the_states_and_scopes_that_there_are() -> None:
    assert set(get_args(JobState)) == set(EmbeddingJob.State.values)
    assert set(get_args(JobScope)) == set(EmbeddingJob.Scope.values)
