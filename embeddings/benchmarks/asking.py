"""Searchers at once, each in a thread with one connection, who ask again as soon as they have an answer."""

import http.client
import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from embeddings.benchmarks.questions import Question

PATIENCE_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Searcher:
    headers: Mapping[str, str]
    questions: Iterator[Question]


@dataclass
class Answers:
    """Seconds of each answer by kind of question, and what was none, counted."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        return sum(map(len, self.seconds.values()))

    def add(self, other: "Answers") -> None:
        for kind, seconds in other.seconds.items():
            self.seconds[kind] += seconds
        self.errors += other.errors

    def percentiles(self) -> dict[str, tuple[float, float, float]]:
        """P50, P95, P99 in ms by kind, and over all of them as `all`."""
        every = {**self.seconds, "all": [each for seconds in self.seconds.values() for each in seconds]}
        found = {}
        for kind, seconds in every.items():
            if seconds:
                p50, p95, p99 = np.percentile(np.asarray(seconds) * 1000, [50, 95, 99])
                found[kind] = (float(p50), float(p95), float(p99))
        return found


def ask_at_once(host: str, port: int, searchers: Sequence[Searcher], *, seconds: float) -> Answers:
    """All of them at once for so long; who waits for an answer at the end waits for it."""
    each = [Answers() for _ in searchers]
    until = time.monotonic() + seconds
    threads = [
        threading.Thread(target=_ask, args=(host, port, searcher, answers, until), daemon=True)
        for searcher, answers in zip(searchers, each, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together = Answers()
    for answers in each:
        together.add(answers)
    return together


def ask_once(host: str, port: int, headers: Mapping[str, str], questions: Iterable[Question]) -> list[str]:
    """What each was answered wrongly with, in order; "" where nothing was wrong."""
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_SECONDS)
    try:
        return [_fault(connection, headers, question) for question in questions]
    finally:
        connection.close()


def _ask(host: str, port: int, searcher: Searcher, answers: Answers, until: float) -> None:
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_SECONDS)
    for question in searcher.questions:
        if time.monotonic() >= until:
            break
        began = time.perf_counter()
        fault = _fault(connection, searcher.headers, question)
        answers.seconds[question.kind].append(time.perf_counter() - began)
        if fault:
            answers.errors[f"{question.kind}: {fault}"] += 1
    connection.close()


def _fault(connection: http.client.HTTPConnection, headers: Mapping[str, str], question: Question) -> str:
    """What is wrong with the answer; "" where nothing is."""
    body = None if question.body is None else json.dumps(question.body).encode()
    kind = {} if body is None else {"Content-Type": "application/json"}
    try:
        connection.request("GET" if body is None else "POST", question.path, body, {**headers, **kind})
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return repr(error)
    return question.fault(content) if response.status == 200 else f"{response.status} {_reason(content)}".strip()


def _reason(content: bytes) -> str:
    """The code of a problem."""
    try:
        return str(json.loads(content)["code"])
    except (ValueError, KeyError, TypeError):
        return ""
