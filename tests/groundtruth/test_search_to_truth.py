"""From a search over a thumb to a frozen truth, through the pages alone."""

import re

import pytest
from django.test import Client

from embeddings.services import activate_encoder
from groundtruth.models import TruthSet
from tests.embeddings.spaces import clustered, fill, make_items, make_space
from tests.factories import make_admin

pytestmark = pytest.mark.django_db


def test_what_a_teacher_marks_in_a_search_becomes_truth(client: Client) -> None:
    items, space = make_items(6), make_space(8)
    fill(space, items, clustered(6, 8))
    activate_encoder(encoder=space)
    client.force_login(make_admin())
    html = client.get("/admin/search/", {"item": items[0].code}).content.decode()
    query = re.search(r'name="query" value="(\d+)"', html)
    assert query, "the search page names its line in the history"
    for item, verdict in ((items[1], "1"), (items[2], "-1")):
        sent = {"query": query[1], "item": item.code, "verdict": verdict, "rank": "1", "method": "dense"}
        assert client.post("/admin/search/mark/", sent).json() == {"verdict": int(verdict)}
    assert items[0].code in client.get("/admin/search/history/").content.decode()
    assert client.post("/admin/groundtruth/from-thumbs/", {"name": "thumbs"}).status_code == 302
    made = TruthSet.objects.get()
    assert sorted(made.pairs.values_list("query__item__code", "item__code", "final_relevance")) == [
        (items[0].code, items[1].code, 2),
        (items[0].code, items[2].code, 0),
    ]
    client.post(f"/admin/groundtruth/truthset/{made.pk}/freeze/")
    made.refresh_from_db()
    assert made.frozen
