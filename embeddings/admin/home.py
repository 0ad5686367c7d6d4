"""What the first page shows: the bank, its vectors, and what runs."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from embeddings.admin.reading import coverage_parts, recent_coverage, running_jobs
from embeddings.models import Encoder
from itembank.bank import item_counts
from itembank.models import UploadBatch

SHOWN_UPLOADS = 5


def home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """A handful of queries, whatever the size of the bank; only what the person may see. unfold calls it."""
    may = request.user.has_perm
    context |= {"title": _("Home"), "home_sections": ["embeddings/home.html"]}
    if may("itembank.view_item"):
        context["counts"] = item_counts()
    if may("embeddings.view_encoder"):
        context["coverage"] = [_covered(encoder) for encoder in Encoder.objects.order_by("-is_active", "slug")]
    if may("embeddings.view_embeddingjob"):
        context["jobs"] = running_jobs()
    if may("itembank.view_uploadbatch"):
        context["uploads"] = UploadBatch.objects.select_related("created_by")[:SHOWN_UPLOADS]
    return context


def _covered(encoder: Encoder) -> dict[str, Any]:
    covered = recent_coverage(encoder)
    return {"encoder": encoder, "covered": covered, "parts": coverage_parts(covered)}
