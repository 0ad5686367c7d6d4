"""The three roles that come ready. They are made once: how a team changes them afterwards stays.

Seeing, reviewing, spending and freezing are separate permissions. No role touches accounts, and none can delete items.
"""

from typing import Any

from django.apps import apps as installed
from django.apps.registry import Apps
from django.contrib.auth.models import Group, Permission

CONTENT_STAFF = "콘텐츠 담당 / Content staff"
ENGINEER = "엔지니어 / Engineer"
LEAD = "리드 / Lead"

_SEE_TRUTH = frozenset(
    f"groundtruth.view_{model}"
    for model in ("truthset", "truthitem", "truthquery", "truthpair", "judgement", "reviewround")
)
_SEARCH = frozenset({"itembank.view_item", "itembank.view_itemimage", "embeddings.search_items"})
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
    "embeddings.view_reranker",
    "embeddings.delete_reranker",
    "embeddings.add_embeddingjob",
    "embeddings.change_embeddingjob",
    "embeddings.view_embeddingjob",
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
    ENGINEER: _SEARCH | _SEE_TRUTH | _ENCODERS | _TRUTH_BUILDING,
    LEAD: _SEARCH | _SEE_TRUTH | _CONTENT | _ENCODERS | _TRUTH_BUILDING | _LEADING,
}


def make_missing_roles(*, using: str, apps: Apps = installed, **_signal: Any) -> None:
    """After each migrate, and each flush (which names no `apps`): the roles that are not there.

    A bank migrated in part gets them with its last migration.
    """
    try:
        apps.get_model("auth", "Group")
        apps.get_model("auth", "Permission")
    except LookupError:
        return
    permissions = _permissions(using)
    for name, wanted in ROLES.items():
        if wanted <= permissions.keys() and not Group.objects.using(using).filter(name=name).exists():
            group = Group.objects.using(using).create(name=name)
            group.permissions.set([permissions[each] for each in wanted])


def _permissions(using: str) -> dict[str, Permission]:
    found = Permission.objects.using(using).select_related("content_type")
    return {f"{each.content_type.app_label}.{each.codename}": each for each in found}
