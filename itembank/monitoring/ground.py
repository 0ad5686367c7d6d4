"""Metrics of the ground floor: messages, workers, items and uploads."""

import time
from collections.abc import Iterable, Sequence

from django.conf import settings
from django.db.models import Count, Model
from prometheus_client.core import GaugeMetricFamily, Metric

from itembank.bank import item_counts
from itembank.broker import broker
from itembank.heartbeats import Worker, WorkerState, role_state, workers
from itembank.models import Item, UploadBatch
from itembank.monitoring.registry import gauge, gauges, register, register_queries
from itembank.processes import WORKER_ROLES

# Of kombu's Redis transport: a list a queue and priority, named with this separator, and what was handed out.
SEPARATOR, STEPS, UNACKNOWLEDGED = "\x06\x16", (0, 3, 6, 9), "unacked"
WORKER_LABELS = ("role", "worker")
# What workers tell of themselves -> the metric, and what it means.
WORKER_GAUGES = {
    "tasks": ("itembank_worker_tasks", "Tasks that the worker has under way."),
    "task_seconds": ("itembank_worker_task_seconds", "How long ago the oldest task under way began."),
    "resident_bytes": ("itembank_worker_resident_bytes", "Main memory of the worker's main process."),
    "device_bytes": ("itembank_worker_device_bytes", "Memory that tensors hold on the worker's GPU."),
    "device_reserved_bytes": ("itembank_worker_device_reserved_bytes", "Memory that torch holds on the worker's GPU."),
    "device_total_bytes": ("itembank_worker_device_total_bytes", "Memory of the worker's GPU."),
}


def register_all() -> None:
    register("queues", queue_metrics)
    register("workers", worker_metrics)
    register_queries("items", item_metrics)


def by_state(model: type[Model], states: Sequence[str], field: str = "state") -> dict[str, float]:
    """How many rows are in each state, also in those without a row."""
    rows = model._default_manager.order_by().values_list(field).annotate(Count("pk"))
    return dict.fromkeys(map(str, states), 0.0) | {str(state): float(count) for state, count in rows}


# ---- messages


def queue_depths() -> dict[str, float]:
    """Messages that no worker has taken, of all priorities. Raises one of BrokerError."""
    names = [str(queue.name) for queue in settings.CELERY_TASK_QUEUES]
    pipe = broker().pipeline(transaction=False)
    for name in names:
        for step in STEPS:
            pipe.llen(f"{name}{SEPARATOR}{step}" if step else name)
    sizes = pipe.execute()
    return {name: float(sum(sizes[len(STEPS) * i : len(STEPS) * (i + 1)])) for i, name in enumerate(names)}


def queue_metrics() -> Iterable[Metric]:
    yield gauges("itembank_queue_messages", "Messages that no worker has taken.", "queue", queue_depths())
    taken = float(broker().hlen(UNACKNOWLEDGED))
    yield gauge("itembank_queue_unacknowledged", "Messages that a worker took and has not acknowledged.", taken)


# ---- workers


def worker_metrics() -> Iterable[Metric]:
    found = workers()
    text = "1 for the state that the role is in: idle, busy, stopping, dead or absent."
    states = GaugeMetricFamily("itembank_role_state", text, labels=["role", "state"])
    for role in WORKER_ROLES:
        now = role_state(role, found)
        for state in WorkerState:
            states.add_metric([role, state], float(state is now))
    yield states
    yield _of_each("itembank_worker_up", "1 while the worker gives signs of life, else 0.", _up(found))
    seen = [(each, max(0.0, time.time() - each.seen)) for each in found]
    yield _of_each("itembank_worker_seen_seconds", "Since the worker's last sign of life.", seen)
    for figure, (name, text) in WORKER_GAUGES.items():
        told = [(each, float(each.figures[figure])) for each in found if figure in each.figures]
        yield _of_each(name, text, told)
    models = GaugeMetricFamily(
        "itembank_worker_model_loaded", "1 for each model that the worker holds.", labels=[*WORKER_LABELS, "model"]
    )
    for each in found:
        for model in each.figures.get("models", []):
            models.add_metric([each.role, each.name, model], 1.0)
    yield models


def _up(found: list[Worker]) -> list[tuple[Worker, float]]:
    return [(each, float(each.state is not WorkerState.DEAD)) for each in found]


def _of_each(name: str, text: str, values: list[tuple[Worker, float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=WORKER_LABELS)
    for each, value in values:
        family.add_metric([each.role, each.name], value)
    return family


# ---- items


def item_metrics() -> Iterable[Metric]:
    counts = item_counts()
    by_category = {str(name): float(getattr(counts, name)) for name in Item.ItemCategory.values}
    yield gauges("itembank_items", "Items of the bank.", "category", by_category)
    uploads = by_state(UploadBatch, UploadBatch.State.values)
    yield gauges("itembank_uploads", "Uploads.", "state", uploads)
