"""A truth set out of thumbs is evaluated like any other."""

import pytest
from django.utils import timezone

from embeddings.feedback import digest_of
from embeddings.models import SearchMark
from embeddings.search.types import SearchRequest
from evaluation.engine.run import work_on
from evaluation.figures import figures_of
from evaluation.run_services import create_run
from evaluation.run_settings import RunSettings
from groundtruth.from_marks import Choice, make_from_marks
from itembank.models import Item
from tests.embeddings.spaces import clustered, fill, make_items, make_space
from tests.factories import make_staff

pytestmark = pytest.mark.django_db


def _mark(query: Item, item: Item, verdict: int) -> None:
    SearchMark.objects.create(
        user=make_staff(f"{query}-{item}"), digest=digest_of(SearchRequest(item_code=query.code)), query_item=query,
        query_code=query.code, item=item, verdict=verdict, marked_at=timezone.now(),
    )  # fmt: skip


def test_a_run_freezes_the_set_and_finds_what_people_marked() -> None:
    items = make_items(4)
    space = make_space(4)
    vectors = clustered(4, 4)
    vectors[1] = vectors[0]  # the nearest to item 0
    fill(space, items, vectors)
    _mark(items[0], items[1], 1)
    _mark(items[0], items[2], -1)
    truth_set = make_from_marks(name="thumbs", choice=Choice(), viewer=None, user=None)
    run = create_run(truth_set=truth_set, settings=RunSettings(encoders=(space.slug,), depth=3))
    work_on(run.pk)
    run.refresh_from_db()
    truth_set.refresh_from_db()
    assert (run.state, truth_set.frozen) == ("completed", True)
    assert figures_of(run).intervals["AP"].mean == 1.0  # the one similar item comes first
    assert run.rankings.get().items[0] == items[1].pk
