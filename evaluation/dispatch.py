"""Evaluation runs as pages and commands use them: the services, with a doorbell rung once the change is committed."""

from functools import partial

from django.contrib.auth.models import User
from django.db import transaction

from evaluation import run_services
from evaluation.matrix import Matrix, Skipped, create_matrix
from evaluation.models import EvaluationRun
from evaluation.run_services import cancel_run
from evaluation.run_settings import RunSettings
from evaluation.tasks import ring
from groundtruth.models import TruthSet

__all__ = ["cancel_run", "resume_run", "start_matrix", "start_run"]


def start_run(
    *, truth_set: TruthSet, settings: RunSettings, name: str = "", matrix: str = "", user: User | None = None
) -> EvaluationRun:
    """See run_services.create_run."""
    run = run_services.create_run(truth_set=truth_set, settings=settings, name=name, matrix=matrix, user=user)
    transaction.on_commit(partial(ring, run))
    return run


def resume_run(*, run: EvaluationRun) -> None:
    """See run_services.resume_run."""
    run_services.resume_run(run=run)
    transaction.on_commit(partial(ring, run))


def start_matrix(matrix: Matrix, *, name: str, user: User | None = None) -> tuple[list[EvaluationRun], list[Skipped]]:
    """See matrix.create_matrix."""
    runs, skipped = create_matrix(matrix, name=name, user=user)
    for run in runs:
        if run.state == EvaluationRun.State.WAITING:
            transaction.on_commit(partial(ring, run))
    return runs, skipped
