"""A concatenation is built from the stored vectors of its parts, after them and without a model."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from embeddings import worker
from embeddings.encoders.base import Modality, Role
from embeddings.encoders.concat import concatenate
from embeddings.encoders.hashing import HashingBackend
from embeddings.encoders.registry import create_backend
from embeddings.gpu import SLOT
from embeddings.job_services import cancel_job, pause_job, resume_job, retry_failed, start_job
from embeddings.models import Embedding, EmbeddingJob, Encoder, JobItem
from embeddings.pipeline import concatenation
from embeddings.pipeline.concatenation import ConcatenationRun, Gap, Trace, judged
from embeddings.pipeline.inputs import Work as ItemWork
from embeddings.pipeline.inputs import opened, read_works
from embeddings.pipeline.leases import Claim
from embeddings.selectors import jobs_with_waiting_rows, progress
from embeddings.services import concatenate_encoders
from itembank.models import Item
from itembank.services import save_item
from tests.embeddings.faulty_backend import RAISES
from tests.embeddings.spaces import Vectors, clustered, fill, make_items, make_space
from tests.factories import make_encoder, make_image, make_item

pytestmark = pytest.mark.django_db(transaction=True)
Scope, State = EmbeddingJob.Scope, EmbeddingJob.State

TEXT, FIGURE = 32, 48


@pytest.fixture
def text() -> Encoder:
    return make_space(TEXT)


@pytest.fixture
def figures() -> Encoder:
    """Takes items with a picture only."""
    return make_space(FIGURE, modality=Modality.IMAGE)


@pytest.fixture
def both(text: Encoder, figures: Encoder) -> Encoder:
    return join(text, figures, weights=(4.0, 1.0))


def join(*parts: Encoder, weights: Sequence[float] = (1.0, 1.0)) -> Encoder:
    return concatenate_encoders(parts, weights, slug="both", name="both")


def item_with_picture() -> Item:
    item = make_item()
    make_image(item)
    return item


def edit(item: Item) -> None:
    changed = Item.objects.get(pk=item.pk)
    changed.text += " (고친 문항)"
    save_item(item=changed)


def work_all() -> None:
    """What a worker does when it is rung, until nothing is left to do."""
    for _ in range(20):
        job = jobs_with_waiting_rows().first()
        if job is None:
            return
        worker.work_on(job.pk)
    raise AssertionError("the worker goes round in circles")


def run(job: EmbeddingJob, *, seconds: float = 60) -> None:
    ConcatenationRun(job, SLOT, time.monotonic() + seconds, threading.Event())()


def state(job: EmbeddingJob) -> str:
    job.refresh_from_db()
    return job.state


def stored(encoder: Encoder, items: Sequence[Item]) -> Vectors:
    rows = {row.item_id: row.embedding for row in Embedding.objects.filter(encoder=encoder)}
    return np.array([rows[item.pk] for item in items], np.float32)


def encoded(encoder: Encoder, items: Sequence[Item]) -> Vectors:
    """By the models, as a query is."""
    claims = [Claim(item.pk, item.pk, 256, 0) for item in items]
    return create_backend(encoder.spec()).encode([opened(work) for work in read_works(claims)], Role.DOCUMENT)


# ---- vectors


def test_vectors_built_are_those_that_the_models_would_give() -> None:
    encoder = join(make_encoder("hashing"), make_encoder("efficientnet-lite0"), weights=(16.0, 1.0))
    items = [make_item(), item_with_picture(), item_with_picture(), make_item()]
    job = start_job(encoder=encoder, scope=Scope.MISSING)
    work_all()
    assert state(job) == State.COMPLETED
    assert np.abs(stored(encoder, items) - encoded(encoder, items)).max() < 1e-3
    assert set(Embedding.objects.filter(encoder=encoder).values_list("item", "content_hash")) == set(
        Item.objects.values_list("pk", "content_hash")
    )


def test_no_model_is_loaded_or_run(both: Encoder, text: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    items = make_items(50)
    fill(text, items, clustered(50, TEXT))

    def fail(*arguments: Any) -> None:
        raise AssertionError("a model was used")

    monkeypatch.setattr(HashingBackend, "load_model", fail)
    monkeypatch.setattr(HashingBackend, "embed", fail)
    job = start_job(encoder=both, scope=Scope.ALL)
    work_all()
    assert (state(job), EmbeddingJob.objects.count()) == (State.COMPLETED, 1)
    assert len(stored(both, items)) == 50


def test_a_part_that_does_not_suit_an_item_is_zero_and_the_rest_has_length_one(both: Encoder, text: Encoder) -> None:
    items = make_items(5)
    vectors = clustered(5, TEXT)
    fill(text, items, vectors)
    start_job(encoder=both, scope=Scope.MISSING)
    work_all()
    built = stored(both, items)
    assert not built[:, TEXT:].any()
    np.testing.assert_allclose(built[:, :TEXT], vectors, atol=1e-3)


def test_a_zero_part_is_left_out_even_where_an_old_vector_lies_there(
    both: Encoder, text: Encoder, figures: Encoder
) -> None:
    """The picture was taken from the item, and the space of figures has not heard of it yet."""
    items = make_items(1)
    fill(text, items, clustered(1, TEXT))
    Embedding.objects.create(encoder=figures, item=items[0], content_hash="0" * 64, embedding=[1.0] * FIGURE)
    start_job(encoder=both, scope=Scope.MISSING)
    work_all()
    assert not stored(both, items)[:, TEXT:].any()


def test_cosines_are_the_weighted_mean_of_those_of_the_parts(both: Encoder, text: Encoder, figures: Encoder) -> None:
    items = make_items(2, category="image")
    texts, drawn = clustered(2, TEXT), clustered(2, FIGURE, seed=1)
    fill(text, items, texts)
    fill(figures, items, drawn)
    start_job(encoder=both, scope=Scope.MISSING)
    work_all()
    first, second = stored(both, items)
    assert first @ second == pytest.approx((4 * texts[0] @ texts[1] + drawn[0] @ drawn[1]) / 5, abs=2e-3)


def test_an_item_that_no_part_suits_fails_by_itself() -> None:
    encoder = join(make_space(FIGURE, modality=Modality.IMAGE), make_space(8, modality=Modality.IMAGE))
    item = make_item()
    job = start_job(encoder=encoder, scope=Scope.MISSING)
    work_all()
    assert state(job) == State.COMPLETED_WITH_FAILURES
    assert job.items.get(item=item).reason


# ---- parts first


def test_jobs_for_what_the_parts_lack_come_before_that_of_the_concatenation(
    both: Encoder, text: Encoder, figures: Encoder
) -> None:
    filled, lacking, pictured = *make_items(2), item_with_picture()
    fill(text, [filled], clustered(1, TEXT))
    job = start_job(encoder=both, scope=Scope.MISSING)
    jobs = EmbeddingJob.objects.order_by("pk")
    assert [each.encoder for each in jobs] == [text, figures, both]
    assert [set(each.items.values_list("item", flat=True)) for each in jobs] == [
        {lacking.pk, pictured.pk},
        {pictured.pk},
        {filled.pk, lacking.pk, pictured.pk},
    ]
    work_all()
    assert state(job) == State.COMPLETED


def test_a_selection_asks_the_parts_for_the_selected_items_only(both: Encoder, text: Encoder) -> None:
    chosen, _other = make_items(2)
    start_job(encoder=both, scope=Scope.SELECTION, item_ids=iter([chosen.pk]))
    assert [row.item for row in JobItem.objects.filter(job__encoder=text)] == [chosen]


def test_a_concatenation_waits_while_a_job_of_a_part_runs(both: Encoder, text: Encoder) -> None:
    make_items(3)
    job = start_job(encoder=both, scope=Scope.MISSING)
    worker.work_on(job.pk)  # its doorbell may ring first
    assert progress(job).pending == 3
    assert [each.encoder for each in jobs_with_waiting_rows()] == [text]


@pytest.mark.parametrize("paused", [False, True])
def test_what_a_job_of_a_part_has_already_is_not_asked_for_again(both: Encoder, text: Encoder, paused: bool) -> None:
    make_items(3)
    covering = start_job(encoder=text, scope=Scope.ALL)
    if paused:
        pause_job(job=covering)
    start_job(encoder=both, scope=Scope.MISSING)
    assert list(EmbeddingJob.objects.filter(encoder=text)) == [covering]


def test_parts_of_parts_come_first_of_all(text: Encoder, figures: Encoder) -> None:
    inner = join(text, figures)
    outer = concatenate_encoders([inner, make_space(8)], [1.0, 1.0], slug="outer", name="outer")
    items = [make_item(), item_with_picture()]
    job = start_job(encoder=outer, scope=Scope.MISSING)
    work_all()
    assert state(job) == State.COMPLETED
    assert np.abs(stored(outer, items) - encoded(outer, items)).max() < 1e-3


# ---- edits


def test_an_item_edited_after_its_part_was_embedded_is_embedded_there_again(both: Encoder, text: Encoder) -> None:
    items = [make_item() for _ in range(3)]
    job = start_job(encoder=both, scope=Scope.MISSING)
    worker.work_on(EmbeddingJob.objects.get(encoder=text).pk)
    edit(items[1])
    work_all()
    assert state(job) == State.COMPLETED
    assert np.abs(stored(both, items) - encoded(both, items)).max() < 1e-3
    assert [each.items.count() for each in EmbeddingJob.objects.filter(encoder=text).order_by("pk")] == [3, 1]


def test_a_vector_of_an_old_content_is_not_used(both: Encoder, text: Encoder) -> None:
    item = make_item()
    Embedding.objects.create(encoder=text, item=item, content_hash="0" * 64, embedding=[1.0] * TEXT)
    job = start_job(encoder=both, scope=Scope.MISSING)
    EmbeddingJob.objects.filter(encoder=text).delete()
    with pytest.raises(concatenation.PartsBehindError) as raised:
        run(job)
    assert raised.value.item_ids == {item.pk}
    assert not Embedding.objects.filter(encoder=both).exists()
    assert progress(job).pending == 1


def test_an_edit_while_its_vector_is_built_never_loses_to_the_old_one(
    both: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [make_item() for _ in range(3)]
    job = start_job(encoder=both, scope=Scope.MISSING)
    after_reading(monkeypatch, lambda: edit(items[1]), times=2)
    work_all()
    assert state(job) == State.COMPLETED
    assert np.abs(stored(both, items) - encoded(both, items)).max() < 1e-3


def after_reading(monkeypatch: pytest.MonkeyPatch, action: Callable[[], Any], *, times: int = 1) -> None:
    """Do something once the hashes of a window are read, as another process might."""
    read, left = concatenation.read_hashes, [action] * times

    def hooked(claims: Sequence[Claim]) -> list[ItemWork]:
        works = read(claims)
        if left:
            left.pop()()
        return works

    monkeypatch.setattr(concatenation, "read_hashes", hooked)


# ---- what parts could not embed


def test_an_item_quarantined_in_a_part_fails_with_that_parts_reason(faulty_encoder: Encoder, figures: Encoder) -> None:
    encoder = join(faulty_encoder, figures)
    good, bad = make_item(), make_item(text=RAISES)
    job = start_job(encoder=encoder, scope=Scope.MISSING)
    work_all()
    assert state(job) == State.COMPLETED_WITH_FAILURES
    assert job.items.get(item=bad).reason == f"{faulty_encoder.slug}: RuntimeError: the model stumbled"
    assert [row.item for row in Embedding.objects.filter(encoder=encoder)] == [good]


def test_quarantined_items_try_again_in_the_part_too(faulty_encoder: Encoder, figures: Encoder) -> None:
    encoder = join(faulty_encoder, figures)
    bad = make_item(text=RAISES)
    job = start_job(encoder=encoder, scope=Scope.MISSING)
    work_all()
    Item.objects.filter(pk=bad.pk).update(text="고친 문항")
    retry_failed(job=job)
    work_all()
    assert state(job) == State.COMPLETED
    assert np.abs(stored(encoder, [bad]) - encoded(encoder, [bad])).max() < 1e-3


def test_a_cancelled_part_holds_the_job_with_what_to_do_and_resuming_embeds_it(both: Encoder, text: Encoder) -> None:
    lacking, ready = make_items(5), make_items(2)
    fill(text, ready, clustered(2, TEXT))
    job = start_job(encoder=both, scope=Scope.MISSING)
    part_job = EmbeddingJob.objects.get(encoder=text)
    cancel_job(job=part_job)
    work_all()
    assert state(job) == State.PAUSED
    assert f"{text.slug}: 5. Job {part_job.pk}" in job.error
    assert (progress(job).done, progress(job).pending) == (2, 5), "what could be built is built"
    resume_job(job=job)
    work_all()
    assert state(job) == State.COMPLETED
    assert len(stored(both, lacking)) == 5


def test_a_stuck_part_holds_the_job_with_the_parts_error(both: Encoder, text: Encoder) -> None:
    make_items(1)
    job = start_job(encoder=both, scope=Scope.MISSING)
    part_job = EmbeddingJob.objects.get(encoder=text)
    EmbeddingJob.objects.filter(pk=part_job.pk).update(state=State.PAUSED, error="the weights are missing")
    work_all()
    assert state(job) == State.PAUSED
    assert "the weights are missing" in job.error
    resume_job(job=part_job)
    resume_job(job=job)
    work_all()
    assert state(job) == State.COMPLETED


@pytest.mark.parametrize(
    ("history", "gap"),
    [
        ([], Gap.WANTED),
        ([("done", "completed")], Gap.WANTED),
        ([("quarantined", "failures"), ("done", "completed")], Gap.WANTED),
        ([("done", "completed"), ("quarantined", "failures")], Gap.QUARANTINED),
        ([("pending", "cancelled")], Gap.BLOCKED),
        ([("pending", "cancelled"), ("done", "completed")], Gap.WANTED),
        ([("pending", "paused"), ("done", "completed")], Gap.BLOCKED),
        ([("leased", "running"), ("pending", "paused")], Gap.AWAITED),
    ],
)
def test_a_gap_is_judged_by_the_jobs_of_the_part(history: list[tuple[str, str]], gap: Gap) -> None:
    traces = [Trace(row, "", number, job) for number, (row, job) in enumerate(history)]
    assert judged(traces)[0] is gap


# ---- pause, slice, definition


def test_a_paused_job_stops_after_the_window_in_work(
    both: Encoder, text: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = make_items(6)
    fill(text, items, clustered(6, TEXT))
    job = start_job(encoder=both, scope=Scope.MISSING)
    monkeypatch.setattr(concatenation, "WINDOW", 2)
    after_reading(monkeypatch, lambda: pause_job(job=job))
    run(job)
    counted = progress(job)
    assert (counted.done, counted.pending, counted.leased) == (2, 4, 0)
    resume_job(job=job)
    work_all()
    assert state(job) == State.COMPLETED


def test_nothing_is_claimed_once_the_slice_is_over(both: Encoder, text: Encoder) -> None:
    items = make_items(2)
    fill(text, items, clustered(2, TEXT))
    job = start_job(encoder=both, scope=Scope.MISSING)
    run(job, seconds=0)
    assert not job.items.exclude(state="pending", attempts=0).exists()


def test_a_concatenation_whose_definition_changed_is_held(both: Encoder, text: Encoder) -> None:
    items = make_items(2)
    fill(text, items, clustered(2, TEXT))
    job = start_job(encoder=both, scope=Scope.MISSING)
    both.parts.filter(part=text).update(weight=9.0)
    work_all()
    assert state(job) == State.PAUSED
    assert "both" in job.error


def test_a_job_over_many_windows_builds_each_item_once(
    both: Encoder, text: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concatenation, "WINDOW", 7)
    items, vectors = make_items(40), clustered(40, TEXT)
    fill(text, items, vectors)
    job = start_job(encoder=both, scope=Scope.ALL)
    work_all()
    assert set(job.items.values_list("state", "attempts")) == {("done", 1)}
    expected = concatenate([vectors, np.zeros((40, FIGURE), np.float32)], [4, 1])
    np.testing.assert_allclose(stored(both, items), expected, atol=1e-3)
