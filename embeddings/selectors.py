"""What pages and commands ask about vectors and jobs."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Exists, F, FilteredRelation, Min, OuterRef, Q, QuerySet
from django.utils import timezone

from embeddings.encoders.base import Modality
from embeddings.models import Embedding, EmbeddingJob, Encoder, JobItem
from itembank.models import Item

RATE_WINDOW = timedelta(seconds=60)

# ---- items


def items_for(encoder: Encoder) -> QuerySet[Item]:
    """The items that hold what the encoder's space needs."""
    has_text = ~Q(text="") | ~Q(choices=[])
    has_picture = Q(category=Item.ItemCategory.IMAGE)
    needs = {Modality.TEXT: has_text, Modality.IMAGE: has_picture, Modality.MULTIMODAL: has_text | has_picture}
    return Item.objects.filter(needs[Modality(encoder.modality)])


def items_with_current_vector(encoder: Encoder) -> QuerySet[Item]:
    return Item.objects.filter(_has_current_vector(encoder))


def items_in_scope(encoder: Encoder, scope: str, item_ids: Iterable[int] = ()) -> QuerySet[Item]:
    """The items that a job of this scope embeds; `item_ids` are those selected."""
    items = items_for(encoder)
    if scope == EmbeddingJob.Scope.SELECTION:
        return items.filter(pk__in=list(item_ids))
    if scope == EmbeddingJob.Scope.MISSING:
        return items.filter(~_has_current_vector(encoder))
    if scope == EmbeddingJob.Scope.FAILED:
        return items.filter(_is_quarantined(encoder), ~_has_current_vector(encoder))
    return items


def unfinished_rows(encoder: Encoder) -> QuerySet[JobItem]:
    """Rows of the encoder's running and paused jobs that are still to be embedded."""
    return JobItem.objects.filter(
        job__encoder=encoder,
        job__state__in=[EmbeddingJob.State.RUNNING, EmbeddingJob.State.PAUSED],
        state__in=[JobItem.State.PENDING, JobItem.State.LEASED],
    )


def _has_current_vector(encoder: Encoder) -> Exists:
    vectors = Embedding.objects.filter(encoder=encoder, item=OuterRef("pk"), content_hash=OuterRef("content_hash"))
    return Exists(vectors)


def _is_quarantined(encoder: Encoder) -> Exists:
    return Exists(JobItem.objects.filter(job__encoder=encoder, item=OuterRef("pk"), state=JobItem.State.QUARANTINED))


# ---- encoders


def parts_of(encoder: Encoder) -> QuerySet[Encoder]:
    """The encoders whose vectors a concatenation is built from, each once; none for any other encoder."""
    return Encoder.objects.filter(pk__in=encoder.parts.values("part")).order_by("pk")


def with_all_parts(encoder: Encoder) -> list[Encoder]:
    """The encoder, its parts and their parts."""
    return [encoder, *(each for part in parts_of(encoder) for each in with_all_parts(part))]


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far an encoder covers the items that suit it; the four parts add up to the total."""

    embedded: int
    stale: int
    missing: int
    quarantined: int

    @property
    def total(self) -> int:
        return self.embedded + self.stale + self.missing + self.quarantined

    @property
    def complete(self) -> bool:
        return self.embedded == self.total


def coverage(encoder: Encoder) -> Coverage:
    """Two queries; about 0.3 s at 176,443 items. A join, because a subquery would probe the vectors once an item."""
    vector = FilteredRelation("embeddings", condition=Q(embeddings__encoder=encoder))
    items = items_for(encoder).annotate(vector=vector)
    sums = {
        "items": Count("pk"),
        "vectors": Count("vector__item"),
        "current": Count("pk", filter=Q(vector__content_hash=F("content_hash"))),
    }
    of_all = items.aggregate(**sums)
    of_quarantined = items.filter(_is_quarantined(encoder)).aggregate(**sums)
    left = {name: of_all[name] - of_quarantined[name] for name in sums}
    return Coverage(
        embedded=of_all["current"],
        stale=left["vectors"] - left["current"],
        missing=left["items"] - left["vectors"],
        quarantined=of_quarantined["items"] - of_quarantined["current"],
    )


# ---- jobs


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is. The rate is that of the last minute; None where nothing was embedded in it."""

    pending: int = 0
    leased: int = 0
    done: int = 0
    quarantined: int = 0
    items_per_second: float | None = None

    @property
    def total(self) -> int:
        return self.pending + self.leased + self.done + self.quarantined

    @property
    def finished(self) -> int:
        return self.done + self.quarantined

    @property
    def percent(self) -> int:
        """Rounded down, so that 100 means finished; an empty job is finished."""
        return 100 * self.finished // self.total if self.total else 100

    @property
    def seconds_left(self) -> float | None:
        return (self.total - self.finished) / self.items_per_second if self.items_per_second else None


def progress(job: EmbeddingJob) -> Progress:
    return Progress(**_counts([job])[job.pk], items_per_second=_rate(job))


def progress_of(jobs: Iterable[EmbeddingJob]) -> dict[int, Progress]:
    """Progress without rates, by job, in one query."""
    chosen = list(jobs)
    counts = _counts(chosen)
    return {job.pk: Progress(**counts[job.pk]) for job in chosen}


def ready_jobs() -> QuerySet[EmbeddingJob]:
    """Running jobs, without those of a concatenation while a job of one of its parts runs: the parts come first."""
    running = EmbeddingJob.objects.filter(state=EmbeddingJob.State.RUNNING)
    return running.filter(~Exists(running.filter(encoder__used_in__encoder=OuterRef("encoder"))))


def jobs_with_waiting_rows() -> QuerySet[EmbeddingJob]:
    """Running jobs that a worker could go on with, the oldest first."""
    waiting = JobItem.objects.filter(job=OuterRef("pk"), state=JobItem.State.PENDING)
    return ready_jobs().filter(Exists(waiting)).order_by("pk")


def quarantined_rows(job: EmbeddingJob) -> QuerySet[JobItem]:
    return job.items.filter(state=JobItem.State.QUARANTINED).select_related("item").order_by("id")


def _counts(jobs: list[EmbeddingJob]) -> defaultdict[int, dict[str, int]]:
    found: defaultdict[int, dict[str, int]] = defaultdict(dict)
    rows = JobItem.objects.filter(job__in=jobs).order_by().values_list("job", "state").annotate(Count("pk"))
    for job_id, state, count in rows:
        found[job_id][state] = count
    return found


def _rate(job: EmbeddingJob) -> float | None:
    now = timezone.now()
    recent = job.items.filter(state=JobItem.State.DONE, updated_at__gt=now - RATE_WINDOW)
    span = recent.aggregate(count=Count("pk"), first=Min("updated_at"))
    if not span["count"]:
        return None
    elapsed = ((job.finished_at or now) - span["first"]).total_seconds()
    return float(span["count"]) / elapsed if elapsed > 1 else None
