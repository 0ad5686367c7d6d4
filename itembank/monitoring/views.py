"""The three addresses for machines. They are in English: their readers are programs and who runs the bank."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from itembank.monitoring.access import has_token, may_look
from itembank.monitoring.readiness import readiness
from itembank.monitoring.registry import BankCollector

_registry = CollectorRegistry(auto_describe=False)
_registry.register(BankCollector())


def healthz(request: HttpRequest) -> HttpResponse:
    """200 while this process answers; it asks nothing else."""
    return _fresh(JsonResponse({"status": "ok"}))


def readyz(request: HttpRequest) -> HttpResponse:
    """200 where the database, its migrations and the broker are well, else 503; details for those who may see them."""
    found = readiness()
    # Who has a session is not known without the database.
    knows = has_token(request) if found.problems["database"] else may_look(request)
    body = found.detailed() if knows else found.brief()
    return _fresh(JsonResponse(body, status=200 if found.ready else 503))


def metrics(request: HttpRequest) -> HttpResponse:
    """Of the whole bank, whichever web process is asked, in Prometheus's text format."""
    if not may_look(request):
        refusal = "Send ITEMBANK_METRICS_TOKEN as “Authorization: Bearer …”, or sign in as staff.\n"
        headers = {"WWW-Authenticate": 'Bearer realm="itembank metrics"'}
        return _fresh(HttpResponse(refusal, status=401, content_type="text/plain; charset=utf-8", headers=headers))
    return _fresh(HttpResponse(generate_latest(_registry), content_type=CONTENT_TYPE_PLAIN_0_0_4))


def _fresh(response: HttpResponse) -> HttpResponse:
    response.headers["Cache-Control"] = "no-store"
    return response


VIEWS = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics}
