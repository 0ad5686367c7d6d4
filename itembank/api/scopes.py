"""What a token may be allowed. Each scope stands for permissions: a signed-in person has the same rights here."""

from enum import StrEnum

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, PermissionsMixin
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Scope(StrEnum):
    SEARCH = "search"
    ITEMS_READ = "items:read"
    ENCODERS_READ = "encoders:read"
    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    TRUTH_READ = "truth:read"
    RUNS_READ = "runs:read"


LABELS: dict[Scope, Promise] = {
    Scope.SEARCH: _("Search for items"),
    Scope.ITEMS_READ: _("Read items and their images"),
    Scope.ENCODERS_READ: _("Read encoders"),
    Scope.JOBS_READ: _("Read embedding jobs"),
    Scope.JOBS_WRITE: _("Start, pause, resume and cancel embedding jobs"),
    Scope.TRUTH_READ: _("Read truth sets and their pairs"),
    Scope.RUNS_READ: _("Read evaluation runs and their metrics"),
}

PERMISSIONS: dict[Scope, tuple[str, ...]] = {
    Scope.SEARCH: ("embeddings.search_items",),
    Scope.ITEMS_READ: ("itembank.view_item", "itembank.view_itemimage"),
    Scope.ENCODERS_READ: ("embeddings.view_encoder",),
    Scope.JOBS_READ: ("embeddings.view_embeddingjob",),
    Scope.JOBS_WRITE: ("embeddings.add_embeddingjob", "embeddings.change_embeddingjob"),
    Scope.TRUTH_READ: ("groundtruth.view_truthset", "groundtruth.view_truthpair"),
    Scope.RUNS_READ: ("evaluation.view_evaluationrun",),
}
"""A person who has all of them has the scope."""

CHANGING = frozenset({Scope.JOBS_WRITE})
"""Calls under these scopes change something, and leave a row in the record of calls."""


def scopes_of(user: AbstractBaseUser | AnonymousUser) -> frozenset[Scope]:
    """What the person may do here, and may hand on to a token."""
    if not isinstance(user, PermissionsMixin):
        return frozenset()
    return frozenset(scope for scope, needed in PERMISSIONS.items() if user.has_perms(needed))
