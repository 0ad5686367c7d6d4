"""What may be done with judge jobs. Each function owns its transaction.

None sends a message, and none a question: groundtruth/dispatch.py rings for a worker once the change is committed.
"""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from groundtruth.audit import record
from groundtruth.judging.parameters import JudgeError, JudgeParameters
from groundtruth.judging.planning import (
    TRIAL_PAIRS,
    Sketch,
    draw_trial,
    sketch_questions,
    sketch_trial,
    write_questions,
)
from groundtruth.models import JudgeJob, JudgeQuestion, Prompt, TruthPair, TruthSet
from groundtruth.set_services import SetError, lock_set

State = JudgeJob.State
RETRIABLE = frozenset({JudgeQuestion.State.FAILED, JudgeQuestion.State.UNKNOWN})
WAITING = {
    "state": JudgeQuestion.State.PENDING, "attempts": 0, "failure": "", "error": "",
    "not_before": None, "lease_token": None, "lease_until": None,
}  # fmt: skip


class JudgeStateError(JudgeError):
    """The job is not in a state in which this can be done; the message says so to the user."""


# ---- planning


@transaction.atomic
def plan_job(
    *,
    truth_set: TruthSet,
    model: str,
    prompt: Prompt,
    parameters: JudgeParameters,
    mode: str = JudgeJob.Mode.LIVE,
    cap_usd: Decimal | None = None,
    most: int | None = None,
    user: User | None = None,
) -> JudgeJob:
    """A draft with its questions and its price; nothing is sent before somebody confirms it.

    `cap_usd` None is the highest cost. Raises JudgeError where the set is frozen or being built, where nothing is left
    to judge, where there are more questions than `most`, and where the model has no price.
    """
    _lock_open(truth_set)
    sketches = sketch_questions(truth_set, prompt.kind, parameters)
    if not sketches:
        raise JudgeError(_("“%(set)s” has no candidates that wait for a judgement.") % {"set": truth_set})
    if most is not None and len(sketches) > most:
        message = _("The job would have %(count)s questions; this page plans %(most)s. Use “manage.py judge_truth”.")
        raise JudgeError(message % {"count": f"{len(sketches):,}", "most": f"{most:,}"})
    job = JudgeJob(
        truth_set=truth_set, model=model, prompt=prompt, parameters=parameters.as_json(), mode=mode, created_by=user
    )
    return _write(job, sketches, cap_usd)


@transaction.atomic
def plan_trial(
    *,
    prompt: Prompt,
    model: str,
    truth_set: TruthSet,
    pairs: Sequence[TruthPair] | None = None,
    parameters: JudgeParameters | None = None,
    cap_usd: Decimal | None = None,
    user: User | None = None,
) -> JudgeJob:
    """A draft that asks for three pairs of the set, given or drawn by the parameters' seed; its answers land nowhere.

    Raises JudgeError where there are not three different pairs of this set.
    """
    _lock_open(truth_set)
    parameters = parameters or JudgeParameters()
    chosen = [pair.pk for pair in pairs] if pairs is not None else draw_trial(truth_set, prompt.kind, parameters.seed)
    found = TruthPair.objects.filter(truth_set=truth_set).in_bulk(chosen)
    if len(chosen) != TRIAL_PAIRS or len(found) != TRIAL_PAIRS:
        raise JudgeError(_("A trial takes three different pairs of “%(set)s”.") % {"set": truth_set})
    job = JudgeJob(
        purpose=JudgeJob.Purpose.TRIAL, truth_set=truth_set, model=model, prompt=prompt,
        parameters=parameters.as_json(), created_by=user,
    )  # fmt: skip
    return _write(job, sketch_trial([found[pk] for pk in chosen], prompt.kind), cap_usd)


def _write(job: JudgeJob, sketches: Sequence[Sketch], cap_usd: Decimal | None) -> JudgeJob:
    job.cap_usd = _checked_cap(cap_usd or Decimal(0))
    job.save()
    estimate = write_questions(job, sketches)
    job.expected_usd, job.maximum_usd = estimate.expected_usd, estimate.maximum_usd
    job.cap_usd = estimate.maximum_usd if cap_usd is None else cap_usd
    job.parameters |= {"estimate": estimate.as_json()}
    job.save()
    job.refresh_from_db()  # with the decimal places of the database
    return job


def _lock_open(truth_set: TruthSet) -> None:
    try:
        locked = lock_set(truth_set)
    except SetError as error:
        raise JudgeError(str(error)) from error
    if locked.frozen:
        raise JudgeError(_("“%(set)s” is frozen. Make a new version of it to judge more.") % {"set": locked})
    if locked.state != TruthSet.State.READY:
        raise JudgeError(
            _("“%(set)s” is in the state “%(state)s”, so it cannot be judged.")
            % {"set": locked, "state": locked.get_state_display()}
        )


def _checked_cap(cap_usd: Decimal) -> Decimal:
    if not cap_usd.is_finite() or cap_usd < 0:
        raise JudgeError(_("A limit is an amount of dollars, 0 or more."))
    return cap_usd


# ---- confirming, and what else costs money


@transaction.atomic
def confirm_job(*, job: JudgeJob, user: User, cap_usd: Decimal | None = None) -> JudgeJob:
    """Let the job spend up to its limit. Raises PermissionDenied, JudgeStateError, and JudgeError where the prompt has
    not been tried on three pairs with this model, or where the set was frozen since."""
    may_spend(user)
    # The set, then the job; everywhere else the job comes first. Only a draft may be locked so: no worker has it.
    _refuse_state(JudgeJob.objects.get(pk=job.pk), {State.DRAFT})
    _lock_open(job.truth_set)
    locked = _locked(job, {State.DRAFT})
    if locked.purpose == JudgeJob.Purpose.JUDGE and not tried(locked.prompt, locked.model):
        raise JudgeError(
            _("Try “%(prompt)s” on three pairs with %(model)s first; that trial must have been completed.")
            % {"prompt": locked.prompt, "model": locked.model}
        )
    locked.cap_usd = _checked_cap(locked.cap_usd if cap_usd is None else cap_usd)
    locked.state, locked.confirmed_by, locked.confirmed_at = State.RUNNING, user, timezone.now()
    locked.save(update_fields=["cap_usd", "state", "confirmed_by", "confirmed_at"])
    _note(locked, "confirm", user, new={"cap_usd": str(locked.cap_usd), "maximum_usd": str(locked.maximum_usd)})
    return _fresh(job)


def tried(prompt: Prompt, model: str) -> bool:
    """Whether the prompt was tried on three pairs with the model, and each of them was answered."""
    return JudgeJob.objects.filter(
        prompt=prompt, model=model, purpose=JudgeJob.Purpose.TRIAL, state=State.COMPLETED
    ).exists()


@transaction.atomic
def set_cap(*, job: JudgeJob, cap_usd: Decimal, user: User) -> JudgeJob:
    """Another limit for a job that has not ended. Raises PermissionDenied, JudgeStateError; JudgeError below what is
    spent or put aside."""
    may_spend(user)
    locked = _locked(job, {State.DRAFT, State.RUNNING, State.PAUSED, State.COMPLETED_WITH_FAILURES})
    if _checked_cap(cap_usd) < locked.held_usd:
        raise JudgeError(_("$%(held)s are spent or reserved already.") % {"held": f"{locked.held_usd:.4f}"})
    _note(locked, "set-cap", user, old={"cap_usd": str(locked.cap_usd)}, new={"cap_usd": str(cap_usd)})
    JudgeJob.objects.filter(pk=job.pk).update(cap_usd=cap_usd)
    return _fresh(job)


@transaction.atomic
def resume_job(*, job: JudgeJob, user: User) -> JudgeJob:
    """Go on with a paused job, at once. Raises PermissionDenied, JudgeStateError."""
    may_spend(user)
    locked = _locked(job, {State.PAUSED})
    if locked.purpose == JudgeJob.Purpose.JUDGE:
        _lock_open(locked.truth_set)
    _note(locked, "resume", user)
    JudgeJob.objects.filter(pk=job.pk).update(state=State.RUNNING, error="", not_before=None)
    return _fresh(job)


@transaction.atomic
def retry_failed(
    *, job: JudgeJob, user: User, states: Collection[str] = frozenset({JudgeQuestion.State.FAILED})
) -> JudgeJob:
    """Ask failed questions again, and those of unknown outcome where `states` names these: that pays a second time.

    Raises PermissionDenied, JudgeStateError; JudgeError where there are none, and where the set was frozen since.
    """
    may_spend(user)
    if not set(states) <= RETRIABLE:
        raise ValueError(f"only {sorted(RETRIABLE)} can be asked again")
    locked = _locked(job, {State.RUNNING, State.PAUSED, State.COMPLETED_WITH_FAILURES})
    if locked.purpose == JudgeJob.Purpose.JUDGE:
        _lock_open(locked.truth_set)
    if not JudgeQuestion.objects.filter(job=job, state__in=states).update(**WAITING):
        raise JudgeError(_("Job %(id)s has no such questions to ask again.") % {"id": job.pk})
    _note(locked, "retry", user, new={"states": sorted(states)})
    if locked.state != State.PAUSED:
        JudgeJob.objects.filter(pk=job.pk).update(state=State.RUNNING, error="", finished_at=None, not_before=None)
    return _fresh(job)


# ---- what costs nothing


@transaction.atomic
def pause_job(*, job: JudgeJob, user: User | None = None) -> JudgeJob:
    """Hold the job after the requests that are on their way; of a batch job, no new batch is sent, and it says so.

    Raises JudgeStateError.
    """
    locked = _locked(job, {State.RUNNING})
    _note(locked, "pause", user)
    said = _("No new batch is sent. Batches that the provider has go on, are collected and paid.")
    error = said if locked.mode == JudgeJob.Mode.BATCH else locked.error
    JudgeJob.objects.filter(pk=job.pk).update(state=State.PAUSED, error=error)
    return _fresh(job)


@transaction.atomic
def cancel_job(*, job: JudgeJob, user: User | None = None) -> JudgeJob:
    """End the job; judgements that it made stay, and what was sent is paid. Its batches are cancelled at the provider
    by the next sweep, and what they did by then is collected. Raises JudgeStateError."""
    _note(_locked(job, {State.DRAFT, State.RUNNING, State.PAUSED}), "cancel", user)
    JudgeJob.objects.filter(pk=job.pk).update(state=State.CANCELLED, finished_at=Now())
    return _fresh(job)


# ---- parts


def may_spend(user: User) -> None:
    if not user.has_perm("groundtruth.can_spend"):
        raise PermissionDenied(_("You may not spend money on paid models; that needs the permission “can_spend”."))


def _locked(job: JudgeJob, states: Collection[State]) -> JudgeJob:
    """The job, held until the transaction ends, so that two people who press at once both get an answer."""
    locked = JudgeJob.objects.select_for_update(no_key=True).get(pk=job.pk)
    _refuse_state(locked, states)
    return locked


def _refuse_state(job: JudgeJob, states: Collection[State]) -> None:
    if job.state not in states:
        raise JudgeStateError(
            _("Job %(id)s is in the state “%(state)s”, so this cannot be done.")
            % {"id": job.pk, "state": job.get_state_display()}
        )


def _fresh(job: JudgeJob) -> JudgeJob:
    job.refresh_from_db()
    return job


def _note(
    job: JudgeJob,
    action: str,
    user: User | None,
    old: Mapping[str, object] | None = None,
    new: Mapping[str, object] | None = None,
) -> None:
    record(truth_set=job.truth_set, target=f"judge job #{job.pk}", action=action, old=old, new=new, user=user)
