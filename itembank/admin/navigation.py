"""The sidebar: what a person may open, in the order of the work."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    work = [
        _entry(request, _("Home"), "home", "admin:index"),
        _entry(request, _("Search"), "search", "item-search", "embeddings.search_items", alone=True),
        _entry(request, _("Search history"), "history", "search-history", "embeddings.search_items"),
        _entry(
            request, _("Thumbs"), "thumbs_up_down", "search-marks", "embeddings.add_searchmark",
            "embeddings.view_searchmark",
        ),
        _entry(request, _("Items"), "description", "admin:itembank_item_changelist", "itembank.view_item"),
        _entry(
            request, _("Uploads"), "upload_file", "admin:itembank_uploadbatch_changelist", "itembank.view_uploadbatch"
        ),
    ]  # fmt: skip
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
    judging = [
        _entry(
            request, _("Truth sets"), "fact_check", "admin:groundtruth_truthset_changelist",
            "groundtruth.view_truthset", "groundtruth.add_truthset",
        ),
        _entry(
            request, _("Review"), "rate_review", "admin:groundtruth_reviewround_changelist",
            "groundtruth.review_pairs", "groundtruth.view_reviewround",
        ),
        _entry(
            request, _("Judge jobs"), "gavel", "admin:groundtruth_judgejob_changelist",
            "groundtruth.view_judgejob", "groundtruth.add_judgejob", "groundtruth.can_spend",
        ),
        _entry(request, _("Prompts"), "chat", "admin:groundtruth_prompt_changelist", "groundtruth.view_prompt"),
        _entry(
            request, _("Prices of models"), "sell", "admin:groundtruth_modelprice_changelist",
            "groundtruth.view_modelprice", "groundtruth.can_spend",
        ),
        _entry(
            request, _("Ledger"), "receipt_long", "admin:groundtruth_ledgerentry_changelist",
            "groundtruth.view_ledgerentry",
        ),
        _entry(
            request, _("Spending by day"), "payments", "admin:groundtruth_spendday_changelist",
            "groundtruth.view_spendday",
        ),
        _entry(request, _("Audit trail"), "history", "admin:groundtruth_change_changelist", "groundtruth.view_change"),
    ]  # fmt: skip
    evaluating = [
        _entry(
            request, _("Evaluation runs"), "science", "admin:evaluation_evaluationrun_changelist",
            "evaluation.view_evaluationrun",
        ),
        _entry(
            request, _("Performance runs"), "speed", "admin:evaluation_performancerun_changelist",
            "evaluation.view_performancerun",
        ),
        _entry(request, _("Criteria"), "rule", "admin:evaluation_criterion_changelist", "evaluation.view_criterion"),
        _entry(request, _("Reports"), "summarize", "admin:evaluation_report_changelist", "evaluation.view_report"),
    ]  # fmt: skip
    people = [
        _entry(request, _("Users"), "person", "admin:auth_user_changelist", "auth.view_user"),
        _entry(request, _("Groups"), "group", "admin:auth_group_changelist", "auth.view_group"),
        _entry(
            request, _("API tokens"), "key", "admin:itembank_apitoken_changelist", "itembank.view_apitoken",
            "itembank.add_apitoken",
        ),
        _entry(request, _("API calls"), "receipt", "admin:itembank_apicall_changelist", "itembank.view_apicall"),
    ]  # fmt: skip
    return [
        {"title": "", "items": work},
        {"title": _("Embeddings"), "items": engines},
        {"title": _("Ground truth"), "items": judging},
        {"title": _("Evaluation"), "items": evaluating},
        {"title": _("Accounts"), "items": people},
    ]


def _entry(
    request: HttpRequest, title: str, icon: str, view: str, *permissions: str, alone: bool = False
) -> dict[str, Any]:
    """A line for who has any of the permissions; for everybody where none is named.

    It is marked on every page below its own; `alone`, on its own only, as other lines lead to those below.
    """
    allowed = not permissions or any(map(request.user.has_perm, permissions))
    line = {"title": title, "icon": icon, "link": reverse(view), "permission": lambda _request: allowed}
    return line | {"active": request.path == line["link"]} if alone else line
