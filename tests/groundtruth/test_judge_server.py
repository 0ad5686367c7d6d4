"""The provider of the tests keeps to the real client's protocol, counts honestly, and misbehaves as told."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.groundtruth import judge_faults
from tests.groundtruth.judge_server import JudgeServer

LISTED = {"number": {"type": "integer"}, "relevance": {"type": "integer"}, "reason": {"type": "string"}}
ITEM_SCHEMA = {"type": "object", "properties": LISTED, "required": list(LISTED), "additionalProperties": False}
SCHEMA = {
    "type": "object",
    "properties": {"similar": {"type": "array", "items": ITEM_SCHEMA}},
    "required": ["similar"],
    "additionalProperties": False,
}
ITEMS = '{"text": "가 나 다 라"}\n1. {"text": "마 바"}\n2. {"text": "가 나 다 라"}'
BODY: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "system", "content": "Judge."}, {"role": "user", "content": ITEMS}],
    "max_completion_tokens": 200,
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": SCHEMA}},
}


@pytest.fixture
def client(judge_server: JudgeServer) -> Iterator[OpenAI]:
    with OpenAI(base_url=judge_server.url, api_key=judge_server.key, max_retries=0, timeout=5) as client:
        yield client


def ask(client: OpenAI, request_id: str = "q1", **changes: Any) -> Any:
    return client.chat.completions.create(**(BODY | changes), extra_headers={"X-Client-Request-Id": request_id})


def test_a_question_is_answered_by_the_words_in_common_and_counted(client: OpenAI, judge_server: JudgeServer) -> None:
    answer = ask(client)
    (similar,) = json.loads(answer.choices[0].message.content)["similar"]
    assert (similar["number"], similar["relevance"]) == (2, 3)
    (asked,) = judge_server.asked
    assert (asked.id, asked.status) == ("q1", 200)
    assert (asked.input_tokens, asked.output_tokens) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)


def test_an_answer_longer_than_its_limit_is_cut_there(client: OpenAI) -> None:
    answer = ask(client, max_completion_tokens=3)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 3


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (judge_faults.rate_limited(2), openai.RateLimitError),
        (judge_faults.out_of_quota, openai.RateLimitError),
        (judge_faults.fails(500), openai.InternalServerError),
        (judge_faults.fails(400), openai.BadRequestError),
        (judge_faults.fails(401), openai.AuthenticationError),
        (judge_faults.cut, openai.APIConnectionError),
    ],
    ids=["busy", "quota", "500", "400", "401", "cut"],
)
def test_a_fault_is_what_the_client_sees_and_the_next_question_is_answered(
    client: OpenAI, judge_server: JudgeServer, fault: judge_faults.Fault, error: type[Exception]
) -> None:
    judge_server.next_faults.append(fault)
    with pytest.raises(error):
        ask(client)
    assert ask(client, "q2").choices
    assert judge_server.ids() == ["q1", "q2"]


@pytest.mark.parametrize("fault", [judge_faults.refuses, judge_faults.truncates, judge_faults.malformed])
def test_a_bad_answer_is_charged(client: OpenAI, judge_server: JudgeServer, fault: judge_faults.Fault) -> None:
    judge_server.next_faults.append(fault)
    content = ask(client).choices[0].message.content
    with pytest.raises((TypeError, ValueError)):
        json.loads(content)
    assert judge_server.asked[0].output_tokens > 0


def test_a_server_that_hangs_runs_into_the_time_limit(client: OpenAI, judge_server: JudgeServer) -> None:
    judge_server.always = judge_faults.hangs
    with pytest.raises(openai.APITimeoutError):
        ask(client.with_options(timeout=0.2))
    assert judge_server.asked[0].status == 0


def test_a_gate_holds_the_answer_until_it_is_opened(client: OpenAI, judge_server: JudgeServer) -> None:
    gate = judge_server.gate("before-answering")
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(ask(client)))
    thread.start()
    assert gate.wait_for()
    assert not answers
    gate.open()
    thread.join()
    assert len(answers) == 1


def test_a_request_out_of_form_is_refused(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="strict"):
        ask(client, response_format={"type": "json_object"})


def submit(client: OpenAI, *ids: str) -> Any:
    lines = [{"custom_id": each, "method": "POST", "url": "/v1/chat/completions", "body": BODY} for each in ids]
    data = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines).encode()
    file = client.files.create(file=("questions.jsonl", data), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"key": ids[0]}
    )


def results(client: OpenAI, file_id: str) -> dict[str, Any]:
    lines = [json.loads(line) for line in client.files.content(file_id).text.splitlines()]
    return {line["custom_id"]: line for line in lines}


def test_a_batch_that_expires_gives_what_is_answered_and_names_the_rest(
    client: OpenAI, judge_server: JudgeServer
) -> None:
    batch = submit(client, "a", "b", "c")
    assert client.batches.retrieve(batch.id).status == "validating"
    judge_server.next_faults.extend([None, judge_faults.fails(500)])
    judge_server.batches.expire(batch.id, after=2)
    ended = client.batches.retrieve(batch.id)
    assert (ended.status, [each.id for each in judge_server.asked]) == ("expired", ["a", "b"])
    assert results(client, ended.output_file_id or "")["a"]["response"]["body"]["usage"]["prompt_tokens"] > 0
    failed = results(client, ended.error_file_id or "")
    assert failed["b"]["response"]["status_code"] == 500
    assert failed["c"]["error"]["code"] == "batch_expired"


def test_batches_are_listed_newest_first_over_pages_with_their_metadata(client: OpenAI) -> None:
    made = [submit(client, str(number)).id for number in range(5)]
    listed = list(client.batches.list(limit=2))
    assert [each.id for each in listed] == made[::-1]
    assert listed[0].metadata == {"key": "4"}


def test_a_cancelled_batch_asks_nothing(client: OpenAI, judge_server: JudgeServer) -> None:
    batch = submit(client, "a")
    assert client.batches.cancel(batch.id).status == "cancelled"
    assert judge_server.asked == []
