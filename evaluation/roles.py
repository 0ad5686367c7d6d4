"""What the three roles of groundtruth/roles.py may do with evaluations.

A role gets these permissions once, as soon as both are there: one that has any permission of this app stays as it is.
"""

from typing import Any

from django.apps import apps as installed
from django.apps.registry import Apps
from django.contrib.auth.models import Group, Permission

from groundtruth.roles import CONTENT_STAFF, ENGINEER, LEAD

_SEE = frozenset(
    f"view_{model}" for model in ("evaluationrun", "queryranking", "performancerun", "criterion", "report")
)
_WORK = {"add_evaluationrun", "change_evaluationrun", "add_report"}
_DECIDE = {"add_criterion", "change_criterion", "delete_criterion", "delete_report"}

GRANTS: dict[str, frozenset[str]] = {
    CONTENT_STAFF: frozenset({"view_report"}),
    ENGINEER: _SEE | _WORK,
    LEAD: _SEE | _WORK | _DECIDE,
}


def grant_roles(*, using: str, apps: Apps = installed, **_signal: Any) -> None:
    """Give the roles this app's permissions, after a migration that made both; see the top of this module."""
    try:
        apps.get_model("auth", "Group")
        apps.get_model("auth", "Permission")
    except LookupError:
        return
    mine = Permission.objects.using(using).filter(content_type__app_label="evaluation")
    known = {each.codename: each for each in mine}
    for group in Group.objects.using(using).filter(name__in=GRANTS).exclude(permissions__in=mine):
        if GRANTS[group.name] <= known.keys():
            group.permissions.add(*(known[name] for name in GRANTS[group.name]))
