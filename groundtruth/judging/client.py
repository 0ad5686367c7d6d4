"""One request to the provider, sent once. What came of it is a value, not an exception: money hangs on telling the
cases apart."""

import json
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from groundtruth.judging.parameters import JudgeError, JudgeParameters
from groundtruth.judging.questions import Question

if TYPE_CHECKING:
    from httpx2 import Response
    from openai import OpenAI

CONNECT_SECONDS = 10.0
_ERROR_LENGTH = 500
SHORTEST_SECRET = 12

_OUT_OF_QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
# What gateways say of requests that they dropped; sending again is right.
_PASSING = frozenset({408, 409, 425})
# A gateway gave up waiting: behind it the model may have answered, and be paid.
_GATEWAY_TIMEOUT = frozenset({504, 524})


class ReplyKind(StrEnum):
    ANSWERED = "answered"  # 2xx, the whole body is here
    RATE_LIMITED = "rate-limited"
    OUT_OF_QUOTA = "out-of-quota"
    SERVER_ERROR = "server-error"
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"  # nothing was sent
    UNKNOWN = "unknown"  # sent; whether it was answered, and paid, cannot be told


@dataclass(frozen=True, slots=True)
class Reply:
    """`raw` is the body as text that the database takes; `retry_after` is in seconds, where the provider named it."""

    kind: ReplyKind
    status: int | None = None
    raw: str = ""
    retry_after: float | None = None
    error: str = ""


def request_body(question: Question, parameters: JudgeParameters) -> dict[str, Any]:
    """The body of a chat completion, live or as a line of a batch. Raises JudgeError for a broken picture."""
    body: dict[str, Any] = {
        "model": question.model,
        "messages": question.messages(),
        "max_completion_tokens": parameters.max_output_tokens,
        "seed": parameters.seed,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": question.kind, "strict": True, "schema": question.schema()},
        },
    }
    # 1 is every model's own; reasoning models take no other, and refuse the word.
    return body if parameters.temperature == 1 else body | {"temperature": parameters.temperature}


def send(question: Question, parameters: JudgeParameters, *, entry_id: UUID) -> Reply:
    """Send the question once. Raises JudgeError, before anything is sent, without a key or for a broken picture."""
    client, body = provider(), request_body(question, parameters)
    try:
        raw = client.chat.completions.with_raw_response.create(
            **body, extra_headers={"X-Client-Request-Id": str(entry_id)}
        )
    except Exception as error:  # whatever it was, the request may have gone out
        return failed(error)
    return _answered(raw.http_response)


def failed(error: Exception) -> Reply:
    """What an exception of the provider's client says of a request."""
    from openai import APIConnectionError, APIStatusError

    if isinstance(error, APIStatusError):
        response = error.response
        return refusal(response.status_code, _text(response), _retry_after(response.headers))
    return _not_answered((error.__cause__ or error) if isinstance(error, APIConnectionError) else error)


def provider() -> "OpenAI":
    """The client of the settings' provider, which never sends a request twice. Raises JudgeError without a key."""
    key = settings.OPENAI_API_KEY.strip()
    # One that no header can carry would fail on its way, where it looks like a request that was sent.
    if not (key and key.isascii() and key.isprintable()):
        raise JudgeError(_("OPENAI_API_KEY is not set, or is no key. Set it for the llm worker and start it again."))
    return _client(settings.OPENAI_BASE_URL, key, float(settings.LLM_TIMEOUT_SECONDS))


@lru_cache(maxsize=4)
def _client(url: str, key: str, seconds: float) -> "OpenAI":
    from httpx2 import Limits, Timeout
    from openai import DefaultHttpxClient, OpenAI

    logging.getLogger("httpx2").setLevel(logging.WARNING)  # or each request is a line of the log
    # A connection for each request: one that was kept may be closed by the other side just as we send, and nobody
    # could say whether that was paid. No redirects: they would send it a second time.
    http = DefaultHttpxClient(limits=Limits(max_keepalive_connections=0), follow_redirects=False)
    timeout = Timeout(seconds, connect=CONNECT_SECONDS)
    return OpenAI(api_key=key, base_url=url, max_retries=0, timeout=timeout, http_client=http)


def _answered(response: "Response") -> Reply:
    """Without a length, a body that was cut looks like one that ended: then only whole JSON counts as whole."""
    raw = _text(response)
    framed = "content-length" in response.headers or "transfer-encoding" in response.headers
    if not framed and not isinstance(_json(raw), Mapping):
        return Reply(ReplyKind.UNKNOWN, response.status_code, raw, error=_cut("no length, no whole JSON"))
    return Reply(ReplyKind.ANSWERED, response.status_code, raw)


def refusal(status: int, raw: str, retry_after: float | None = None) -> Reply:
    """Of a status that is none of success, and its body."""
    raw = _without_key(raw)
    error = _error_of(raw)
    message = f"HTTP {status}: {error.get('message') or raw}"[:_ERROR_LENGTH]
    return Reply(_kind(status, error), status, raw, retry_after, message)


def _without_key(raw: str) -> str:
    """Some servers repeat the key that they refuse, and what they say is kept and shown. Short ones are no secrets."""
    key = settings.OPENAI_API_KEY.strip()
    return raw.replace(key, "…") if len(key) >= SHORTEST_SECRET else raw


def _kind(status: int, error: Mapping[str, Any]) -> ReplyKind:
    if status in _GATEWAY_TIMEOUT:
        return ReplyKind.UNKNOWN
    if status == 402 or any(error.get(name) in _OUT_OF_QUOTA for name in ("code", "type")):
        return ReplyKind.OUT_OF_QUOTA
    if status == 429:
        return ReplyKind.RATE_LIMITED
    return ReplyKind.SERVER_ERROR if status >= 500 or status in _PASSING else ReplyKind.REJECTED


def _not_answered(error: BaseException) -> Reply:
    """No response. Only where no connection came about is it certain that nothing was sent."""
    from httpx2 import ConnectError, ConnectTimeout, InvalidURL, PoolTimeout, ProxyError, UnsupportedProtocol

    reason = f"{type(error).__name__}: {error}".removesuffix(": ")[:_ERROR_LENGTH]
    if isinstance(error, ConnectError | ConnectTimeout | InvalidURL | PoolTimeout | ProxyError | UnsupportedProtocol):
        message = _("The provider cannot be reached (%(reason)s). Look at OPENAI_BASE_URL.") % {"reason": reason}
        return Reply(ReplyKind.UNREACHABLE, error=message)
    return Reply(ReplyKind.UNKNOWN, error=_cut(reason))


def _cut(reason: str) -> str:
    return _("The request was sent, but no whole answer came (%(reason)s).") % {"reason": reason}


def _error_of(raw: str) -> Mapping[str, Any]:
    body = _json(raw)
    error = body.get("error", body) if isinstance(body, Mapping) else {}
    return error if isinstance(error, Mapping) else {"message": error}


def _json(raw: str) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _text(response: "Response") -> str:
    """The body as PostgreSQL takes it: UTF-8 without NUL."""
    return response.content.decode("utf-8", "replace").replace("\x00", "\ufffd")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from the header in seconds or as a date; None where it is absent or makes no sense."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        seconds = _until(value)
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _until(date: str) -> float:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except (ValueError, OverflowError):
        return math.nan
