"""The work of a build: everything is computed first and written in one transaction at its end.

A build that is killed or cancelled therefore leaves nothing, and begins anew when it is run again. What is kept
meanwhile is small: 176,443 items with 5 neighbours each take some 100 MB besides the matrix.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from django.db import DatabaseError, IntegrityError, InterfaceError, connection, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from groundtruth.builds import BuildPlan, Method, drawn_items, sources_of
from groundtruth.candidates import TFIDF, Ranked, corpus_of, rank, united
from groundtruth.loading import NewPair, load_pairs, load_queries
from groundtruth.models import TruthQuery, TruthSet
from groundtruth.set_services import SetError, lock_for_writing
from itembank.alone import Work, alone_on

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3  # of workers that died over the same build
BEAT_SECONDS = 2

State = TruthSet.State
Progress = Callable[[int, int], None]
"""Told the steps done and in all."""


class Stopped(Exception):  # noqa: N818 - a decision, not a fault
    """The build was cancelled meanwhile."""


def run_build(set_id: int, *, progress: Progress | None = None) -> None:
    """Build a set in the state building; it ends as ready, or as failed with the reason.

    Safe to call at any time from anywhere: where the set is in another state or another process works on it, nothing
    happens.
    """
    with alone_on(Work.TRUTH_BUILD, set_id) as alone:
        truth_set = _claimed(set_id) if alone else None
        if truth_set is None:
            return
        try:
            _build(truth_set, progress)
        except Stopped:
            logger.info("the build of %s was cancelled", truth_set)
        except SetError as error:
            _fail(truth_set, str(error))
        except IntegrityError:
            _fail(truth_set, _("Items were deleted during the build. Build the set again."))
        except (DatabaseError, InterfaceError):
            raise  # the sweeper rings again
        except MemoryError:
            _fail(truth_set, _("The build needs more memory than the worker has."))
        except Exception as error:
            logger.exception("the build of %s failed", truth_set)
            message = _("The build broke off (%(kind)s). The server's log tells more.")
            _fail(truth_set, message % {"kind": type(error).__name__})


def _claimed(set_id: int) -> TruthSet | None:
    """The set, with one more attempt on it; None where there is nothing to do."""
    mine = TruthSet.objects.filter(pk=set_id, state=State.BUILDING)
    mine.update(attempts=F("attempts") + 1, heartbeat_at=timezone.now(), done=0)
    truth_set = mine.first()
    if truth_set and truth_set.attempts > MAX_ATTEMPTS:
        _fail(truth_set, _("The worker died %(times)d times over this build.") % {"times": MAX_ATTEMPTS})
        return None
    return truth_set


def _fail(truth_set: TruthSet, reason: str) -> None:
    TruthSet.objects.filter(pk=truth_set.pk, state=State.BUILDING).update(state=State.FAILED, error=reason)


class _Heart:
    """Counts steps and tells of them every few seconds; notices that the build was cancelled."""

    def __init__(self, truth_set: TruthSet, total: int, progress: Progress | None) -> None:
        self._mine = TruthSet.objects.filter(pk=truth_set.pk, state=State.BUILDING)
        self._done, self._total, self._progress = 0, total, progress
        self.beat()

    def step(self) -> None:
        self._done = min(self._done + 1, self._total)  # items may come in meanwhile
        if time.monotonic() - self._told > BEAT_SECONDS:
            self.beat()

    def beat(self) -> None:
        """Raises Stopped."""
        self._told = time.monotonic()
        if not self._mine.update(done=self._done, total=self._total, heartbeat_at=timezone.now()):
            raise Stopped
        if self._progress:
            self._progress(self._done, self._total)


def _build(truth_set: TruthSet, progress: Progress | None) -> None:
    plan = BuildPlan.of(truth_set)
    items = corpus_of(truth_set, with_images_only=plan.with_images_only)
    codes = _asked(truth_set, plan)
    sources = sources_of(plan)
    heart = _Heart(truth_set, len(sources) * (items.count() + len(codes)), progress)
    least = plan.least_score if plan.method == Method.TFIDF else 0.0
    ranked = {
        source: rank(
            source, truth_set=truth_set, items=items, query_ids=list(codes), top=plan.top, min_score=least,
            step=heart.step,
        )
        for source in sources
    }  # fmt: skip
    heart.beat()
    _write(truth_set, plan, codes, ranked)
    if progress:
        progress(1, 1)


def _asked(truth_set: TruthSet, plan: BuildPlan) -> dict[int, str]:
    """The query items with their codes: those drawn where the set is over the bank, otherwise all."""
    items = corpus_of(truth_set, with_images_only=plan.with_images_only)
    if truth_set.scope == TruthSet.Scope.BANK and plan.quotas:
        items = items.filter(pk__in=drawn_items(plan))
    return dict(items.values_list("pk", "code"))


@transaction.atomic
def _write(
    truth_set: TruthSet, plan: BuildPlan, codes: Mapping[int, str], ranked: Mapping[str, Sequence[Ranked]]
) -> None:
    """Queries, pairs and the state ready, all or nothing. Raises Stopped, SetError, IntegrityError."""
    locked = lock_for_writing(truth_set=truth_set)
    if locked.state != State.BUILDING:
        raise Stopped
    query_ids = _write_queries(locked, codes)
    judged = plan.method == Method.TFIDF
    load_pairs(locked, _judged(query_ids, ranked[TFIDF], plan) if judged else united(query_ids, ranked))
    locked.state, locked.done, locked.attempts, locked.error = State.READY, F("total"), 0, ""
    locked.save(update_fields=["state", "done", "attempts", "error"])
    # Foreign keys are checked when the transaction ends; here an error is still ours to tell.
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def _write_queries(truth_set: TruthSet, codes: Mapping[int, str]) -> list[int]:
    """Ids of the queries of these items, in their order."""
    kind = TruthQuery._meta.get_field("query_type").get_default()
    load_queries(truth_set, ((f"Q_{code}", item_id, kind) for item_id, code in codes.items()))
    ids = dict(truth_set.queries.order_by().values_list("item_id", "pk"))
    return [ids[item_id] for item_id in codes]


def _judged(query_ids: Sequence[int], ranked: Sequence[Ranked], plan: BuildPlan) -> Iterator[NewPair]:
    """Pairs whose relevance follows from their cosine."""
    for query_id, (item_ids, scores) in zip(query_ids, ranked, strict=True):
        for item_id, score in zip(item_ids.tolist(), scores.tolist(), strict=True):
            yield NewPair(query_id, item_id, plan.relevance(score), score, {TFIDF: score})
