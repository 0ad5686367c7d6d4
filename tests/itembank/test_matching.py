"""Items by what their metadata holds."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itembank.matching import matching, wanted_metadata
from itembank.models import Item
from tests.factories import make_item

keys = st.text(min_size=1).filter(lambda key: "=" not in key)
values = st.text(min_size=1)


@given(keys, values)
def test_a_pair_means_its_string_whatever_else_it_may_mean(key: str, value: str) -> None:
    ((first, *_others),) = wanted_metadata([f"{key}={value}"])
    assert first == {key: value}


@given(keys, st.one_of(st.booleans(), st.integers(-(10**30), 10**30), st.floats(allow_nan=False, allow_infinity=False)))
def test_a_number_or_boolean_is_found_by_its_writing(key: str, value: Any) -> None:
    (alternatives,) = wanted_metadata([f"{key}={json.dumps(value)}"])
    assert {key: value} in alternatives


@pytest.mark.parametrize("value", ["1e999", "-1e400", "9" * 5000, "01", "1.", "NaN", "Infinity", "null", "True", "[1]"])
def test_what_json_holds_as_no_number_stays_text(value: str) -> None:
    assert wanted_metadata([f"a={value}"]) == [[{"a": value}]]


def test_values_of_one_key_are_alternatives_and_keys_are_kept_apart() -> None:
    assert wanted_metadata(["a=x", "b=y", "a=z", "a=x"]) == [[{"a": "x"}, {"a": "z"}], [{"b": "y"}]]


@pytest.mark.parametrize("pair", ["", "source", "=KMWPS", "source=", "="])
def test_a_text_that_is_no_pair_is_refused(pair: str) -> None:
    with pytest.raises(ValueError):
        wanted_metadata([pair])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("pairs", "codes"),
    [
        (["source=KMWPS"], "ABC"),
        (["source=KMWPS", "source=수능"], "ABCD"),
        (["source=KMWPS", "year=2024"], "AB"),
        (["source=수능", "year=2024"], ""),
        (["year=2024.0"], "A"),
        (["reviewed=true"], "CD"),
        (["reviewed=false"], ""),
        (["페이지=3=4"], "D"),
        (["page=3"], ""),
    ],
)
def test_items_are_found_by_their_metadata(pairs: list[str], codes: str) -> None:
    make_item(code="A", metadata={"source": "KMWPS", "year": 2024})
    make_item(code="B", metadata={"source": "KMWPS", "year": "2024"})
    make_item(code="C", metadata={"source": "KMWPS", "reviewed": True})
    make_item(code="D", metadata={"source": "수능", "reviewed": "true", "페이지": "3=4", "page": [3]})
    make_item(code="E")
    found = Item.objects.filter(matching({"metadata": pairs})).order_by("code").values_list("code", flat=True)
    assert "".join(found) == codes
