"""`manage.py embed`: embed items with an encoder, on the worker."""

import json
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, connection
from django.utils.translation import gettext as _
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar

from embeddings.dispatch import start_job, sweep
from embeddings.encoders.errors import EncoderError
from embeddings.encoders.presets import PRESETS
from embeddings.gpu import SLOT
from embeddings.models import EmbeddingJob, Encoder
from embeddings.selectors import Progress, progress, quarantined_rows, with_all_parts
from embeddings.services import get_or_create_encoder
from itembank.processes import ChildProcess, Supervisor, ended_like_ctrl_c, worker_process

SCOPES = (EmbeddingJob.Scope.MISSING, EmbeddingJob.Scope.ALL, EmbeddingJob.Scope.FAILED)
POLL_SECONDS = 0.5
OUTAGE_SECONDS = 60
# One item that kills its worker is quarantined after four deaths.
DEATHS_WITHOUT_PROGRESS = 6
SHOWN_FAILURES = 20


class Command(BaseCommand):
    help = "Embed items with an encoder. Without --wait, the job is left to the worker."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--encoder", required=True, metavar="SLUG", help=_("An encoder, or a preset to make one."))
        parser.add_argument("--scope", choices=[scope.value for scope in SCOPES], default="missing")
        parser.add_argument("--wait", action="store_true", help=_("Wait for the end; run a worker where none runs."))
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, *args: Any, encoder: str, scope: str, wait: bool, as_json: bool, **options: Any) -> None:
        chosen = find_encoder(encoder)
        job = start_job(encoder=chosen, scope=scope)
        if wait and job.state == EmbeddingJob.State.RUNNING:
            self._wait_for([*jobs_before(job), job], quiet=as_json)
        self._report(job, waited=wait, as_json=as_json)

    # ---- waiting

    def _wait_for(self, jobs: list[EmbeddingJob], *, quiet: bool) -> None:
        with ended_like_ctrl_c(), self._worker(quiet=quiet) as worker:
            try:
                for job in jobs:
                    self._watch(job, worker, quiet=quiet)
            except KeyboardInterrupt:
                raise CommandError(
                    _("Job %(id)s is not finished. A worker goes on with it: manage.py worker gpu.") % {"id": job.pk}
                ) from None

    @contextmanager
    def _worker(self, *, quiet: bool) -> Iterator[ChildProcess | None]:
        """A worker for the time, restarted when an item kills it, where this machine has none."""
        if not SLOT.is_free():
            yield None
            return
        worker = worker_process("worker-gpu", "gpu", settings.HOME_DIR / "log")
        if not quiet:
            self.stdout.write(_("No GPU worker runs on this machine; one is started for this job."))
        with Supervisor([worker]):
            yield worker

    def _watch(self, job: EmbeddingJob, worker: ChildProcess | None, *, quiet: bool) -> None:
        """Return once the job has ended. Raises CommandError where it cannot."""
        patience, swept = Patience(worker), time.monotonic()
        with self._bar(job, quiet=quiet) as bar:
            while job.state == EmbeddingJob.State.RUNNING:
                time.sleep(POLL_SECONDS)
                with patience.through_outages():
                    if time.monotonic() - swept > settings.SWEEP_SECONDS:
                        sweep()
                        swept = time.monotonic()
                    job.refresh_from_db()
                    counted = progress(job)
                    patience.check(counted)
                    bar.update(bar.task_ids[0], total=counted.total, completed=counted.finished)

    def _bar(self, job: EmbeddingJob, *, quiet: bool) -> ProgressBar:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        bar = ProgressBar(*columns, disable=quiet or not self.stdout.isatty())
        bar.add_task(_("Job %(id)s") % {"id": job.pk}, total=None)
        return bar

    # ---- reporting

    def _report(self, job: EmbeddingJob, *, waited: bool, as_json: bool) -> None:
        counted = progress(job)
        self.stdout.write(json.dumps(summary(job, counted), ensure_ascii=False) if as_json else sentence(job, counted))
        if not waited:
            return
        if job.state in {EmbeddingJob.State.PAUSED, EmbeddingJob.State.CANCELLED}:
            raise CommandError(job.error or _("The job is %(state)s.") % {"state": job.get_state_display()})
        if counted.quarantined:
            raise CommandError("\n".join([_("These items could not be embedded:"), *failure_lines(job, counted)]))


class Patience:
    """How long a waiting command bears a silent database, or a worker that dies again and again."""

    def __init__(self, worker: ChildProcess | None) -> None:
        self._worker = worker
        self._finished = -1
        self._restarts = 0
        self._answered_at = time.monotonic()

    @contextmanager
    def through_outages(self) -> Iterator[None]:
        try:
            yield
            self._answered_at = time.monotonic()
        except (OperationalError, InterfaceError) as error:
            connection.close()
            if time.monotonic() - self._answered_at > OUTAGE_SECONDS:
                raise CommandError(_("The database does not answer: %(error)s") % {"error": error}) from error

    def check(self, counted: Progress) -> None:
        if self._worker is None:
            return
        if counted.finished != self._finished:
            self._finished, self._restarts = counted.finished, self._worker.restarts
        if self._worker.restarts - self._restarts >= DEATHS_WITHOUT_PROGRESS:
            log = settings.HOME_DIR / "log" / "worker-gpu.log"
            raise CommandError(_("The worker dies again and again; see %(log)s.") % {"log": log})


def jobs_before(job: EmbeddingJob) -> list[EmbeddingJob]:
    """Running jobs that the worker does first: earlier ones of the encoder, and those of its parts."""
    encoders = with_all_parts(job.encoder)
    earlier = EmbeddingJob.objects.filter(encoder__in=encoders, state=EmbeddingJob.State.RUNNING, pk__lt=job.pk)
    return list(earlier.order_by("pk"))


def find_encoder(slug: str) -> Encoder:
    """The encoder, made from its preset at first use. Raises CommandError naming all there are."""
    existing = Encoder.objects.filter(slug=slug).first()
    if existing is not None:
        return existing
    if slug in PRESETS:
        try:
            return get_or_create_encoder(preset=slug)
        except EncoderError as error:
            raise CommandError(str(error)) from error
    encoders = ", ".join(Encoder.objects.values_list("slug", flat=True)) or "-"
    raise CommandError(
        _("There is no encoder “%(slug)s”. Encoders: %(encoders)s. Presets: %(presets)s.")
        % {"slug": slug, "encoders": encoders, "presets": ", ".join(PRESETS)}
    )


def sentence(job: EmbeddingJob, counted: Progress) -> str:
    if not counted.total:
        return _("Nothing to do: no item of this scope is without its vector.")
    return _("Job %(id)s, %(state)s: %(done)s of %(total)s embedded, %(quarantined)s quarantined.") % {
        "id": job.pk,
        "state": job.get_state_display(),
        "done": counted.done,
        "total": counted.total,
        "quarantined": counted.quarantined,
    }


def summary(job: EmbeddingJob, counted: Progress) -> dict[str, Any]:
    """What --json prints."""
    seconds = (job.finished_at - job.created_at).total_seconds() if job.finished_at else None
    return {
        "job": job.pk,
        "encoder": job.encoder.slug,
        "scope": job.scope,
        "state": job.state,
        "total": counted.total,
        "embedded": counted.done,
        "quarantined": counted.quarantined,
        "waiting": counted.pending + counted.leased,
        "seconds": seconds,
        "failures": [{"code": row.item.code, "reason": row.reason} for row in quarantined_rows(job)],
        "error": job.error,
    }


def failure_lines(job: EmbeddingJob, counted: Progress) -> list[str]:
    lines = [f"  {row.item.code}: {row.reason}" for row in quarantined_rows(job)[:SHOWN_FAILURES]]
    more = counted.quarantined - len(lines)
    return [*lines, _("  and %(count)d more") % {"count": more}] if more > 0 else lines
