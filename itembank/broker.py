"""The broker as a place for small shared figures: counts, signs of life. Nothing here is missed when it is gone."""

from urllib.parse import parse_qs, urlsplit

import redis
from django.conf import settings

PATIENCE_SECONDS = 0.5  # it answers in under 1 ms; nobody waits long for one that is away
BrokerError = (redis.RedisError, OSError)

_clients: dict[tuple[str, float], "redis.Redis"] = {}


def broker(*, patience: float = PATIENCE_SECONDS) -> "redis.Redis":
    """The client of this process. Its calls raise one of BrokerError where the broker does not answer within `patience`
    seconds.
    """
    url = settings.CELERY_BROKER_URL
    if (url, patience) not in _clients:
        _clients[url, patience] = redis.Redis.from_url(
            client_url(url), socket_timeout=patience, socket_connect_timeout=patience, decode_responses=True
        )
    return _clients[url, patience]


def client_url(url: str) -> str:
    """The broker's address as redis-py writes it: kombu names sockets and the database on them differently."""
    if not url.startswith("redis+socket://"):
        return url
    parts = urlsplit(url)
    database = parse_qs(parts.query).get("virtual_host", ["0"])[0].strip("/")
    return f"unix://{parts.path}?db={database or 0}"
