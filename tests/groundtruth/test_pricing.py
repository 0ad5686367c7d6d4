"""What questions cost: arithmetic done by hand."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtruth.judging.client import request_body
from groundtruth.judging.parameters import JudgeError, JudgeParameters
from groundtruth.judging.pictures import Figure
from groundtruth.judging.pricing import charge, expected_cost, image_tokens, maximum_cost, price_of, tiles
from groundtruth.judging.questions import Question, build_question
from groundtruth.models import ModelPrice
from tests.factories import make_image, make_item
from tests.groundtruth import judge_rules
from tests.groundtruth.factories import make_pair, make_price, make_prompt, make_query, make_truth_set

GPT_4O = ModelPrice(model="gpt-4o", input_usd=Decimal("2.5"), output_usd=Decimal(10))
MINI = ModelPrice(
    model="gpt-4o-mini",
    input_usd=Decimal("0.15"),
    output_usd=Decimal("0.6"),
    image_base_tokens=2833,
    image_tile_tokens=5667,
)


def question(*shown: str | tuple[int, int], kind: str = "listwise", count: int = 4) -> Question:
    parts = tuple(part if isinstance(part, str) else Figure("T", "x.png", part, part) for part in shown)
    return Question(kind, "gpt-4o", "Judge.", parts, "0" * 64, count)


# ---- a call, after it


def test_tokens_are_charged_by_the_million() -> None:
    # 1,200 x 2.5 + 300 x 10 = 6,000 millionths
    assert charge(GPT_4O, 1_200, 300, batch=False) == Decimal("0.006")


def test_a_batch_costs_its_share() -> None:
    assert charge(GPT_4O, 1_200, 300, batch=True) == Decimal("0.003")


def test_what_the_ledger_cannot_hold_is_rounded_up() -> None:
    # 0.15 x 3 tokens / 1,000,000 / 2 = 0.000000225
    assert charge(MINI, 3, 0, batch=True) == Decimal("0.00000023")


# ---- pictures


@pytest.mark.parametrize(
    ("size", "count"),
    [
        ((1024, 1024), 4),  # to 768 x 768
        ((2048, 4096), 6),  # to 1024 x 2048, then 768 x 1536
        ((512, 512), 1),
        ((513, 512), 2),
        ((768, 768), 4),
        ((4096, 512), 4),  # to 2048 x 256
        ((1, 1), 1),
    ],
)
def test_tiles_are_counted_as_the_provider_describes(size: tuple[int, int], count: int) -> None:
    assert tiles(size, upscaled=False) == count


def test_a_picture_costs_its_base_and_its_tiles() -> None:
    assert image_tokens(GPT_4O, (1024, 1024), upscaled=False) == 85 + 4 * 170
    assert image_tokens(MINI, (512, 512), upscaled=False) == 2833 + 5667


def test_a_small_picture_counts_at_most_as_if_it_were_enlarged() -> None:
    assert tiles((100, 100), upscaled=True) == 4  # to 768 x 768
    assert tiles((100, 400), upscaled=True) == 4  # to 512 x 2048: the longer side ends it


@given(width=st.integers(1, 20_000), height=st.integers(1, 20_000))
def test_no_picture_has_more_tiles_than_at_most_nor_than_eight(width: int, height: int) -> None:
    assert 1 <= tiles((width, height), upscaled=False) <= tiles((width, height), upscaled=True) <= 8


# ---- a question, before it


def test_a_list_is_expected_to_take_three_tokens_in_ten_bytes_and_to_name_half() -> None:
    asked = question("가" * 1_000, count=10)
    cost = expected_cost(asked, GPT_4O, JudgeParameters(), batch=False)

    assert cost.input_tokens == -(-asked.text_bytes * 3 // 10)
    assert cost.output_tokens == 20 + 5 * 60
    assert cost.usd == charge(GPT_4O, cost.input_tokens, 320, batch=False)


def test_at_most_each_byte_is_a_token_and_the_answer_has_its_full_length() -> None:
    asked = question("abc", (512, 512), kind="pairwise", count=1)
    cost = maximum_cost(asked, GPT_4O, JudgeParameters(max_output_tokens=700), batch=False)

    assert cost.input_tokens == asked.text_bytes + 100 + 16 + 85 + 4 * 170
    assert cost.output_tokens == 700
    assert cost.usd == (cost.input_tokens * Decimal("2.5") + 700 * 10) / 1_000_000


@given(
    text=st.text(max_size=300),
    sizes=st.lists(st.tuples(st.integers(1, 3000), st.integers(1, 3000)), max_size=4),
    count=st.integers(1, 50),
    limit=st.integers(50, 16_000),
    batch=st.booleans(),
)
def test_the_highest_cost_is_never_below_the_expected_one(
    text: str, sizes: list[tuple[int, int]], count: int, limit: int, batch: bool
) -> None:
    asked, parameters = question(text, *sizes, count=count), JudgeParameters(max_output_tokens=limit)
    expected, most = (cost(asked, MINI, parameters, batch) for cost in (expected_cost, maximum_cost))

    assert expected.usd <= most.usd
    assert (expected.input_tokens, expected.output_tokens) <= (most.input_tokens, most.output_tokens)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["listwise", "pairwise"])
def test_what_a_provider_counts_in_the_request_stays_below_the_highest_cost(kind: str) -> None:
    item, other = make_item(text="함수 $f(x)=\\frac{1}{2}x^2$의 그래프 " * 20), make_item(choices=["①", "②"])
    make_image(item, size=(1500, 900))
    make_image(other, size=(640, 200))
    pair = make_pair(make_query(make_truth_set(), item), other)
    parameters = JudgeParameters()
    asked = build_question(prompt=make_prompt(kind), model="gpt-4o", parameters=parameters, pairs=[pair], swapped=False)

    counted = judge_rules.input_tokens(request_body(asked, parameters))

    assert counted <= maximum_cost(asked, GPT_4O, parameters, batch=False).input_tokens


# ---- the table of prices


@pytest.mark.django_db
def test_a_model_without_a_price_is_refused_with_where_to_add_it() -> None:
    with pytest.raises(JudgeError, match=r"gpt-unheard-of.*Prices of models"):
        price_of("gpt-unheard-of")


@pytest.mark.django_db
def test_the_price_that_an_admin_gave_counts() -> None:
    make_price("gpt-4o", input_usd=Decimal(3))

    assert price_of("gpt-4o").input_usd == 3
