import pytest

from embeddings import indexes
from embeddings.indexes import build_index
from embeddings.models import Encoder
from embeddings.services import ActivationRefused, activate_encoder
from tests.embeddings.spaces import clustered, fill, make_items, make_space


def refusal(encoder: Encoder) -> str:
    with pytest.raises(ActivationRefused) as refused:
        activate_encoder(encoder=encoder)
    encoder.refresh_from_db()
    assert not encoder.is_active
    return " ".join(refused.value.reasons)


@pytest.mark.django_db
def test_a_filled_encoder_takes_over_and_the_one_before_steps_back() -> None:
    items, spaces = make_items(5), [make_space(8), make_space(8)]
    for space in spaces:
        fill(space, items, clustered(5, 8))
        assert activate_encoder(encoder=space).is_active
    assert list(Encoder.objects.filter(is_active=True)) == [spaces[1]]
    assert spaces[1].activated_at is not None


@pytest.mark.django_db
def test_activating_the_active_encoder_again_changes_nothing() -> None:
    space = make_space(8)
    fill(space, make_items(5), clustered(5, 8))
    for _ in range(2):
        activate_encoder(encoder=space)
    assert Encoder.objects.get(is_active=True) == space


@pytest.mark.django_db
def test_an_empty_encoder_is_refused() -> None:
    make_items(5)
    assert "no vectors" in refusal(make_space(8))


@pytest.mark.django_db
def test_an_incomplete_encoder_is_refused_and_the_active_one_stays() -> None:
    items, active, candidate = make_items(5), make_space(8), make_space(8)
    fill(active, items, clustered(5, 8))
    activate_encoder(encoder=active)
    fill(candidate, items[:3], clustered(3, 8))
    assert "2 of 5 items have no current vector" in refusal(candidate)
    assert Encoder.objects.get(is_active=True) == active


@pytest.mark.django_db
def test_every_reason_is_told_at_once() -> None:
    space, vectors = make_space(8), clustered(10, 8)
    vectors[:] = vectors[0] * 2
    fill(space, make_items(11)[:10], vectors)
    reasons = refusal(space)
    assert "no current vector" in reasons
    assert "damaged" in reasons
    assert "another item has too" in reasons


@pytest.mark.django_db(transaction=True)
def test_a_large_encoder_waits_for_its_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "INDEX_MIN_ROWS", 40)
    space = make_space(8)
    fill(space, make_items(40), clustered(40, 8))
    assert f"build_index --encoder {space.slug}" in refusal(space)
    build_index(space)
    assert activate_encoder(encoder=space).is_active
