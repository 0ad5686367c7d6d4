"""The three roles that come ready, and how they come by permissions.

Each permission is granted to a role once, after the migrate that brings it, and a row (RoleGrant) remembers that. So a
new permission reaches a bank of any age, and what a team takes from a role stays away. A deleted role comes back.

Seeing, reviewing, spending and freezing are separate permissions. No role touches accounts, and none can delete items.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.apps import AppConfig
from django.apps import apps as installed
from django.apps.registry import Apps
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models.signals import post_migrate

from groundtruth.models import RoleGrant

CONTENT_STAFF = "콘텐츠 담당 / Content staff"
ENGINEER = "엔지니어 / Engineer"
LEAD = "리드 / Lead"

_SEE_TRUTH = frozenset(
    f"groundtruth.view_{model}"
    for model in ("truthset", "truthitem", "truthquery", "truthpair", "judgement", "reviewround")
)
_SEARCH = frozenset(
    {"itembank.view_item", "itembank.view_itemimage", "embeddings.search_items", "embeddings.add_searchmark"}
)
_CONTENT = {
    "itembank.add_uploadbatch",
    "itembank.view_uploadbatch",
    "itembank.view_uploadrow",
    "itembank.import_uploads",
    "itembank.add_item",
    "itembank.change_item",
    "itembank.add_itemimage",
    "itembank.change_itemimage",
    "itembank.delete_itemimage",
    "groundtruth.review_pairs",
}
_ENCODERS = {
    "embeddings.add_encoder",
    "embeddings.change_encoder",
    "embeddings.view_encoder",
    "embeddings.delete_encoder",
    "embeddings.activate_encoder",
    "embeddings.add_reranker",
    "embeddings.change_reranker",
    "embeddings.view_reranker",
    "embeddings.delete_reranker",
    "embeddings.add_embeddingjob",
    "embeddings.change_embeddingjob",
    "embeddings.view_embeddingjob",
}
_CONNECTING = {
    "embeddings.view_searchmark",
    "itembank.add_apitoken",
    "itembank.change_apitoken",
    "itembank.view_apitoken",
    "itembank.view_apicall",
}
_TRUTH_BUILDING = {
    "groundtruth.add_truthset",
    "groundtruth.change_truthset",
    "groundtruth.delete_truthset",
    "groundtruth.add_truthpair",
    "groundtruth.change_truthpair",
    "groundtruth.add_reviewround",
    "groundtruth.change_reviewround",
    "groundtruth.add_prompt",
    "groundtruth.view_prompt",
    "groundtruth.add_judgejob",
    "groundtruth.change_judgejob",
    "groundtruth.view_judgejob",
    "groundtruth.view_judgequestion",
    "groundtruth.view_judgebatch",
    "groundtruth.view_modelprice",
    "groundtruth.view_ledgerentry",
    "groundtruth.view_spendday",
}
_LEADING = {
    "groundtruth.delete_reviewround",
    "groundtruth.can_spend",
    "groundtruth.freeze_truthset",
    "groundtruth.view_change",
    "groundtruth.add_modelprice",
    "groundtruth.change_modelprice",
}

ROLES: dict[str, frozenset[str]] = {
    CONTENT_STAFF: _SEARCH | _SEE_TRUTH | _CONTENT,
    ENGINEER: _SEARCH | _SEE_TRUTH | _ENCODERS | _CONNECTING | _TRUTH_BUILDING,
    LEAD: _SEARCH | _SEE_TRUTH | _CONTENT | _ENCODERS | _CONNECTING | _TRUTH_BUILDING | _LEADING,
}


def offer(sender: AppConfig, grants: Mapping[str, frozenset[str]]) -> None:
    """Grant each of these (by the role's name, as "app.codename") once, as soon as it is there.

    For the `ready` of an app after django.contrib.auth, whose handler makes the app's permissions first.
    """
    handler = partial(_grant_what_is_new, grants)
    post_migrate.connect(handler, sender=sender, weak=False, dispatch_uid=f"{sender.name}.roles")


def _grant_what_is_new(
    grants: Mapping[str, frozenset[str]], *, using: str, apps: Apps = installed, **_signal: Any
) -> None:
    """After each migrate, and each flush, which names no `apps`. A bank may be migrated in part."""
    try:
        for app, model in (("auth", "Group"), ("auth", "Permission"), ("groundtruth", "RoleGrant")):
            apps.get_model(app, model)
    except LookupError:
        return
    known = _permissions(using)
    with transaction.atomic(using=using):
        for role, wanted in grants.items():
            group, _made = Group.objects.using(using).get_or_create(name=role)
            _offer_once(group, [known[each] for each in sorted(wanted & known.keys())], using)


def _offer_once(group: Group, wanted: list[Permission], using: str) -> None:
    offers = RoleGrant.objects.using(using)
    offered = set(offers.filter(group=group).values_list("permission", flat=True))
    new = [each for each in wanted if each.pk not in offered]
    group.permissions.add(*new)
    offers.bulk_create([RoleGrant(group=group, permission=each) for each in new], ignore_conflicts=True)


def _permissions(using: str) -> dict[str, Permission]:
    found = Permission.objects.using(using).select_related("content_type")
    return {f"{each.content_type.app_label}.{each.codename}": each for each in found}
