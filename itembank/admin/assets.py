"""The bank's own files that every admin page loads."""

from django.http import HttpRequest
from django.templatetags.static import static


def style(request: HttpRequest) -> str:
    return static("itembank/face.css")


def favicon(request: HttpRequest) -> str:
    return static("itembank/favicon.svg")
