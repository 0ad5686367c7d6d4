"""A client of the API, written from its OpenAPI document alone: standard library only, nothing of the bank imported.

    python docs/examples/api_client.py https://bank.example TOKEN "일차함수의 기울기를 구하시오."

finds items by the text, then what is similar to the first of them, and starts a job for what lacks vectors.
"""

import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any


class ApiError(Exception):
    """A problem (RFC 9457). Decide by `code`; `detail` is for people."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(f"{problem['status']} {problem['code']}: {problem['detail']}")
        self.status, self.code = problem["status"], problem["code"]


class Api:
    """Calls by the names that operations have in the document: `api.call("read_job", job_id=17)`."""

    def __init__(self, address: str, token: str, *, language: str = "ko", tries: int = 3) -> None:
        self.address, self.tries = address.rstrip("/"), tries
        self.headers = {"Authorization": f"Bearer {token}", "Accept-Language": language}
        document = self._send("GET", "/api/v1/openapi.json")
        base = document["servers"][0]["url"]
        self.operations = {
            operation["operationId"]: (method.upper(), base + path, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }

    def call(self, name: str, body: Any = None, **values: Any) -> Any:
        """Values go into the path or the query, as the document says of each."""
        method, path, operation = self.operations[name]
        places = {each["name"]: each["in"] for each in operation["parameters"]}
        for key in [key for key in values if places[key] == "path"]:
            path = path.replace("{" + key + "}", urllib.parse.quote(str(values.pop(key)), safe=""))
        query = urllib.parse.urlencode(values, doseq=True)
        return self._send(method, f"{path}?{query}" if query else path, body)

    def pages(self, name: str, **values: Any) -> Iterator[Any]:
        """All entries of a list, page after page."""
        page = self.call(name, **values)
        yield from page["items"]
        while page["next_cursor"]:
            page = self.call(name, cursor=page["next_cursor"], **values)
            yield from page["items"]

    def _send(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = self.headers | ({"Content-Type": "application/json"} if data else {})
        request = urllib.request.Request(self.address + path, data, headers, method=method)  # noqa: S310
        for left in range(self.tries - 1, -1, -1):
            try:
                with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
                    return json.load(response)
            except urllib.error.HTTPError as error:
                with error:
                    seconds = error.headers.get("Retry-After")
                    if not (left and seconds):
                        raise ApiError(json.load(error)) from error
                time.sleep(int(seconds))
        raise AssertionError("unreachable")


def main(address: str, token: str, text: str) -> None:
    api = Api(address, token)
    found = api.call("search_items", {"text": text, "k": 5})
    for hit in found["hits"]:
        print(hit["rank"], hit["code"], round(hit["score"], 3))
    for hit in api.call("similar_items", code=found["hits"][0]["code"], k=5)["hits"] if found["hits"] else []:
        print("  similar:", hit["code"], round(hit["score"], 3))
    job = api.call("start_job", {"encoder": found["encoder"], "scope": "missing"})
    while job["state"] == "running":
        time.sleep(1)
        job = api.call("read_job", job_id=job["id"])
        print("job", job["id"], job["state"], f"{job['progress']['percent']}%")


if __name__ == "__main__":
    main(*sys.argv[1:])
