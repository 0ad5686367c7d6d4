"""Numbers about vectors and jobs in the words of the pages."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.db.models import QuerySet
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from embeddings.models import EmbeddingJob, Encoder, JobItem
from embeddings.selectors import Coverage, Progress, coverage, progress, progress_of

COVERAGE_KEPT_FOR = 20
"""How many times as long as it took a coverage is kept: a large bank is counted rarely, a small one always."""

STATE_LOOKS = {
    EmbeddingJob.State.RUNNING: "ib-run",
    EmbeddingJob.State.PAUSED: "ib-warn",
    EmbeddingJob.State.COMPLETED: "ib-good",
    EmbeddingJob.State.COMPLETED_WITH_FAILURES: "ib-bad",
    EmbeddingJob.State.CANCELLED: "",
}


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a bar: a class of the stylesheet, its words, how many, and of a hundred."""

    look: str
    label: str
    count: int
    percent: float


def recent_coverage(encoder: Encoder) -> Coverage:
    """The encoder's coverage, counted within the last seconds."""
    key = f"coverage-{encoder.pk}"
    kept: Coverage | None = cache.get(key)
    if kept is None:
        started = time.monotonic()
        kept = coverage(encoder)
        cache.set(key, kept, timeout=COVERAGE_KEPT_FOR * (time.monotonic() - started))
    return kept


def coverage_parts(covered: Coverage) -> list[Part]:
    labels = {
        "embedded": ("ib-done", _("embedded")),
        "stale": ("ib-outdated", _("outdated")),
        "quarantined": ("ib-failed", _("quarantined")),
        "missing": ("ib-missing", _("missing")),
    }
    counts = ((look, label, getattr(covered, name)) for name, (look, label) in labels.items())
    return list(_parts(counts, covered.total))


def progress_parts(counted: Progress) -> list[Part]:
    looks = {
        JobItem.State.DONE: ("ib-done", counted.done),
        JobItem.State.QUARANTINED: ("ib-failed", counted.quarantined),
        JobItem.State.LEASED: ("ib-leased", counted.leased),
        JobItem.State.PENDING: ("ib-pending", counted.pending),
    }
    return list(_parts(((look, str(state.label), n) for state, (look, n) in looks.items()), counted.total))


def _parts(counts: Iterator[tuple[str, str, int]], total: int) -> Iterator[Part]:
    return (Part(look, label, n, round(100 * n / total, 2) if total else 0) for look, label, n in counts)


def running_jobs() -> list[EmbeddingJob]:
    unfinished = [EmbeddingJob.State.RUNNING, EmbeddingJob.State.PAUSED]
    return with_progress(EmbeddingJob.objects.filter(state__in=unfinished).select_related("encoder"))


def with_progress(jobs: QuerySet[EmbeddingJob] | list[EmbeddingJob]) -> list[EmbeddingJob]:
    """The jobs, each with its `counted` progress and `parts`, from one query for all."""
    chosen = list(jobs)
    counted = progress_of(chosen)
    for job in chosen:
        job.counted = counted[job.pk]  # type: ignore[attr-defined]
        job.parts = progress_parts(counted[job.pk])  # type: ignore[attr-defined]
        job.look = STATE_LOOKS[EmbeddingJob.State(job.state)]  # type: ignore[attr-defined]
    return chosen


def live(job: EmbeddingJob) -> dict[str, Any]:
    """What the job page shows and asks for again every other second."""
    counted = progress(job)
    return {
        "state": job.state,
        "state_label": str(EmbeddingJob.State(job.state).label),
        "look": STATE_LOOKS[EmbeddingJob.State(job.state)],
        "error": job.error,
        "percent": counted.percent,
        "finished": counted.finished,
        "total": counted.total,
        "parts": [
            {"look": part.look, "label": part.label, "count": part.count, "percent": part.percent}
            for part in progress_parts(counted)
        ],
        "rate": _rate(counted) if job.state == EmbeddingJob.State.RUNNING else "–",
        "left": _left(counted) if job.state == EmbeddingJob.State.RUNNING else "–",
    }


def _rate(counted: Progress) -> str:
    if counted.items_per_second is None:
        return "–"
    return _("%(n)s items/s") % {"n": number_format(counted.items_per_second, 1)}


def _left(counted: Progress) -> str:
    return "–" if counted.seconds_left is None else duration(counted.seconds_left)


def duration(seconds: float) -> str:
    """A length of time as a person says it: "40 s", "3 min", "2 h 5 min"."""
    minutes = round(seconds / 60)
    if seconds < 60:
        return _("%(n)s s") % {"n": round(seconds)}
    if minutes < 60:
        return _("%(n)s min") % {"n": minutes}
    return _("%(hours)s h %(minutes)s min") % {"hours": minutes // 60, "minutes": minutes % 60}
