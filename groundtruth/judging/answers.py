"""Reading what a model answered. Nothing in an answer is trusted, and none of it raises."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from django.utils.translation import gettext as _

from groundtruth.models import JudgeQuestion, Prompt

Failure = JudgeQuestion.Failure

REASON_LENGTH = 2_000
_MAX_TOKENS = 2**31 - 1  # what the ledger's columns hold


@dataclass(frozen=True, slots=True)
class Verdict:
    """On one pair: `index` is its place in the question's pairs, `relevance` 0-3, scores 1-5 where they were asked."""

    index: int
    relevance: int
    concept_score: float | None = None
    image_score: float | None = None
    overall_score: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """Verdicts on every pair in order, or a failure with its error; tokens as the provider counted them, if it did."""

    verdicts: tuple[Verdict, ...] = ()
    failure: JudgeQuestion.Failure | str = ""
    error: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None


class _BadAnswerError(Exception):
    def __init__(self, failure: JudgeQuestion.Failure, error: str) -> None:
        super().__init__(error)
        self.failure = failure
        self.error = error


def read_answer(kind: str, raw: str, count: int, swapped: bool) -> Reading:
    """The verdicts in the body of a chat completion about `count` pairs. Never raises."""
    try:
        body = _object(_parsed(raw))
    except _BadAnswerError as bad:
        return Reading(failure=bad.failure, error=bad.error)
    usage = body.get("usage")
    counted = usage if isinstance(usage, Mapping) else {}
    reading = Reading(
        input_tokens=_tokens(counted.get("prompt_tokens")), output_tokens=_tokens(counted.get("completion_tokens"))
    )
    try:
        answer = _object(_parsed(_content(body)))
        verdicts = _listwise(answer, count, swapped) if kind == Prompt.Kind.LISTWISE else (_pairwise(answer),)
    except _BadAnswerError as bad:
        return replace(reading, failure=bad.failure, error=bad.error)
    return replace(reading, verdicts=verdicts)


def _content(body: Mapping[str, Any]) -> str:
    """What the model wrote; a refusal and an answer that was cut are told apart from a malformed one."""
    choices = body.get("choices")
    choice = _object(choices[0]) if isinstance(choices, list) and choices else _malformed("choices")
    message = _object(choice.get("message"))
    refusal, finish = message.get("refusal"), choice.get("finish_reason")
    if refusal or finish == "content_filter":
        reason = _storable(refusal) if isinstance(refusal, str) else str(finish)
        raise _BadAnswerError(Failure.REFUSED, _("The model refused: %(reason)s") % {"reason": reason})
    if finish == "length":
        raise _BadAnswerError(
            Failure.TRUNCATED, _("The answer was cut at its length limit. Raise max_output_tokens in another job.")
        )
    content = message.get("content")
    return content if isinstance(content, str) else _malformed("content")


def _listwise(answer: Mapping[str, Any], count: int, swapped: bool) -> tuple[Verdict, ...]:
    """A candidate that the model did not list is not similar."""
    listed = answer.get("similar")
    if not isinstance(listed, list):
        _malformed("similar")
    found: dict[int, Verdict] = {}
    for each in listed:
        entry = _object(each)
        number = _whole(entry.get("number"), "number", 1, count)
        index = count - number if swapped else number - 1
        if index in found:
            _malformed("number")
        relevance = _whole(entry.get("relevance"), "relevance", 0, 3)
        found[index] = Verdict(index, relevance, reason=_reason(entry))
    return tuple(found.get(index, Verdict(index, 0)) for index in range(count))


def _pairwise(answer: Mapping[str, Any]) -> Verdict:
    concept, overall = (_score(answer, name) for name in ("concept_score", "overall_score"))
    image = None if answer.get("image_score") is None else _score(answer, "image_score")
    return Verdict(0, relevance_of(overall), concept, image, overall, _reason(answer))


def relevance_of(overall: float) -> int:
    """Similar from 3 of 5: 5 is relevance 3, 4 is 2, 3 is 1, less is 0."""
    return max(0, math.floor(overall) - 2)


def _score(answer: Mapping[str, Any], name: str) -> float:
    value = answer.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 5:
        _malformed(name)
    return float(value)


def _whole(value: object, name: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        _malformed(name)
    return value


def _reason(entry: Mapping[str, Any]) -> str:
    reason = entry.get("reason")
    return _storable(reason) if isinstance(reason, str) else _malformed("reason")


def _storable(text: str) -> str:
    """What the database takes: JSON may escape halves of characters and NUL, which it does not."""
    return text[:REASON_LENGTH].encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def _tokens(value: object) -> int | None:
    counted = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_TOKENS
    return value if counted and isinstance(value, int) else None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _malformed("JSON")


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else _malformed("JSON")


def _malformed(where: str) -> NoReturn:
    raise _BadAnswerError(
        Failure.MALFORMED, _("The answer does not have the agreed form (%(where)s).") % {"where": where}
    )
