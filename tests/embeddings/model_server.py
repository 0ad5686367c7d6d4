"""A model server on this machine: the endpoints of vLLM with a real, small model behind them, and bad manners.

`server.faults` holds what it does to the next requests (POST) instead of answering, or to their answers.
"""

import base64
import io
import json
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image

from embeddings.encoders.base import EncoderBackend, EncoderInput, Role
from embeddings.rerankers.base import RerankerBackend

Json = dict[str, Any]
# Takes the request over: returns what to send as (status, headers, body), None to say nothing ever.
Fault = Callable[["TinyModelServer", Callable[[], Json]], "tuple[int, dict[str, str], bytes] | None"]


class BadRequestError(Exception):
    """Answered with 400 and this message."""


class TinyModelServer:
    """Serves until `stop`; `start` opens the same port again. A context manager."""

    def __init__(
        self,
        encoder: EncoderBackend | None = None,
        reranker: RerankerBackend | None = None,
        *,
        model: str = "",
        key: str = "",
    ) -> None:
        served = encoder or reranker
        self.encoder, self.reranker, self.key = encoder, reranker, key
        self.model = model or (served.name if served else "")
        self.requests: list[tuple[str, Json]] = []
        self.connections = 0
        self.faults: deque[Fault] = deque()
        self.always: Fault | None = None
        self.refused_text = ""
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._port = 0
        self._http: ThreadingHTTPServer | None = None

    def __enter__(self) -> "TinyModelServer":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        self.ended.clear()
        self._http = ThreadingHTTPServer(("127.0.0.1", self._port), _handler(self))
        self._http.daemon_threads = True
        self._port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self.ended.set()
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def count(self, path: str) -> int:
        return sum(asked == path for asked, _body in self.requests)

    # ---- what it answers

    def answer(self, path: str, body: Json) -> Json:
        if body.get("model") != self.model:
            raise LookupError
        if self.refused_text and self.refused_text in json.dumps(body, ensure_ascii=False):
            raise BadRequestError("this text is too long for the model")
        with self._lock:
            if path == "/v1/embeddings" and self.encoder:
                return self._embeddings(self.encoder, body)
            if path in ("/v1/score", "/v1/rerank") and self.reranker:
                return self._scores(self.reranker, path, body)
        raise LookupError

    def _embeddings(self, encoder: EncoderBackend, body: Json) -> Json:
        if "messages" in body:
            vectors = self._of_messages(encoder, body)
        else:
            # The text comes with its instruction, so the model adds none.
            vectors = _under(encoder, "", [EncoderInput(text) for text in body["input"]])
        data = [{"index": index, "embedding": _written(vector, body)} for index, vector in enumerate(vectors)]
        return {"object": "list", "model": self.model, "data": data}

    def _of_messages(self, encoder: EncoderBackend, body: Json) -> Any:
        *system, user = body["messages"]
        if bool(system) != body.get("add_generation_prompt"):
            raise BadRequestError("an instruction without a generation prompt, or the other way round")
        instruction = system[0]["content"][0]["text"] if system else ""
        return _under(encoder, instruction, [_item(user["content"])])

    def _scores(self, reranker: RerankerBackend, path: str, body: Json) -> Json:
        one, many = ("text_1", "text_2") if path == "/v1/score" else ("query", "documents")
        documents = body[many] if isinstance(body[many], list) else [body[many]]
        if reranker.spec.instruction != body["chat_template_kwargs"]["instruction"]:
            raise BadRequestError("another instruction")
        scores = reranker.score(_item(body[one]), [_item(document) for document in documents])
        if path == "/v1/score":
            return {"data": [{"index": index, "score": float(score)} for index, score in enumerate(scores)]}
        ranked = sorted(enumerate(scores), key=lambda pair: -pair[1])
        return {"results": [{"index": index, "relevance_score": float(score)} for index, score in ranked]}


def _under(encoder: EncoderBackend, instruction: str, items: Sequence[EncoderInput]) -> Any:
    """A server knows no roles: all is a query, of which some encoders take more kinds."""
    usual = encoder.spec
    encoder.spec = replace(usual, query_instruction=instruction)
    try:
        return encoder.encode(items, Role.QUERY)
    finally:
        encoder.spec = usual


def _item(side: Any) -> EncoderInput:
    if isinstance(side, str):
        return EncoderInput(side)
    parts = side["content"] if isinstance(side, dict) else side
    kinds = [part["type"] for part in parts]
    if kinds != sorted(kinds):  # "image_url" before "text"
        raise BadRequestError("images come before the text")
    text = "".join(part["text"] for part in parts if part["type"] == "text")
    return EncoderInput(text, tuple(_image(part["image_url"]["url"]) for part in parts if part["type"] == "image_url"))


def _image(url: str) -> Image.Image:
    file = io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,"), validate=True))
    image = Image.open(file)
    image.load()
    return image


def _written(vector: Any, body: Json) -> Any:
    if body.get("encoding_format") == "base64":
        return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()
    return [float(number) for number in vector]


def _handler(server: TinyModelServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            server.connections += 1

        def do_GET(self) -> None:
            self._reply({}, lambda: {"data": [{"id": server.model}]}, faulty=server.always is not None)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._reply(body, lambda: server.answer(self.path, body), faulty=True)

        def _reply(self, body: Json, answer: Callable[[], Json], *, faulty: bool) -> None:
            if server.ended.is_set():
                self._hang_up()
                return
            server.requests.append((self.path, body))
            fault = server.always or (server.faults.popleft() if faulty and server.faults else None)
            sent = fault(server, answer) if fault else self._plainly(answer)
            if sent is None:
                self._hang_up()
                return
            status, headers, content = sent
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(content))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            if int(headers.get("Content-Length", 0)) > len(content):
                self._hang_up()

        def _plainly(self, answer: Callable[[], Json]) -> tuple[int, dict[str, str], bytes]:
            if server.key and self.headers["Authorization"] != f"Bearer {server.key}":
                return error(401, f"wrong key: {self.headers['Authorization']}")
            try:
                return ok(answer())
            except LookupError:
                return error(404, "The model does not exist.")
            except BadRequestError as refusal:
                return error(400, str(refusal))

        def _hang_up(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def ok(answer: Json) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()


def error(status: int, message: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    body = json.dumps({"error": {"message": message, "type": "error", "code": status}}).encode()
    return status, {"Content-Type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}, body


# ---- faults


def fails(status: int, message: str = "out of order", **headers: str) -> Fault:
    return lambda server, answer: error(status, message, **headers)


def says(content: bytes) -> Fault:
    return lambda server, answer: (200, {"Content-Type": "application/json"}, content)


def hangs(server: TinyModelServer, answer: Callable[[], Json]) -> None:
    """Silence until the server stops."""
    server.ended.wait()


def ends_in_the_middle(server: TinyModelServer, answer: Callable[[], Json]) -> tuple[int, dict[str, str], bytes]:
    status, headers, content = ok(answer())
    return status, {**headers, "Content-Length": str(len(content))}, content[: len(content) // 2]


def changes(change: Callable[[Json], Json]) -> Fault:
    return lambda server, answer: ok(change(answer()))


def waits_for_company(count: int) -> Fault:
    """Answers once so many requests are here at the same time; 500 where they do not come."""
    barrier = threading.Barrier(count)

    def answer_together(server: TinyModelServer, answer: Callable[[], Json]) -> tuple[int, dict[str, str], bytes]:
        try:
            barrier.wait(timeout=2)
        except threading.BrokenBarrierError:
            return error(500, "alone")
        return ok(answer())

    return answer_together
