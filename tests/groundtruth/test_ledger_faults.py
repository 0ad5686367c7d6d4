"""Workers are killed at six points of the ledger, and many race for little money: nothing is paid twice or untold."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import ROUND_UP, Decimal
from typing import IO, Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from groundtruth.judging.parameters import JudgeParameters
from groundtruth.judging.pricing import CENT_MILLIONTH, maximum_cost
from groundtruth.judging.questions import build_question
from groundtruth.judging.recovery import recover
from groundtruth.models import JudgeJob, Judgement, JudgeQuestion, LedgerEntry, ModelPrice, SpendDay, TruthPair
from itembank.embedded import EmbeddedServices
from itembank.models import Item
from tests.factories import make_item
from tests.groundtruth.dying_worker import Command
from tests.groundtruth.factories import make_judge_job, make_pair, make_price, make_prompt, make_query, make_truth_set
from tests.groundtruth.judge_faults import cut
from tests.groundtruth.judge_server import Asked, JudgeServer, asked_twice

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]
State = LedgerEntry.State
KILLS = 20
CANDIDATES = 2  # of a question
KILLED = -signal.SIGKILL

# What a worker that dies at the point leaves of the call.
LEFT = {
    "reserving": None,
    "reserved": State.RESERVED,
    "sent": State.SENT,
    "asked": State.SENT,
    "answered": State.SENT,
    "saved": State.RECEIVED,
}


class Workers:
    """Starts workers that may die, in a process of theirs (tests/groundtruth/dying_worker.py)."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._lines: IO[str] = process.stdout  # type: ignore[assignment]

    def work(
        self, jobs: list[int], server: JudgeServer, during: Callable[[list[int]], None] | None = None, **options: Any
    ) -> list[int]:
        """One worker for each job; how each ended. `during` gets their process ids while they work."""
        assert self._process.stdin is not None
        self._process.stdin.write(Command(jobs, server.url, server.key, **options).as_line())
        self._process.stdin.flush()
        pids: list[int] = json.loads(self._lines.readline())
        if during is not None:
            during(pids)
        ends: list[int] = json.loads(self._lines.readline())
        return ends


@pytest.fixture(scope="module")
def workers(embedded_services: EmbeddedServices, django_db_setup: None) -> Iterator[Workers]:
    database = f"{embedded_services.database_url.rpartition('/')[0]}/{connection.settings_dict['NAME']}"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.groundtruth.dying_worker"],
        cwd=settings.BASE_DIR,
        env={
            **os.environ,
            "DATABASE_URL": database,
            "CELERY_BROKER_URL": embedded_services.broker_url,
            "DJANGO_SETTINGS_MODULE": "itembank.settings",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield Workers(process)
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def price() -> ModelPrice:
    return make_price("gpt-4o-mini")


def make_job(price: ModelPrice, questions: int, *, money_for: int | None = None, concurrency: int = 2) -> JudgeJob:
    """A running job of questions that can cost the same, with a limit of so many times what one can cost."""
    parameters = JudgeParameters(concurrency=concurrency)
    prompt = make_prompt(instructions="Judge with care.")
    job = make_judge_job(make_truth_set(), state="running", prompt=prompt, parameters=parameters.as_json())
    candidates = [make_item(text=f"일차함수 y = {number}x + 1의 기울기를 구하시오.") for number in range(CANDIDATES)]
    for position in range(questions):
        _add_question(job, parameters, position, candidates)
    row = job.questions.first()
    assert row is not None
    most = maximum_cost(_asked(job, parameters, row.ordered_pairs()), price, parameters, batch=False).usd
    job.cap_usd = most * (questions if money_for is None else money_for)
    job.save()
    return job


def _add_question(job: JudgeJob, parameters: JudgeParameters, position: int, candidates: list[Item]) -> None:
    # The same length for all.
    query = make_query(job.truth_set, make_item(text=f"일차함수 {job.pk:05d} {position:05d}의 기울기를 구하시오."))
    pairs = [make_pair(query, item) for item in candidates]
    hashed = _asked(job, parameters, pairs).hash
    row = {"position": position, "query": query, "pairs": [pair.pk for pair in pairs], "question_hash": hashed}
    JudgeQuestion.objects.create(job=job, **row)


def _asked(job: JudgeJob, parameters: JudgeParameters, pairs: list[TruthPair]) -> Any:
    return build_question(prompt=job.prompt, model=job.model, parameters=parameters, pairs=pairs, swapped=False)


def worker_is_gone() -> None:
    """What time does: the leases of the dead end; and what the sweep then does."""
    JudgeQuestion.objects.filter(state="leased").update(lease_until=timezone.now() - timedelta(seconds=1))
    recover()


def assert_books_are_right(server: JudgeServer, price: ModelPrice) -> None:
    """Limits hold, and the ledger says what the server counted, as far as it can know."""
    entries = list(LedgerEntry.objects.select_related("job"))
    for job in JudgeJob.objects.all():
        assert job.held_usd == sum(held(each) for each in entries if each.job_id == job.pk) <= job.cap_usd
    assert sum(SpendDay.objects.values_list("held_usd", flat=True)) == sum(map(held, entries))
    assert server.charged(price.input_usd, price.output_usd) <= sum(map(held, entries))
    asked = {each.id: each for each in server.asked}
    assert len(asked) == len(server.asked)
    assert asked.keys() <= {str(each.pk) for each in entries}
    for entry in entries:
        assert_entry_is_right(entry, asked.get(str(entry.pk)), price)
    assert asked_twice(server.asked) == set()


def held(entry: LedgerEntry) -> Decimal:
    ended = entry.state in (State.SETTLED, State.UNKNOWN, State.RELEASED)
    usd: Decimal = entry.charged_usd if ended else entry.reserved_usd
    return usd


def assert_entry_is_right(entry: LedgerEntry, asked: Asked | None, price: ModelPrice) -> None:
    match entry.state:
        case State.RESERVED | State.RELEASED:
            assert asked is None
        case State.SETTLED:
            assert asked is not None
            usd = asked.usd(price.input_usd, price.output_usd).quantize(CENT_MILLIONTH, ROUND_UP)
            counted = (asked.input_tokens, asked.output_tokens, usd)
            assert (entry.input_tokens, entry.output_tokens, entry.charged_usd) == counted
        case State.UNKNOWN:
            assert entry.charged_usd == entry.reserved_usd
    if asked is not None:
        assert asked.usd(price.input_usd, price.output_usd) <= entry.reserved_usd


def kill_when_asked(workers: Workers, server: JudgeServer, job: JudgeJob, call: int) -> list[int]:
    """Kill the worker while the server has its `call`-th request and has not answered."""
    started, dead, pids, seen = threading.Event(), threading.Event(), [0], len(server.asked)

    def arrived(_asked: Asked) -> None:
        if len(server.asked) - seen >= call and started.wait(10) and not dead.is_set():
            os.kill(pids[0], signal.SIGKILL)
            dead.wait(10)

    def during(children: list[int]) -> None:
        pids[:] = children
        started.set()

    server.arrived = arrived
    try:
        return workers.work([job.pk], server, during)
    finally:
        dead.set()
        server.arrived = None


@pytest.mark.parametrize("point", LEFT)
def test_workers_killed_at_a_point_of_the_ledger_leave_its_books_right(
    workers: Workers, judge_server: JudgeServer, price: ModelPrice, point: str
) -> None:
    job = make_job(price, questions=4 * KILLS)
    draw = random.Random(point)
    for _ in range(KILLS):
        call = draw.randint(1, 2)
        if point == "asked":
            ends = kill_when_asked(workers, judge_server, job, call)
        else:
            ends = workers.work([job.pk], judge_server, point=point, call=call)
        assert ends == [KILLED]
        assert LEFT[point] is None or job.ledger.filter(state=LEFT[point]).exists()
        worker_is_gone()
        assert_books_are_right(judge_server, price)
    assert workers.work([job.pk], judge_server) == [0]
    assert_books_are_right(judge_server, price)
    assert_all_is_told(job, point)


def assert_all_is_told(job: JudgeJob, point: str) -> None:
    """Each question is answered, or its outcome is unknown and the job says so."""
    job.refresh_from_db()
    unknown = job.questions.filter(state="unknown").count()
    assert set(job.questions.values_list("state", flat=True)) <= {"answered", "unknown"}
    assert job.ledger.filter(state=State.UNKNOWN).count() == unknown
    assert job.state == (JudgeJob.State.COMPLETED_WITH_FAILURES if unknown else JudgeJob.State.COMPLETED)
    assert Judgement.objects.count() == CANDIDATES * (job.questions.count() - unknown)
    if LEFT[point] == State.SENT:
        assert unknown >= KILLS


def test_calls_of_unknown_outcome_use_up_the_limit(
    workers: Workers, judge_server: JudgeServer, price: ModelPrice
) -> None:
    job = make_job(price, questions=20, money_for=5, concurrency=1)
    for _ in range(5):
        assert kill_when_asked(workers, judge_server, job, 1) == [KILLED]
        worker_is_gone()
    assert workers.work([job.pk], judge_server) == [0]
    job.refresh_from_db()
    assert (job.state, job.held_usd, len(judge_server.asked)) == (JudgeJob.State.PAUSED, job.cap_usd, 5)
    assert_books_are_right(judge_server, price)


@pytest.mark.parametrize("limit", ["job", "day"])
def test_twenty_racing_workers_with_money_for_five_make_five_calls(
    workers: Workers, judge_server: JudgeServer, price: ModelPrice, limit: str
) -> None:
    if limit == "job":
        job = make_job(price, questions=40, money_for=5, concurrency=1)
        jobs, daily = [job.pk] * 20, Decimal(20)
    else:
        made = [make_job(price, questions=2, concurrency=1) for _ in range(20)]
        jobs, daily = [each.pk for each in made], made[0].cap_usd / 2 * 5
    # Nothing is given back: the calls are on their way at the same time, then nobody knows what became of them.
    gate = judge_server.gate("before-answering")
    judge_server.always = cut

    came: list[bool] = []

    def during(_pids: list[int]) -> None:
        came.extend([gate.wait_for(5), gate.wait_for(6, seconds=1)])
        gate.open()

    assert workers.work(jobs, judge_server, during, daily_cap_usd=str(daily)) == [0] * 20
    assert came == [True, False]
    assert len(judge_server.asked) == 5
    assert_books_are_right(judge_server, price)
