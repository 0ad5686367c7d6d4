"""How many calls a client may make: a count a minute in the broker, which all web processes share.

Where the broker is away, calls pass uncounted: a bank that cannot count is still one that answers. The log says so.
"""

import logging
import time

from django.conf import settings
from django.utils.translation import gettext as _

from itembank.api.problems import Problem
from itembank.broker import BrokerError, broker

WINDOW_SECONDS = 60
PATIENCE_SECONDS = 0.25  # a call waits less long for its count than a page for figures
RETRY_AFTER_SECONDS = 5.0

logger = logging.getLogger(__name__)
_away_until: dict[str, float] = {}


def count_call(client: str) -> None:
    """Raises Problem 429 for the call above the client's share of this minute."""
    now = time.time()
    if _counted(_key(client, now)) <= settings.API_CALLS_PER_MINUTE:
        return
    seconds = int(WINDOW_SECONDS - now % WINDOW_SECONDS) + 1
    raise Problem(
        429,
        "too-many-calls",
        _("More than %(most)s calls in a minute. Go on in %(seconds)s seconds.")
        % {"most": settings.API_CALLS_PER_MINUTE, "seconds": seconds},
        headers={"Retry-After": str(seconds)},
    )


def calls_now(client: str) -> int | None:
    """How many calls it has made in this minute; None while the broker does not say."""
    try:
        return int(broker(patience=PATIENCE_SECONDS).get(_key(client, time.time())) or 0)
    except BrokerError:
        return None


def _key(client: str, now: float) -> str:
    return f"itembank:api:{int(now // WINDOW_SECONDS)}:{client}"


def _counted(key: str) -> int:
    """The calls of this window with this one; 0 while the broker is away."""
    url = settings.CELERY_BROKER_URL
    if time.monotonic() < _away_until.get(url, 0.0):
        return 0
    try:
        pipe = broker(patience=PATIENCE_SECONDS).pipeline()
        pipe.incr(key)
        pipe.expire(key, 2 * WINDOW_SECONDS)
        return int(pipe.execute()[0])
    except BrokerError as error:
        _away_until[url] = time.monotonic() + RETRY_AFTER_SECONDS
        logger.warning("API calls are not counted: the broker does not answer (%s)", type(error).__name__)
        return 0
