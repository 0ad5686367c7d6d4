import pytest

from embeddings.benchmarks.query import met_p95


def test_batches_of_one_length_are_met_at_that_length() -> None:
    assert met_p95([0.5] * 40) == 0.5


def test_a_long_batch_is_met_more_often_than_it_occurs() -> None:
    """One of 11 batches is long, but half of all the time passes in it."""
    assert met_p95([0.1] * 10 + [1.0]) == 1.0


def test_rare_lengths_do_not_count() -> None:
    assert met_p95([1.0] * 99 + [1.2]) == pytest.approx(1.0)
