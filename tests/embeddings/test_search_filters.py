"""Filters on every field: whatever asks, and whatever the method, the same items pass."""

import itertools
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from psycopg import sql

from embeddings.models import Encoder
from embeddings.search import Filters, SearchRequest, search
from embeddings.search import dense as dense_module
from embeddings.search.conditions import condition_of, values_of
from embeddings.search.dense import NearestQuery, Route, nearest
from embeddings.search.filters import FILTER_FIELDS
from embeddings.search.lexical_index import INDEX
from embeddings.search.lexical_search import lexical
from embeddings.services import activate_encoder
from embeddings.term_services import index_terms
from itembank.models import Item, UploadBatch
from tests.api import Api
from tests.embeddings.spaces import clustered, fill, make_space
from tests.factories import make_admin, make_item

pytestmark = pytest.mark.django_db

PAGE = "/admin/search/"
ITEMS = 40
VALUES: Mapping[str, Sequence[Any]] = {
    "subject": ("수학", "물리학"),
    "grade": ("중2", "고1", ""),
    "unit": ("일차함수", "힘=질량", ""),
    "item_type": ("short_answer", "essay"),
    "difficulty": (1, 3, None),
    "category": ("latex", "text_only"),
    "curriculum_code": ("9수02-05", "9과01-01", ""),
    "cognitive_level": ("적용", "이해"),
    "metadata": ({"source": "수능"}, {"source": "KMWPS", "year": 2024}, {"year": "2024", "reviewed": True}, {}),
}
PAIRS = ("source=수능", "source=KMWPS", "year=2024", "reviewed=true", "reviewed=false", "none=x")


@pytest.fixture(autouse=True)
def _words_of_this_test() -> Iterator[None]:
    INDEX.forget()
    yield
    INDEX.forget()


@pytest.fixture
def space() -> Encoder:
    """Items whose fields are drawn one by one, half of them from one of two uploads, all with vectors and words."""
    chance = random.Random(7)
    uploads = [UploadBatch.objects.create(file_name=f"{name}.csv") for name in "ab"]
    for number in range(ITEMS):
        drawn = {name: chance.choice(values) for name, values in VALUES.items() if name != "category"}
        formula = chance.choice(("$x$", "x"))
        item = make_item(code=f"F-{number:02d}", text=f"{formula}의 기울기 {number}", **drawn)
        Item.objects.filter(pk=item.pk).update(batch=chance.choice((*uploads, None, None)))
    space = make_space(32)
    fill(space, list(Item.objects.order_by("pk")), clustered(ITEMS, 32))
    index_terms()
    return activate_encoder(encoder=space)


def filters_of_every_kind() -> Iterator[Filters]:
    """Each field alone, by one value and by several, and fields together."""
    chance = random.Random(3)
    values = {
        name: [value for value in found if value not in {"", None}]
        for name, found in VALUES.items()
        if name != "metadata"
    }
    values |= {"metadata": list(PAIRS), "batch": list(UploadBatch.objects.order_by("pk").values_list("pk", flat=True))}
    for name, count in itertools.product(FILTER_FIELDS, (1, 2)):
        yield Filters(**{name: tuple(chance.sample(values[name], min(count, len(values[name]))))})
    for _ in range(25):
        names = chance.sample(FILTER_FIELDS, 2)
        yield Filters(**{name: tuple(chance.sample(values[name], chance.choice((1, 2)))) for name in names})


def passes(item: Item, filters: Filters) -> bool:
    plain = {name: values for name, values in filters.as_dict().items() if name not in {"metadata", "batch"}}
    wanted: dict[str, list[str]] = {}
    for key, _, value in (pair.partition("=") for pair in filters.metadata):
        wanted.setdefault(key, []).append(value)
    return (
        all(getattr(item, name) in values for name, values in plain.items())
        and (not filters.batch or item.batch_id in filters.batch)
        and all(_written(item.metadata.get(key)) in values for key, values in wanted.items())
    )


def _written(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def expected(filters: Filters) -> set[str]:
    return {item.code for item in Item.objects.all() if passes(item, filters)}


def test_vectors_and_words_find_what_passes_and_nothing_else(space: Encoder) -> None:
    sizes = set()
    for filters in filters_of_every_kind():
        wanted = expected(filters)
        near, route = nearest(space, NearestQuery(vector=clustered(1, 32)[0], filters=filters, k=100))
        assert route is Route.EXACT_FILTERED
        assert {each.code for each in near} == wanted, filters
        assert {hit.code for hit in lexical(["기울기"], filters=filters, k=100)} == wanted, filters
        sizes.add(len(wanted))
    assert 0 in sizes
    assert max(sizes) > ITEMS // 2
    assert len(sizes) > 10


def test_the_api_lists_and_finds_what_passes(space: Encoder) -> None:
    api = Api("search", "items:read")
    for filters in filters_of_every_kind():
        wanted, given = expected(filters), {name: list(values) for name, values in filters.as_dict().items()}
        listed = api.get("/items", limit=100, **given).json()["items"]
        assert {item["code"] for item in listed} == wanted, filters
        asked = {"text": "기울기", "method": "lexical", "k": 100, "filters": given}
        assert {hit["code"] for hit in api.post("/search", asked).json()["hits"]} == wanted, filters
        similar = api.get("/items/F-00/similar", k=100, **given).json()["hits"]
        assert {hit["code"] for hit in similar} == wanted - {"F-00"}, filters


def test_the_page_and_the_command_find_what_a_program_finds(space: Encoder) -> None:
    client = Client()
    client.force_login(make_admin())
    for filters in list(filters_of_every_kind())[: 2 * len(FILTER_FIELDS) : 2]:  # one value: as links have always had
        wanted = {hit.code for hit in search(SearchRequest(item_code="F-00", filters=filters, k=50)).hits}
        given = {name: str(values[0]) for name, values in filters.as_dict().items()}
        page = client.get(PAGE, {"item": "F-00", "k": "50", **given}).content.decode()
        assert set(re.findall(r"F-\d\d", page)) - {"F-00"} == wanted, filters
        told = StringIO()
        pairs = [f"{name}={value}" for name, value in given.items()]
        call_command("search", "--item", "F-00", "--k", "50", "--json", "--filter", *pairs, stdout=told)
        assert {hit["code"] for hit in json.loads(told.getvalue())["hits"]} == wanted, filters


def test_the_page_offers_what_the_bank_holds_in_each_field(space: Encoder) -> None:
    client = Client()
    client.force_login(make_admin())
    page = client.get(PAGE).content.decode()
    upload = UploadBatch.objects.latest("pk")
    for shown in ("힘=질량", "9수02-05", "이해", f"b.csv ({upload.pk})", 'name="metadata"'):
        assert shown in page, shown


def test_bits_are_scanned_under_filters_on_metadata_and_uploads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense_module, "EXACT_MAX_FILTERED", 3)
    upload = UploadBatch.objects.create(file_name="a.csv")
    for number in range(20):
        make_item(metadata={"source": "수능" if number % 2 else "KMWPS"})
    Item.objects.update(batch=upload)
    size = 2048
    space = make_space(size)
    items = list(Item.objects.order_by("pk"))
    fill(space, items, clustered(20, size))
    filters = Filters(batch=(upload.pk,), metadata=("source=수능",))
    found, route = nearest(space, NearestQuery(vector=clustered(1, size)[0], filters=filters, k=20))
    assert route is Route.BITS_FILTERED
    assert {each.code for each in found} == {item.code for item in items[1::2]}


def test_metadata_has_an_index_that_its_condition_can_use() -> None:
    filters = Filters(metadata=("source=수능", "source=KMWPS", "year=2024"))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        statement = sql.SQL("EXPLAIN SELECT id FROM itembank_item WHERE {}").format(condition_of(filters))
        cursor.execute(statement, values_of(filters))
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Bitmap Index Scan on item_metadata" in plan
