"""Items drawn for a truth set: by category, by subject in proportion, by nothing but the seed and the codes."""

import pytest

from groundtruth.scope import ScopeError, draw, parse_quotas
from itembank.models import Item
from tests.embeddings.spaces import make_items
from tests.factories import make_item

pytestmark = pytest.mark.django_db


def codes(ids: list[int]) -> list[str]:
    return list(Item.objects.filter(pk__in=ids).order_by("code").values_list("code", flat=True))


def test_subjects_are_drawn_in_proportion() -> None:
    for subject, count in (("수학", 60), ("물리", 30), ("화학", 10)):
        make_items(count, subject=subject)
    drawn = Item.objects.filter(pk__in=draw(seed=1, quotas={"text_only": 10}))
    assert [drawn.filter(subject=name).count() for name in ("수학", "물리", "화학")] == [6, 3, 1]


def test_each_category_has_its_own_number() -> None:
    make_items(20)
    make_items(20, category="latex")
    drawn = Item.objects.filter(pk__in=draw(seed=1, quotas={"text_only": 4, "latex": 7}))
    assert (drawn.filter(category="text_only").count(), drawn.filter(category="latex").count()) == (4, 7)


def test_a_seed_draws_the_same_items_however_the_rows_lie() -> None:
    names = [f"A-{number}" for number in range(30)]
    for name in names:
        make_item(code=name)
    first = codes(draw(seed=5, quotas={"text_only": 8}))
    Item.objects.all().delete()
    for name in reversed(names):
        make_item(code=name)
    assert codes(draw(seed=5, quotas={"text_only": 8})) == first
    assert codes(draw(seed=6, quotas={"text_only": 8})) != first


def test_too_few_items_are_told_with_their_number() -> None:
    make_items(3)
    with pytest.raises(ScopeError, match=r"text_only: 3 < 5; latex: 0 < 2"):
        draw(seed=1, quotas={"text_only": 5, "latex": 2})


def test_all_there_are_are_taken_when_told_to() -> None:
    make_items(3)
    assert len(draw(seed=1, quotas={"text_only": 5, "latex": 2}, take_all=True)) == 3


def test_an_empty_bank_cannot_be_drawn_from() -> None:
    with pytest.raises(ScopeError, match="no such items"):
        draw(seed=1, quotas={"text_only": 5}, take_all=True)


def test_items_without_words_are_not_drawn() -> None:
    make_item(text="")
    with pytest.raises(ScopeError, match="no such items"):
        draw(seed=1, quotas={"text_only": 1})


def test_quotas_are_read_as_written() -> None:
    assert parse_quotas("image=35, latex=30") == {"image": 35, "latex": 30}


@pytest.mark.parametrize("text", ["", "image", "image=x", "image=-1", "photo=3", "image=1,image=2"])
def test_quotas_that_say_nothing_are_refused(text: str) -> None:
    with pytest.raises(ScopeError, match="category=count"):
        parse_quotas(text)
