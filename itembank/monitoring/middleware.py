"""Answers machines before anything can refuse them."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed

from itembank.monitoring.views import VIEWS


class MonitoringMiddleware:
    """Probes and scrapers ask by the address of a container and without TLS: ALLOWED_HOSTS and the redirect to https,
    which come later, would refuse them. A person with a session goes the usual way, where staff are known as such.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        view = VIEWS.get(request.path_info)
        if view is None or settings.SESSION_COOKIE_NAME in request.COOKIES:
            return self.get_response(request)
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        return view(request)
