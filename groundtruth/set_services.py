"""What may be done with truth sets. Each function owns its transaction; permissions are the callers'.

Whoever writes to a set holds its row meanwhile, so that nothing changes a set that is just being frozen.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Max, ProtectedError, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from groundtruth import audit
from groundtruth.fingerprint import fingerprint_of
from groundtruth.loading import copy_contents
from groundtruth.models import (
    Change,
    JudgeBatch,
    JudgeJob,
    Judgement,
    JudgeQuestion,
    LedgerEntry,
    Relevance,
    ReviewPair,
    ReviewRound,
    TruthItem,
    TruthPair,
    TruthQuery,
    TruthSet,
)
from itembank.models import Item

State = TruthSet.State
UNDER_WAY = (JudgeJob.State.RUNNING, JudgeJob.State.PAUSED)


class SetError(Exception):
    """This cannot be done with the truth set; the message says so to the user, and what to do."""


class SetFrozenError(SetError):
    """The set is frozen and never changes again."""

    def __init__(self, truth_set: TruthSet) -> None:
        message = _("The truth set “%(set)s” is frozen and does not change. Make a new version of it.")
        super().__init__(message % {"set": truth_set})


@transaction.atomic
def create_set(
    *,
    name: str,
    method: str,
    scope: str,
    parameters: Mapping[str, Any] | None = None,
    user: User | None = None,
    item_ids: Iterable[int] | None = None,
    description: str = "",
    guidelines: str = "",
    state: str = State.READY,
    total: int = 0,
) -> TruthSet:
    """A set without queries; where the name exists, its next version.

    `item_ids` are those of the scope "selection" (ValueError where missing or out of place). Raises SetError for a name
    that cannot be one.
    """
    if (scope == TruthSet.Scope.SELECTION) != (item_ids is not None):
        raise ValueError("item_ids belong to the scope 'selection', and to no other")
    name = _checked_name(name)
    truth_set = TruthSet.objects.create(
        name=name,
        version=_next_version(name),
        method=method,
        scope=scope,
        parameters=dict(parameters or {}),
        description=description,
        guidelines=guidelines,
        state=state,
        total=total,
        created_by=user,
    )
    rows = (TruthItem(truth_set=truth_set, item_id=item_id) for item_id in sorted(set(item_ids or ())))
    TruthItem.objects.bulk_create(rows, batch_size=1000)
    audit.record(action="create", target=str(truth_set), truth_set=truth_set, new={"method": method}, user=user)
    return truth_set


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise SetError(_("The name of a truth set has 1 to 100 characters, none of them a line break."))
    return name


def _next_version(name: str) -> int:
    """Who makes another version of the same name at once waits for this transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"truthset {name}"])
    last: int | None = TruthSet.objects.filter(name=name).aggregate(last=Max("version"))["last"]
    return (last or 0) + 1


def lock_for_writing(*, truth_set: TruthSet) -> TruthSet:
    """The set as it is now, held until the transaction ends: whoever writes to it calls this first.

    Others can go on referring to it. Raises SetFrozenError, SetError for one that was deleted, RuntimeError outside of
    a transaction.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("The lock ends with the transaction; call lock_for_writing inside of atomic().")
    locked = lock_set(truth_set)
    if locked.frozen:
        raise SetFrozenError(locked)
    return locked


def lock_set(truth_set: TruthSet) -> TruthSet:
    """The same for a set that may be frozen. Raises SetError for one that was deleted."""
    locked = TruthSet.objects.select_for_update(no_key=True).filter(pk=truth_set.pk).first()
    if locked is None:
        raise SetError(_("The truth set “%(set)s” is no longer there.") % {"set": truth_set})
    return locked


@transaction.atomic
def freeze_set(*, truth_set: TruthSet, user: User | None) -> TruthSet:
    """Close the set for good, with the fingerprint of what it says; review rounds that are open are closed with it.

    Raises SetError for one without a relevant pair, one that is not built, and one that is still being judged.
    """
    locked = lock_for_writing(truth_set=truth_set)
    _refuse_unfinished(locked)
    if not locked.pairs.filter(final_relevance__gte=Relevance.RELATED).exists():
        raise SetError(_("The truth set “%(set)s” has no relevant pair: there is nothing to freeze.") % {"set": locked})
    locked.fingerprint = fingerprint_of(locked)
    locked.frozen_at = timezone.now()
    locked.frozen_by = user
    locked.save(update_fields=["fingerprint", "frozen_at", "frozen_by"])
    new = {"fingerprint": locked.fingerprint}
    audit.record(action="freeze", target=str(locked), truth_set=locked, new=new, user=user)
    _close_rounds(locked, user)
    truth_set.refresh_from_db()
    return truth_set


def _close_rounds(truth_set: TruthSet, user: User | None) -> None:
    """In a frozen set nobody can judge any more."""
    for each in truth_set.rounds.select_for_update(no_key=True).filter(closed_at=None).order_by("pk"):
        ReviewRound.objects.filter(pk=each.pk).update(closed_at=truth_set.frozen_at)
        audit.record(action="close-round", target=str(each), truth_set=truth_set, user=user)


def _refuse_unfinished(truth_set: TruthSet) -> None:
    if truth_set.state != State.READY:
        raise SetError(
            _("The truth set “%(set)s” is not ready: %(state)s.")
            % {"set": truth_set, "state": truth_set.get_state_display()}
        )
    _refuse_under_judgement(truth_set)


def _refuse_under_judgement(truth_set: TruthSet) -> None:
    job = truth_set.judge_jobs.filter(state__in=UNDER_WAY).first()
    if job:
        message = _("Judge job %(job)s is still at work on the truth set “%(set)s”. Let it end, or cancel it.")
        raise SetError(message % {"job": job, "set": truth_set})


@transaction.atomic
def new_version(*, truth_set: TruthSet, user: User | None) -> TruthSet:
    """A copy that can change: items, queries, pairs and what people approved. Raises SetError for one not ready."""
    source = lock_set(truth_set)
    _refuse_unfinished(source)
    copied = ("name", "method", "scope", "parameters", "description", "guidelines", "done", "total")
    fields = {name: getattr(source, name) for name in copied}
    version = _next_version(source.name)
    copy = TruthSet.objects.create(**fields, version=version, previous=source, created_by=user)
    copy_contents(source, copy)
    audit.record(action="new-version", target=str(copy), truth_set=copy, old=str(source), new=str(copy), user=user)
    return copy


@transaction.atomic
def delete_set(*, truth_set: TruthSet, user: User | None = None) -> None:
    """Remove a set with its pairs, judgements, rounds and unpaid jobs; its lines in the audit trail stay.

    Raises SetError for one that is being built or judged, that money was spent on, or that something was made from;
    SetFrozenError.
    """
    locked = lock_for_writing(truth_set=truth_set)
    if locked.state == State.BUILDING:
        raise SetError(_("The truth set “%(set)s” is being built. Cancel that first.") % {"set": locked})
    _refuse_under_judgement(locked)
    if LedgerEntry.objects.filter(job__truth_set=locked).exists():
        raise SetError(_("Money was spent on the truth set “%(set)s”: its ledger must stay.") % {"set": locked})
    audit.record(action="delete", target=str(locked), old=_described(locked), user=user)
    _remove_rows(locked)
    try:
        locked.delete()
    except ProtectedError as error:
        raise SetError(_("The truth set “%(set)s” is in use and cannot be deleted.") % {"set": locked}) from error


def _described(truth_set: TruthSet) -> dict[str, Any]:
    return {"method": truth_set.method, "queries": truth_set.queries.count(), "pairs": truth_set.pairs.count()}


def _remove_rows(truth_set: TruthSet) -> None:
    """In the database alone, a table at a time: a set may have millions of pairs."""
    Change._base_manager.filter(truth_set=truth_set).update(truth_set=None, pair=None)
    querysets: tuple[QuerySet[Any], ...] = (
        Judgement.objects.filter(pair__truth_set=truth_set),
        ReviewPair.objects.filter(round__truth_set=truth_set),
        ReviewRound.objects.filter(truth_set=truth_set),
        JudgeQuestion.objects.filter(job__truth_set=truth_set),
        JudgeBatch.objects.filter(job__truth_set=truth_set),
        JudgeJob.objects.filter(truth_set=truth_set),
        TruthPair.objects.filter(truth_set=truth_set),
        TruthQuery.objects.filter(truth_set=truth_set),
        TruthItem.objects.filter(truth_set=truth_set),
    )
    for rows in querysets:
        rows.order_by()._raw_delete(rows.db)


@transaction.atomic
def add_pair(
    *, truth_set: TruthSet, query_item: Item, item: Item, relevance: int, user: User | None = None
) -> TruthPair:
    """Enter a pair by hand, with its query where the set has none about the item.

    It is approved at once in a set of another method. Raises SetError, SetFrozenError.
    """
    locked = lock_for_writing(truth_set=truth_set)
    _check_relevance(relevance)
    _check_items(locked, query_item, item)
    query = locked.queries.filter(item=query_item).first() or _new_query(locked, query_item)
    if query.pairs.filter(item=item).exists():
        message = _("The pair %(query)s / %(item)s is there already. Change its relevance.")
        raise SetError(message % {"query": query, "item": item})
    field = "relevance" if locked.method == TruthSet.Method.MANUAL else "approved_relevance"
    pair = TruthPair.objects.create(truth_set=locked, query=query, item=item, **{field: relevance})
    audit.record(action="add-pair", target=f"{query} / {item}", pair=pair, new=relevance, user=user)
    return pair


def _check_relevance(relevance: int) -> None:
    if relevance not in Relevance.values:
        raise SetError(_("The relevance is a whole number from 0 to 3."))


def _check_items(truth_set: TruthSet, *items: Item) -> None:
    if items[0] == items[1]:
        raise SetError(_("An item cannot be relevant to itself."))
    if truth_set.scope == TruthSet.Scope.BANK:
        return
    known = set(truth_set.items.filter(item__in=items).values_list("item_id", flat=True))
    for item in items:
        if item.pk not in known:
            message = _("The item %(item)s is not among the items of the truth set “%(set)s”.")
            raise SetError(message % {"item": item, "set": truth_set})


def _new_query(truth_set: TruthSet, item: Item) -> TruthQuery:
    query_id = f"Q_{item.code}"
    if truth_set.queries.filter(query_id=query_id).exists():
        raise SetError(_("The query id %(id)s belongs to another item in this set.") % {"id": query_id})
    return TruthQuery.objects.create(truth_set=truth_set, item=item, query_id=query_id)


@transaction.atomic
def set_relevance(*, pair: TruthPair, relevance: int | None, user: User | None) -> TruthPair:
    """Approve a relevance, which wins over the method's; None takes the approval back.

    Raises SetError, SetFrozenError. Nothing is recorded where nothing changes.
    """
    if relevance is not None:
        _check_relevance(relevance)
    lock_for_writing(truth_set=pair.truth_set)
    locked = TruthPair.objects.select_related("query", "item").get(pk=pair.pk)
    old = locked.approved_relevance
    if old != relevance:
        TruthPair.objects.filter(pk=pair.pk).update(approved_relevance=relevance)
        target = f"{locked.query} / {locked.item}"
        audit.record(action="set-relevance", target=target, pair=locked, old=old, new=relevance, user=user)
    pair.refresh_from_db(fields=["approved_relevance", "final_relevance"])
    return pair
