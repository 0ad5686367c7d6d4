"""The files and batches of the judge server. Batches go on only when the test says so (`run`, `expire`)."""

import json
import time
from collections.abc import Callable
from email.parser import BytesParser
from email.policy import HTTP
from itertools import count
from typing import Any

from tests.groundtruth.judge_faults import Answer
from tests.groundtruth.judge_rules import InvalidRequestError

Json = dict[str, Any]
LIVE = ("validating", "in_progress", "cancelling")
Ask = Callable[[str, Json], Answer]  # answers one request of a batch, by its custom_id


class Batches:
    """`ask` answers a request. `automatic`: a batch is through as soon as somebody looks at it a second time."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.automatic = False
        self.files: dict[str, tuple[Json, bytes]] = {}
        self.batches: dict[str, Json] = {}  # in order of creation
        self._numbers = count(1)

    # ---- files

    def upload(self, content_type: str, data: bytes) -> Json:
        """A multipart form with `purpose` and `file`."""
        form = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + data)
        parts = {part.get_param("name", header="content-disposition"): part for part in form.iter_parts()}
        if parts["purpose"].get_content().strip() != "batch":
            raise InvalidRequestError("purpose must be batch")
        return self._keep(
            bytes(parts["file"].get_payload(decode=True)), parts["file"].get_filename() or "file", "batch"
        )

    def _keep(self, data: bytes, name: str, purpose: str) -> Json:
        made: Json = {"id": f"file-{next(self._numbers)}", "object": "file", "bytes": len(data), "filename": name}
        made |= {"created_at": int(time.time()), "purpose": purpose, "status": "processed"}
        self.files[made["id"]] = (made, data)
        return made

    def delete(self, file_id: str) -> Json:
        """Raises KeyError for an unknown one."""
        del self.files[file_id]
        return {"id": file_id, "object": "file", "deleted": True}

    def listed_files(self, purpose: str) -> Json:
        """All on one page."""
        found = [made for made, _data in self.files.values() if made["purpose"] == purpose]
        return {"object": "list", "data": found, "has_more": False}

    # ---- batches

    def create(self, body: Json) -> Json:
        if body["input_file_id"] not in self.files or body.get("endpoint") != "/v1/chat/completions":
            raise InvalidRequestError("no such input file, or another endpoint")
        if body.get("completion_window") != "24h":
            raise InvalidRequestError("completion_window must be 24h")
        total = len(self._lines(body["input_file_id"]))
        batch: Json = {"id": f"batch_{next(self._numbers)}", "object": "batch", "endpoint": body["endpoint"]}
        batch |= {"input_file_id": body["input_file_id"], "completion_window": "24h", "status": "validating"}
        batch |= {"created_at": int(time.time()), "metadata": body.get("metadata") or {}, "errors": None}
        batch |= {"output_file_id": None, "error_file_id": None}
        batch["request_counts"] = {"total": total, "completed": 0, "failed": 0}
        self.batches[batch["id"]] = batch
        return dict(batch)

    def retrieve(self, batch_id: str) -> Json:
        """Raises KeyError for an unknown one."""
        batch = self.batches[batch_id]
        seen = dict(batch)
        if self.automatic and batch["status"] in LIVE:
            self.run(batch_id)
        return seen

    def listed(self, limit: int, after: str) -> Json:
        """A page of the batches, newest first."""
        newest = list(reversed(self.batches.values()))
        start = 1 + [each["id"] for each in newest].index(after) if after else 0
        page = newest[start : start + limit]
        ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
        return {"object": "list", "data": page, "has_more": start + limit < len(newest), **ends}

    def cancel(self, batch_id: str) -> Json:
        """Raises KeyError for an unknown one. What is done by then stays done; the rest is never asked."""
        if self.batches[batch_id]["status"] in LIVE:
            self.batches[batch_id]["status"] = "cancelled"
        return dict(self.batches[batch_id])

    # ---- what the test does

    def begin(self, batch_id: str) -> None:
        self.batches[batch_id]["status"] = "in_progress"

    def run(self, batch_id: str) -> None:
        """All its requests are answered and the files are there."""
        self._end(batch_id, "completed", after=None)

    def expire(self, batch_id: str, *, after: int) -> None:
        """The 24 hours are over when so many requests are answered; the others are in the error file as expired."""
        self._end(batch_id, "expired", after=after)

    def fail(self, batch_id: str, message: str = "test: the file is not valid") -> None:
        errors = {"object": "list", "data": [{"code": "invalid", "message": message, "line": 1, "param": None}]}
        self.batches[batch_id] |= {"status": "failed", "errors": errors}

    def _end(self, batch_id: str, status: str, *, after: int | None) -> None:
        batch = self.batches[batch_id]
        lines = self._lines(batch["input_file_id"])
        answered = lines if after is None else lines[:after]
        results = [_line(line["custom_id"], self.ask(line["custom_id"], line["body"])) for line in answered]
        good = [each for each in results if each["response"]["status_code"] == 200]
        bad = [each for each in results if each not in good] + [_expired(each) for each in lines[len(answered) :]]
        for name, kept in (("output_file_id", good), ("error_file_id", bad)):
            text = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in reversed(kept))  # in no given order
            batch[name] = self._keep(text.encode(), f"{name}.jsonl", "batch_output")["id"] if kept else None
        batch["request_counts"] = {"total": len(lines), "completed": len(good), "failed": len(bad)}
        batch["status"] = status

    def _lines(self, file_id: str) -> list[Json]:
        return [json.loads(line) for line in self.files[file_id][1].decode().split("\n") if line.strip()]


def _line(custom_id: str, answer: Answer) -> Json:
    response = {"status_code": answer.status, "request_id": f"req-{custom_id}", "body": answer.body}
    return {"id": f"batch_req_{custom_id}", "custom_id": custom_id, "response": response, "error": None}


def _expired(line: Json) -> Json:
    error = {"code": "batch_expired", "message": "This request could not be executed before the window ended."}
    return {"id": f"batch_req_{line['custom_id']}", "custom_id": line["custom_id"], "response": None, "error": error}
