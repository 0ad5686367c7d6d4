from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings.search.types import FILTER_FIELDS, Filters, SearchError, SearchRequest
from itembank.models import Item

words = st.text(min_size=1).filter(lambda text: text == text.strip() and "\x00" not in text)


@pytest.mark.parametrize(
    ("pair", "code"),
    [
        ("subject", "broken-filter"),
        ("subject=", "broken-filter"),
        ("=수학", "unknown-filter"),
        ("colour=red", "unknown-filter"),
        ("difficulty=hard", "bad-difficulty"),
        ("difficulty=6", "bad-difficulty"),
        ("difficulty=²", "bad-difficulty"),
        ("difficulty=" + "9" * 5000, "bad-difficulty"),
        ("category=figure", "unknown-category"),
        ("subject=a\x00b", "broken-text"),
        ("unit=\ud800", "broken-text"),
        ("batch=a.csv", "bad-batch"),
        ("batch=0", "bad-batch"),
        ("batch=" + "9" * 5000, "bad-batch"),
        ("metadata=source", "broken-metadata"),
        ("metadata==KMWPS", "broken-metadata"),
        ("metadata=source=", "broken-metadata"),
        ("metadata=source=\x00", "broken-text"),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused_by_its_reason(pair: str, code: str) -> None:
    with pytest.raises(SearchError) as error:
        Filters.parse([pair])
    assert error.value.code == code


def test_a_pair_of_metadata_may_be_written_with_blanks() -> None:
    assert Filters.parse(["metadata = source = KMWPS"]) == Filters(metadata=("source=KMWPS",))


def test_values_of_one_field_are_collected_and_fields_are_kept_apart() -> None:
    filters = Filters.parse(["subject=수학", "subject = 물리", "difficulty=3", "unit=a=b", "subject=수학"])
    assert filters == Filters(subject=("수학", "물리"), difficulty=(3,), unit=("a=b",))


plain = ["subject", "grade", "unit", "item_type", "curriculum_code", "cognitive_level"]
pairs = st.builds("{}={}".format, words.filter(lambda key: "=" not in key), words)


@given(
    st.dictionaries(st.sampled_from(plain), st.lists(words, min_size=1)),
    st.fixed_dictionaries(
        {},
        optional={
            "difficulty": st.lists(st.integers(1, 5), min_size=1),
            "category": st.lists(st.sampled_from(Item.ItemCategory.values), min_size=1),
            "batch": st.lists(st.integers(1, 2**63 - 1), min_size=1),
            "metadata": st.lists(pairs, min_size=1),
        },
    ),
)
def test_what_is_written_is_what_is_read(texts: dict[str, list[str]], others: dict[str, list[Any]]) -> None:
    chosen = texts | others
    filters = Filters.parse(f"{name}={value}" for name, values in chosen.items() for value in values)
    assert {name: set(values) for name, values in filters.as_dict().items()} == {
        name: set(values) for name, values in chosen.items()
    }


@given(st.text())
def test_any_text_is_read_or_refused_with_a_message(pair: str) -> None:
    try:
        filters = Filters.parse([pair])
    except SearchError as error:
        assert error.message
    else:
        assert list(filters.as_dict()) == [pair.partition("=")[0].strip()]
        assert set(filters.as_dict()) <= set(FILTER_FIELDS)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "empty-query"),
        ({"text": " \n\x00 "}, "empty-query"),
        ({"image": b""}, "empty-query"),
        ({"item_code": ""}, "empty-query"),
        ({"text": "a", "item_code": "T-1"}, "two-queries"),
        ({"text": "a" * 20_001}, "query-too-long"),
        ({"text": "\ud800"}, "broken-text"),
        ({"item_code": "T\x00"}, "broken-text"),
        ({"text": "a", "k": 0}, "k-out-of-range"),
        ({"text": "a", "k": 101}, "k-out-of-range"),
    ],
)
def test_a_request_that_cannot_be_run_cannot_be_made(fields: dict[str, object], code: str) -> None:
    with pytest.raises(SearchError) as error:
        SearchRequest(**fields)  # type: ignore[arg-type]
    assert error.value.code == code


def test_no_filter_is_false_and_any_filter_is_true() -> None:
    assert not Filters()
    assert Filters(grade=("중2",))
