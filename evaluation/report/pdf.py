"""PDF by WeasyPrint, which is optional: it needs libraries of the system (Pango), so that the base goes without."""

from importlib import import_module
from typing import Any

from django.utils.translation import gettext as _


class PdfUnavailableError(Exception):
    """PDF cannot be made here; the message says what to install, or what to do instead."""


def pdf_of(html: bytes) -> bytes:
    """The printed page. Fetches nothing: the file holds all it needs."""
    weasyprint = _weasyprint()
    made: bytes = weasyprint.HTML(string=html.decode(), url_fetcher=_nothing).write_pdf()
    return made


def is_available() -> bool:
    try:
        _weasyprint()
    except PdfUnavailableError:
        return False
    return True


def _weasyprint() -> Any:
    try:
        return import_module("weasyprint")
    except (ImportError, OSError) as error:  # OSError: the package is there, a library of the system is not
        raise PdfUnavailableError(
            _(
                "PDF needs WeasyPrint and Pango, which are not installed here: “pip install weasyprint” and “apt "
                "install libpango-1.0-0 libpangoft2-1.0-0 fonts-noto-cjk”. "
                "Or print the HTML file to PDF from a browser."
            )
        ) from error


def _nothing(url: str, *_args: Any, **_options: Any) -> Any:
    raise ValueError(f"A report loads nothing: {url[:80]!r}")
