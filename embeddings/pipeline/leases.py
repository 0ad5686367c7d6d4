"""Who works on which rows of a job, and what becomes of the rows of a worker that died."""

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from embeddings.models import JobItem

LEASE = timedelta(minutes=10)
FAILURES_TO_QUARANTINE = 3
PENDING, LEASED, QUARANTINED = JobItem.State.PENDING, JobItem.State.LEASED, JobItem.State.QUARANTINED

# What a row says that nobody works on.
FREE: dict[str, Any] = {
    "lease_token": None,
    "lease_owner": "",
    "lease_until": None,
    "in_flight": False,
    "updated_at": Now(),
}


@dataclass(frozen=True, slots=True)
class Claim:
    """A row of a job that this process works on."""

    id: int
    item_id: int
    batch_limit: int
    failures_alone: int

    @property
    def alone(self) -> bool:
        """Whether it may share a micro-batch with no other row."""
        return self.batch_limit == 1


@dataclass(frozen=True)
class Lease:
    """The claims of one run of a job. Every change asks whether the row is still ours; it may have expired."""

    owner: str
    token: uuid.UUID = field(default_factory=uuid.uuid4)

    @transaction.atomic
    def claim(self, job_id: int, count: int) -> list[Claim]:
        """Up to `count` waiting rows of the job, those under suspicion last."""
        waiting = JobItem.objects.filter(job_id=job_id, state=PENDING).order_by("job_id", "-batch_limit", "id")
        values = waiting.select_for_update(skip_locked=True).values_list(
            "id", "item_id", "batch_limit", "failures_alone"
        )
        claims = [Claim(*row) for row in values[:count]]
        JobItem.objects.filter(pk__in=[claim.id for claim in claims]).update(
            state=LEASED,
            attempts=F("attempts") + 1,
            lease_token=self.token,
            lease_owner=self.owner,
            lease_until=Now() + LEASE,
            in_flight=False,
            updated_at=Now(),
        )
        return claims

    def hand_over(self, ids: Collection[int]) -> set[int]:
        """Mark the rows as being with the model; returns those that are still ours."""
        ours = self._rows(ids)
        if ours.update(in_flight=True, lease_until=Now() + LEASE) == len(ids):
            return set(ids)
        return set(ours.values_list("id", flat=True))

    def lock(self, ids: Iterable[int]) -> set[int]:
        """Lock the rows that are still ours until the transaction ends."""
        return set(self._rows(ids).order_by("id").select_for_update().values_list("id", flat=True))

    def keep(self) -> None:
        """Put off the end of the lease of all rows held."""
        JobItem.objects.filter(state=LEASED, lease_token=self.token).update(lease_until=Now() + LEASE)

    def give_back(self, ids: Iterable[int], **changes: Any) -> None:
        """Let the rows wait again."""
        self._rows(ids).update(state=PENDING, **FREE, **changes)

    def give_back_all(self) -> None:
        JobItem.objects.filter(state=LEASED, lease_token=self.token).update(state=PENDING, **FREE)

    def _rows(self, ids: Iterable[int]) -> QuerySet[JobItem]:
        return JobItem.objects.filter(pk__in=list(ids), state=LEASED, lease_token=self.token)


def free_rows_of(owner: str) -> None:
    """Let the owner's rows wait again, without any suspicion."""
    JobItem.objects.filter(state=LEASED, lease_owner=owner).update(state=PENDING, **FREE)


def release_rows_of(owner: str) -> None:
    """The owner is dead: free its rows at once. What was with the model is under suspicion; see `_release`."""
    _release(JobItem.objects.filter(state=LEASED, lease_owner=owner))


def release_overdue_rows() -> None:
    """Free the rows whose lease ran out, such as those of a host that is gone."""
    _release(JobItem.objects.filter(state=LEASED, lease_until__lt=Now()))


@transaction.atomic
def _release(rows: QuerySet[JobItem]) -> None:
    """A row that was with the model goes alone from now on; with its third death alone it is quarantined."""
    suspects = rows.filter(in_flight=True)
    alone = suspects.filter(batch_limit=1)
    reason = _("The worker died %(count)d times while it embedded this item.") % {"count": FAILURES_TO_QUARANTINE}
    # Each step takes its rows out of the next ones.
    alone.filter(failures_alone__gte=FAILURES_TO_QUARANTINE - 1).update(
        state=QUARANTINED, failures_alone=F("failures_alone") + 1, reason=reason, **FREE
    )
    alone.update(state=PENDING, failures_alone=F("failures_alone") + 1, **FREE)
    suspects.update(state=PENDING, batch_limit=1, **FREE)
    rows.update(state=PENDING, **FREE)
