"""Two lists of hits beside each other."""

from embeddings.admin.search_compare import Common, Place, common, places


def test_a_hit_has_its_rank_in_both_lists() -> None:
    assert places([7, 8, 9], [9, 8, 5]) == [Place(1, None), Place(2, 2), Place(3, 1)]


def test_a_place_says_where_the_hit_is_higher_and_by_how_much() -> None:
    found = [(place.kind, place.by) for place in places([1, 2, 3, 4], [2, 9, 3, 8, 1])]
    assert found == [("higher", 4), ("lower", 1), ("same", 0), ("only", 0)]


def test_what_two_lists_share_is_counted() -> None:
    found = common([1, 2, 3, 4], [2, 9, 3])
    assert found == Common(both=2, same_rank=1, most=4, union=5)
    assert found.percent == 40


def test_two_empty_lists_are_the_same() -> None:
    assert common([], []).overlap == 1.0
