import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itembank import canonical
from itembank.canonical import Category


@given(st.text())
def test_normalising_text_twice_changes_nothing_more(text: str) -> None:
    once = canonical.normalise_text(text)
    assert canonical.normalise_text(once) == once


def test_text_from_different_systems_normalises_to_the_same() -> None:
    from_macos = unicodedata.normalize("NFD", "기울기를 구하시오.") + "\r\n"
    assert canonical.normalise_text(from_macos) == "기울기를 구하시오."


def test_spaces_inside_a_line_are_kept() -> None:
    assert canonical.normalise_text("  a  b  \n c ") == "a  b\n c"


@pytest.mark.parametrize("formula", ["$x^2$", "$$x^2$$", r"\(x^2\)", r"\[x^2\]", "$$x\n+ y$$"])
def test_each_delimiter_makes_a_latex_item(formula: str) -> None:
    text = f"다음 {formula} 를 구하시오."
    assert canonical.category(text=text, choices=[], has_image=False) is Category.LATEX


@pytest.mark.parametrize("text", ["연필은 $5 입니다.", r"\$3 과 \$4", "식이 없다"])
def test_a_dollar_without_its_partner_is_text(text: str) -> None:
    assert canonical.category(text=text, choices=[], has_image=False) is Category.TEXT_ONLY


def test_formulas_in_choices_count() -> None:
    assert canonical.category(text="고르시오.", choices=["$1$"], has_image=False) is Category.LATEX


def test_an_image_outranks_formulas() -> None:
    assert canonical.category(text="$x$", choices=[], has_image=True) is Category.IMAGE


def test_content_hash_tells_apart_what_encoders_see() -> None:
    parts = [("a", ["b"], []), ("a\nb", [], []), ("a", [], ["b"]), ("a", ["b", ""], []), ("a", ["c"], [])]
    hashes = {canonical.content_hash(text=t, choices=c, image_hashes=i) for t, c, i in parts}
    assert len(hashes) == len(parts)


def test_record_hash_does_not_depend_on_the_order_of_fields() -> None:
    assert canonical.record_hash({"a": 1, "b": [2]}) == canonical.record_hash({"b": [2], "a": 1})


def test_record_hash_sees_every_field() -> None:
    assert canonical.record_hash({"unit": "함수"}) != canonical.record_hash({"unit": "도형"})
