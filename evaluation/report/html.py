"""One HTML file that holds all it needs: style and charts within, no script, nothing loaded from anywhere."""

from pathlib import Path

from django.template.loader import render_to_string
from django.utils.safestring import mark_safe

from evaluation.report.document import Document

STYLE = Path(__file__).parent.parent / "static" / "evaluation" / "report.css"


def html_of(document: Document) -> bytes:
    style = STYLE.read_text(encoding="utf-8")
    context = {"document": document, "style": mark_safe(style)}  # noqa: S308  our own file
    return render_to_string("evaluation/report.html", context).encode()
