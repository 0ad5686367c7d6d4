"""Who may see metrics and details: who knows ITEMBANK_METRICS_TOKEN, and signed-in staff."""

import hmac

from django.conf import settings
from django.http import HttpRequest


def has_token(request: HttpRequest) -> bool:
    kind, _space, given = request.headers.get("Authorization", "").partition(" ")
    wanted: str = settings.METRICS_TOKEN
    same = hmac.compare_digest(given.strip().encode("utf-8", "replace"), wanted.encode())
    return same and bool(wanted) and kind.lower() == "bearer"


def may_look(request: HttpRequest) -> bool:
    """False also where the request did not come by the session."""
    if has_token(request):
        return True
    user = getattr(request, "user", None)
    return user is not None and user.is_active and user.is_staff
