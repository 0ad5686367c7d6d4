"""The jobs' pages: progress, controls, quarantined items."""

from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from embeddings.admin.reading import duration
from embeddings.job_services import start_job
from embeddings.models import EmbeddingJob, JobItem
from tests.embeddings.spaces import make_items
from tests.factories import allow, make_admin, make_encoder, make_image, make_item, make_staff

pytestmark = pytest.mark.django_db

LIST = "/admin/embeddings/embeddingjob/"


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    return client


@pytest.fixture
def job() -> EmbeddingJob:
    encoder = make_encoder("hashing")
    make_items(10)
    return start_job(encoder=encoder, scope="all")


def _mark(job: EmbeddingJob, state: str, count: int, **fields: Any) -> None:
    rows = job.items.filter(state="pending").order_by("id").values("pk")[:count]
    JobItem.objects.filter(pk__in=rows).update(state=state, **fields)


def test_the_list_shows_progress_in_a_fixed_number_of_queries(
    admin: Client, job: EmbeddingJob, django_assert_max_num_queries: Any
) -> None:
    for _ in range(8):
        start_job(encoder=job.encoder, scope="all")
    _mark(job, "done", 4)
    with django_assert_max_num_queries(12):
        html = admin.get(LIST).content.decode()
    assert "40% · 4 / 10" in html


def test_progress_is_asked_for_as_json(admin: Client, job: EmbeddingJob) -> None:
    _mark(job, "done", 4)
    _mark(job, "quarantined", 1, reason="broken")
    answer = admin.get(f"{LIST}{job.pk}/progress/").json()
    assert (answer["state"], answer["percent"], answer["finished"], answer["total"]) == ("running", 50, 5, 10)
    assert [part["count"] for part in answer["parts"]] == [4, 1, 0, 5]


def test_progress_is_not_kept_by_browsers(admin: Client, job: EmbeddingJob) -> None:
    assert "no-store" in admin.get(f"{LIST}{job.pk}/progress/")["Cache-Control"]


def test_the_page_shows_the_same_without_a_script(admin: Client, job: EmbeddingJob) -> None:
    _mark(job, "done", 4)
    assert "<span data-percent>40</span>%" in admin.get(f"{LIST}{job.pk}/change/").content.decode()


def test_a_job_is_paused_resumed_and_cancelled_by_buttons(admin: Client, job: EmbeddingJob) -> None:
    for control, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        admin.post(f"{LIST}{job.pk}/control/{control}/")
        job.refresh_from_db()
        assert job.state == state


def test_quarantined_items_are_listed_with_reason_and_picture_and_tried_again(admin: Client) -> None:
    encoder = make_encoder("hashing")
    image = make_image(make_item(code="BAD-1"))
    job = start_job(encoder=encoder, scope="all")
    _mark(job, "quarantined", 1, reason="the picture is broken")
    html = admin.get(f"{LIST}{job.pk}/change/").content.decode()
    assert "BAD-1" in html
    assert "the picture is broken" in html
    assert f"/media/thumbnails/{image.pk}/96/" in html
    admin.post(f"{LIST}{job.pk}/control/retry/")
    assert job.items.get().state == JobItem.State.PENDING


def test_the_page_of_many_quarantined_items_takes_few_queries(
    admin: Client, django_assert_max_num_queries: Any
) -> None:
    encoder = make_encoder("hashing")
    make_items(60)
    job = start_job(encoder=encoder, scope="all")
    _mark(job, "quarantined", 60, reason="broken")
    with django_assert_max_num_queries(15):
        response = admin.get(f"{LIST}{job.pk}/change/")
    assert len(response.context["quarantined"]) == 50
    assert len(admin.get(f"{LIST}{job.pk}/change/?p=2").context["quarantined"]) == 10


def test_a_button_pressed_too_late_says_so(admin: Client, job: EmbeddingJob) -> None:
    admin.post(f"{LIST}{job.pk}/control/cancel/")
    response = admin.post(f"{LIST}{job.pk}/control/pause/", follow=True)
    assert str(job.pk) in " ".join(str(message) for message in response.context["messages"])
    job.refresh_from_db()
    assert job.state == "cancelled"


def test_buttons_are_those_of_the_state(admin: Client, job: EmbeddingJob) -> None:
    page = f"{LIST}{job.pk}/change/"
    assert admin.get(page).context["controls"] == ["pause", "cancel"]
    admin.post(f"{LIST}{job.pk}/control/pause/")
    assert admin.get(page).context["controls"] == ["resume", "cancel"]
    admin.post(f"{LIST}{job.pk}/control/cancel/")
    assert admin.get(page).context["controls"] == []


def test_who_may_only_look_gets_no_buttons(client: Client, job: EmbeddingJob) -> None:
    client.force_login(allow(make_staff(), "embeddings.view_embeddingjob"))
    assert client.get(f"{LIST}{job.pk}/change/").context["controls"] == []
    assert client.post(f"{LIST}{job.pk}/control/cancel/").status_code == 403
    job.refresh_from_db()
    assert job.state == "running"


def test_who_may_not_look_sees_nothing(client: Client, job: EmbeddingJob) -> None:
    client.force_login(make_staff())
    for page in ("", f"{job.pk}/change/", f"{job.pk}/progress/"):
        assert client.get(LIST + page).status_code == 403


@pytest.mark.parametrize("address", ["999/change/", "999/progress/"])
def test_a_job_that_is_not_there_is_not_found(admin: Client, address: str) -> None:
    assert admin.get(LIST + address).status_code == 404


def test_an_unknown_control_is_not_found(admin: Client, job: EmbeddingJob) -> None:
    assert admin.post(f"{LIST}{job.pk}/control/destroy/").status_code == 404


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "1 h 0 min"), (7500, "2 h 5 min")]
)
def test_lengths_of_time_are_said_as_people_say_them(seconds: float, text: str) -> None:
    with translation.override("en"):
        assert duration(seconds) == text
