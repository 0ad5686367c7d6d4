"""A client of the bank's API, written from `/api/v1/openapi.json` alone, in the standard library. Take what you need.

    ITEMBANK_URL=https://bank.example ITEMBANK_TOKEN=... python itembank_client.py "일차함수의 기울기"

shows what it can do: it searches, reads, and starts an embedding job that it cancels again, where the token may.
"""

import base64
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urljoin
from urllib.request import Request, urlopen

Json = dict[str, Any]
TRY_AGAIN = frozenset({429, 503})  # the two that say when, in Retry-After
OVER = frozenset({"completed", "failures", "cancelled"})


class ProblemError(Exception):
    """An answer of `application/problem+json`. Decide by `code`; `detail` is for people."""

    def __init__(self, status: int, problem: Json, retry_after: float | None = None) -> None:
        super().__init__(problem.get("detail") or f"HTTP {status}")
        self.status = status
        self.code: str = problem.get("code", "")
        self.scope: str | None = problem.get("scope")
        self.errors: list[Json] = problem.get("errors") or []
        self.request_id: str | None = problem.get("request_id")
        self.retry_after = retry_after

    def __str__(self) -> str:
        fields = "".join(f"\n  {error['field']}: {error['message']}" for error in self.errors)
        return f"{self.status} {self.code}: {super().__str__()}{fields}"


class Itembank:
    """The bank at `url`, such as https://bank.example. `patience`: the longest wait, in seconds, that a call obeys."""

    def __init__(self, url: str, token: str | None, *, language: str = "en", patience: float = 60) -> None:
        self.root = url.rstrip("/") + "/api/v1"
        self.patience = patience
        self.headers = {"Accept-Language": language}
        if token:
            self.headers["Authorization"] = f"Bearer {token}"

    # Search

    def search(self, *, text: str = "", formula: str = "", image: bytes | None = None, **more: Any) -> Json:
        """By `text`, `formula`, `image` (a file's bytes), or `item` (a code); else as in the document's SearchIn."""
        asked: Json = {"text": text, "formula": formula, **more}
        if image is not None:
            asked["image"] = base64.b64encode(image).decode()
        return self._json("POST", "/search", body=asked)

    def similar(self, code: str, **more: Any) -> Json:
        """What is near to an item; filters are named like its fields: `subject=["수학"]`."""
        return self._json("GET", f"/items/{quote(code, safe='')}/similar", query=more)

    # Items

    def items(self, **filters: Any) -> Iterator[Json]:
        return self._pages("/items", filters)

    def item(self, code: str) -> Json:
        return self._json("GET", f"/items/{quote(code, safe='')}")

    def image(self, image: Json, *, size: int | None = None) -> bytes:
        """The file of one of an item's `images`; a small copy with its longest side at `size`."""
        return self._call("GET", image["url"], query={"size": size})

    # Encoders and their jobs

    def encoders(self, *, coverage: bool = False) -> Iterator[Json]:
        return self._pages("/encoders", {"coverage": coverage})

    def encoder(self, slug: str) -> Json:
        return self._json("GET", f"/encoders/{quote(slug, safe='')}")

    def jobs(self, **filters: Any) -> Iterator[Json]:
        return self._pages("/jobs", filters)

    def start_job(self, encoder: str, *, scope: str = "missing", items: list[str] | None = None) -> Json:
        return self._json("POST", "/jobs", body={"encoder": encoder, "scope": scope, "items": items})

    def job(self, job_id: int) -> Json:
        return self._json("GET", f"/jobs/{job_id}")

    def control(self, job_id: int, control: str) -> Json:
        """`pause`, `resume`, `cancel` or `retry`."""
        return self._json("POST", f"/jobs/{job_id}/{control}")

    def wait_for(self, job_id: int, *, every: float = 1, seconds: float = 3600) -> Json:
        end = time.monotonic() + seconds
        while (job := self.job(job_id))["state"] not in OVER:
            if time.monotonic() > end:
                raise TimeoutError(f"job {job_id} is {job['state']} after {seconds:g} s")
            time.sleep(every)
        return job

    # Truth and runs

    def truth_sets(self, **filters: Any) -> Iterator[Json]:
        return self._pages("/truth-sets", filters)

    def truth_set(self, set_id: int) -> Json:
        return self._json("GET", f"/truth-sets/{set_id}")

    def pairs(self, set_id: int, **filters: Any) -> Iterator[Json]:
        return self._pages(f"/truth-sets/{set_id}/pairs", filters)

    def runs(self, **filters: Any) -> Iterator[Json]:
        return self._pages("/runs", filters)

    def run(self, run_id: int) -> Json:
        return self._json("GET", f"/runs/{run_id}")

    def metrics(self, run_id: int, *, minimum_relevance: int = 1) -> Json:
        return self._json("GET", f"/runs/{run_id}/metrics", query={"minimum_relevance": minimum_relevance})

    def health(self) -> Json:
        return self._json("GET", "/health")

    # How it is said

    def _pages(self, path: str, query: Mapping[str, Any]) -> Iterator[Json]:
        """Every entry of a list, page by page."""
        cursor: str | None = ""
        while cursor is not None:
            page = self._json("GET", path, query={**query, "cursor": cursor})
            yield from page["items"]
            cursor = page["next_cursor"]

    def _json(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Json | None = None
    ) -> Json:
        answer: Json = json.loads(self._call(method, path, query=query, body=body))
        return answer

    def _call(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Json | None = None
    ) -> bytes:
        """Ask again after the wait that 429 and 503 name, until patience ends. Raises ProblemError for all else."""
        waited = 0.0
        while True:
            try:
                return self._once(method, path, query or {}, body)
            except ProblemError as problem:
                wait = problem.retry_after
                if problem.status not in TRY_AGAIN or wait is None or waited + wait > self.patience:
                    raise
            time.sleep(wait)
            waited += wait

    def _once(self, method: str, path: str, query: Mapping[str, Any], body: Json | None) -> bytes:
        address = urljoin(self.root, path) if path.startswith("/api/") else self.root + path
        given = {name: _in_query(value) for name, value in query.items() if value is not None}
        headers = {**self.headers, **({"Content-Type": "application/json"} if body is not None else {})}
        data = json.dumps(body).encode() if body is not None else None
        asked = Request(f"{address}?{urlencode(given, doseq=True)}", data, headers, method=method)  # noqa: S310
        try:
            with urlopen(asked, timeout=120) as answer:  # noqa: S310
                content: bytes = answer.read()
                return content
        except HTTPError as error:
            raise _problem(error) from error


def _in_query(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _problem(error: HTTPError) -> ProblemError:
    problem: Json = {}
    with error, suppress(ValueError):  # a proxy in between may answer with a page
        problem = json.loads(error.read())
    wait = error.headers.get("Retry-After", "")
    return ProblemError(error.code, problem, float(wait) if wait.isdigit() else None)


def walk_through(bank: Itembank, words: str) -> Iterator[str]:
    """One line for each thing tried; what the token may not do is a line too."""
    yield f"health: {bank.health()['status']}"
    for part in (_searches, _reading, _truth, _job):
        try:
            yield from part(bank, words)
        except ProblemError as problem:
            yield f"{problem}"


def _searches(bank: Itembank, words: str) -> Iterator[str]:
    for name, asked in _questions(bank, words).items():
        try:
            yield f"{name}: {_codes(bank.search(**asked, k=5))}"
        except ProblemError as problem:  # an encoder of texts alone reads no image, for instance
            yield f"{name}: {problem}"
    first = next(bank.items(limit=1), None)
    if first:
        found = bank.similar(first["code"], k=5, leave_out_near_duplicates=True)
        yield f"similar to {first['code']}: {_codes(found)}"


def _questions(bank: Itembank, words: str) -> dict[str, Json]:
    questions: dict[str, Json] = {
        "words": {"text": words, "method": "lexical"},
        "text": {"text": words},
        "formula": {"formula": r"\frac{1}{2}x+3", "method": "hybrid"},
    }
    pictured = next((item for item in bank.items(category=["image"]) if item["images"]), None)
    if pictured:
        subject = {"subject": [pictured["subject"]]}
        questions["image"] = {"image": bank.image(pictured["images"][0], size=320)}
        questions["item under a filter"] = {"item": pictured["code"], "filters": subject}
    return questions


def _codes(found: Json) -> str:
    hits = (f"{hit['code']} ({hit['score']:.3f}{', weak' if hit['weak'] else ''})" for hit in found["hits"])
    return ", ".join(hits) or "nothing"


def _reading(bank: Itembank, words: str) -> Iterator[str]:
    yield f"items: {sum(1 for _ in bank.items(limit=200))}"
    for encoder in bank.encoders(coverage=True):
        covered = encoder["coverage"]
        yield f"encoder {encoder['slug']}: {covered['embedded']} of {covered['total']} items"


def _truth(bank: Itembank, words: str) -> Iterator[str]:
    for truth in bank.truth_sets():
        similar = sum(1 for _ in bank.pairs(truth["id"], relevance=[2, 3], limit=200))
        yield f"truth set {truth['name']} v{truth['version']}: {truth['pairs']} pairs, {similar} of them similar"
    for run in bank.runs(state="completed"):
        means = {metric["name"]: metric["mean"] for metric in bank.metrics(run["id"])["metrics"]}
        yield f"run {run['name']}: R@10 {means.get('R@10')}"


def _job(bank: Itembank, words: str) -> Iterator[str]:
    active = next((encoder for encoder in bank.encoders() if encoder["is_active"]), None)
    if active is None:
        return
    job = bank.start_job(active["slug"], scope="all")
    for control in ("pause", "resume", "cancel"):
        try:
            job = bank.control(job["id"], control)
        except ProblemError as problem:
            if problem.code != "job-state":  # a short job may be over before
                raise
            job = bank.wait_for(job["id"])
        yield f"job {job['id']}, {control}: {job['state']}, {job['progress']['percent']}%"


if __name__ == "__main__":
    this_bank = Itembank(os.environ.get("ITEMBANK_URL", "http://127.0.0.1:8000"), os.environ.get("ITEMBANK_TOKEN"))
    for line in walk_through(this_bank, " ".join(sys.argv[1:]) or "일차함수의 기울기"):
        print(line)
