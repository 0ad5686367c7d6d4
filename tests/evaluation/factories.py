"""Readable ways to make completed runs, without an engine: the rankings are what the test says."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone

from evaluation.engine.fingerprints import run_fingerprint
from evaluation.models import EvaluationRun, PerformanceRun, QueryRanking
from evaluation.run_services import default_name
from evaluation.run_settings import RunSettings
from groundtruth.models import TruthQuery, TruthSet
from itembank.models import Item

ENVIRONMENT = {"system": "Linux x86_64", "python": "3.11.0", "cores": 2, "memory_gb": 8.0, "gpu": "",
               "postgresql": "18.0", "packages": {"numpy": "2.4.6"}}  # fmt: skip


ENCODER_FINGERPRINT = "f" * 64


def make_run(
    truth_set: TruthSet, rankings: Mapping[TruthQuery, Sequence[Item]] | None = None, *, name: str = "", **settings: Any
) -> EvaluationRun:
    """A completed run whose queries found these items, best first. `settings` are those of RunSettings."""
    prints = dict.fromkeys(settings.get("encoders", ()), ENCODER_FINGERPRINT)
    made = RunSettings(**({"method": "lexical", "fingerprints": prints} | settings))
    found = rankings or {}
    run = EvaluationRun.objects.create(
        name=name or default_name(truth_set, made),
        truth_set=truth_set,
        configuration=made.as_json(),
        fingerprint=run_fingerprint(made),
        state="completed",
        done=len(found),
        total=len(found),
        corpus_items=Item.objects.count(),
        environment=ENVIRONMENT,
        finished_at=timezone.now(),
    )
    QueryRanking.objects.bulk_create(
        QueryRanking(
            run=run, query=query, items=[item.pk for item in items],
            scores=[1 - rank / 1000 for rank in range(len(items))],
        )
        for query, items in found.items()
    )  # fmt: skip
    return run


def make_performance(encoder_slug: str = "kure-v1", **figures: Any) -> PerformanceRun:
    """Figures of a service that meets every criterion of speed, where the test says nothing else."""
    spread = {"mean": 21.0, "p50": 20.0, "p95": 42.0, "p99": 55.0, "min": 9.0, "max": 80.0}
    text = {"calls": 1000, **spread, "stages": {"total": spread, "encode": spread, "search": spread},
            "quantiles": [9 + 71 * (percent / 100) ** 4 for percent in range(101)]}  # fmt: skip
    values: dict[str, Any] = {
        "calls": 1000, "answered": 1000, "calls_ok": 1000, "failures": {}, "latency": {"text": text},
        "latency_mean_ms": 21.0, "p95_ms": 42.0, "cold_ms": 1800.0, "throughput": {"1": 47.0, "4": 110.0},
        "rss": {"start_mb": 900.0, "end_mb": 902.0, "slope_mb_per_1000": 2.0},
        "memory": {"of": "gpu", "after_load_gb": 2.1, "peak_gb": 2.4}, "memory_gb": 2.4,
    }  # fmt: skip
    return PerformanceRun.objects.create(
        encoder_slug=encoder_slug,
        encoder_fingerprint=ENCODER_FINGERPRINT,
        machine=ENVIRONMENT,
        configuration={"calls": 1000, "clients": 4, "k": 10, "seed": 1},
        figures=values | figures,
    )
