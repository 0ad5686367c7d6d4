"""What the judge server answers: a fixed rule on the items it is asked about, and an honest count of tokens.

The share of words that two items have in common gives relevance and scores, so runs are meaningful and repeat.
"""

import base64
import io
import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from PIL import Image

Json = dict[str, Any]
WORD = re.compile(r"\w+")
MESSAGE_TOKENS, ANSWER_OVERHEAD = 4, 3
# Tokens of an image and of each of its tiles of 512 pixels.
IMAGE_TOKENS = {"gpt-4o": (85, 170), "gpt-4o-mini": (2833, 5667)}


class InvalidRequestError(Exception):
    """Answered with 400 and this message, as the provider answers a request out of form."""


def check_request(body: Json) -> None:
    """Raises InvalidRequestError for what the provider would not take under strict structured outputs."""
    wanted = body.get("response_format", {})
    if wanted.get("type") != "json_schema" or wanted.get("json_schema", {}).get("strict") is not True:
        raise InvalidRequestError("response_format must be a strict json_schema")
    if not isinstance(body.get("max_completion_tokens"), int) or "max_tokens" in body:
        raise InvalidRequestError("max_completion_tokens is required, max_tokens is not supported")
    _check_strict(wanted["json_schema"]["schema"])


def _check_strict(schema: Json) -> None:
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            raise InvalidRequestError("additionalProperties must be false")
        if sorted(schema.get("required", [])) != sorted(schema["properties"]):
            raise InvalidRequestError("required must name every property")
        for each in schema["properties"].values():
            _check_strict(each)
    elif schema.get("type") == "array":
        _check_strict(schema["items"])


# ---- the answer


def judge(body: Json) -> Json:
    """The answer to a question, in the form of its schema: a list of candidates, or the scores of one pair."""
    query, *others = list(_items(body))
    schema = body["response_format"]["json_schema"]["schema"]
    lists = [name for name, each in schema["properties"].items() if each.get("type") == "array"]
    if not lists:
        scores = _filled(schema, _similarity(query, others[0]), 1)
        # Without pictures there is nothing to score in them.
        return scores if query.get("images") and others[0].get("images") else scores | {"image_score": None}
    form = schema["properties"][lists[0]]["items"]
    numbered = [(_number(item, place), _similarity(query, item)) for place, item in enumerate(others, 1)]
    return {lists[0]: [_filled(form, share, number) for number, share in numbered if relevance(share)]}


def relevance(share: float) -> int:
    """0-3 of the share of common words."""
    return sum(share >= line for line in (0.2, 0.5, 0.8))


def _filled(schema: Json, share: float, number: int) -> Json:
    return {name: _value(name, share, number) for name in schema["properties"]}


def _value(name: str, share: float, number: int) -> Any:
    if "relevance" in name:
        return relevance(share)
    if "score" in name:
        return 1 + round(4 * share)
    if "reason" in name:
        return f"{share:.0%} of the words are common"
    return number


def _similarity(one: Any, other: Any) -> float:
    """The shared part of the words of two items, 0-1."""
    words, others = _words(one), _words(other)
    return len(words & others) / max(1, len(words | others))


def _words(item: Any) -> set[str]:
    if isinstance(item, dict):
        return set().union(*(_words(value) for name, value in item.items() if name not in ("number", "item")))
    if isinstance(item, list):
        return set().union(*map(_words, item))
    return set(WORD.findall(item)) if isinstance(item, str) else set()


def _number(item: Any, place: int) -> int:
    """A candidate's number as shown; without one, its place."""
    found = [item[name] for name in ("number", "candidate", "id") if isinstance(item, dict) and name in item]
    return int(found[0]) if found else place


def _items(body: Json) -> Iterator[Any]:
    """The items of a question: the JSON objects in its user messages, in order, the query's first."""
    decoder = json.JSONDecoder()
    for text in texts(body, role="user"):
        position = text.find("{")
        while position >= 0:
            try:
                item, position = decoder.raw_decode(text, position)
                yield from _opened(item)
            except ValueError:
                position += 1
            position = text.find("{", position)


def _opened(item: Json) -> Iterator[Any]:
    """{"query": .., "candidates": [..]} holds several items."""
    inner = [value for value in item.values() if isinstance(value, dict)]
    listed = [each for value in item.values() if isinstance(value, list) for each in value if isinstance(each, dict)]
    yield from (inner + listed) or [item]


def texts(body: Json, *, role: str = "") -> Iterator[str]:
    for message in body["messages"]:
        if role and message["role"] != role:
            continue
        content = message["content"]
        parts: Sequence[Json] = [{"type": "text", "text": content}] if isinstance(content, str) else content
        yield from (part["text"] for part in parts if part["type"] == "text")


# ---- the count


def input_tokens(body: Json) -> int:
    """Tokens of the messages: three bytes a token, images by their tiles."""
    text = sum(math.ceil(len(each.encode()) / 3) for each in texts(body))
    parts = [
        part for message in body["messages"] if isinstance(message["content"], list) for part in message["content"]
    ]
    images = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    shown = sum(_image_tokens(body["model"], url) for url in images)
    return text + shown + MESSAGE_TOKENS * len(body["messages"]) + ANSWER_OVERHEAD


def _image_tokens(model: str, url: str) -> int:
    base, tile = IMAGE_TOKENS.get(model, IMAGE_TOKENS["gpt-4o"])
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2], validate=True))) as image:
        image.load()
        width, height = image.size
    shrink = min(1.0, 2048 / max(width, height))
    shrink *= min(1.0, 768 / (min(width, height) * shrink))
    return base + tile * math.ceil(width * shrink / 512) * math.ceil(height * shrink / 512)


def output_tokens(text: str) -> int:
    return math.ceil(len(text.encode()) / 3)
