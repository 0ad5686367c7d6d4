"""Workers of batch jobs are killed on either side of each step: a key has one batch at the provider, paid once."""

from decimal import Decimal

import pytest
from django.utils import timezone

from groundtruth.judging import batch, ledger
from groundtruth.models import JudgeBatch, JudgeJob, LedgerEntry
from tests.groundtruth.judge_server import JudgeServer, asked_twice
from tests.groundtruth.judging import assert_books_balance, running_job
from tests.groundtruth.test_ledger_faults import KILLED, Workers, price, workers

__all__ = ["price", "workers"]

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]

KILLS = 20
TOGETHER = 5  # workers, each on a job of its own
QUESTIONS = 3  # of a job

SENDING = {"filled": "reserved", "uploaded": "reserved", "asked-for": "sent", "made": "sent"}
COLLECTING = {"answered": "sent", "saved": "received"}


def a_minute_later() -> None:
    JudgeBatch.objects.update(checked_at=None)


def ten_minutes_later() -> None:
    a_minute_later()
    LedgerEntry.objects.filter(state="sent").update(sent_at=timezone.now() - batch.LOOK_FOR)


def run_batches(server: JudgeServer) -> None:
    for remote_id, remote in server.batches.batches.items():
        if remote["status"] == "validating":
            server.batches.run(remote_id)


def make_jobs(count: int) -> list[int]:
    first = running_job(QUESTIONS, mode="batch")
    made = [first, *(running_job(QUESTIONS, mode="batch", prompt=first.prompt) for _ in range(count - 1))]
    for number, job in enumerate(made):  # no job asks what another asks
        for question in job.questions.select_related("query__item"):
            question.query.item.text += f" ({first.pk}/{number})"
            question.query.item.content_hash = f"{question.pk:064d}"
            question.query.item.save()
    return [each.pk for each in made]


def assert_one_batch_for_a_key(server: JudgeServer) -> None:
    keys = [each["metadata"]["itembank_batch"] for each in server.batches.batches.values()]
    assert len(keys) == len(set(keys))
    known = dict(JudgeBatch.objects.exclude(remote_id="").values_list("remote_id", "key"))
    assert {remote_id: str(key) for remote_id, key in known.items()} == {
        remote_id: each["metadata"]["itembank_batch"] for remote_id, each in server.batches.batches.items()
    }


def assert_all_was_answered_once(server: JudgeServer) -> None:
    for job in JudgeJob.objects.all():
        assert_books_balance(job)
        assert (job.state, job.questions.filter(state="answered").count()) == ("completed", QUESTIONS)
    assert_one_batch_for_a_key(server)
    assert asked_twice(server.asked) == set()
    assert len(server.asked) == KILLS * QUESTIONS
    charged = sum(LedgerEntry.objects.values_list("charged_usd", flat=True))
    assert 0 <= charged - server.charged(Decimal("0.15"), Decimal("0.60")) < len(server.asked) * ledger.SMALLEST


@pytest.mark.usefixtures("price")
@pytest.mark.parametrize("point", SENDING)
def test_workers_killed_while_sending_send_no_batch_twice(
    workers: Workers, judge_server: JudgeServer, point: str
) -> None:
    for _ in range(KILLS // TOGETHER):
        jobs = make_jobs(TOGETHER)
        assert workers.work(jobs, judge_server, point=point, batch=True) == [KILLED] * TOGETHER
        assert set(LedgerEntry.objects.filter(job__in=jobs).values_list("state", flat=True)) == {SENDING[point]}
        for passes in (a_minute_later, ten_minutes_later):
            passes()
            assert workers.work(jobs, judge_server, batch=True) == [0] * TOGETHER
        assert_one_batch_for_a_key(judge_server)
        run_batches(judge_server)
        a_minute_later()
        assert workers.work(jobs, judge_server, batch=True) == [0] * TOGETHER
    assert_all_was_answered_once(judge_server)


@pytest.mark.usefixtures("price")
@pytest.mark.parametrize("point", COLLECTING)
def test_workers_killed_while_collecting_charge_nothing_twice(
    workers: Workers, judge_server: JudgeServer, point: str
) -> None:
    for _ in range(KILLS // TOGETHER):
        jobs = make_jobs(TOGETHER)
        assert workers.work(jobs, judge_server, batch=True) == [0] * TOGETHER
        run_batches(judge_server)
        a_minute_later()
        assert workers.work(jobs, judge_server, point=point, call=2, batch=True) == [KILLED] * TOGETHER
        assert COLLECTING[point] in LedgerEntry.objects.filter(job__in=jobs).values_list("state", flat=True)
        a_minute_later()
        assert workers.work(jobs, judge_server, batch=True) == [0] * TOGETHER
    assert_all_was_answered_once(judge_server)
