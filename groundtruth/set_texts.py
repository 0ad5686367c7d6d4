"""What people write about a truth set: what it is for, and what its reviewers go by."""

from django.contrib.auth.models import User
from django.db import transaction

from groundtruth import audit
from groundtruth.models import TruthSet
from groundtruth.set_services import lock_for_writing


@transaction.atomic
def describe_set(*, truth_set: TruthSet, description: str, guidelines: str, user: User | None) -> TruthSet:
    """Replace both texts. Raises SetFrozenError, SetError. Nothing is recorded where nothing changes."""
    locked = lock_for_writing(truth_set=truth_set)
    old = {"description": locked.description, "guidelines": locked.guidelines}
    new = {"description": description, "guidelines": guidelines}
    if old != new:
        locked.description, locked.guidelines = description, guidelines
        locked.save(update_fields=list(new))
        changed = {name: old[name] for name in new if old[name] != new[name]}
        said = {name: new[name] for name in changed}
        audit.record(action="describe", target=str(locked), truth_set=locked, old=changed, new=said, user=user)
    truth_set.refresh_from_db(fields=list(new))
    return truth_set
