"""The benchmark of searchers at once: what it asks, what it takes for an answer, and one small run of all of it."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice

import pytest
from django.core.management import call_command

from embeddings.benchmarks.asking import Answers, Searcher, ask_at_once
from embeddings.benchmarks.questions import Question, Topics, answer_fault, api_questions, staff_questions
from embeddings.benchmarks.searchers import verdict

TOPICS = Topics(["A/1", "A-2"], ["하나", "둘", "셋"], ["수학"], (frozenset({"hits", "encoder"}), frozenset({"code"})))


def test_a_program_asks_in_every_way_and_never_the_same_text_twice() -> None:
    asked = list(islice(api_questions(TOPICS, searcher=3, seed=1), 400))
    assert {each.kind for each in asked} == {"item", "item, filter", "new text", "new text, hybrid", "words"}
    texts = [each.body["text"] for each in asked if each.body and "text" in each.body]
    assert len(texts) == len(set(texts)) > 100


def test_two_searchers_ask_different_texts() -> None:
    first, second = (
        {
            each.body["text"]
            for each in islice(api_questions(TOPICS, searcher=n, seed=1), 100)
            if each.body and "text" in each.body
        }
        for n in (1, 2)
    )
    assert not first & second


def test_a_person_asks_the_page() -> None:
    asked = list(islice(staff_questions(TOPICS, "/admin/search/", searcher=0, seed=1), 60))
    assert {each.kind for each in asked} == {"page, item", "page, new text", "page, words"}
    assert all(each.body is None and each.path.startswith("/admin/search/?") for each in asked)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ({"hits": [{"code": "A"}], "encoder": "e"}, ""),
        ({"hits": [], "encoder": "e"}, "no hits"),
        ({"hits": [{}], "encoder": "e"}, "without code"),
        ({"encoder": "e"}, "without hits"),
        ([], "no object"),
    ],
)
def test_an_answer_has_what_the_document_says(answer: object, fault: str) -> None:
    assert answer_fault(json.dumps(answer).encode(), *TOPICS.required) == fault


def test_half_an_answer_is_none() -> None:
    assert answer_fault(b'{"hits": [', *TOPICS.required) == "no JSON"


def test_percentiles_are_by_kind_and_of_all() -> None:
    answers = Answers()
    answers.seconds["fast"] += [0.01] * 100
    answers.seconds["slow"] += [1.0] * 100
    found = answers.percentiles()
    assert found["fast"] == pytest.approx((10, 10, 10))
    assert found["slow"] == pytest.approx((1000, 1000, 1000))
    assert found["all"][1] == pytest.approx(1000)


@pytest.mark.parametrize(
    ("errors", "answers", "during", "passed"),
    [(0, 5, 1.0, True), (1, 5, 1.0, False), (0, 5, 0.0, False), (0, 0, 1.0, False)],
)
def test_it_passes_without_errors_while_the_job_goes_on(errors: int, answers: int, during: float, passed: bool) -> None:
    found = Answers(errors=Counter({"503 worker-silent": errors}) if errors else Counter())
    found.seconds["item"] += [0.1] * answers
    assert verdict(found, during=during).endswith("PASS" if passed else "FAIL")


class Misbehaving(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/hang-up":
            self.close_connection = True
            return
        body = b'{"code": "worker-silent"}' if self.path == "/503" else b"fine"
        self.send_response(503 if self.path == "/503" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Misbehaving) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_what_is_no_answer_is_counted_by_its_reason_and_the_searcher_goes_on(server: ThreadingHTTPServer) -> None:
    def ask(path: str) -> Question:
        return Question(path, path, None, lambda body: "" if body == b"fine" else "not fine")

    asked = [ask("/503"), ask("/hang-up"), ask("/fine"), ask("/503")]
    answers = ask_at_once("127.0.0.1", server.server_port, [Searcher({}, iter(asked))], seconds=30)
    assert answers.errors["/503: 503 worker-silent"] == 2
    assert len(answers.errors) == 2
    assert any(error.startswith("/hang-up: ") for error in answers.errors)
    assert answers.count == 4


@pytest.mark.slow
def test_a_few_searchers_for_a_moment_get_answers_while_the_job_goes_on(capfd: pytest.CaptureFixture[str]) -> None:
    """All of it, in a home of its own: server, worker, web."""
    call_command("benchmark", "searchers", searchers=10, seconds=2, items=60, encoder="hashing", seed=1)
    out = capfd.readouterr().out
    assert "error x" not in out
    assert out.strip().splitlines()[-1].endswith("and the job went on: PASS")
