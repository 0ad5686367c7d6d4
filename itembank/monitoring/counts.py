"""Counts and histograms over all processes of the bank, kept in the broker.

Web processes, commands and workers on several hosts count the same things. One hash in the broker, which they all
reach, adds them up: any web process can be scraped, none has files to clean up after it, and a restart loses nothing.
prometheus_client's own way for several processes (a file a process in a shared folder) does that for one host at most,
and mixes up containers that share a folder and their process ids.

Nobody waits for the broker: counts gather in the process and go out a second later. While it is away they gather on.
"""

import atexit
import json
import logging
import os
import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

from itembank.broker import BrokerError, broker

KEY = "itembank:counts"
FLUSH_SECONDS, RETRY_SECONDS = 1.0, 10.0
BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
"""Upper bounds in seconds; what is longer falls into the last, without a bound."""
BOUNDS = (*map(str, BUCKETS), "+Inf")
SUM = "sum"

logger = logging.getLogger(__name__)


class Counts:
    """Amounts by (metric, label values, bucket) that the broker does not have yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: defaultdict[str, float] = defaultdict(float)
        self._timer: threading.Timer | None = None

    def add(self, amounts: Mapping[str, float]) -> None:
        with self._lock:
            for field, amount in amounts.items():
                self._waiting[field] += amount
            self._send_in(FLUSH_SECONDS)

    def flush(self) -> None:
        """Send what waits; what the broker does not take waits on."""
        with self._lock:
            amounts, self._waiting, self._timer = self._waiting, defaultdict(float), None
        if not amounts:
            return
        try:
            pipe = broker().pipeline()
            for field, amount in amounts.items():
                pipe.hincrbyfloat(KEY, field, amount)
            pipe.execute()
        except BrokerError as error:
            logger.debug("Counts wait: the broker does not answer (%s)", type(error).__name__)
            with self._lock:
                for field, amount in amounts.items():
                    self._waiting[field] += amount
                self._send_in(RETRY_SECONDS)

    def _send_in(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = threading.Timer(seconds, self.flush)
            self._timer.daemon = True
            with suppress(RuntimeError):  # at the end of the process no thread starts any more
                self._timer.start()


_counts = Counts()


def _start_anew() -> None:
    """In a forked process: its parent sends what was counted there, by a thread that is not here."""
    global _counts  # noqa: PLW0603
    _counts = Counts()


os.register_at_fork(after_in_child=_start_anew)


def count(metric: str, *labels: str, amount: float = 1) -> None:
    _counts.add({_field(metric, labels): amount})


def observe(metric: str, *labels: str, seconds: float) -> None:
    bound = BOUNDS[bisect_left(BUCKETS, seconds)]
    _counts.add({_field(metric, labels, bound): 1, _field(metric, labels, SUM): seconds})


@atexit.register
def flush() -> None:
    """Send what this process has counted."""
    _counts.flush()


@cache
def _field(metric: str, labels: tuple[str, ...], bucket: str = "") -> str:
    return json.dumps([metric, list(labels), bucket], ensure_ascii=False)


# ---- reading


class Read:
    """All the counts of the bank, as they are now. Raises one of BrokerError."""

    def __init__(self) -> None:
        flush()
        stored: dict[str, str] = broker().hgetall(KEY)  # type: ignore[assignment]
        self._amounts: defaultdict[str, defaultdict[tuple[str, ...], dict[str, float]]]
        self._amounts = defaultdict(lambda: defaultdict(dict))
        for field, amount in stored.items():
            metric, labels, bucket = json.loads(field)
            self._amounts[metric][tuple(labels)][bucket] = float(amount)

    def counter(self, metric: str, text: str, labels: Sequence[str]) -> CounterMetricFamily:
        family = CounterMetricFamily(metric, text, labels=labels)
        for values, amounts in sorted(self._amounts[metric].items()):
            family.add_metric(values, amounts.get("", 0.0))
        return family

    def histogram(self, metric: str, text: str, labels: Sequence[str]) -> HistogramMetricFamily:
        family = HistogramMetricFamily(metric, text, labels=labels)
        for values, amounts in sorted(self._amounts[metric].items()):
            total, buckets = 0.0, []
            for bound in BOUNDS:
                total += amounts.get(bound, 0.0)
                buckets.append((bound, total))
            family.add_metric(values, buckets, sum_value=amounts.get(SUM, 0.0))
        return family
