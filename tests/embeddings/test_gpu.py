"""The GPU slot: who owns it, who comes first, and which models stay loaded."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from embeddings.encoders.base import EncoderInput, Role
from embeddings.encoders.presets import PRESETS
from embeddings.gpu import GpuSlot, PriorityLock, SlotTakenError
from embeddings.models import Encoder


def slot(folder: Path, *, loaded_models: int = 2) -> GpuSlot:
    return GpuSlot(folder, "0", loaded_models=loaded_models)


def encoder(max_length: int) -> Encoder:
    """An unsaved encoder of a space of its own."""
    spec = replace(PRESETS["hashing"].spec(), max_length=max_length)
    fields = {name: getattr(spec, name) for name in Encoder.SPEC_FIELDS} | {"options": {}}
    return Encoder(slug=f"hashing-{max_length}", fingerprint=spec.fingerprint(), **fields)


def test_a_second_owner_is_refused_and_told_who_has_the_slot(tmp_path: Path) -> None:
    first, second = slot(tmp_path), slot(tmp_path)
    first.acquire()
    assert not second.is_free()
    with pytest.raises(SlotTakenError, match=r"process \d+"):
        second.acquire()
    first.release()
    assert second.is_free()
    second.acquire()
    second.release()


def test_two_devices_have_two_slots(tmp_path: Path) -> None:
    first, second = slot(tmp_path), GpuSlot(tmp_path, "1", loaded_models=2)
    first.acquire()
    second.acquire()
    assert first.owner != second.owner
    first.release()
    second.release()


def test_who_is_urgent_comes_before_those_who_waited_longer() -> None:
    lock, order = PriorityLock(), []

    def take(name: str, *, urgent: bool) -> None:
        with lock.held(urgent=urgent):
            order.append(name)

    threads = [threading.Thread(target=take, args=[name], kwargs={"urgent": name == "query"}) for name in "ab"]
    threads.append(threading.Thread(target=take, args=["query"], kwargs={"urgent": True}))
    with lock.held(urgent=False):
        for thread in threads:
            thread.start()
            time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert order[0] == "query"


def test_those_who_are_not_urgent_have_a_turn_now_and_then_while_the_urgent_never_pause() -> None:
    lock, jobs = PriorityLock(), 0
    stop = threading.Event()

    def search() -> None:
        while not stop.is_set():
            with lock.held(urgent=True):
                time.sleep(0.001)

    searchers = [threading.Thread(target=search) for _ in range(3)]
    for searcher in searchers:
        searcher.start()
    deadline = time.monotonic() + 30
    while jobs < 5 and time.monotonic() < deadline:
        with lock.held(urgent=False):
            jobs += 1
    stop.set()
    for searcher in searchers:
        searcher.join()
    assert jobs == 5
    assert time.monotonic() < deadline


def test_the_model_used_longest_ago_makes_room(tmp_path: Path) -> None:
    device = slot(tmp_path, loaded_models=2)
    models = [device.model(encoder(length)) for length in (10, 20, 30)]
    for model in models:
        device.forward(model, model.backend.preprocess([EncoderInput("가나다")], Role.QUERY), urgent=True)
    assert [model.backend.loaded for model in models] == [False, True, True]


def test_an_idle_model_is_unloaded_and_comes_back_when_needed(tmp_path: Path) -> None:
    device = slot(tmp_path)
    model = device.model(encoder(10))
    device.load(model)
    loaded = []
    for seconds in (3600, 0):
        device.unload_idle(seconds=seconds)
        loaded.append(model.backend.loaded)
    assert loaded == [True, False]
    assert len(device.forward(model, model.backend.preprocess([EncoderInput("가")], Role.QUERY))) == 1


def test_a_model_that_was_just_loaded_is_not_idle(tmp_path: Path) -> None:
    device = slot(tmp_path)
    model = device.model(encoder(10))
    model.used_at -= 3600
    device.load(model)
    device.unload_idle(seconds=60)
    assert model.backend.loaded
