"""What may be done with evaluation runs. Each function owns its transaction; evaluation/engine/run.py does the work."""

from dataclasses import replace
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from evaluation.engine.fingerprints import Fingerprints, run_fingerprint
from evaluation.engine.queries import read_queries
from evaluation.models import EvaluationRun
from evaluation.run_settings import EvaluationError, RunSettings
from groundtruth.models import TruthSet
from groundtruth.set_services import SetError, freeze_set

State = EvaluationRun.State
UNFINISHED = (State.WAITING, State.RUNNING)
SILENT = timedelta(seconds=60)


@transaction.atomic
def create_run(
    *,
    truth_set: TruthSet,
    settings: RunSettings,
    name: str = "",
    matrix: str = "",
    user: User | None = None,
    fingerprints: Fingerprints | None = None,
) -> EvaluationRun:
    """A waiting run, its settings frozen with the fingerprints of all that they name. Freezes the truth set.

    `fingerprints` are shared by runs that are made together: the bank is then read once.
    Raises EvaluationError for what is not there or cannot be asked that way, also where the truth cannot be frozen.
    """
    frozen = _frozen_truth(truth_set, user)
    present = fingerprints or Fingerprints()
    settings = replace(settings, fingerprints=present.of(frozen, settings))
    queries = read_queries(frozen, settings)
    if not queries:
        raise EvaluationError(_("No query of “%(truth)s” can be asked that way.") % {"truth": frozen})
    return EvaluationRun.objects.create(
        name=name.strip() or default_name(frozen, settings),
        truth_set=frozen,
        configuration=settings.as_json(),
        fingerprint=run_fingerprint(settings),
        matrix=matrix,
        total=len(queries),
        corpus_items=len(present.corpus(frozen, settings).ids),
        created_by=user,
    )


def default_name(truth_set: TruthSet, settings: RunSettings) -> str:
    """Such as "kmwps v1 · hybrid .5 · kure-v1 · text" """
    method = f"{settings.method} {settings.alpha:g}" if settings.method == "hybrid" else settings.method
    view = "" if settings.query_view == "item" and settings.corpus == "all" else (
        f"{settings.query_view} → {settings.corpus}"
    )  # fmt: skip
    parts = (str(truth_set), method, "+".join(settings.encoders), view, settings.reranker)
    return " · ".join(part for part in parts if part)[:200]


def same_run(run: EvaluationRun) -> EvaluationRun | None:
    """A completed run with the same rankings, made earlier."""
    return EvaluationRun.objects.filter(fingerprint=run.fingerprint, state=State.COMPLETED).exclude(pk=run.pk).first()


def cancel_run(*, run: EvaluationRun) -> None:
    """End the run where it stands; the rankings it has stay. Raises EvaluationError where it has ended."""
    unfinished = EvaluationRun.objects.filter(pk=run.pk, state__in=UNFINISHED)
    if not unfinished.update(state=State.CANCELLED, finished_at=timezone.now()):
        raise EvaluationError(_("Run %(id)s has ended already.") % {"id": run.pk})
    run.refresh_from_db()


def resume_run(*, run: EvaluationRun) -> None:
    """Go on with a failed or cancelled run behind the rankings that it has. Raises EvaluationError."""
    ended = EvaluationRun.objects.filter(pk=run.pk, state__in=[State.FAILED, State.CANCELLED])
    if not ended.update(state=State.WAITING, error="", attempts=0, heartbeat_at=None, finished_at=None):
        raise EvaluationError(_("Run %(id)s is at work or complete.") % {"id": run.pk})
    run.refresh_from_db()


def silent_runs() -> QuerySet[EvaluationRun]:
    """Unfinished runs of which no worker has given a sign of life for a while."""
    signs = EvaluationRun.objects.filter(state__in=UNFINISHED).annotate(sign=Coalesce("heartbeat_at", "created_at"))
    return signs.filter(sign__lt=timezone.now() - SILENT).order_by("pk")


def _frozen_truth(truth_set: TruthSet, user: User | None) -> TruthSet:
    if truth_set.frozen:
        return truth_set
    try:
        return freeze_set(truth_set=truth_set, user=user)
    except SetError as error:
        raise EvaluationError(str(error)) from error
