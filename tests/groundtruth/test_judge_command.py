"""`manage.py judge_truth`: a price, an answer to it, and a job that a real worker does."""

import io
import os
import signal
import time
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from groundtruth.judge_services import confirm_job
from groundtruth.models import JudgeJob, Judgement, LedgerEntry, Prompt, TruthSet
from itembank.embedded import EmbeddedServices
from tests.factories import allow, make_staff
from tests.groundtruth.factories import make_judge_job, make_pair, make_price, make_prompt, make_query, make_truth_set
from tests.groundtruth.judge_server import Asked, JudgeServer


def _set(name: str = "teachers") -> TruthSet:
    make_price("gpt-4o-mini")
    make_prompt("listwise")
    truth_set = make_truth_set(name=name)
    query = make_query(truth_set)
    for _ in range(3):
        make_pair(query)
    return truth_set


def _run(*arguments: str, **options: Any) -> str:
    said = io.StringIO()
    call_command("judge_truth", *arguments, stdout=said, **options)
    return said.getvalue()


@pytest.mark.django_db
def test_a_plan_prints_the_price_and_sends_nothing() -> None:
    _set()
    said = _run("--set", "teachers", "--plan-only", "--cap", "0.5")
    job = JudgeJob.objects.get()
    assert (job.state, job.cap_usd) == ("draft", Decimal("0.5"))
    assert "2 calls" in said
    assert f"at most ${job.maximum_usd:.4f}" in said
    assert not LedgerEntry.objects.exists()


@pytest.mark.django_db
def test_the_newest_version_is_taken_unless_one_is_named() -> None:
    first = _set()
    second = make_truth_set(name="teachers", version=2)
    query = make_query(second)
    make_pair(query)
    _run("--set", "teachers", "--plan-only")
    _run("--set", "teachers", "--version", "1", "--plan-only")
    assert [job.truth_set for job in JudgeJob.objects.order_by("pk")] == [second, first]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--set", "unheard-of", "--plan-only"], "There are: teachers"),
        (["--set", "teachers", "--prompt", "99", "--plan-only"], "Versions"),
        (["--set", "teachers", "--cap", "much", "--plan-only"], "0 or more"),
        (["--set", "teachers", "--candidates", "99", "--plan-only"], "candidates is 99"),
        (["--set", "teachers"], "--confirm-as"),
        (["--set", "teachers", "--confirm-as", "nobody"], "no user"),
        (["--set", "teachers", "--confirm-as", "lead"], "--yes"),
        (["--set", "teachers", "--confirm-as", "lead", "--yes"], "three pairs"),
        (["--set", "teachers", "--confirm-as", "clerk", "--yes", "--try"], "can_spend"),
        (["--job", "999", "--confirm-as", "lead", "--yes"], "999"),
    ],
)
def test_what_cannot_be_done_is_said_and_sends_nothing(arguments: list[str], reason: str) -> None:
    _set()
    allow(make_staff("lead"), "groundtruth.can_spend")
    make_staff("clerk")
    with pytest.raises(CommandError, match=reason):
        _run(*arguments)
    assert not LedgerEntry.objects.exists()
    assert not JudgeJob.objects.exclude(state="draft").exists()


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["nobody", "clerk", ""])
def test_who_may_not_confirm_leaves_no_draft_behind(name: str) -> None:
    _set()
    make_staff("clerk")
    with pytest.raises(CommandError):
        _run("--set", "teachers", "--confirm-as", name, "--yes")
    assert not JudgeJob.objects.exists()


@pytest.mark.django_db
def test_neither_a_set_nor_a_job_is_refused() -> None:
    with pytest.raises(CommandError, match="--set --job"):
        _run("--plan-only")


@pytest.fixture
def workers_find_the_test_database(embedded_services: EmbeddedServices, monkeypatch: pytest.MonkeyPatch) -> None:
    name = connection.settings_dict["NAME"]
    monkeypatch.setenv("DATABASE_URL", f"{embedded_services.database_url.rpartition('/')[0]}/{name}")
    monkeypatch.setenv("CELERY_BROKER_URL", embedded_services.broker_url)


@pytest.mark.fault
@pytest.mark.django_db(transaction=True)
def test_a_prompt_is_tried_and_then_judges_the_set_on_a_real_worker(
    judge_server: JudgeServer, workers_find_the_test_database: None
) -> None:
    truth_set = _set()
    allow(make_staff("lead"), "groundtruth.can_spend")
    confirmed = ("--set", "teachers", "--confirm-as", "lead", "--yes")
    said = _run(*confirmed, "--try")
    assert said.count(" | ") == 3
    assert not Judgement.objects.exists()
    said = _run(*confirmed)
    assert "Completed" in said
    assert truth_set.pairs.filter(relevance=None).count() == 0
    assert len(judge_server.asked) == len(set(judge_server.ids())) <= 3


@pytest.mark.fault
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_kill_and_a_closed_terminal_pause_the_job_which_is_taken_up_again(
    judge_server: JudgeServer, workers_find_the_test_database: None, signals_of_a_terminal: None, how: signal.Signals
) -> None:
    truth_set = _set()
    for _ in range(5):
        make_pair(make_query(truth_set))
    allow(make_staff("lead"), "groundtruth.can_spend")
    make_judge_job(truth_set, prompt=Prompt.objects.latest("version"), purpose="trial", state="completed")
    press = iter([lambda: os.kill(os.getpid(), how)])

    def arrived(_asked: Asked) -> None:
        next(press, lambda: None)()
        time.sleep(1.5)  # longer than a pause takes

    judge_server.arrived = arrived
    with pytest.raises(CommandError, match="--job"):
        _run("--set", "teachers", "--confirm-as", "lead", "--yes", "--concurrency", "1")
    job = JudgeJob.objects.get(purpose="judge")
    assert job.state == "paused"
    assert len(judge_server.asked) < job.questions.count()
    judge_server.arrived = None
    _run("--job", str(job.pk), "--confirm-as", "lead", "--yes")
    job.refresh_from_db()
    assert job.state == "completed"
    assert len(judge_server.asked) == len(set(judge_server.ids())) == job.questions.count()


@pytest.mark.fault
@pytest.mark.django_db(transaction=True)
def test_a_job_that_its_limit_paused_goes_on_with_a_higher_one(
    judge_server: JudgeServer, workers_find_the_test_database: None
) -> None:
    truth_set = _set()
    allow(make_staff("lead"), "groundtruth.can_spend")
    make_judge_job(truth_set, prompt=Prompt.objects.latest("version"), purpose="trial", state="completed")
    confirmed = ("--confirm-as", "lead", "--yes")
    with pytest.raises(CommandError):
        _run("--set", "teachers", *confirmed, "--cap", "0.000001")
    assert not judge_server.asked
    job = JudgeJob.objects.get(purpose="judge")
    said = _run("--job", str(job.pk), *confirmed, "--cap", "1")
    job.refresh_from_db()
    assert (job.state, job.cap_usd) == ("completed", Decimal(1))
    assert "Limit $1.0000" in said


@pytest.mark.fault
@pytest.mark.django_db(transaction=True)
def test_a_running_job_whose_terminal_was_closed_is_taken_up_again(
    judge_server: JudgeServer, workers_find_the_test_database: None
) -> None:
    truth_set = _set()
    lead = allow(make_staff("lead"), "groundtruth.can_spend")
    make_judge_job(truth_set, prompt=Prompt.objects.latest("version"), purpose="trial", state="completed")
    _run("--set", "teachers", "--plan-only")
    job = confirm_job(job=JudgeJob.objects.get(purpose="judge"), user=lead)
    assert job.state == "running"
    said = _run("--job", str(job.pk), "--confirm-as", "lead")
    assert "Completed" in said
    assert Judgement.objects.filter(pair__truth_set=truth_set).exists()
