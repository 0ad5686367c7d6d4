"""Which items a job embeds, how it ends, and what may be done with it."""

import pytest
from pytest_django import DjangoAssertNumQueries

from embeddings.job_services import JobStateError, cancel_job, pause_job, resume_job, retry_failed, start_job
from embeddings.models import Embedding, EmbeddingJob, Encoder
from embeddings.selectors import coverage, progress, progress_of
from itembank.services import save_item
from tests.embeddings.conftest import Work
from tests.embeddings.faulty_backend import RAISES, stale_vectors
from tests.embeddings.spaces import make_items
from tests.factories import make_encoder, make_item

pytestmark = pytest.mark.django_db(transaction=True)
Scope, State = EmbeddingJob.Scope, EmbeddingJob.State


def codes(job: EmbeddingJob) -> list[str]:
    return sorted(job.items.values_list("item__code", flat=True))


def test_a_job_gives_every_item_of_its_scope_a_current_vector(work: Work) -> None:
    encoder, items = make_encoder(), make_items(300)
    job = work(start_job(encoder=encoder, scope=Scope.MISSING))
    assert job.state == State.COMPLETED
    assert job.finished_at
    assert set(Embedding.objects.values_list("item", "content_hash")) == {(i.pk, i.content_hash) for i in items}
    assert stale_vectors(encoder) == set()
    assert coverage(encoder).complete


def test_missing_takes_new_and_edited_items_only(work: Work) -> None:
    encoder = make_encoder()
    edited, current = make_item(), make_item()
    work(start_job(encoder=encoder, scope=Scope.MISSING))
    edited.text += " 단, a > 0이다."
    save_item(item=edited)
    current.unit = "이차함수"
    save_item(item=current)
    new = make_item()
    job = start_job(encoder=encoder, scope=Scope.MISSING)
    assert codes(job) == sorted([edited.code, new.code])
    covered = coverage(encoder)
    assert (covered.embedded, covered.stale, covered.missing, covered.quarantined) == (1, 1, 1, 0)


def test_all_takes_every_item_again(work: Work) -> None:
    encoder = make_encoder()
    make_items(3)
    work(start_job(encoder=encoder, scope=Scope.MISSING))
    before = set(Embedding.objects.values_list("created_at", flat=True))
    job = work(start_job(encoder=encoder, scope=Scope.ALL))
    assert progress(job).done == 3
    assert before.isdisjoint(Embedding.objects.values_list("created_at", flat=True))


def test_a_selection_takes_the_selected_items() -> None:
    items = [make_item() for _ in range(3)]
    job = start_job(encoder=make_encoder(), scope=Scope.SELECTION, item_ids=[items[0].pk, items[2].pk])
    assert codes(job) == [items[0].code, items[2].code]


def test_a_selection_of_nothing_is_finished_at_once() -> None:
    """Such as items that a colleague deleted in the meantime."""
    assert start_job(encoder=make_encoder(), scope=Scope.SELECTION, item_ids=[]).state == State.COMPLETED


def test_a_selection_needs_items_and_other_scopes_take_none() -> None:
    encoder = make_encoder()
    with pytest.raises(ValueError, match="item_ids"):
        start_job(encoder=encoder, scope=Scope.SELECTION)
    with pytest.raises(ValueError, match="item_ids"):
        start_job(encoder=encoder, scope=Scope.ALL, item_ids=[1])


def test_failed_takes_what_was_quarantined_and_is_still_without_a_vector(faulty_encoder: Encoder, work: Work) -> None:
    good, bad, mended = make_item(), make_item(text=RAISES), make_item(text=RAISES + " 둘")
    work(start_job(encoder=faulty_encoder, scope=Scope.MISSING))
    mended.text = good.text + " 고침"
    save_item(item=mended)
    assert codes(start_job(encoder=faulty_encoder, scope=Scope.FAILED)) == [bad.code, mended.code]
    work(start_job(encoder=faulty_encoder, scope=Scope.MISSING))
    assert codes(start_job(encoder=faulty_encoder, scope=Scope.FAILED)) == [bad.code]


def test_an_image_encoder_takes_items_with_a_picture_only() -> None:
    make_item()
    pictured = make_item(text="그림을 보고 답하시오.")
    type(pictured).objects.filter(pk=pictured.pk).update(category="image")
    assert codes(start_job(encoder=make_encoder("efficientnet-lite0"), scope=Scope.ALL)) == [pictured.code]


def test_a_text_encoder_leaves_out_items_without_text() -> None:
    make_item(text="")
    with_choices, with_text = make_item(text="", choices=["ㄱ", "ㄴ"]), make_item()
    assert codes(start_job(encoder=make_encoder(), scope=Scope.ALL)) == [with_choices.code, with_text.code]


def test_a_job_without_items_is_finished_at_once() -> None:
    job = start_job(encoder=make_encoder(), scope=Scope.MISSING)
    assert job.state == State.COMPLETED
    assert progress(job).percent == 100


def test_a_job_with_quarantined_items_never_ends_as_completed(faulty_encoder: Encoder, work: Work) -> None:
    make_item()
    make_item(text=RAISES)
    job = work(start_job(encoder=faulty_encoder, scope=Scope.MISSING))
    assert job.state == State.COMPLETED_WITH_FAILURES
    counted = progress(job)
    assert (counted.done, counted.quarantined, counted.percent) == (1, 1, 100)
    assert coverage(faulty_encoder).quarantined == 1


def test_a_paused_job_holds_and_goes_on_when_resumed(work: Work) -> None:
    make_items(5)
    job = pause_job(job=start_job(encoder=make_encoder(), scope=Scope.MISSING))
    assert progress(work(job)).pending == 5
    assert work(resume_job(job=job)).state == State.COMPLETED


def test_a_cancelled_job_does_no_more_work(work: Work) -> None:
    make_items(5)
    job = cancel_job(job=start_job(encoder=make_encoder(), scope=Scope.MISSING))
    assert work(job).state == State.CANCELLED
    assert not Embedding.objects.exists()


def test_what_a_job_cannot_do_in_its_state_is_refused() -> None:
    job = start_job(encoder=make_encoder(), scope=Scope.MISSING)
    for action in (pause_job, resume_job, cancel_job, retry_failed):
        with pytest.raises(JobStateError, match=str(job.pk)):
            action(job=job)


def test_quarantined_items_try_again_on_request(faulty_encoder: Encoder, work: Work) -> None:
    bad = make_item(text=RAISES)
    job = work(start_job(encoder=faulty_encoder, scope=Scope.MISSING))
    type(bad).objects.filter(pk=bad.pk).update(text="고친 문항")
    assert retry_failed(job=job).state == State.RUNNING
    assert work(job).state == State.COMPLETED
    assert not job.items.exclude(reason="").exists()


def test_items_deleted_meanwhile_leave_the_job(work: Work) -> None:
    items = [make_item() for _ in range(3)]
    job = start_job(encoder=make_encoder(), scope=Scope.MISSING)
    items[1].delete()
    assert work(job).state == State.COMPLETED
    assert progress(job).done == 2


def test_progress_of_many_jobs_takes_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    encoder = make_encoder()
    make_items(2)
    jobs = [start_job(encoder=encoder, scope=Scope.ALL) for _ in range(3)]
    with django_assert_num_queries(1):
        counted = progress_of(jobs)
    assert [counted[job.pk].pending for job in jobs] == [2, 2, 2]
