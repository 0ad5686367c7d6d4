"""One request to a real server, and what came of it."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

import pytest

from groundtruth.judging.answers import read_answer
from groundtruth.judging.client import Reply, ReplyKind, provider, send
from groundtruth.judging.parameters import JudgeError, JudgeParameters
from groundtruth.judging.pictures import Figure
from groundtruth.judging.questions import Question
from tests.groundtruth import judge_faults
from tests.groundtruth.judge_faults import Fault, fails
from tests.groundtruth.judge_server import JudgeServer
from tests.waiting import wait_until

ITEMS = {"query": {"text": "일차함수의 기울기"}, "candidates": [{"number": 1, "text": "일차함수의 기울기"}]}


def question(*more: str | Figure) -> Question:
    shown = (json.dumps(ITEMS, ensure_ascii=False), *more)
    return Question("listwise", "gpt-4o-mini", "Judge.", shown, "0" * 64, 1)


def ask(**parameters: Any) -> Reply:
    return send(question(), JudgeParameters(**parameters), entry_id=uuid4())


@contextmanager
def raw_server(settings: Any, answer: bytes, *, hangs_up: bool = True) -> Iterator[list[bytes]]:
    """A server that says these bytes to each request; gives what the clients said after their first request.

    It hangs up, or waits for the client to do so or to go on, at most five seconds.
    """
    said_after: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        connection.settimeout(5)
        with connection, connection.makefile("rb") as request:
            lengths = [
                line.split(b":")[1] for line in iter(request.readline, b"\r\n") if b"content-length" in line.lower()
            ]
            request.read(int(lengths[0]))
            if hangs_up:
                said_after.append(b"")
            connection.sendall(answer)
            if not hangs_up:
                said_after.append(request.read(1))

    def listen(listener: socket.socket) -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                serve(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=listen, args=(listener,), daemon=True).start()
        settings.OPENAI_BASE_URL = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        settings.OPENAI_API_KEY = "test-key"
        yield said_after
        listener.shutdown(socket.SHUT_RDWR)


def test_an_answer_comes_back_as_it_was_sent_and_reads(judge_server: JudgeServer) -> None:
    entry_id = uuid4()
    reply = send(question(), JudgeParameters(), entry_id=entry_id)

    reading = read_answer("listwise", reply.raw, 1, False)
    assert (reply.kind, reply.status) == (ReplyKind.ANSWERED, 200)
    assert [each.relevance for each in reading.verdicts] == [3]
    assert reading.input_tokens == judge_server.asked[0].input_tokens
    assert judge_server.ids() == [str(entry_id)]


@pytest.mark.parametrize(
    ("fault", "kind", "status"),
    [
        (judge_faults.rate_limited(), ReplyKind.RATE_LIMITED, 429),
        (judge_faults.out_of_quota, ReplyKind.OUT_OF_QUOTA, 429),
        (fails(402), ReplyKind.OUT_OF_QUOTA, 402),
        (fails(400, "billing_hard_limit_reached"), ReplyKind.OUT_OF_QUOTA, 400),
        (fails(500), ReplyKind.SERVER_ERROR, 500),
        (fails(503), ReplyKind.SERVER_ERROR, 503),
        (fails(408), ReplyKind.SERVER_ERROR, 408),
        (fails(400), ReplyKind.REJECTED, 400),
        (fails(401), ReplyKind.REJECTED, 401),
        (fails(403), ReplyKind.REJECTED, 403),
        (fails(404), ReplyKind.REJECTED, 404),
        (fails(504), ReplyKind.UNKNOWN, 504),
        (judge_faults.refuses, ReplyKind.ANSWERED, 200),
        (judge_faults.malformed, ReplyKind.ANSWERED, 200),
        (judge_faults.truncates, ReplyKind.ANSWERED, 200),
        (judge_faults.cut, ReplyKind.UNKNOWN, None),
    ],
)
def test_each_kind_of_trouble_is_told_apart_and_sent_once(
    judge_server: JudgeServer, fault: Fault, kind: ReplyKind, status: int | None
) -> None:
    judge_server.always = fault
    reply = ask()

    assert (reply.kind, reply.status) == (kind, status)
    assert len(judge_server.asked) == 1
    assert bool(reply.error) == (kind is not ReplyKind.ANSWERED)


def test_the_providers_own_words_are_in_the_error(judge_server: JudgeServer) -> None:
    judge_server.always = fails(400, "no_such_parameter")

    assert ask().error == "HTTP 400: test: no_such_parameter"


def test_a_server_that_says_nothing_in_time_leaves_the_outcome_unknown(
    judge_server: JudgeServer, settings: Any
) -> None:
    settings.LLM_TIMEOUT_SECONDS = 0.2
    judge_server.always = judge_faults.hangs
    reply = ask()

    assert (reply.kind, reply.raw) == (ReplyKind.UNKNOWN, "")
    assert "ReadTimeout" in reply.error


def test_where_nobody_listens_nothing_was_sent(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = f"http://127.0.0.1:{port}/v1", "test-key"
    reply = ask()

    assert (reply.kind, reply.status) == (ReplyKind.UNREACHABLE, None)
    assert "OPENAI_BASE_URL" in reply.error


@pytest.mark.parametrize("url", ["localhost:1/v1", "ftp://127.0.0.1/v1", "http://127.0.0.1:99999999/v1", "http://[/v1"])
def test_an_address_that_is_none_reaches_nobody(settings: Any, url: str) -> None:
    settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = url, "test-key"

    assert ask().kind is ReplyKind.UNREACHABLE


@pytest.mark.parametrize("key", ["", "  ", "키", "sk-a\nb"])
def test_without_a_key_that_a_header_can_carry_nothing_is_sent(
    judge_server: JudgeServer, settings: Any, key: str
) -> None:
    settings.OPENAI_API_KEY = key

    with pytest.raises(JudgeError, match="OPENAI_API_KEY"):
        ask()
    assert judge_server.asked == []


def test_a_blank_at_the_end_of_the_key_is_no_part_of_it(judge_server: JudgeServer, settings: Any) -> None:
    settings.OPENAI_API_KEY = f"{judge_server.key}\n"

    assert ask().kind is ReplyKind.ANSWERED


def test_a_picture_that_cannot_be_opened_is_an_error_before_anything_is_sent(judge_server: JudgeServer) -> None:
    figure = Figure("T-1", "items/gone.png", (10, 10), (10, 10))

    with pytest.raises(JudgeError, match="T-1"):
        send(question(figure), JudgeParameters(), entry_id=uuid4())
    assert judge_server.asked == []


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("0.5", 0.5), ("-1", None), ("nan", None), ("soon", None), ("", None)]
)
def test_the_wait_that_the_provider_asks_for_is_read(
    judge_server: JudgeServer, header: str, seconds: float | None
) -> None:
    judge_server.always = fails(429, "rate_limit_exceeded", **{"Retry-After": header})

    assert ask().retry_after == seconds


def test_a_wait_until_a_date_is_read_in_seconds(judge_server: JudgeServer) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    judge_server.always = fails(429, "rate_limit_exceeded", **{"Retry-After": date})

    assert 27 <= (ask().retry_after or 0) <= 30


def test_a_redirect_is_not_followed(judge_server: JudgeServer) -> None:
    judge_server.always = fails(307, "moved", Location=f"{judge_server.url}/chat/completions")

    assert ask().kind is ReplyKind.REJECTED
    assert len(judge_server.asked) == 1


@pytest.mark.parametrize(
    ("body", "kind"), [(b'{"choices": []}', ReplyKind.ANSWERED), (b'{"choices": [{"mess', ReplyKind.UNKNOWN)]
)
def test_a_body_of_no_stated_length_is_whole_where_its_json_is(settings: Any, body: bytes, kind: ReplyKind) -> None:
    with raw_server(settings, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + body) as served:
        assert ask().kind is kind
    assert len(served) == 1


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"garbage\r\n\r\n"])
def test_a_server_that_hangs_up_leaves_the_outcome_unknown(settings: Any, answer: bytes) -> None:
    with raw_server(settings, answer) as served:
        assert ask().kind is ReplyKind.UNKNOWN
    assert len(served) == 1


def test_a_body_with_bytes_that_the_database_does_not_hold_is_made_storable(settings: Any) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-16\r\nContent-Length: 4\r\n\r\n"
    with raw_server(settings, head + b"a\x00\xffb"):
        assert ask().raw == "a\ufffd\ufffdb"


def test_no_connection_is_kept_for_the_next_request(settings: Any) -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    with raw_server(settings, whole, hangs_up=False) as said_after:
        assert [ask().kind, ask().kind] == [ReplyKind.ANSWERED, ReplyKind.ANSWERED]
        wait_until(lambda: len(said_after) == 2)

    assert said_after == [b"", b""]


def test_the_client_is_made_once_and_anew_where_the_settings_change(judge_server: JudgeServer, settings: Any) -> None:
    first = provider()

    assert provider() is first
    settings.OPENAI_API_KEY = "another"
    assert provider() is not first


def test_a_key_that_the_provider_repeats_is_kept_nowhere(settings: Any) -> None:
    body = b'{"error": {"message": "wrong key sk-very-secret-key"}}'
    answer = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with raw_server(settings, answer):
        settings.OPENAI_API_KEY = "sk-very-secret-key"
        reply = ask()

    assert reply.error == "HTTP 401: wrong key …"
    assert "sk-very-secret-key" not in reply.raw
