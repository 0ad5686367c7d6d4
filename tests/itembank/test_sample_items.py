"""The sample items: Korean questions with right answers, by construction similar or not."""

import re
from collections import Counter, defaultdict
from fractions import Fraction
from itertools import islice
from math import comb, isqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itembank.rendering import render_text
from itembank.sample import SampleItem, generate, generate_text_rows
from itembank.sample.families import FAMILIES, polynomial, square
from itembank.sample.korean import Word, particle

UPLOAD_FIELDS = {
    "id",
    "subject",
    "grade",
    "unit",
    "item_type",
    "difficulty",
    "text",
    "image_path",
    "has_image",
    "metadata",
}
LATEX = re.compile(r"\$|\\\(|\\\[")


@pytest.fixture(scope="module")
def items() -> list[SampleItem]:
    return list(generate(2_000, seed=3))


def told(items: list[SampleItem], family: str, pattern: str) -> list[tuple[list[int], str]]:
    """The numbers that a wording of a family tells, and the right answer, of each item that uses the wording."""
    rows = (item.row for item in items if item.family.key == family)
    found = [(re.search(pattern, str(row["text"])), right_answer(row)) for row in rows]
    return [([int(number) for number in match.groups()], answer) for match, answer in found if match]


def right_answer(row: dict[str, object]) -> str:
    choices, answer = row.get("choices"), str(row["answer"])
    return str(choices[int(answer) - 1]) if isinstance(choices, list) else answer


def test_there_are_forty_families_or_more_over_five_subjects() -> None:
    assert len({family.key for family in FAMILIES}) == len(FAMILIES) >= 40
    assert {family.concept.subject for family in FAMILIES} == {"수학", "물리학", "화학", "생명과학", "지구과학"}


def test_many_concepts_have_two_families_and_many_units_two_concepts() -> None:
    families_of = Counter(family.concept for family in FAMILIES)
    concepts_of = defaultdict(set)
    for family in FAMILIES:
        concepts_of[family.concept.subject, family.concept.unit].add(family.concept.name)
    assert sum(count >= 2 for count in families_of.values()) > len(families_of) / 2
    assert sum(len(names) >= 2 for names in concepts_of.values()) > len(concepts_of) / 2


def test_every_row_has_the_fields_of_an_upload(items: list[SampleItem]) -> None:
    for item in items:
        assert item.row.keys() >= UPLOAD_FIELDS
        assert item.row["difficulty"] in range(1, 6)
        assert item.row["has_image"] == (item.row["image_path"] is not None) == (item.figure is not None)


def test_a_third_has_figures_a_third_latex_and_a_third_neither(items: list[SampleItem]) -> None:
    forms = Counter(
        "figure" if item.figure else "latex" if LATEX.search(str(item.row["text"])) else "text" for item in items
    )
    assert set(forms.values()) <= {666, 667}


def test_every_template_is_filled(items: list[SampleItem]) -> None:
    for item in items:
        if not LATEX.search(f"{item.row['text']}{item.row['explanation']}"):
            assert not re.search("[{}]", f"{item.row['text']}{item.row['explanation']}")


def test_choices_are_five_and_differ(items: list[SampleItem]) -> None:
    for row in (item.row for item in items if item.row["item_type"] == "multiple_choice"):
        choices = row["choices"]
        assert isinstance(choices, list)
        assert len(set(choices)) == len(choices) == 5
        assert row["answer"] in {"1", "2", "3", "4", "5"}


def test_the_right_choice_is_in_every_place(items: list[SampleItem]) -> None:
    places = Counter(item.row["answer"] for item in items if item.row["item_type"] == "multiple_choice")
    assert min(places[place] for place in "12345") > 150


def test_hardly_any_text_is_there_twice(items: list[SampleItem]) -> None:
    assert len({item.row["text"] for item in items}) > 0.98 * len(items)


def test_an_item_does_not_depend_on_how_many_follow() -> None:
    few, many = generate(40, seed=5), generate(400, seed=5)
    assert [item.row for item in few] == [item.row for item in islice(many, 40)]


def test_another_seed_makes_other_items() -> None:
    one, other = ({item.row["text"] for item in generate(60, seed)} for seed in (1, 2))
    assert len(one & other) < 3


def test_every_formula_of_the_sample_is_shown_as_mathml(items: list[SampleItem]) -> None:
    for row in (item.row for item in items):
        choices = row.get("choices", [])
        assert isinstance(choices, list)
        for text in (row["text"], row["explanation"], row["answer"], *choices):
            shown = render_text(str(text))
            assert "latex-source" not in shown
            assert not LATEX.search(re.sub("<math.*?</math>", "", shown))


def test_slopes_are_right(items: list[SampleItem]) -> None:
    cases = told(items, "slope-of-two-points", r"\((-?\d+), (-?\d+)\).*?\((-?\d+), (-?\d+)\)")
    assert cases
    for (x1, y1, x2, y2), answer in cases:
        assert Fraction(answer) == Fraction(y2 - y1, x2 - x1)


def test_outfits_are_counted_right(items: list[SampleItem]) -> None:
    cases = told(items, "outfits", r"(\d+)\D+?(\d+)\D+?(\d+)\D")
    assert cases
    for (a, b, c), answer in cases:
        assert int(answer) == a * b * c


def test_combinations_are_counted_right(items: list[SampleItem]) -> None:
    cases = told(items, "committees", r"책 \$(\d+)\$권 중에서 \$(\d+)\$권")
    assert cases
    for (n, r), answer in cases:
        assert int(answer.strip("$")) == comb(n, r)


def test_diagonals_are_right(items: list[SampleItem]) -> None:
    cases = told(items, "diagonal", r"=(\d+)\$, .*?=(\d+)\$일 때")
    assert cases
    for (a, b), answer in cases:
        assert int(answer.strip("$")) == isqrt(a * a + b * b)


def test_currents_in_parallel_are_right(items: list[SampleItem]) -> None:
    cases = told(items, "parallel-current", r"저항 (\d+) Ω, (\d+) Ω을 병렬로 연결하고 (\d+) V")
    assert cases
    for (r1, r2, v), answer in cases:
        assert Fraction(answer.removesuffix(" A")) == Fraction(v, r1) + Fraction(v, r2)


def test_text_rows_come_without_figures() -> None:
    rows = list(generate_text_rows(300, seed=1))
    assert len({row["id"] for row in rows}) == 300
    assert not any(row["has_image"] for row in rows)
    assert sum(bool(LATEX.search(str(row["text"]))) for row in rows) == 150


@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(-9, 9), st.integers(-9, 9))
def test_polynomials_and_squares_are_written_as_they_evaluate(a: int, p: int, q: int, x: int) -> None:
    def value(formula: str) -> int:
        python = re.sub(r"(\d)(?=[x(])", r"\1*", formula).replace("^", "**").replace("x", f"({x})")
        return int(eval(python))  # noqa: S307  our own formula

    assert value(polynomial(a, p, q)) == a * x * x + p * x + q
    if a:
        assert value(square(a, p, q)) == a * (x - p) ** 2 + q


@pytest.mark.parametrize(
    ("word", "pair", "right"),
    [
        *[("민준", "은/는", "은"), ("지우", "은/는", "는"), ("3", "을/를", "을"), ("2", "을/를", "를")],
        *[("서울", "으로/로", "로"), ("부산", "으로/로", "으로"), ("10", "이/가", "이"), ("x", "이/가", "가")],
    ],
)
def test_particles_fit_the_last_sound(word: str, pair: str, right: str) -> None:
    assert particle(word, pair) == right
    assert f"{Word(word):{pair}}" == word + right
