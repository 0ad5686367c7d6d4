"""Performance runs through the real search; the small hashing encoder answers in a millisecond."""

import io
import json
import os
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from PIL import Image

from embeddings import worker
from embeddings.encoders.base import Modality
from embeddings.gpu import SLOT
from embeddings.models import Encoder, QueryEncoding
from embeddings.precision_services import settle_precision
from embeddings.search import SearchError
from evaluation.models import Criterion, PerformanceRun
from evaluation.performance import GIVE_UP, WORKER, Bench, Plan, Series, figures_of, measure
from evaluation.service_memory import GPU_PROCESS, MIB, PROCESS, WHOLE_GPU, Memory
from evaluation.service_queries import IMAGE, TEXT, PerformanceError, kinds_of, requests
from itembank.processes import running_worker
from tests.embeddings.spaces import clustered, fill, make_items, make_space
from tests.factories import make_encoder, make_image, make_item

PLAN = Plan(calls=12, clients=2, k=3)


@pytest.fixture
def space() -> Encoder:
    space = make_space(64)
    fill(space, make_items(10), clustered(10, 64))
    return space


def benchmark(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    call_command("benchmark", "service", *arguments)
    return capsys.readouterr().out


# ---- a whole run


@pytest.mark.django_db(transaction=True)
def test_a_run_stores_every_figure_beside_the_machine(space: Encoder) -> None:
    run = PerformanceRun.objects.get(pk=measure(space.slug, PLAN).pk)
    text = run.figures["latency"][TEXT]
    assert text["min"] <= text["p50"] <= text["p95"] <= text["p99"] <= text["max"]
    assert set(text["stages"]) == {"encode", "search", "total"}
    assert (run.figures["calls"], run.figures["answered"], run.figures["calls_ok"]) == (12, 12, 12)
    assert set(run.figures["throughput"]) == {"1", "2"}
    assert run.figures["memory_gb"] > 0
    assert run.figures["rss"]["end_mb"] > 0
    assert run.machine["cores"]
    assert (run.configuration["encoded_by"], run.configuration["vectors"]) == ("this process", 10)
    assert run.encoder_fingerprint == space.fingerprint


@pytest.mark.django_db(transaction=True)
def test_its_queries_leave_nothing_behind_and_those_of_people_stay(space: Encoder) -> None:
    of_person = QueryEncoding.objects.create(encoder=space, digest="0" * 64, text="기울기")
    measure(space.slug, PLAN)
    assert list(QueryEncoding.objects.all()) == [of_person]
    assert not SLOT.held


@pytest.mark.django_db(transaction=True)
def test_the_command_prints_times_targets_and_verdicts(space: Encoder, capsys: pytest.CaptureFixture[str]) -> None:
    Criterion.objects.update_or_create(
        name="P95 latency (ms)",
        defaults={"kind": "performance", "measure": "p95_ms", "direction": "at-most", "threshold": 60_000},
    )
    printed = benchmark(capsys, "--encoder", space.slug, "--calls", "6", "--clients", "1")
    assert "text query (6 calls)" in printed
    row = next(line for line in printed.splitlines() if "P95 latency" in line)
    assert "≤ 60,000" in row
    assert row.split()[-1] == "PASS"


@pytest.mark.django_db(transaction=True)
def test_json_says_that_few_calls_prove_no_thousand(space: Encoder, capsys: pytest.CaptureFixture[str]) -> None:
    Criterion.objects.update_or_create(
        name="Calls in a row", defaults={"kind": "performance", "measure": "calls_ok", "threshold": 1000}
    )
    found = json.loads(benchmark(capsys, "--encoder", space.slug, "--calls", "6", "--json"))
    verdicts = {each["criterion"]: each["verdict"] for each in found["verdicts"]}
    assert verdicts["Calls in a row"] == "INSUFFICIENT"
    assert found["figures"]["calls_ok"] == 6


@pytest.mark.django_db(transaction=True)
def test_a_worker_encodes_where_it_has_the_device_and_its_memory_is_told(
    space: Encoder, embedded_services: Any
) -> None:
    database = embedded_services.database_url.removesuffix("itembank") + connection.settings_dict["NAME"]
    with running_worker("gpu", {"DATABASE_URL": database}):
        run = measure(space.slug, PLAN)
    assert run.configuration["encoded_by"] == WORKER
    assert run.figures["calls_ok"] == 12
    assert run.figures["memory"]["after_load_gb"] > 0


@pytest.mark.django_db(transaction=True)
def test_an_encoder_that_sees_pictures_is_asked_by_both(models_dir: Path) -> None:
    encoder = settle_precision(make_encoder("siglip-base-i18n"))
    item = make_item()
    make_image(item)
    item.refresh_from_db()
    fill(encoder, [item], clustered(1, encoder.dimensions))
    figures = measure(encoder.slug, Plan(calls=3, clients=1)).figures
    assert {kind: found["calls"] for kind, found in figures["latency"].items()} == {TEXT: 3, IMAGE: 3}
    assert figures["p95_ms"] == max(found["p95"] for found in figures["latency"].values())


# ---- what cannot be measured


@pytest.mark.django_db
def test_without_vectors_the_command_says_what_to_do() -> None:
    with pytest.raises(CommandError, match="Start an embedding job"):
        call_command("benchmark", "service", encoder=make_space(64).slug)


@pytest.mark.django_db
def test_an_unknown_encoder_is_named_beside_those_there_are() -> None:
    known = make_space(64).slug
    with pytest.raises(CommandError, match=f"nope.*{known}"):
        call_command("benchmark", "service", encoder="nope")


def test_no_call_is_no_benchmark() -> None:
    with pytest.raises(PerformanceError, match="at least one"):
        Plan(calls=0)


@pytest.mark.django_db
def test_an_encoder_of_pictures_needs_one_in_the_bank() -> None:
    with pytest.raises(PerformanceError, match="picture"):
        kinds_of(make_space(64, modality=Modality.IMAGE))


# ---- queries


@pytest.mark.django_db
def test_no_two_texts_are_equal_within_a_run_or_from_run_to_run(space: Encoder) -> None:
    texts = [each.text for _run in range(2) for each in islice(requests(space, TEXT, k=1, seed=1), 50)]
    assert len(set(texts)) == 100
    assert max(map(len, texts)) <= 80


@pytest.mark.django_db
def test_no_two_pictures_are_equal_and_each_is_as_large_as_that_of_the_bank(space: Encoder) -> None:
    make_image(make_item(), size=(90, 60))
    pictures = [each.image or b"" for each in islice(requests(space, IMAGE, k=1, seed=1), 6)]
    assert len(set(pictures)) == 6
    assert {Image.open(io.BytesIO(picture)).size for picture in pictures} == {(90, 60)}


# ---- calls in a row


class Failing:
    """Encodes here, but for the calls whose numbers (from 0) it is told to fail."""

    def __init__(self, *numbers: int) -> None:
        self.calls, self.numbers = 0, numbers

    def __call__(self, row: QueryEncoding) -> None:
        self.calls += 1
        if self.calls - 1 in self.numbers:
            raise SearchError("worker-silent", "nobody answered")
        worker.encode_query(str(row.pk))


def in_a_row(space: Encoder, encode: Failing, calls: int) -> Series:
    return Bench(space, PLAN, encode, Memory(None, here=True)).in_a_row(TEXT, calls)


@pytest.mark.django_db
def test_a_failed_call_ends_the_row_and_not_the_run(space: Encoder) -> None:
    series = in_a_row(space, Failing(4), 10)
    assert (series.calls, len(series.milliseconds), series.answered_in_a_row) == (10, 9, 4)
    assert series.failures == {"worker-silent": 1}


@pytest.mark.django_db
def test_it_gives_up_where_nobody_answers_any_more(space: Encoder) -> None:
    encode = Failing(*range(2, 100))
    assert in_a_row(space, encode, 100).calls == encode.calls == 2 + GIVE_UP


# ---- figures, by hand


def series_of(milliseconds: list[float], **fields: Any) -> Series:
    stages = [{"encode": 0.25 * each, "search": 0.75 * each, "total": each} for each in milliseconds]
    return Series(milliseconds, stages, answered_in_a_row=len(milliseconds), **fields)


def test_percentiles_are_those_of_the_answered_calls() -> None:
    text = figures_of({TEXT: series_of([float(ms) for ms in range(101)])}, TEXT)["latency"][TEXT]
    assert [text[name] for name in ("mean", "p50", "p95", "p99", "min", "max")] == [50, 50, 95, 99, 0, 100]
    assert text["stages"]["search"]["p50"] == 37.5
    assert text["quantiles"] == list(range(101))


def test_the_slowest_kind_is_held_against_the_target() -> None:
    figures = figures_of({TEXT: series_of([10.0] * 3), IMAGE: series_of([30.0] * 3)}, TEXT)
    assert (figures["latency_mean_ms"], figures["p95_ms"]) == (10, 30)


def test_without_an_answer_there_is_no_time() -> None:
    figures = figures_of({TEXT: Series(failures=Counter({"worker-silent": 5}))}, TEXT)
    assert (figures["p95_ms"], figures["calls_ok"], figures["calls"]) == (None, 0, 5)
    assert figures["failures"] == {"worker-silent": 5}


def test_memory_that_grows_by_a_megabyte_in_a_hundred_calls_grows_by_ten_in_a_thousand() -> None:
    resident = [(calls, (200 + calls // 100) * MIB) for calls in range(0, 1001, 100)]
    growth = figures_of({TEXT: series_of([1.0], resident=resident)}, TEXT)["rss"]
    assert growth == {"start_mb": 200, "end_mb": 210, "slope_mb_per_1000": pytest.approx(10)}


def test_memory_that_fills_at_first_and_then_stays_does_not_leak() -> None:
    resident = [(calls, min(200 + calls // 10, 230) * MIB) for calls in range(0, 1001, 100)]
    growth = figures_of({TEXT: series_of([1.0], resident=resident)}, TEXT)["rss"]
    assert (growth["start_mb"], growth["end_mb"]) == (200, 230)
    assert growth["slope_mb_per_1000"] == pytest.approx(0, abs=0.01)


def test_memory_that_could_not_be_seen_has_no_growth() -> None:
    assert set(figures_of({TEXT: series_of([1.0])}, TEXT)["rss"].values()) == {None}


# ---- memory of a worker's device

DRIVER = """#!/bin/sh
case "$1" in
  --query-compute-apps*) echo "{apps}" ;;
  *) echo "2048" ;;
esac
"""


@pytest.mark.parametrize(("apps", "of", "mebibytes"), [("{pid}, 1234", GPU_PROCESS, 1234), ("1, 999", WHOLE_GPU, 2048)])
def test_a_workers_gpu_memory_is_its_own_or_where_that_is_hidden_that_of_the_whole_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apps: str, of: str, mebibytes: int
) -> None:
    driver = tmp_path / "nvidia-smi"
    driver.write_text(DRIVER.replace("{apps}", apps.replace("{pid}", str(os.getpid()))))
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    memory = Memory(os.getpid(), here=False)
    assert (memory.sample(), memory.of, memory.peak()) == (mebibytes * MIB, of, mebibytes * MIB)


def test_without_a_gpu_it_is_main_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    memory = Memory(os.getpid(), here=False)
    assert (memory.sample() or 0) > 10 * MIB
    assert memory.of == PROCESS


def test_of_a_process_that_is_gone_nothing_is_claimed() -> None:
    memory = Memory(None, here=False)
    assert (memory.sample(), memory.resident(), memory.peak()) == (None, None, None)
