"""Who tells metrics: each floor registers its collectors when its app is ready, so that this one need know none."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping

from django.db import connection, transaction
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Collect = Callable[[], Iterable[Metric]]

DATABASE_MILLISECONDS = 5_000  # for a query of a scrape: a bank under load does not also carry forgotten scrapes

logger = logging.getLogger(__name__)
_collectors: dict[str, Collect] = {}


def register(name: str, collect: Collect) -> None:
    """Have each scrape ask `collect` too; one of the same name is replaced."""
    _collectors[name] = collect


def register_queries(name: str, collect: Collect) -> None:
    """As `register`, for one that asks the database: its queries see one state of it, and are cut off in time."""

    def within_limits() -> list[Metric]:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {DATABASE_MILLISECONDS}")
            return list(collect())

    register(name, within_limits)


def gauge(name: str, text: str, value: float | None) -> GaugeMetricFamily:
    """One number; none at all where it is not known."""
    family = GaugeMetricFamily(name, text)
    if value is not None:
        family.add_metric([], value)
    return family


def gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    """A number for each value of the label."""
    family = GaugeMetricFamily(name, text, labels=[label])
    for each, value in values.items():
        family.add_metric([each], value)
    return family


class BankCollector(Collector):
    """All that is registered. One that fails is missing from the scrape, which says so; the others are there."""

    def collect(self) -> Iterable[Metric]:
        up, took = {}, {}
        for name, collect in _collectors.items():
            started = time.perf_counter()
            try:
                yield from list(collect())
                up[name] = 1.0
            except Exception as error:
                logger.warning("The metrics of %s are missing (%s: %s)", name, type(error).__name__, error)
                up[name] = 0.0
            took[name] = time.perf_counter() - started
        yield gauges("itembank_collector_up", "1 where these metrics could be told, else 0.", "collector", up)
        yield gauges("itembank_collector_seconds", "How long these metrics took to tell.", "collector", took)
