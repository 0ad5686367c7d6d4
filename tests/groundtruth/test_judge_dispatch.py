"""A person who lets a job go on waits for no sweep: the llm worker is told once the change is committed."""

from typing import Any

import pytest

from groundtruth import dispatch, tasks
from groundtruth.models import JudgeJob, JudgeQuestion
from tests.factories import allow, make_staff
from tests.groundtruth.factories import make_price
from tests.groundtruth.judge_server import JudgeServer
from tests.groundtruth.judging import running_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The jobs that were rung for; the broker's end of the wire."""
    jobs: list[int] = []
    monkeypatch.setattr(tasks.run_judge_job, "apply_async", lambda arguments, **_options: jobs.append(arguments[0]))
    return jobs


def test_a_job_that_is_resumed_is_rung_for_once_that_is_committed(
    rung: list[int], django_capture_on_commit_callbacks: Any
) -> None:
    job = running_job(1)
    JudgeJob.objects.update(state="paused")
    with django_capture_on_commit_callbacks() as callbacks:
        dispatch.resume_job(job=job, user=allow(make_staff(), "groundtruth.can_spend"))
        assert rung == []
    for callback in callbacks:
        callback()
    assert rung == [job.pk]


def test_the_sweep_rings_for_running_jobs_with_waiting_questions_only(rung: list[int]) -> None:
    waiting, done, paused = running_job(1), running_job(1), running_job(1)
    JudgeQuestion.objects.filter(job=done).update(state="answered")
    JudgeJob.objects.filter(pk=paused.pk).update(state="paused")
    tasks.sweep()
    assert rung == [waiting.pk]
    done.refresh_from_db()
    assert done.state == "completed"


@pytest.mark.django_db(transaction=True)
def test_a_job_that_is_through_is_not_rung_for_again(rung: list[int], judge_server: JudgeServer) -> None:
    make_price()
    job = running_job(2)
    tasks.run_judge_job(job.pk)
    job.refresh_from_db()
    assert (job.state, rung) == ("completed", [])


@pytest.mark.django_db(transaction=True)
def test_one_process_works_on_a_job_once_at_a_time(rung: list[int], judge_server: JudgeServer) -> None:
    make_price()
    job = running_job(1)
    judge_server.arrived = lambda _asked: tasks.run_judge_job(job.pk)
    tasks.run_judge_job(job.pk)
    job.refresh_from_db()
    assert (job.state, rung, len(judge_server.asked)) == ("completed", [], 1)
