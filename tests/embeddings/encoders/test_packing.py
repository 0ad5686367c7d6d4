"""Micro-batches hold all items, within budget, long ones first."""

from hypothesis import given
from hypothesis import strategies as st

from embeddings.encoders.packing import pack

COSTS = st.lists(st.integers(1, 500), max_size=60)


@given(costs=COSTS, budget=st.integers(1, 600), padded=st.booleans())
def test_every_item_is_in_exactly_one_batch(costs: list[int], budget: int, padded: bool) -> None:
    batches = pack(costs, budget=budget, padded=padded)
    assert sorted(index for batch in batches for index in batch) == list(range(len(costs)))


@given(costs=COSTS, budget=st.integers(1, 600), padded=st.booleans())
def test_only_an_item_alone_may_exceed_the_budget(costs: list[int], budget: int, padded: bool) -> None:
    for batch in pack(costs, budget=budget, padded=padded):
        held = [costs[index] for index in batch]
        assert len(batch) == 1 or (max(held) * len(held) if padded else sum(held)) <= budget


@given(costs=COSTS, budget=st.integers(1, 600))
def test_batches_go_from_long_items_to_short_ones(costs: list[int], budget: int) -> None:
    order = [costs[index] for batch in pack(costs, budget=budget, padded=True) for index in batch]
    assert order == sorted(costs, reverse=True)


def test_padding_counts_where_the_model_pads() -> None:
    costs = [10, 4, 4, 4]
    assert pack(costs, budget=22, padded=False) == [[0, 1, 2, 3]]
    assert pack(costs, budget=22, padded=True) == [[0, 1], [2, 3]]
