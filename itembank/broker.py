"""The broker as a place for small shared figures: counts, signs of life. Nothing here is missed when it is gone."""

from urllib.parse import parse_qs, urlsplit

import redis
from django.conf import settings

PATIENCE_SECONDS = 0.5  # it answers in under 1 ms; nobody waits long for one that is away
BrokerError = (redis.RedisError, OSError)

_clients: dict[str, "redis.Redis"] = {}


def broker() -> "redis.Redis":
    """The client of this process. Its calls raise one of BrokerError where the broker is away."""
    url = settings.CELERY_BROKER_URL
    if url not in _clients:
        _clients[url] = redis.Redis.from_url(
            client_url(url),
            socket_timeout=PATIENCE_SECONDS,
            socket_connect_timeout=PATIENCE_SECONDS,
            decode_responses=True,
        )
    return _clients[url]


def client_url(url: str) -> str:
    """The broker's address as redis-py writes it: kombu names sockets and the database on them differently."""
    if not url.startswith("redis+socket://"):
        return url
    parts = urlsplit(url)
    database = parse_qs(parts.query).get("virtual_host", ["0"])[0].strip("/")
    return f"unix://{parts.path}?db={database or 0}"
