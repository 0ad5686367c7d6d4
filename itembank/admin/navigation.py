"""The sidebar: what a person may open, in the order of the work."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    work = [
        _entry(request, _("Home"), "home", "admin:index"),
        _entry(request, _("Search"), "search", "item-search", "embeddings.search_items"),
        _entry(request, _("Items"), "description", "admin:itembank_item_changelist", "itembank.view_item"),
        _entry(
            request, _("Uploads"), "upload_file", "admin:itembank_uploadbatch_changelist", "itembank.view_uploadbatch"
        ),
    ]
    engines = [
        _entry(request, _("Encoders"), "hub", "admin:embeddings_encoder_changelist", "embeddings.view_encoder"),
        _entry(
            request, _("Rerankers"), "swap_vert", "admin:embeddings_reranker_changelist", "embeddings.view_reranker"
        ),
        _entry(
            request, _("Jobs"), "pending_actions", "admin:embeddings_embeddingjob_changelist",
            "embeddings.view_embeddingjob",
        ),
    ]  # fmt: skip
    people = [
        _entry(request, _("Users"), "person", "admin:auth_user_changelist", "auth.view_user"),
        _entry(request, _("Groups"), "group", "admin:auth_group_changelist", "auth.view_group"),
    ]
    return [
        {"title": "", "items": work},
        {"title": _("Embeddings"), "items": engines},
        {"title": _("Accounts"), "items": people},
    ]


def _entry(request: HttpRequest, title: str, icon: str, view: str, permission: str = "") -> dict[str, Any]:
    allowed = not permission or request.user.has_perm(permission)
    return {"title": title, "icon": icon, "link": reverse(view), "permission": lambda _request: allowed}
