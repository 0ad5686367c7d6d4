"""Jobs run here: in this process, or by real workers (test_faults.py)."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from embeddings import job_services
from embeddings.gpu import SLOT
from embeddings.models import EmbeddingJob, Encoder
from embeddings.worker import run_kind
from tests.embeddings.faulty_backend import BACKENDS, make_faulty_encoder

Work = Callable[[EmbeddingJob], EmbeddingJob]


@pytest.fixture(params=sorted(BACKENDS))
def faulty_encoder(request: pytest.FixtureRequest, settings: Any, db: None, models_dir: Path) -> Encoder:
    """Its backend does what an item's text tells it to (tests/embeddings/faulty_backend.py)."""
    settings.ENCODER_BACKENDS = BACKENDS
    return make_faulty_encoder(request.param)


@pytest.fixture
def work() -> Work:
    """Work on a job in this process, after those of its parts, until it ends or none of its rows waits."""

    def run(job: EmbeddingJob) -> EmbeddingJob:
        for part in EmbeddingJob.objects.filter(encoder__used_in__encoder=job.encoder, state="running").order_by("pk"):
            run(part)
        run_kind(job)(job, SLOT, time.monotonic() + 60, threading.Event())()
        job_services.finish_job(job=job)
        job.refresh_from_db()
        return job

    return run
