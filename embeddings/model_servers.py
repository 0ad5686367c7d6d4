"""Servers that run models for us over HTTP, in the OpenAI protocol (vLLM and others): asking, retrying, giving up.

A server is known by the name that ITEMBANK_MODEL_SERVERS gives it. Its key goes into the request and nowhere else.
"""

import json
import logging
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from embeddings.encoders.errors import EncoderError, ItemInputError, ModelUnavailable
from itembank.threads import ThreadPool

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")

# Of these the request is to blame, and so an item, when all others go through.
_REJECTED = frozenset({400, 413, 422})
_KEY_REFUSED = frozenset({401, 403})
# 408 and 409 are what gateways say of requests that they dropped.
_PASSING = frozenset({408, 409, 425, 429})
_REASON_LENGTH = 300


class RequestRejected(EncoderError):  # noqa: N818  # what the server did, not what went wrong here
    """The server reads this request and will not have it; sending it again cannot help. The message is its reason."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server is waited for, in seconds. A request is sent `attempts` times at most."""

    attempts: int = 4
    connect: float = 5.0
    answer: float = 60.0
    first_pause: float = 0.5
    longest_pause: float = 20.0

    def hurried(self) -> "Patience":
        """While a page is being made: one attempt, a few seconds."""
        return replace(self, attempts=1, answer=min(self.answer, 15.0))

    def pause(self, attempt: int, asked_for: float | None) -> float:
        """Before the next attempt: what the server asked for, else twice as long each time, half of it by chance, so
        that many clients do not come back in step.
        """
        if asked_for is not None:
            return min(asked_for, self.longest_pause)
        whole: float = min(self.first_pause * 2.0**attempt, self.longest_pause)
        return whole * random.uniform(0.5, 1.0)  # noqa: S311  # no secret


class ModelServer:
    """One server and the connections to it, kept open between requests. Safe for threads; `close` ends it."""

    patience: ClassVar[Patience] = Patience()
    # Requests at once: vLLM forms its own batches out of what waits.
    concurrency: ClassVar[int] = 16

    def __init__(self, name: str, model: str, *, hurried: bool = False) -> None:
        """Raises ModelUnavailable for a name that the settings do not have. Connects to nothing yet."""
        if name not in settings.MODEL_SERVERS:
            raise ModelUnavailable(
                _(
                    "ITEMBANK_MODEL_SERVERS names no server “%(name)s” (known: %(known)s); add %(name)s=http://HOST:PORT/v1"
                )
                % {"name": name, "known": ", ".join(sorted(settings.MODEL_SERVERS)) or "-"}
            )
        self.name, self.model = name, model
        self._patience = self.patience.hurried() if hurried else self.patience
        self._url: str = settings.MODEL_SERVERS[name]
        self._key: str = settings.MODEL_SERVER_KEYS.get(name, "")
        self._client = self._connect()
        self._closed = threading.Event()
        self._pool = ThreadPool(self.concurrency, f"server-{name}")

    def close(self) -> None:
        """Requests on their way are given up, not waited for: the server may never answer."""
        self._closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def _connect(self) -> "OpenAI":
        from httpx2 import Timeout
        from openai import OpenAI

        logging.getLogger("httpx2").setLevel(
            logging.WARNING
        )  # or each of a hundred thousand requests is a line of the log
        timeout = Timeout(self._patience.answer, connect=self._patience.connect)
        # Given no key, the client would take OPENAI_API_KEY from the environment, and show it to this server.
        return OpenAI(api_key=self._key or "none", base_url=self._url, max_retries=0, timeout=timeout)

    # ---- asking

    def check_model(self) -> None:
        """Raises ModelUnavailable where the server is away or lists other models than ours."""
        from openai import NotFoundError

        try:
            listed = self._insist("GET", "/models", None)
        except NotFoundError:
            return  # not every server has the list; the first request will tell
        models = [str(entry.get("id")) for entry in entries(listed, "data", self.name)]
        if self.model not in models:
            raise ModelUnavailable(
                _(
                    "the server %(server)s does not serve %(model)s but %(models)s; start it with that model, or "
                    "name it so"
                )
                % {**self._names, "models": ", ".join(models) or "-"}
            )

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request. Raises RequestRejected, ModelUnavailable, EncoderError (not an answer)."""
        from openai import NotFoundError

        try:
            return self._insist("POST", path, {"model": self.model, **body})
        except NotFoundError:
            raise ModelUnavailable(
                _(
                    "the server %(server)s (%(url)s) has no %(path)s, or no model %(model)s; its URL should end in "
                    "/v1, and vLLM serves under the name of --served-model-name"
                )
                % {**self._names, "path": path}
            ) from None

    def answers(self, groups: Sequence[Sequence[int]], ask: Callable[[Sequence[int]], list[Answer]]) -> list[Answer]:
        """`ask` for each group of indices, several at once; the answers in the order of the indices.

        Where a group is rejected, each of it is asked for alone. Raises ItemInputError for one that is rejected alone,
        and whatever else `ask` raises.
        """
        language = translation.get_language()
        futures = [self._pool.submit(_asked_in, language, ask, group) for group in groups]
        try:
            found = dict(pair for future in futures for pair in future.result())
        finally:
            _abandon(futures)
        return [found[index] for index in sorted(found)]

    # ---- insisting

    def _insist(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        from openai import APIConnectionError, APIStatusError, NotFoundError

        for attempt in range(self._patience.attempts):
            pause, last = None, attempt + 1 == self._patience.attempts
            try:
                return self._once(method, path, body)
            except NotFoundError:
                raise
            except APIStatusError as error:
                self._refuse(error, last=last)
                pause = _retry_after(error)
            except APIConnectionError as error:
                if last:
                    raise self._unreachable(error) from None
            seconds = self._patience.pause(attempt, pause)
            logger.warning("The server %s did not answer; asking again in %.1f s", self.name, seconds)
            if self._closed.wait(seconds):
                break
        raise ModelUnavailable(_("the connection to the server %(server)s was closed") % self._names)

    def _once(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        from httpx2 import Response

        # The raw answer: a broken one must become a clear error, and large ones need no object a number.
        if method == "GET":
            response = self._client.get(path, cast_to=Response)
        else:
            response = self._client.post(path, body=body, cast_to=Response)
        try:
            answer = json.loads(response.content)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise not_an_answer(self.name, _("no JSON object"))
        return answer

    def _refuse(self, error: "APIStatusError", *, last: bool) -> None:
        """Raises what this status means, unless another attempt may help; without the request, which holds the key."""
        status = error.status_code
        if status in _KEY_REFUSED:
            raise ModelUnavailable(
                _("the server %(server)s (%(url)s) refuses our key; put the right one into ITEMBANK_MODEL_SERVER_KEYS")
                % self._names
            ) from None
        reason = self._reason(error)
        if status in _REJECTED:
            raise RequestRejected(reason) from None
        if last or not (status in _PASSING or status >= 500):
            raise ModelUnavailable(
                _("the server %(server)s (%(url)s) cannot answer: %(status)d, %(reason)s; see its log, then resume")
                % {**self._names, "status": status, "reason": reason}
            ) from None

    def _reason(self, error: "APIStatusError") -> str:
        """The server's own words, short and without our key, should it repeat it."""
        body = error.body
        said = body.get("message") if isinstance(body, dict) else body
        reason = str(said or error.response.reason_phrase or error.status_code)[:_REASON_LENGTH]
        return reason.replace(self._key, "***") if self._key else reason

    def _unreachable(self, error: Exception) -> ModelUnavailable:
        cause = error.__cause__ or error
        return ModelUnavailable(
            _("the server %(server)s (%(url)s) does not answer (%(error)s); start it, or mend ITEMBANK_MODEL_SERVERS")
            % {**self._names, "error": f"{type(cause).__name__}: {cause}".rstrip(": ")}
        )

    @property
    def _names(self) -> dict[str, str]:
        """For messages; without a password that the URL may hold."""
        parts = urlsplit(self._url)
        url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        return {"server": self.name, "url": url, "model": self.model}


def not_an_answer(server: str, what: str) -> EncoderError:
    return EncoderError(
        _("the server %(server)s gave an answer that cannot be used (%(what)s)") % {"server": server, "what": what}
    )


def entries(answer: dict[str, Any], name: str, server: str, count: int | None = None) -> list[dict[str, Any]]:
    """The list of that name in an answer; with `count`, so many, put in order by their `index`.

    Raises EncoderError where it is missing, too short or too long, or does not tell which entry belongs to which input.
    """
    found = answer.get(name)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise not_an_answer(server, _("no list “%(name)s”") % {"name": name})
    if count is None:
        return found
    if sorted(str(entry.get("index")) for entry in found) != sorted(str(index) for index in range(count)):
        places = ", ".join(str(entry.get("index")) for entry in found)
        raise not_an_answer(server, _("%(count)d inputs, answers to %(places)s") % {"count": count, "places": places})
    return sorted(found, key=lambda entry: int(entry["index"]))


def _asked_in(
    language: str | None, ask: Callable[[Sequence[int]], list[Answer]], group: Sequence[int]
) -> list[tuple[int, Answer]]:
    """Threads know nothing of the reader's language, in which errors are worded where they arise."""
    with translation.override(language):
        return _asked(ask, group)


def _asked(ask: Callable[[Sequence[int]], list[Answer]], group: Sequence[int]) -> list[tuple[int, Answer]]:
    try:
        return list(zip(group, ask(group), strict=True))
    except RequestRejected as error:
        if len(group) == 1:
            raise ItemInputError(group[0], str(error)) from error
    return [pair for index in group for pair in _asked(ask, [index])]


def _abandon(futures: "Sequence[Future[Any]]") -> None:
    for future in futures:
        future.cancel()


def _retry_after(error: "APIStatusError") -> float | None:
    """Seconds; a date, which the header may also hold, counts as nothing said."""
    try:
        seconds = float(error.response.headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if seconds >= 0 else None
