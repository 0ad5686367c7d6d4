"""Items with the same text but for numbers: which are, how hits say it, and how they are left out."""

import pytest

from embeddings.search import Hit, SearchRequest, search
from embeddings.services import activate_encoder
from itembank.canonical import masked_hash
from itembank.models import Item
from tests.embeddings.spaces import clustered, fill, make_space
from tests.factories import make_image, make_item


def same(one: str, other: str) -> bool:
    return masked_hash(text=one, choices=()) == masked_hash(text=other, choices=())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("$y = 3x + 1$의 기울기", "$y = 12x + 40$의 기울기"),
        ("값이 3.14일 때", "값이 1,000일 때"),
        (r"$\frac{1}{2}x = 3$", r"$\dfrac{4}{5}x = -7$"),
        (r"$\left( 3, -2 \right)$", "$(5, 4)$"),
        ("값이 -3이다", "값이  5이다\n"),
        (r"$x = -\frac{1}{2}$", "$x = 2$"),
    ],
)
def test_other_numbers_blanks_and_layout_make_no_other_text(one: str, other: str) -> None:
    assert same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("$3 + 5$의 값", "$3 - 5$의 값"),
        ("$3x + 5$", "$3y + 5$"),
        ("기울기를 구하시오. 3", "절편을 구하시오. 3"),
        (r"$x \leftarrow 3$", r"$x \rightarrow 3$"),
        (r"$\sqrt{3}$", "$3$"),
    ],
)
def test_another_operator_name_or_word_is_another_text(one: str, other: str) -> None:
    assert not same(one, other)


def test_choices_count_by_their_text_and_not_by_their_order_or_number() -> None:
    first = masked_hash(text="옳은 것은?", choices=["① 3개", "② $-5$", "③ 없다"])
    assert first == masked_hash(text="옳은 것은?", choices=["없다", "7", "① 4개", "⑤ 9개"])
    assert first != masked_hash(text="옳은 것은?", choices=["3개", "5", "있다"])


# ---- among hits


@pytest.fixture
def bank() -> list[Item]:
    """Three slopes, two areas, one length."""
    texts = [f"일차함수 $y = {n}x + {n + 1}$의 기울기를 구하시오." for n in (2, 3, 14)]
    texts += [f"반지름이 {n}인 원의 넓이를 구하시오." for n in (5, 6)]
    texts += ["한 변의 길이가 4인 정사각형의 둘레를 구하시오."]
    items = [make_item(text=text) for text in texts]
    space = make_space(64)
    fill(space, items, clustered(len(items), 64))
    activate_encoder(encoder=space)
    return items


def groups(hits: tuple[Hit, ...]) -> dict[str, int | None]:
    return {hit.code: hit.group for hit in hits}


@pytest.mark.django_db
def test_hits_like_the_query_item_are_group_0_and_others_alike_another(bank: list[Item]) -> None:
    codes = [item.code for item in bank]
    hits = search(SearchRequest(item_code=codes[0])).hits
    assert groups(hits) == {codes[1]: 0, codes[2]: 0, codes[3]: 1, codes[4]: 1, codes[5]: None}


@pytest.mark.django_db
def test_near_duplicates_of_the_query_item_are_left_out_and_others_take_their_place(bank: list[Item]) -> None:
    codes = [item.code for item in bank]
    hits = search(SearchRequest(item_code=codes[0], k=3, leave_out_near_duplicates=True)).hits
    assert sorted(hit.code for hit in hits) == codes[3:]
    assert [hit.rank for hit in hits] == [1, 2, 3]


@pytest.mark.django_db
def test_more_near_duplicates_than_are_looked_at_first_hide_no_other_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embeddings.search.service.FUSED_DEPTH", 4)
    items = [make_item(text=f"주사위를 {n}번 던질 때의 확률을 구하시오.") for n in range(6)]
    other = make_item(text="원의 둘레를 구하시오.")
    vectors = clustered(7, 64)
    vectors[:6], vectors[6] = vectors[0], -vectors[0]
    space = make_space(64)
    fill(space, [*items, other], vectors)
    asked = SearchRequest(item_code=items[0].code, encoder=space.slug, k=1, leave_out_near_duplicates=True)
    assert [hit.code for hit in search(asked).hits] == [other.code]


@pytest.mark.django_db
def test_where_nothing_else_is_near_the_searcher_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embeddings.search.service.FUSED_DEPTH", 2)
    monkeypatch.setattr("embeddings.search.service.DEEPEST", 4)
    items = [make_item(text=f"주사위를 {n}번 던질 때의 확률을 구하시오.") for n in range(6)]
    space = make_space(64)
    fill(space, items, clustered(6, 64))
    response = search(SearchRequest(item_code=items[0].code, encoder=space.slug, k=1, leave_out_near_duplicates=True))
    assert not response.hits
    assert "numbers alone" in " ".join(response.notes)


@pytest.mark.django_db
def test_a_short_text_beside_figures_groups_nothing() -> None:
    items = [make_item(text="그림에서 x의 값을 구하시오.") for _number in range(3)]
    for item in items:
        make_image(item)
    items = list(Item.objects.order_by("pk"))
    space = make_space(64)
    fill(space, items, clustered(3, 64))
    hits = search(SearchRequest(item_code=items[0].code, encoder=space.slug)).hits
    assert [hit.group for hit in hits] == [None, None]
