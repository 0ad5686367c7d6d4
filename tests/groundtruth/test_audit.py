"""The audit trail is only ever added to."""

from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection, transaction

from groundtruth import audit
from groundtruth.models import Change
from groundtruth.models.review import AuditTrailError
from tests.factories import make_staff
from tests.groundtruth.factories import make_pair, make_query, make_truth_set

pytestmark = pytest.mark.django_db


def a_line() -> Change:
    pair = make_pair(make_query(make_truth_set()))
    return audit.record(action="approve", target="a pair", pair=pair, old=1, new=None, user=make_staff())


def test_a_line_says_who_what_and_from_what_to_what() -> None:
    line = a_line()
    line.refresh_from_db()
    assert line.user
    assert line.pair
    assert (line.action, line.target, line.old, line.new) == ("approve", "a pair", 1, None)
    assert (line.user.username, line.truth_set) == ("staff", line.pair.truth_set)


def test_a_long_target_is_cut() -> None:
    assert len(audit.record(action="import", target="n" * 300).target) == 200


def _save(line: Change) -> None:
    line.target = "another"
    line.save()


@pytest.mark.parametrize(
    "change",
    [
        _save,
        Change.delete,
        lambda line: Change.objects.filter(pk=line.pk).update(target="another"),
        lambda line: Change.objects.all().delete(),
        lambda line: Change.objects.bulk_update([line], ["target"]),
    ],
)
def test_the_application_refuses_to_change_or_delete_a_line(change: Callable[[Change], object]) -> None:
    line = a_line()
    with pytest.raises(AuditTrailError), transaction.atomic():
        change(line)
    assert Change.objects.get().target == "a pair"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE groundtruth_change SET target = 'another'",
        "UPDATE groundtruth_change SET new = '3'",
        "UPDATE groundtruth_change SET user_id = NULL",
        "DELETE FROM groundtruth_change",
    ],
)
def test_the_database_refuses_it_too(statement: str) -> None:
    a_line()
    with pytest.raises(IntegrityError, match="audit trail"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_set_deleted_row_by_row_leaves_its_lines() -> None:
    line = a_line()
    assert line.truth_set
    line.truth_set.delete()
    line = Change.objects.get()
    assert (line.truth_set, line.pair, line.target) == (None, None, "a pair")
