"""The audit trail: who changed what, when, from what to what. Rows are added here, and nothing takes one back."""

from typing import Any

from django.contrib.auth.models import User

from groundtruth.models import Change, TruthPair, TruthSet

TARGET_LENGTH = 200


def record(
    *,
    action: str,
    target: str,
    truth_set: TruthSet | None = None,
    pair: TruthPair | None = None,
    old: Any = None,
    new: Any = None,
    user: User | None = None,
) -> Change:
    """Add a line to the trail, in the caller's transaction: a change that is rolled back leaves none.

    `action` is a slug such as "freeze"; `target` names what changed as text that outlives the row; `old` and `new` are
    JSON. A pair's set is filled in.
    """
    owner = truth_set.pk if truth_set else pair.truth_set_id if pair else None
    return Change.objects.create(
        action=action,
        target=target[:TARGET_LENGTH],
        truth_set_id=owner,
        pair=pair,
        old=old,
        new=new,
        user=user,
    )
