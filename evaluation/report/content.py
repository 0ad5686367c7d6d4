"""A report's sections, in the language of the moment."""

from typing import Any

from django.core.cache import cache
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from evaluation.figures import KEPT_FOR
from evaluation.models import Report
from evaluation.report import accuracy, appendix, comparing, conclusions, errors, opening, speed
from evaluation.report.document import Document
from evaluation.report.measuring import Measured, measure
from evaluation.report.numbers import outcome_words

VERSION = 1  # of what is kept
SECTIONS = (
    opening.verdict, opening.key_figures, opening.environment, opening.data_set, accuracy.overall, accuracy.by_slice,
    accuracy.by_model, accuracy.by_truth, comparing.comparison, speed.performance, conclusions.analysis, errors.errors,
    conclusions.recommendations, appendix.appendix,
)  # fmt: skip


def content(measured: Measured) -> Document:
    """The same for the same runs, whenever it is made: no date but those of the runs is in it."""
    candidate, baseline = measured.candidate, measured.baseline
    subtitle = _("Run: %(run)s") % {"run": candidate.run.name}
    if baseline:
        subtitle += " · " + _("baseline: %(run)s") % {"run": baseline.run.name}
    return Document(
        measured.report.title,
        subtitle,
        get_language() or "en",
        measured.decision,
        outcome_words(measured.decision.outcome),
        tuple(section(measured) for section in SECTIONS),
    )


def report_page(report: Report) -> dict[str, Any]:
    """What evaluation/report_body.html needs; that page links evaluation/report.css."""
    return {"report": report, "document": document_of(report)}


def document_of(report: Report, measured: Measured | None = None) -> Document:
    """Kept for a while, by language: with 10,000 queries it takes half a minute to make, and it does not change."""
    key = f"evaluation-report-{VERSION}-{report.pk}-{report.created_at.timestamp()}-{get_language()}"
    kept: Document | None = cache.get(key)
    if kept is None:
        kept = content(measured or measure(report))
        cache.set(key, kept, KEPT_FOR)
    return kept
