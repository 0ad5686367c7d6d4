"""What becomes of an answer that was saved: it is read, charged and written to the pairs, in one transaction."""

from collections.abc import Sequence
from decimal import Decimal

from django.db import transaction

from groundtruth.judging import ledger
from groundtruth.judging.answers import Reading, Verdict, read_answer
from groundtruth.judging.jobs import hold_job
from groundtruth.judging.leases import finish, waiting
from groundtruth.judging.parameters import JudgeError, JudgeParameters
from groundtruth.judging.pricing import charge, price_of
from groundtruth.judging.questions import Question, build_question
from groundtruth.models import JudgeJob, Judgement, JudgeQuestion, LedgerEntry, Prompt, TruthPair, TruthSet
from groundtruth.set_services import SetFrozenError, lock_for_writing

State, Failure = JudgeQuestion.State, JudgeQuestion.Failure
MALFORMED_ANSWERS = 2  # of one question; each is paid


def built_from(question: JudgeQuestion) -> Question | None:
    """The question as its items are now, or None where the set has none of its pairs any more."""
    pairs, job = question.ordered_pairs(), question.job
    parameters = JudgeParameters.from_json(job.parameters)
    if not pairs:
        return None
    return build_question(
        prompt=job.prompt, model=job.model, parameters=parameters, pairs=pairs, swapped=question.swapped
    )


@transaction.atomic
def conclude(entry: LedgerEntry, question: JudgeQuestion) -> None:
    """Read the entry's saved answer, charge it and land it. The question's row must be locked by the caller.

    An answer about items that were edited since is charged but lands nowhere: the question waits to be asked anew.
    """
    built = built_from(question)
    current = built is not None and built.hash == entry.question_hash
    count = built.count if built is not None and current else len(question.pairs)
    reading = read_answer(question.job.prompt.kind, entry.raw, count, question.swapped)
    ledger.settle(
        entry,
        charged=_charged(entry, reading),
        input_tokens=reading.input_tokens,
        output_tokens=reading.output_tokens,
        usable=not reading.failure,
        error=reading.error,
    )
    if not current:
        JudgeQuestion.objects.filter(pk=question.pk).update(**waiting())
    elif reading.failure:
        _fail(question, reading)
    else:
        _land_or_hold(question, entry, reading)


def _charged(entry: LedgerEntry, reading: Reading) -> Decimal:
    """By the provider's count; where it did not count, or the price is gone, the most it can be."""
    most: Decimal = entry.reserved_usd
    if reading.input_tokens is None or reading.output_tokens is None:
        return most
    try:
        price = price_of(entry.model)
    except JudgeError:
        return most
    return charge(price, reading.input_tokens, reading.output_tokens, entry.batch_id is not None)


def _fail(question: JudgeQuestion, reading: Reading) -> None:
    """A malformed answer is asked for once more; a refusal or a cut answer would come again."""
    paid = LedgerEntry.objects.filter(question=question, state=LedgerEntry.State.SETTLED, usable=False)
    malformed = paid.filter(http_status__range=(200, 299)).count()
    if reading.failure == Failure.MALFORMED and malformed < MALFORMED_ANSWERS:
        again = {"failure": reading.failure, "error": reading.error, **waiting()}
        JudgeQuestion.objects.filter(pk=question.pk).update(**again)
    else:
        finish(question, State.FAILED, failure=str(reading.failure), error=reading.error)


def _land_or_hold(question: JudgeQuestion, entry: LedgerEntry, reading: Reading) -> None:
    """The answer to a set that was frozen meanwhile stays in the ledger, where another version will find it."""
    try:
        land(question, entry, reading)
    except SetFrozenError as error:
        JudgeQuestion.objects.filter(pk=question.pk).update(**waiting())
        hold_job(question.job_id, str(error))
    else:
        finish(question, State.ANSWERED)


@transaction.atomic
def reuse(question: JudgeQuestion, built: Question) -> bool:
    """Land an answer that was paid before, if any. The question is locked by the caller. Raises SetFrozenError."""
    entry = LedgerEntry.objects.filter(question_hash=built.hash, usable=True, state=LedgerEntry.State.SETTLED).first()
    if entry is None:
        return False
    reading = read_answer(built.kind, entry.raw, built.count, question.swapped)
    if reading.failure:
        finish(question, State.FAILED, failure=str(reading.failure), error=reading.error)
    else:
        land(question, entry, reading)
        finish(question, State.REUSED)
    return True


def refuse_frozen(job: JudgeJob) -> None:
    """Raises SetFrozenError for a job whose answers could land nowhere. Trials land nowhere anyway."""
    truth_set = TruthSet.objects.get(pk=job.truth_set_id)
    if truth_set.frozen and job.purpose != JudgeJob.Purpose.TRIAL:
        raise SetFrozenError(truth_set)


@transaction.atomic
def land(question: JudgeQuestion, entry: LedgerEntry, reading: Reading) -> None:
    """Write the verdicts to the question's pairs. What a trial finds stays in its entry. Raises SetFrozenError."""
    job = question.job
    if job.purpose == JudgeJob.Purpose.TRIAL:
        return
    lock_for_writing(truth_set=job.truth_set)
    found = TruthPair.objects.in_bulk(question.pairs)
    pairs = [found[pk] for pk in question.pairs if pk in found]
    judged = [(pairs[verdict.index], verdict) for verdict in reading.verdicts]
    _write_judgements(question, entry, judged)
    if not question.swapped:
        _write_relevance(job.prompt.kind, judged)


def _write_judgements(question: JudgeQuestion, entry: LedgerEntry, judged: Sequence[tuple[TruthPair, Verdict]]) -> None:
    """The latest word of a model and a prompt on a pair takes the place of the one before."""
    job = question.job
    same = {"source": Judgement.Source.MODEL, "judge": job.model, "prompt": job.prompt, "swapped": question.swapped}
    Judgement.objects.filter(pair__in=[pair for pair, _verdict in judged], **same).delete()
    Judgement.objects.bulk_create(
        Judgement(
            pair=pair,
            relevance=verdict.relevance,
            concept_score=verdict.concept_score,
            image_score=verdict.image_score,
            overall_score=verdict.overall_score,
            reason=ledger.storable(verdict.reason),
            entry=entry,
            **same,
        )
        for pair, verdict in judged
    )


def _write_relevance(kind: str, judged: Sequence[tuple[TruthPair, Verdict]]) -> None:
    for pair, verdict in judged:
        pair.relevance = verdict.relevance
        pair.score = float(verdict.relevance) if kind == Prompt.Kind.LISTWISE else verdict.overall_score
    TruthPair.objects.bulk_update([pair for pair, _verdict in judged], ["relevance", "score"])
