"""Builds as pages and commands use them: the services, with a doorbell rung once the change is committed."""

from functools import partial

from django.contrib.auth.models import User
from django.db import transaction

from groundtruth import builds
from groundtruth.build_tasks import ring_build
from groundtruth.builds import BuildError, BuildPlan, cancel_build
from groundtruth.models import TruthSet

__all__ = ["BuildError", "BuildPlan", "build_again", "cancel_build", "start_build"]


def start_build(*, name: str, plan: BuildPlan, user: User | None = None) -> TruthSet:
    """See builds.create_build."""
    return _rung(builds.create_build(name=name, plan=plan, user=user))


def build_again(*, truth_set: TruthSet, user: User | None = None) -> TruthSet:
    """See builds.build_again."""
    return _rung(builds.build_again(truth_set=truth_set, user=user))


def _rung(truth_set: TruthSet) -> TruthSet:
    transaction.on_commit(partial(ring_build, truth_set.pk))
    return truth_set
