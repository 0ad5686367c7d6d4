"""Whatever stands in the address of an admin list or page, the answer is a page, a redirect or a refusal."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st

from groundtruth.judging import ledger
from groundtruth.models import Change, JudgeQuestion
from itembank.models import Item, UploadBatch
from tests.evaluation.factories import make_performance
from tests.factories import make_admin, make_encoder, make_item
from tests.groundtruth.judging import running_job

pytestmark = pytest.mark.django_db

LISTS = sorted(admin.site._registry, key=lambda model: model._meta.label)
# Of the admin itself: search, order, page, all on one page, error, popup, facets.
OWN = ("q", "o", "p", "all", "e", "_popup", "_facets")
LOOKUPS = ("exact", "in", "isnull", "icontains", "gte", "range")
ENDLESS = "9" * 5_000
NASTY = (
    "", "0", "1", "-1", "9" * 19, "9" * 40, ENDLESS, "²", "٣", "１", "1e9", "nan", "1,2", "none", "\x00", "a\x00b", "%",
    "2026-02-30", "99999-01-01", "a=b", "a" * 3_000, "한글",
)  # fmt: skip
NUMBER = re.compile(r"<int:\w+>|<path:object_id>|<slug:\w+>")
VALUES = st.one_of(st.sampled_from(NASTY), st.integers().map(str), st.text(max_size=12))


@pytest.fixture
def scene(client: Client) -> Client:
    """An administrator, and rows by which the filters have choices; a filter without any looks at no address."""
    client.force_login(make_admin())
    make_item(metadata={"source": "KMWPS"}, cognitive_level="이해", curriculum_code="9수01")
    Item.objects.update(batch=UploadBatch.objects.create(file_name="문항.csv"))
    make_encoder()
    make_performance()
    question = JudgeQuestion.objects.get(job=running_job(1))
    ledger.reserve(question=question, question_hash="0" * 64, model="gpt-4o-mini", amount=question.job.cap_usd / 2)
    Change.objects.create(action="freeze", target="t", truth_set=question.job.truth_set)
    return client


def list_of(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_changelist")


def names_of(model: type[Model]) -> list[str]:
    """What the filters of its list are called in an address, with lookups that the admin lets through."""
    names = [*OWN, "id", "id__exact", "id__in", "pk"]
    for each in admin.site._registry[model].list_filter:
        field: Any = each[0] if isinstance(each, tuple) else each
        if isinstance(field, str):
            names += [field, *(f"{field}__{lookup}" for lookup in LOOKUPS)]
        else:
            names.append(field.parameter_name)
    return names


@pytest.mark.parametrize("model", LISTS, ids=lambda model: model._meta.label)
def test_no_query_string_breaks_a_list(scene: Client, model: type[Model]) -> None:
    @tried(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.dictionaries(st.sampled_from(names_of(model)), VALUES, min_size=1, max_size=3))
    def ask(query: dict[str, str]) -> None:
        assert scene.get(list_of(model), query).status_code < 500

    ask()


@pytest.mark.parametrize("value", [ENDLESS, "\x00"], ids=["endless", "nul"])
def test_no_id_and_no_nul_breaks_a_filter(scene: Client, value: str) -> None:
    asked = [(list_of(model), name) for model in LISTS for name in names_of(model) if name not in OWN]
    assert not [(address, name) for address, name in asked if _breaks(scene.get, address, {name: value})]


def _breaks(send: Callable[..., Any], *what: Any) -> bool:
    try:
        return bool(send(*what).status_code >= 500)
    except Exception:  # the test client raises what a server would answer with 500
        return True


PAGES = {
    "search-history": ["p"],
    "search-marks": ["p", "person", "verdict", "subject"],
    "admin:groundtruth_truthpair_add": ["truth_set", "query_item", "item", "_changelist_filters"],
    "admin:groundtruth_truthset_add": ["way"],
    "admin:groundtruth_prompt_add": ["from"],
    "admin:groundtruth_reviewround_add": ["truth_set", "name", "order"],
    "admin:groundtruth_judgejob_add": ["truth_set", "model", "prompt"],
    "admin:evaluation_evaluationrun_add": ["truth_set", "encoder", "matrix"],
    "admin:evaluation_evaluationrun_compare": ["runs", "matrix", "baseline", "second", "metric", "relevance", "by"],
    "admin:evaluation_report_add": ["runs", "title", "matrix"],
    "admin:embeddings_encoder_add": ["preset"],
    "admin:embeddings_reranker_add": ["preset"],
}


@pytest.mark.parametrize("page", PAGES)
def test_nothing_in_its_query_string_breaks_a_page(scene: Client, page: str) -> None:
    asked = [{name: value} for name in PAGES[page] for value in NASTY]
    assert not [query for query in asked if _breaks(scene.get, reverse(page), query)]


def addresses(patterns: list[Any], before: str = "") -> Iterator[str]:
    for each in patterns:
        route = before + str(each.pattern).lstrip("^")
        if isinstance(each, URLResolver):
            yield from addresses(each.url_patterns, route)
        elif isinstance(each, URLPattern) and "<" in route and route.startswith(("admin/", "media/")):
            yield route


@pytest.mark.parametrize("digits", ["9" * 19, "9" * 40, ENDLESS], ids=["bigint", "long", "endless"])
def test_no_number_in_the_path_breaks_a_page(scene: Client, digits: str) -> None:
    routes = [each for each in addresses(get_resolver().url_patterns) if "int:" in each or "object_id" in each]
    assert len(routes) > 40
    paths = ["/" + NUMBER.sub(digits, route).replace("<str:control>", "x") for route in routes]
    assert not [path[:80] for path in paths if _breaks(scene.get, path) or _breaks(scene.post, path)]
