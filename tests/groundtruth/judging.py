"""Running judge jobs with questions, ready to be asked."""

import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import connections

from groundtruth.judging.parameters import JudgeParameters
from groundtruth.judging.run import work_on
from groundtruth.models import JudgeJob, JudgeQuestion, LedgerEntry, SpendDay
from tests.factories import make_item
from tests.groundtruth.factories import make_judge_job, make_pair, make_query, make_truth_set
from tests.groundtruth.judge_server import Asked


def running_job(questions: int = 1, *, pairs: int = 2, texts: list[str] | None = None, **fields: Any) -> JudgeJob:
    """A running job with so many lists of candidates; the query of the first says texts[0], and so on."""
    truth_set = fields.pop("truth_set", None) or make_truth_set()
    parameters = JudgeParameters(concurrency=fields.pop("concurrency", 1), both_orders_share=0)
    job = make_judge_job(truth_set, **{"state": "running", "parameters": parameters.as_json()} | fields)
    for number in range(questions):
        text = texts[number] if texts else f"둘레가 {number + 10}인 정사각형의 넓이를 구하시오."
        add_question(job, text, pairs=pairs)
    return job


def add_question(job: JudgeJob, text: str, *, pairs: int = 2, **fields: Any) -> JudgeQuestion:
    query = make_query(job.truth_set, make_item(text=text))
    candidates = [make_pair(query) for _each in range(pairs)]
    position = JudgeQuestion.objects.filter(job=job).count()
    values: dict[str, Any] = {"pairs": [each.pk for each in candidates], "question_hash": "0" * 64} | fields
    return JudgeQuestion.objects.create(job=job, position=position, query=query, **values)


def work(job: JudgeJob, seconds: float = 20) -> JudgeJob:
    """Work on the job in this process, as a worker would; returns it as it is then."""
    work_on(job.pk, time.monotonic() + seconds, threading.Event())
    job.refresh_from_db()
    return job


def meanwhile(do: Callable[[], object]) -> Callable[[Asked], None]:
    """Do it while the question is with the provider, on a connection of its own."""

    def arrived(_asked: Asked) -> None:
        do()
        connections.close_all()

    return arrived


def at_once(count: int, do: Callable[[int], Any]) -> list[Any]:
    """What `do` returns, or raises, in so many threads that begin together."""
    results: list[Any] = [None] * count
    start = threading.Barrier(count)

    def run(number: int) -> None:
        start.wait()
        try:
            results[number] = do(number)
        except Exception as error:
            results[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def assert_books_balance(job: JudgeJob) -> None:
    """What job and days hold is the sum over the ledger, within the job's limit."""
    job.refresh_from_db()
    entries = list(LedgerEntry.objects.all())
    assert job.held_usd == sum(held(each) for each in entries if each.job_id == job.pk) <= job.cap_usd
    for day in SpendDay.objects.all():
        assert day.held_usd == sum(held(each) for each in entries if each.day == day.day)


def held(entry: LedgerEntry) -> Any:
    if entry.state in {"reserved", "sent", "received"}:
        return entry.reserved_usd
    return entry.charged_usd
