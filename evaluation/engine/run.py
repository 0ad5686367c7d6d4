"""The work of a run: block by block of queries, each block's rankings stored at once.

A worker that dies leaves whole blocks; the next goes on behind them. Blocks are the same however often the run is
taken up again, and so are the rankings.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from embeddings.encoders.errors import EncoderError
from embeddings.models import Reranker
from embeddings.reranker_services import settle_reranker
from evaluation.engine.corpus import Corpus
from evaluation.engine.fingerprints import Fingerprints, reranker_key, run_fingerprint
from evaluation.engine.queries import Query, read_queries
from evaluation.engine.reranking import Answer, Reranking
from evaluation.engine.signals import Method
from evaluation.environment import describe_environment
from evaluation.models import EvaluationRun, QueryRanking
from evaluation.run_settings import EvaluationError, RunSettings
from itembank.alone import Work, alone_on

logger = logging.getLogger(__name__)

BLOCK_QUERIES = 256
BLOCK_RERANKED = 4  # each takes a forward pass over its candidates
MAX_ATTEMPTS = 3  # of workers that died over the same block

State = EvaluationRun.State
Progress = Callable[[int, int], None]
"""Told the queries done and in all."""


class Stopped(Exception):  # noqa: N818 - a decision, not a fault
    """The run was cancelled meanwhile."""


def work_on(run_id: int, *, until: float = float("inf"), progress: Progress | None = None) -> bool:
    """Work on an unfinished run until it ends or `until` (time.monotonic) has come; whether something is left.

    It ends as completed, or as failed with the reason. Safe to call at any time from anywhere: where the run is in
    another state or another process works on it, nothing happens.
    """
    with alone_on(Work.EVALUATION, run_id) as alone:
        run = _claimed(run_id) if alone else None
        if run is None:
            return False
        try:
            return _work(run, until, progress)
        except Stopped:
            return False
        except (EvaluationError, EncoderError) as error:
            _fail(run, str(error))
        except (DatabaseError, InterfaceError):
            raise  # the sweeper rings again
        except MemoryError:
            _fail(run, _("The run needs more memory than the worker has."))
        except Exception as error:
            logger.exception("evaluation run %s failed", run_id)
            message = _("The run broke off (%(kind)s). The server's log tells more.")
            _fail(run, message % {"kind": type(error).__name__})
        return False


def _claimed(run_id: int) -> EvaluationRun | None:
    """The run, with one more attempt on it; None where there is nothing to do."""
    mine = EvaluationRun.objects.filter(pk=run_id, state__in=[State.WAITING, State.RUNNING])
    mine.update(state=State.RUNNING, attempts=F("attempts") + 1, heartbeat_at=timezone.now())
    run = mine.select_related("truth_set").first()
    if run and run.attempts > MAX_ATTEMPTS:
        _fail(run, _("The worker died %(times)d times over this run.") % {"times": MAX_ATTEMPTS})
        return None
    return run


def _fail(run: EvaluationRun, reason: str) -> None:
    ended = EvaluationRun.objects.filter(pk=run.pk, state=State.RUNNING)
    ended.update(state=State.FAILED, error=reason, finished_at=timezone.now())


def _work(run: EvaluationRun, until: float, progress: Progress | None) -> bool:
    settings = RunSettings.from_json(run.configuration)
    blocks = list(_left_over(run, settings))
    if blocks:
        settings, corpus = _unchanged(run, settings)
        rank = _ranker(settings, corpus)
        for block in blocks:
            _store(run, block, rank(block), corpus)
            if progress:
                progress(run.done, run.total)
            # Not before the first block: a bank that takes longer to read than a slice lasts would never get on.
            if time.monotonic() >= until and block is not blocks[-1]:
                # Not a death: what one worker leaves when its time is up costs no attempt.
                EvaluationRun.objects.filter(pk=run.pk).update(attempts=0)
                return True
    _complete(run)
    return False


def _ranker(settings: RunSettings, corpus: Corpus) -> Callable[[Sequence[Query]], list[Answer]]:
    method = Method(settings, corpus)
    reranking = Reranking(settings, corpus) if settings.reranker else None

    def rank(block: Sequence[Query]) -> list[Answer]:
        item_ids = [query.item_id for query in block]
        found = method.rank(item_ids)
        return reranking.rerank(item_ids, found) if reranking else [Answer(each) for each in found]

    return rank


def _left_over(run: EvaluationRun, settings: RunSettings) -> Iterator[list[Query]]:
    """Blocks of the queries without a ranking, cut at the same places each time."""
    queries = read_queries(run.truth_set, settings)
    done = set(run.rankings.values_list("query_id", flat=True))
    size = BLOCK_RERANKED if settings.reranker else BLOCK_QUERIES
    for start in range(0, len(queries), size):
        if block := [query for query in queries[start : start + size] if query.pk not in done]:
            yield block


def _unchanged(run: EvaluationRun, settings: RunSettings) -> tuple[RunSettings, Corpus]:
    """The run's settings and corpus. Raises EvaluationError where what it was frozen with is no longer there."""
    settings = _settled(run, settings)
    present = Fingerprints()
    found = present.of(run.truth_set, settings)
    differ = [name for name in {**settings.fingerprints, **found} if settings.fingerprints.get(name) != found.get(name)]
    if differ:
        raise EvaluationError(
            _("Items, vectors or code changed since the run was made (%(what)s), so it cannot go on. Start anew.")
            % {"what": ", ".join(sorted(differ))}
        )
    return settings, present.corpus(run.truth_set, settings)


def _settled(run: EvaluationRun, settings: RunSettings) -> RunSettings:
    """With the reranker as this device runs it: a precision left to the first use is fixed by it. A run that has
    rankings keeps what they were made with.
    """
    if not settings.reranker or run.done:
        return settings
    reranker = Reranker.objects.filter(slug=settings.reranker).first()
    if reranker is None:
        return settings  # what is missing is said by the comparison
    reranker = settle_reranker(reranker)
    found = {**settings.fingerprints, reranker_key(reranker.slug): reranker.fingerprint}
    settled = replace(settings, fingerprints=found)
    if settled != settings:
        run.configuration, run.fingerprint = settled.as_json(), run_fingerprint(settled)
        run.save(update_fields=["configuration", "fingerprint"])
    return settled


@transaction.atomic
def _store(run: EvaluationRun, block: Sequence[Query], answers: Sequence[Answer], corpus: Corpus) -> None:
    """Raises Stopped."""
    if not EvaluationRun.objects.filter(pk=run.pk, state=State.RUNNING).update(
        done=F("done") + len(block), attempts=1, heartbeat_at=timezone.now()
    ):
        raise Stopped
    QueryRanking.objects.bulk_create(
        QueryRanking(
            run=run,
            query_id=query.pk,
            items=corpus.ids[answer.ranking.places].tolist(),
            scores=answer.ranking.scores.tolist(),
            reason=answer.reason or ("" if len(answer.ranking.places) else "found-nothing"),
        )
        for query, answer in zip(block, answers, strict=True)
    )
    run.done += len(block)


def _complete(run: EvaluationRun) -> None:
    EvaluationRun.objects.filter(pk=run.pk, state=State.RUNNING).update(
        state=State.COMPLETED, finished_at=timezone.now(), environment=describe_environment(), error=""
    )
    run.refresh_from_db()
