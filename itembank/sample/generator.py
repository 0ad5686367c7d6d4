"""Items of the families, in a fixed order: item i is the same however many items follow it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from random import Random

from itembank.sample import (
    chemistry,
    earth_science,
    high_mathematics,
    life_science,
    middle_mathematics,
    physics,
    plane_figures,
)
from itembank.sample.families import FAMILIES, Family, Form
from itembank.sample.figures.canvas import Figure
from itembank.sample.korean import Word

# The import registers the families; the order of these modules is the order of the catalogue.
SUBJECT_MODULES = (middle_mathematics, plane_figures, high_mathematics, physics, chemistry, life_science, earth_science)

Row = dict[str, object]
"""An item in the upload format."""

_FORMS: tuple[Form, ...] = ("figure", "latex", "text")
_CHOICES = 5
_NAMES = (
    *("민준", "서연", "도윤", "지우", "하은", "시우", "수아", "지호", "예린", "준서", "유나", "현우", "다은", "은우"),
    *("채원", "건우", "소율", "태윤", "나연", "정민", "하준", "서윤", "주원", "지민", "우진", "윤서", "선우", "예은"),
)


@dataclass(frozen=True, slots=True)
class SampleItem:
    """One item: its row in the upload format, the family that it comes from, and its figure."""

    row: Row
    family: Family
    figure: Figure | None

    @property
    def code(self) -> str:
        return str(self.row["id"])


def generate(items: int, seed: int) -> Iterator[SampleItem]:
    """`items` items, in turn with a figure, with LaTeX and in plain text, over all families evenly."""
    return _generate(items, seed, _FORMS)


def generate_text_rows(n: int, seed: int) -> Iterator[Row]:
    """`n` rows without figures, in constant memory: input for measuring an import."""
    return (item.row for item in _generate(n, seed, ("latex", "text")))


def _generate(items: int, seed: int, forms: tuple[Form, ...]) -> Iterator[SampleItem]:
    rng = Random()
    for index in range(items):
        turn, form = divmod(index, len(forms))
        rng.seed(seed << 32 | index)
        yield _item(_scheduled(forms[form], turn, seed), rng, f"S{seed}-{index:06d}")


def _scheduled(form: Form, turn: int, seed: int) -> Family:
    """Each family of a form once in every round, in an order of the round's own."""
    round_, position = divmod(turn, _family_count(form))
    return _round(form, round_, seed)[position]


@cache
def _family_count(form: Form) -> int:
    return sum(family.form == form for family in FAMILIES)


@lru_cache(maxsize=8)
def _round(form: Form, round_: int, seed: int) -> list[Family]:
    families = [family for family in FAMILIES if family.form == form]
    Random(f"{seed}/{form}/{round_}").shuffle(families)
    return families


def _item(family: Family, rng: Random, code: str) -> SampleItem:
    draft = family.build(rng)
    values = _people(rng) | draft.values
    text = rng.choice(family.wordings).format(**values)
    concept = family.concept
    image_path = f"images/{code}.png" if draft.figure else None
    row: Row = {
        "id": code,
        "subject": concept.subject,
        "grade": concept.grade,
        "unit": concept.unit,
        "item_type": _item_type(text),
        "difficulty": min(5, max(1, family.difficulty + rng.choice((-1, 0, 0, 0, 1)))),
        "text": text,
        "image_path": image_path,
        "has_image": image_path is not None,
        "answer": draft.answer.right,
        "explanation": family.explanation.format(**values),
        "curriculum_code": concept.curriculum_code,
        "cognitive_level": family.cognitive_level,
        "metadata": {"source": "sample", "family": family.key, "concept": concept.name},
    }
    if row["item_type"] == "multiple_choice":
        choices = rng.sample((draft.answer.right, *draft.answer.wrong), _CHOICES)
        row |= {"choices": choices, "answer": str(choices.index(draft.answer.right) + 1)}
    return SampleItem(row, family, draft.figure)


def _people(rng: Random) -> dict[str, Word]:
    name = rng.choice(_NAMES)
    return {"name": Word(name), "pupil": Word(f"{rng.randint(1, 12)}반 {name}")}


def _item_type(text: str) -> str:
    if "서술하시오" in text:
        return "essay"
    return "multiple_choice" if "?" in text else "short_answer"
