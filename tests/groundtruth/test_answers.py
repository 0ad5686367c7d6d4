"""Reading answers: good ones, and anything else a provider may send."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtruth.judging.answers import Failure, Reading, Verdict, read_answer
from itembank.models import Item  # noqa: F401  # the apps are loaded

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def completion(content: Any, finish_reason: Any = "stop", **message: Any) -> str:
    said = content if isinstance(content, str) or content is None else json.dumps(content)
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": said} | message}
    return json.dumps({"choices": [choice], "usage": {"prompt_tokens": 120, "completion_tokens": 30}})


def listed(*numbers: tuple[Any, Any]) -> dict[str, Any]:
    return {"similar": [{"number": number, "reason": "r", "relevance": relevance} for number, relevance in numbers]}


def scores(**changed: Any) -> dict[str, Any]:
    return {"reason": "r", "concept_score": 4, "image_score": 2, "overall_score": 3} | changed


def read_list(content: Any, count: int = 3, *, swapped: bool = False) -> Reading:
    return read_answer("listwise", completion(content), count, swapped)


def read_pair(content: Any) -> Reading:
    return read_answer("pairwise", completion(content), 1, False)


def test_a_list_gives_a_verdict_on_every_candidate_and_zero_to_those_it_leaves_out() -> None:
    reading = read_list(listed((3, 1), (1, 3)))

    assert reading.verdicts == (Verdict(0, 3, reason="r"), Verdict(1, 0), Verdict(2, 1, reason="r"))
    assert (reading.failure, reading.input_tokens, reading.output_tokens) == ("", 120, 30)


def test_a_list_in_the_other_order_is_read_back_to_front() -> None:
    assert [each.relevance for each in read_list(listed((1, 3)), swapped=True).verdicts] == [0, 0, 3]


def test_an_empty_list_is_an_answer_nothing_is_similar() -> None:
    assert [each.relevance for each in read_list(listed()).verdicts] == [0, 0, 0]


@pytest.mark.parametrize(("overall", "relevance"), [(5, 3), (4, 2), (3, 1), (2, 0), (1, 0), (3.5, 1), (4.9, 2)])
def test_the_overall_score_of_a_pair_gives_its_relevance(overall: float, relevance: int) -> None:
    (verdict,) = read_pair(scores(overall_score=overall)).verdicts

    assert verdict == Verdict(0, relevance, 4.0, 2.0, float(overall), "r")


def test_a_pair_without_pictures_has_no_image_score() -> None:
    assert read_pair(scores(image_score=None)).verdicts[0].image_score is None


@pytest.mark.parametrize(
    "content",
    [
        "not JSON",
        "",
        "[]",
        '"similar"',
        '{"similar": [{"number": 1, "rele',
        {"similar": None},
        {"similar": ["1"]},
        listed((0, 2)),
        listed((4, 2)),
        listed((1, 2), (1, 2)),
        listed(("1", 2)),
        listed((True, 2)),
        listed((1.0, 2)),
        listed((1, 4)),
        listed((1, -1)),
        listed((1, None)),
        {"similar": [{"number": 1, "relevance": 2}]},
        {"similar": [{"number": 1, "relevance": 2, "reason": None}]},
        "[" * 100_000,
        '{"similar": [{"number": ' + "9" * 10_000 + "}]}",
    ],
)
def test_a_list_out_of_form_is_malformed_but_counted(content: Any) -> None:
    reading = read_list(content)

    assert (reading.failure, reading.verdicts, reading.output_tokens) == (Failure.MALFORMED, (), 30)
    assert reading.error


@pytest.mark.parametrize(
    "changed",
    [
        {"overall_score": 0},
        {"overall_score": 6},
        {"overall_score": None},
        {"overall_score": "5"},
        {"overall_score": True},
        {"concept_score": float("nan")},
        {"concept_score": float("inf")},
        {"image_score": []},
        {"reason": 5},
    ],
)
def test_a_pair_with_scores_out_of_form_is_malformed(changed: dict[str, Any]) -> None:
    assert read_pair(scores(**changed)).failure == Failure.MALFORMED


def test_a_refusal_is_told_with_the_models_words() -> None:
    reading = read_answer("pairwise", completion(None, refusal="I cannot help."), 1, False)

    assert (reading.failure, reading.input_tokens) == (Failure.REFUSED, 120)
    assert "I cannot help." in reading.error


def test_an_answer_that_a_content_filter_took_is_a_refusal() -> None:
    assert read_answer("pairwise", completion("", "content_filter"), 1, False).failure == Failure.REFUSED


def test_an_answer_at_its_length_limit_is_cut_even_where_it_reads_well() -> None:
    reading = read_answer("listwise", completion(listed((1, 3)), "length"), 3, False)

    assert (reading.failure, reading.verdicts) == (Failure.TRUNCATED, ())
    assert "max_output_tokens" in reading.error


def test_a_reason_that_the_database_cannot_hold_is_made_storable() -> None:
    answer = '{"similar": [{"number": 1, "reason": "a\\u0000b\\ud800c", "relevance": 2}]}'

    assert read_list(answer).verdicts[0].reason == "a\ufffdb?c"


@pytest.mark.parametrize(
    "usage", [None, [], {}, {"prompt_tokens": -1}, {"prompt_tokens": True}, {"prompt_tokens": 2**40}]
)
def test_a_count_of_tokens_that_makes_no_sense_is_no_count(usage: Any) -> None:
    body = json.loads(completion(listed())) | {"usage": usage}
    reading = read_answer("listwise", json.dumps(body), 3, False)

    assert (reading.failure, reading.input_tokens) == ("", None)


@pytest.mark.parametrize("kind", ["listwise", "pairwise"])
@given(raw=st.text() | JSON.map(json.dumps))
def test_no_body_whatsoever_raises(kind: str, raw: str) -> None:
    assert read_answer(kind, raw, 1, False).failure == Failure.MALFORMED


@pytest.mark.parametrize("kind", ["listwise", "pairwise"])
@given(content=JSON, finish=JSON, refusal=JSON, usage=JSON)
def test_no_content_whatsoever_raises(kind: str, content: Any, finish: Any, refusal: Any, usage: Any) -> None:
    body = json.loads(completion(content, finish, refusal=refusal)) | {"usage": usage}
    reading = read_answer(kind, json.dumps(body), 1, False)

    assert bool(reading.verdicts) != bool(reading.failure)
    reading.error.encode()


@given(
    entries=st.lists(st.tuples(st.integers(-1, 6) | JSON, st.integers(-1, 4) | JSON), max_size=6),
    swapped=st.booleans(),
)
def test_a_list_that_is_read_has_one_verdict_a_candidate_in_order(entries: list[Any], swapped: bool) -> None:
    reading = read_list(listed(*entries), 5, swapped=swapped)

    if not reading.failure:
        assert [each.index for each in reading.verdicts] == list(range(5))
        assert all(0 <= each.relevance <= 3 for each in reading.verdicts)
