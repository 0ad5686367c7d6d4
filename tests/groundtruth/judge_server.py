"""A provider of paid models on this machine: chat completions, files and batches over real HTTP, and bad manners.

`server.asked` is its own count of every question that reached it: what the ledger is held against. It lives in the
test's process, so it survives the death of any worker.
"""

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.groundtruth import judge_rules
from tests.groundtruth.judge_batches import Batches
from tests.groundtruth.judge_faults import Answer, Fault, fails
from tests.groundtruth.judge_rules import InvalidRequestError

Json = dict[str, Any]
CHAT = "/v1/chat/completions"
WAIT_SECONDS = 60
MILLION = Decimal(1_000_000)


@dataclass
class Asked:
    """One question that reached the server. Tokens are those it charges for; none for an error status."""

    id: str  # X-Client-Request-Id, or custom_id in a batch
    body: Json
    batch: bool
    status: int = 0  # 0: not answered (yet)
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def text(self) -> str:
        """All that is said in it; the same question has the same text."""
        return "\n".join(judge_rules.texts(self.body))

    def usd(self, input_usd: Decimal, output_usd: Decimal, batch_share: Decimal = Decimal("0.5")) -> Decimal:
        """What it costs, by prices for a million tokens."""
        price = (self.input_tokens * input_usd + self.output_tokens * output_usd) / MILLION
        return price * batch_share if self.batch else price


class Gate:
    """Holds requests at a point until the test opens it. `before-reading`, `before-answering` or `after-answering`."""

    def __init__(self, point: str, path: str) -> None:
        self.point, self.path = point, path
        self.held = 0  # so many have come to it
        self._changed = threading.Condition()
        self._opened = False

    def hold(self) -> None:
        with self._changed:
            self.held += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._opened, WAIT_SECONDS)

    def wait_for(self, requests: int = 1, seconds: float = WAIT_SECONDS) -> bool:
        """Whether so many requests came to the gate within the time."""
        with self._changed:
            return self._changed.wait_for(lambda: self.held >= requests, seconds)

    def open(self) -> None:
        with self._changed:
            self._opened = True
            self._changed.notify_all()


class JudgeServer:
    """Serves until `stop`. A context manager.

    Faults: `next_faults` for the next questions, `when[text]` for those that contain a text, `always` for all.
    `arrived` is called with each question before it is answered; `None` in `next_faults` is a good answer.
    """

    def __init__(self, key: str = "test-key") -> None:
        self.key = key
        self.asked: list[Asked] = []
        self.next_faults: deque[Fault | None] = deque()
        self.when: dict[str, Fault] = {}
        self.always: Fault | None = None
        self.deleting: Fault | None = None  # of files
        self.arrived: Callable[[Asked], None] | None = None
        self.batches = Batches(self._ask_in_batch)
        self.letting_go = threading.Event()
        self._gates: list[Gate] = []
        self._lock = threading.Lock()
        self._http: ThreadingHTTPServer | None = None

    def __enter__(self) -> "JudgeServer":
        self._http = _Http(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        self.let_go()
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None

    @property
    def url(self) -> str:
        assert self._http is not None
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    # ---- what the test does

    def let_go(self) -> None:
        """All that hangs or is held goes on."""
        self.letting_go.set()
        for gate in self._gates:
            gate.open()

    def gate(self, point: str, path: str = CHAT) -> Gate:
        """Hold each POST on a path at a point, from now until the gate is opened."""
        gate = Gate(point, path)
        self._gates.append(gate)
        return gate

    def ids(self) -> list[str]:
        return [each.id for each in self.asked]

    def charged(self, input_usd: Decimal, output_usd: Decimal) -> Decimal:
        return sum((each.usd(input_usd, output_usd) for each in self.asked), Decimal(0))

    # ---- what it does

    def pass_gates(self, point: str, path: str) -> None:
        for gate in list(self._gates):
            if (gate.point, gate.path) == (point, path):
                gate.hold()

    def ask(self, request_id: str, body: Json, *, batch: bool = False) -> Answer:
        """Answer one question, well or as told, and count it."""
        asked = Asked(request_id, body, batch)
        with self._lock:
            self.asked.append(asked)
            fault = self._fault(asked)
        if self.arrived is not None:
            self.arrived(asked)
        answer = self._answer(body, fault)
        usage = answer.body.get("usage", {})
        asked.input_tokens, asked.output_tokens = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
        asked.status = 0 if answer.silent else answer.status
        return answer

    def _answer(self, body: Json, fault: Fault | None) -> Answer:
        try:
            judge_rules.check_request(body)
        except InvalidRequestError as refused:
            return fails(400, str(refused))(self, Answer(200, {}))
        good = Answer(200, completion(body, json.dumps(judge_rules.judge(body), ensure_ascii=False)))
        return good if fault is None else fault(self, good)

    def _ask_in_batch(self, custom_id: str, body: Json) -> Answer:
        return self.ask(custom_id, body, batch=True)

    def _fault(self, asked: Asked) -> Fault | None:
        if self.next_faults:
            return self.next_faults.popleft()
        return next((fault for text, fault in self.when.items() if text in asked.text), self.always)


def completion(body: Json, content: str) -> Json:
    """A chat completion; cut at the length limit of its request, and counted honestly."""
    written, limit = judge_rules.output_tokens(content), body["max_completion_tokens"]
    whole = written <= limit
    message = {"role": "assistant", "content": content if whole else content[:limit], "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop" if whole else "length", "logprobs": None}
    read, written = judge_rules.input_tokens(body), min(written, limit)
    usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    made = {"id": "chatcmpl-test", "object": "chat.completion", "created": int(time.time()), "model": body["model"]}
    return {**made, "choices": [choice], "usage": usage}


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is what this server is for."""


def _handler(server: JudgeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            server.pass_gates("before-reading", self.path)
            data = self.rfile.read(int(self.headers["Content-Length"]))
            answer = self._answered(lambda: self._post(data))
            server.pass_gates("before-answering", self.path)
            self._send(answer)
            server.pass_gates("after-answering", self.path)

        def do_GET(self) -> None:
            self._send(self._answered(self._get))

        def do_DELETE(self) -> None:
            self._send(self._answered(self._delete))

        def _answered(self, respond: Callable[[], Answer]) -> Answer:
            if self.headers.get("Authorization") != f"Bearer {server.key}":
                return fails(401, "invalid_api_key")(server, Answer(200, {}))
            try:
                return respond()
            except (KeyError, ValueError, InvalidRequestError) as error:
                status = 404 if isinstance(error, KeyError) else 400
                return fails(status, str(error))(server, Answer(200, {}))

        def _post(self, data: bytes) -> Answer:
            match urlsplit(self.path).path.strip("/").split("/"):
                case ["v1", "chat", "completions"]:
                    return server.ask(self.headers.get("X-Client-Request-Id", ""), json.loads(data))
                case ["v1", "files"]:
                    return Answer(200, server.batches.upload(self.headers["Content-Type"], data))
                case ["v1", "batches"]:
                    return Answer(200, server.batches.create(json.loads(data)))
                case ["v1", "batches", batch_id, "cancel"]:
                    return Answer(200, server.batches.cancel(batch_id))
            raise KeyError(self.path)

        def _get(self) -> Answer:
            address = urlsplit(self.path)
            asked = parse_qs(address.query)
            match address.path.strip("/").split("/"):
                case ["v1", "files"]:
                    return Answer(200, server.batches.listed_files(asked.get("purpose", [""])[0]))
                case ["v1", "files", file_id, "content"]:
                    return Answer(200, {}, data=server.batches.files[file_id][1])
                case ["v1", "files", file_id]:
                    return Answer(200, server.batches.files[file_id][0])
                case ["v1", "batches"]:
                    page = server.batches.listed(int(asked.get("limit", ["20"])[0]), asked.get("after", [""])[0])
                    return Answer(200, page)
                case ["v1", "batches", batch_id]:
                    return Answer(200, server.batches.retrieve(batch_id))
            raise KeyError(self.path)

        def _delete(self) -> Answer:
            match self.path.strip("/").split("/"):
                case ["v1", "files", file_id]:
                    if server.deleting is not None:
                        return server.deleting(server, Answer(200, {}))
                    return Answer(200, server.batches.delete(file_id))
            raise KeyError(self.path)

        def _send(self, answer: Answer) -> None:
            body = answer.data or json.dumps(answer.body, ensure_ascii=False).encode()
            if not answer.silent:
                self.send_response(answer.status)
                for name, value in ({"Content-Type": "application/json"} | answer.headers).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if answer.cut else body)
                self.wfile.flush()
            self.close_connection = answer.cut or answer.silent or self.close_connection

        def log_message(self, *args: object) -> None: ...

    return Handler


def asked_twice(asked: Sequence[Asked]) -> set[str]:
    """The questions that were asked more than once."""
    said = Counter(each.text for each in asked)
    return {text for text, times in said.items() if times > 1}
