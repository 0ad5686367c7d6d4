"""What thumbs come to where people disagree, counted by hand."""

from datetime import UTC, datetime

import pytest

from groundtruth.thumbs import Rule, Settled, Thumb, settle

PAIR = (1, 2)


def _thumbs(said: str) -> list[Thumb]:
    """ "+-+" is up at one o'clock, down at two, up at three, by three people."""
    return [
        Thumb(*PAIR, up=each == "+", at=datetime(2026, 1, 1, hour + 1, tzinfo=UTC), person=hour)
        for hour, each in enumerate(said)
    ]


@pytest.mark.parametrize(
    ("said", "rule", "up"),
    [
        ("+", "majority", True),
        ("-", "majority", False),
        ("++-", "majority", True),
        ("+--", "majority", False),
        ("+-", "majority", None),
        ("++--", "majority", None),
        ("+", "unanimous", True),
        ("--", "unanimous", False),
        ("+++-", "unanimous", None),
        ("+-", "newest", False),
        ("--+", "newest", True),
        ("-", "newest", False),
    ],
)
def test_people_are_settled_by_the_rule(said: str, rule: Rule, up: bool | None) -> None:
    assert settle(_thumbs(said), rule)[PAIR].up is up


def test_the_newest_is_by_time_and_not_by_order() -> None:
    assert settle(reversed(_thumbs("-+")), "newest")[PAIR].up is True


def test_of_two_at_the_same_time_the_one_that_points_down_counts() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    thumbs = [Thumb(*PAIR, up=up, at=at, person=person) for person, up in enumerate((True, False))]
    assert settle(thumbs, "newest")[PAIR].up is False
    assert settle(thumbs[::-1], "newest")[PAIR].up is False


def test_the_share_is_that_of_the_ups() -> None:
    settled = settle(_thumbs("++-+"), "majority")[PAIR]
    assert (settled.ups, settled.downs, settled.share, settled.disputed) == (3, 1, 0.75, True)


def test_pairs_are_settled_apart_and_have_a_direction() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    thumbs = [Thumb(2, 1, up=False, at=at), Thumb(1, 2, up=True, at=at), Thumb(1, 3, up=True, at=at)]
    settled = settle(thumbs, "majority")
    assert list(settled) == [(1, 2), (1, 3), (2, 1)]
    assert settled[2, 1] == Settled(up=False, ups=0, downs=1)


def test_nothing_comes_to_nothing() -> None:
    assert settle([], "majority") == {}
