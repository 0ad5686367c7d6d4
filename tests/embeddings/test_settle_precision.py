"""The precision "auto" is settled once, where an encoder is first used, and never changed afterwards."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from embeddings.encoders import loading
from embeddings.encoders.errors import EncoderError
from embeddings.models import Encoder, QueryEncoding
from embeddings.precision_services import settle_precision
from embeddings.services import concatenate_encoders, create_encoder
from embeddings.worker import encode_query
from tests.embeddings.spaces import fill, make_items

QWEN = "qwen3-vl-2b-mm-mean"


@pytest.fixture(autouse=True)
def _tiny_models(models_dir: Path) -> None:
    """Every preset's model is at hand, if tiny."""


def use_device(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "native_precision", lambda: precision)


def stored(encoder: Encoder) -> Encoder:
    return Encoder.objects.get(pk=encoder.pk)


def fits(encoder: Encoder) -> bool:
    return stored(encoder).fingerprint == stored(encoder).spec().fingerprint()


@pytest.mark.django_db
def test_the_first_device_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = create_encoder(preset=QWEN)
    for precision in ("bf16", "fp16"):
        use_device(precision, monkeypatch)
        assert settle_precision(stored(encoder)).precision == "bf16"


@pytest.mark.django_db
def test_the_settled_encoder_has_its_own_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    use_device("fp16", monkeypatch)
    encoder = create_encoder(preset=QWEN)
    settled = settle_precision(stored(encoder))
    assert settled.fingerprint != encoder.fingerprint
    assert fits(settled)


@pytest.mark.django_db
def test_a_precision_that_was_chosen_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    use_device("bf16", monkeypatch)
    encoder = create_encoder(preset=QWEN, precision="fp16")
    assert settle_precision(encoder).fingerprint == encoder.fingerprint


@pytest.mark.django_db
def test_what_is_made_of_it_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    use_device("bf16", monkeypatch)
    part, whole = make_whole()
    settle_precision(stored(part))
    assert stored(whole).fingerprint != whole.fingerprint
    assert fits(whole)


@pytest.mark.django_db
def test_a_whole_settles_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    use_device("bf16", monkeypatch)
    part, whole = make_whole()
    assert fits(settle_precision(whole))
    assert stored(part).precision == "bf16"


@pytest.mark.django_db
def test_an_encoder_with_vectors_is_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    use_device("bf16", monkeypatch)
    encoder = create_encoder(preset=QWEN)
    fill(encoder, make_items(1), np.ones((1, encoder.dimensions), np.float32))
    with pytest.raises(EncoderError, match=f"{QWEN} has vectors"):
        settle_precision(encoder)
    assert stored(encoder).fingerprint == encoder.fingerprint


@pytest.mark.django_db
def test_a_part_of_something_with_vectors_is_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    use_device("bf16", monkeypatch)
    part, whole = make_whole()
    fill(whole, make_items(1), np.ones((1, whole.dimensions), np.float32))
    with pytest.raises(EncoderError, match="whole has vectors"):
        settle_precision(part)
    assert stored(part).precision == "auto"


@pytest.mark.django_db
def test_a_settled_encoder_costs_one_query() -> None:
    encoder = settle_precision(create_encoder(preset=QWEN))
    with CaptureQueriesContext(connection) as asked:
        settle_precision(encoder)
    assert len(asked) == 1


@pytest.mark.django_db(transaction=True)
def test_workers_that_race_settle_on_one_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    part, whole = make_whole()
    wanted, meeting = iter(["bf16", "fp16"]), threading.Barrier(2)

    def native() -> str:
        meeting.wait(10)  # both have found it open
        return next(wanted)

    monkeypatch.setattr(loading, "native_precision", native)
    seen: list[str] = []

    def settle(encoder: Encoder) -> None:
        settle_precision(encoder)
        seen.append(stored(part).precision)
        connection.close()

    threads = [threading.Thread(target=settle, args=(stored(encoder),)) for encoder in (part, whole)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(seen) == 2
    assert len(set(seen)) == 1
    assert fits(part)
    assert fits(whole)


@pytest.mark.django_db
def test_a_query_settles_the_encoder_that_it_asks(settings: Any) -> None:
    encoder = create_encoder(preset=QWEN, max_pixels=128 * 128)
    query = QueryEncoding.objects.create(encoder=encoder, text="일차함수의 그래프")
    encode_query(str(query.pk))
    query.refresh_from_db()
    assert query.error == ""
    assert stored(encoder).precision == "fp32"


def make_whole() -> tuple[Encoder, Encoder]:
    part, other = create_encoder(preset=QWEN), create_encoder(preset="hashing")
    return part, concatenate_encoders([part, other], [1.0, 1.0], slug="whole", name="Whole")
