"""A report as files. Equal runs and settings give equal bytes."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

from django.utils.text import slugify

from evaluation.models import Report
from evaluation.report.content import document_of
from evaluation.report.document import Document
from evaluation.report.html import html_of
from evaluation.report.markdown import markdown_of
from evaluation.report.measuring import Measured, measure
from evaluation.report.pdf import pdf_of
from evaluation.report.tables import EPOCH, models_csv, queries_csv, xlsx_of

XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True, slots=True)
class ReportFile:
    name: str
    content_type: str
    held: bytes


@dataclass(frozen=True, slots=True)
class _Kind:
    ending: str
    content_type: str
    write: Callable[[Document, Measured], bytes]


KINDS: dict[str, tuple[_Kind, ...]] = {
    "html": (_Kind(".html", "text/html; charset=utf-8", lambda document, _measured: html_of(document)),),
    "md": (_Kind(".md", "text/markdown; charset=utf-8", lambda document, _measured: markdown_of(document)),),
    "xlsx": (_Kind(".xlsx", XLSX_TYPE, xlsx_of),),
    "csv": (
        _Kind("-queries.csv", "text/csv; charset=utf-8", lambda _document, measured: queries_csv(measured)),
        _Kind("-models.csv", "text/csv; charset=utf-8", lambda _document, measured: models_csv(measured)),
    ),
    "pdf": (_Kind(".pdf", "application/pdf", lambda document, _measured: pdf_of(html_of(document))),),
}
FORMATS = tuple(KINDS)


def files_of(report: Report, *formats: str) -> list[ReportFile]:
    """Two files for "csv", one for any other format. Raises PdfUnavailableError for "pdf" where it cannot be made."""
    measured = measure(report)
    document = document_of(report, measured)
    stem = slugify(report.title, allow_unicode=True)[:80] or "report"
    return [
        ReportFile(f"{stem}{kind.ending}", kind.content_type, kind.write(document, measured))
        for name in formats
        for kind in KINDS[name]
    ]


def download_of(report: Report, name: str) -> ReportFile:
    """One file for one click: several are put into a ZIP."""
    files = files_of(report, name)
    if len(files) == 1:
        return files[0]
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for each in files:
            archive.writestr(zipfile.ZipInfo(each.name, EPOCH), each.held, zipfile.ZIP_DEFLATED)
    stem = slugify(report.title, allow_unicode=True)[:80] or "report"
    return ReportFile(f"{stem}-{name}.zip", "application/zip", written.getvalue())
