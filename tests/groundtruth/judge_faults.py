"""What a judge server can do to a request instead of answering it well."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.groundtruth.judge_server import JudgeServer

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What goes back: JSON, or `data` as it is.

    `cut`: the connection ends in the middle of the body. `silent`: it ends before the first byte.
    """

    status: int
    body: Json
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    silent: bool = False
    data: bytes = b""


# Given the good answer, what is sent instead. Only an answer with `usage` in its body is charged.
Fault = Callable[["JudgeServer", Answer], Answer]


def _error(status: int, code: str, **headers: str) -> Answer:
    return Answer(status, {"error": {"message": f"test: {code}", "type": code, "param": None, "code": code}}, headers)


def fails(status: int, code: str = "", **headers: str) -> Fault:
    """An error status: 400, 401, 403, 500, ..."""
    return lambda _server, _good: _error(status, code or f"status_{status}", **headers)


def rate_limited(retry_after: float | None = None) -> Fault:
    """429; with Retry-After in seconds where given."""
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    return lambda _server, _good: _error(429, "rate_limit_exceeded", **headers)


def out_of_quota(_server: "JudgeServer", _good: Answer) -> Answer:
    return _error(429, "insufficient_quota")


def cut(_server: "JudgeServer", good: Answer) -> Answer:
    return replace(good, cut=True)


def hangs(server: "JudgeServer", good: Answer) -> Answer:
    """Says nothing until the server lets go of what hangs (`let_go`) or ends; then the connection just ends."""
    server.letting_go.wait()
    return replace(good, silent=True)


def _content(good: Answer, finish_reason: str = "stop", **message: Any) -> Answer:
    body = json.loads(json.dumps(good.body))
    body["choices"][0]["message"] |= message
    body["choices"][0]["finish_reason"] = finish_reason
    return replace(good, body=body)


def says(content: str) -> Fault:
    """A whole answer whose content is this text."""
    return lambda _server, good: _content(good, content=content)


malformed = says('{"candidates": [{"number": 1, "rele')
wrong_schema = says('{"verdict": "similar"}')


def refuses(_server: "JudgeServer", good: Answer) -> Answer:
    return _content(good, content=None, refusal="I cannot help with that.")


def truncates(_server: "JudgeServer", good: Answer) -> Answer:
    text = good.body["choices"][0]["message"]["content"]
    return _content(good, "length", content=text[: len(text) // 2])
