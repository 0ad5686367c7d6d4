"""What searchers ask a bank over HTTP, and whether what comes back is an answer."""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import quote, urlencode

API = "/api/v1"
HIT = b'data-hit="'
"""On the search page: a card for each hit."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request. `fault` says what is wrong with the body of a 200; "" where it is an answer."""

    kind: str
    path: str
    body: Mapping[str, Any] | None
    fault: Callable[[bytes], str]


@dataclass(frozen=True, slots=True)
class Topics:
    """What there is to ask for. `required`: names that the API's document says an answer and a hit have."""

    codes: Sequence[str]
    words: Sequence[str]
    subjects: Sequence[str]
    required: tuple[frozenset[str], frozenset[str]]


def api_questions(topics: Topics, *, searcher: int, seed: int) -> Iterator[Question]:
    """Of a program, without end: by item, under a filter, by new texts, by words and by both."""
    chance, texts = random.Random(f"{seed}/{searcher}"), new_texts(topics, searcher=searcher, seed=seed)  # noqa: S311

    def fault(body: bytes) -> str:
        return answer_fault(body, *topics.required)

    def search(kind: str, **body: Any) -> Question:
        return Question(kind, f"{API}/search", body, fault)

    makers: list[Callable[[], Question]] = [
        lambda: Question("item", f"{API}/items/{quote(chance.choice(topics.codes), safe='')}/similar", None, fault),
        lambda: search("item, filter", item=chance.choice(topics.codes), filters=_filter(topics, chance)),
        lambda: search("new text", text=next(texts)),
        lambda: search("words", text=next(texts), method="lexical"),
        lambda: search("new text, hybrid", text=next(texts), method="hybrid", filters=_filter(topics, chance)),
    ]
    while True:
        yield chance.choice(makers)()


def staff_questions(topics: Topics, page: str, *, searcher: int, seed: int) -> Iterator[Question]:
    """Of a person at the search page, without end."""
    chance, texts = random.Random(f"{seed}/{searcher}"), new_texts(topics, searcher=searcher, seed=seed)  # noqa: S311

    def show(kind: str, **query: str) -> Question:
        return Question(kind, f"{page}?{urlencode(query)}", None, page_fault)

    makers: list[Callable[[], Question]] = [
        lambda: show("page, item", item=chance.choice(topics.codes)),
        lambda: show("page, new text", text=next(texts)),
        lambda: show("page, words", text=next(texts), method="lexical"),
    ]
    while True:
        yield chance.choice(makers)()


def new_texts(topics: Topics, *, searcher: int, seed: int) -> Iterator[str]:
    """Texts that nobody asked before, so that the worker has to encode each: words of the items, numbered."""
    chance = random.Random(f"texts {seed}/{searcher}")  # noqa: S311
    for number in count():
        yield f"{searcher}-{number} {' '.join(chance.choices(topics.words, k=8))}"


def answer_fault(body: bytes, of_answer: frozenset[str], of_hit: frozenset[str]) -> str:
    try:
        answer = json.loads(body)
    except ValueError:
        return "no JSON"
    if not isinstance(answer, dict):
        return "no object"
    missing = of_answer - answer.keys() or next((of_hit - hit.keys() for hit in answer["hits"]), frozenset())
    if missing:
        return f"without {', '.join(sorted(missing))}"
    return "" if answer["hits"] else "no hits"


def page_fault(body: bytes) -> str:
    return "" if HIT in body else "a page without hits"


def _filter(topics: Topics, chance: random.Random) -> dict[str, list[str]]:
    return {"subject": [chance.choice(topics.subjects)]}
