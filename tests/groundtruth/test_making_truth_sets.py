"""Making a truth set on its page: each way, and what is refused with which words."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from groundtruth.admin import truth_forms
from groundtruth.admin.truth_making import WAYS
from groundtruth.models import TruthSet
from tests.factories import allow, make_admin, make_item, make_staff
from tests.groundtruth.factories import make_pair, make_query, make_truth_set

pytestmark = pytest.mark.django_db

ADD = "/admin/groundtruth/truthset/add/"
TFIDF = {"name": "new", "extent": "bank", "top": 5, "seed": 1, "quota_image": 0, "quota_text_only": 2,
         "quota_latex": 0, "very": 0.6, "similar": 0.4, "related": 0.2}  # fmt: skip


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    client.cookies["django_language"] = "en"
    return client


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is at the other end of the doorbell."""
    monkeypatch.setattr("groundtruth.build_dispatch.ring_build", lambda _pk: None)


def _make(client: Client, way: str, **data: Any) -> Any:
    return client.post(f"{ADD}?way={way}", data)


def _file(content: Any, name: str = "truth.json") -> SimpleUploadedFile:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return SimpleUploadedFile(name, data)


def _truth(source: str = "Q", candidate: str = "A") -> dict[str, Any]:
    relevant = [{"id": candidate, "relevance": 2}]
    return {"queries": [{"query_id": "1", "source_item_id": source, "relevant_items": relevant}]}


def _refused(answer: Any) -> str:
    assert answer.status_code == 200
    assert not TruthSet.objects.filter(name="new").exists()
    return str(answer.content.decode())


# ---- who, and which way


def test_forms_speak_the_language_of_the_page(admin: Client) -> None:
    assert "Similar (same concept" in admin.get(f"{ADD}?way=hybrid").content.decode()
    admin.cookies["django_language"] = "ko"
    assert "Similar (same concept" not in admin.get(f"{ADD}?way=hybrid").content.decode()


def test_making_a_set_needs_its_permission(client: Client) -> None:
    client.force_login(allow(make_staff(), "groundtruth.view_truthset", "groundtruth.change_truthset"))
    assert client.get(ADD).status_code == 403
    assert _make(client, "manual", name="new").status_code == 403


def test_the_permission_to_make_sets_is_enough(client: Client) -> None:
    client.force_login(allow(make_staff(), "groundtruth.add_truthset"))
    answer = _make(client, "manual", name="new")
    assert client.get(answer["Location"]).status_code == 200


@pytest.mark.parametrize("way", [way.slug for way in WAYS])
def test_each_way_is_offered_and_has_its_form(admin: Client, way: str) -> None:
    assert f"?way={way}" in admin.get(ADD).content.decode()
    assert 'name="name"' in admin.get(f"{ADD}?way={way}").content.decode()


@pytest.mark.parametrize("way", [way.slug for way in WAYS])
def test_an_empty_form_is_shown_again(admin: Client, way: str) -> None:
    assert "This field is required." in _refused(_make(admin, way))


def test_an_unknown_way_is_not_there(admin: Client) -> None:
    assert admin.get(f"{ADD}?way=magic").status_code == 404


# ---- TF-IDF and candidates


def test_a_build_over_the_whole_bank_begins(admin: Client) -> None:
    make_item(text="사과 세 개")
    answer = _make(admin, "tfidf", **TFIDF)
    truth_set = TruthSet.objects.get(name="new")
    assert answer["Location"] == f"/admin/groundtruth/truthset/{truth_set.pk}/change/"
    assert (truth_set.state, truth_set.method, truth_set.scope) == ("building", "tfidf", "bank")
    assert truth_set.parameters == {"top": 5, "min_score": 0.2, "thresholds": [0.6, 0.4, 0.2]}


@pytest.mark.parametrize(("extent", "scope", "items"), [("selection", "selection", 2), ("queries", "bank", 0)])
def test_drawn_items_are_the_set_or_its_queries(admin: Client, extent: str, scope: str, items: int) -> None:
    for number in range(3):
        make_item(text=f"사과 {number} 개")
    _make(admin, "tfidf", **TFIDF | {"extent": extent})
    truth_set = TruthSet.objects.get(name="new")
    assert (truth_set.scope, truth_set.items.count()) == (scope, items)
    assert truth_set.parameters["quotas"] == {"text_only": 2}


def test_candidates_for_a_model_come_from_the_chosen_sources(admin: Client) -> None:
    make_item(text="사과 세 개")
    _make(admin, "llm-text", name="new", extent="selection", top=10, seed=1, quota_text_only=1, quota_image=0,
          quota_latex=0, candidates=["tfidf"])  # fmt: skip
    assert TruthSet.objects.get(name="new").parameters["candidates"] == ["tfidf"]


def test_only_encoders_with_vectors_are_offered(admin: Client) -> None:
    form = admin.get(f"{ADD}?way=llm-text").context["form"]
    assert [value for value, _label in form.fields["candidates"].choices] == ["tfidf"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"top": 0}, "greater than or equal to 1"),
        ({"top": "many"}, "whole number"),
        ({"seed": 2**40}, "less than or equal to"),
        ({"similar": 0.9}, "Thresholds are three scores"),
        ({"related": "nan"}, "Enter a number"),
        ({"extent": "selection", "quota_text_only": 50}, "fewer items than asked"),
        ({"extent": "selection", "quota_text_only": 0}, "how many items"),
        ({"extent": "everything"}, "Select a valid choice"),
        ({"name": "a\nb" * 60}, "at most 100"),
    ],
)
def test_a_build_that_cannot_be_is_refused_with_the_reason(admin: Client, given: dict[str, Any], said: str) -> None:
    make_item(text="사과 세 개")
    assert said in _refused(_make(admin, "tfidf", **TFIDF | given))


# ---- hybrids


def test_sets_are_combined_by_a_weighted_vote(admin: Client) -> None:
    first, second = make_truth_set(), make_truth_set()
    query, item = make_item(), make_item()
    for each in (first, second):
        make_pair(make_query(each, query), item, relevance=3)
    weights = {f"weight_{first.pk}": "2", f"weight_{second.pk}": "1"}
    _make(admin, "hybrid", name="new", sets=[first.pk, second.pk], combination="vote", threshold=2, **weights)
    made = TruthSet.objects.get(name="new")
    assert sorted(zip(made.parameters["sets"], made.parameters["weights"], strict=True)) == sorted(
        [(str(first), 2.0), (str(second), 1.0)]
    )
    assert made.pairs.count() == 1


def test_one_set_is_nothing_to_combine(admin: Client) -> None:
    only = make_truth_set()
    answer = _make(admin, "hybrid", name="new", sets=[only.pk], combination="union", threshold=2)
    assert "two or more" in _refused(answer)
    assert f'value="{only.pk}" checked' in answer.content.decode()


@pytest.mark.parametrize("given", [{"sets": ["x"]}, {"sets": ["0"]}, {"combination": "magic"}, {"threshold": 9}])
def test_a_hybrid_of_nonsense_is_refused(admin: Client, given: dict[str, Any]) -> None:
    both = [make_truth_set().pk, make_truth_set().pk]
    _refused(_make(admin, "hybrid", **{"name": "new", "sets": both, "combination": "union", "threshold": 2} | given))


# ---- files


def test_a_file_is_imported_and_what_landed_is_told(admin: Client) -> None:
    make_item(code="Q"), make_item(code="A")
    answer = admin.post(f"{ADD}?way=import", {"name": "new", "file": _file(_truth())}, follow=True)
    assert "1 queries and 1 pairs imported" in answer.content.decode()
    assert TruthSet.objects.get(name="new").pairs.get().relevance == 2


@pytest.mark.parametrize(("name", "content"), [("t.qrels", b"Q 0 A 2\n"), ("t.txt", b"Q 0 A 2\n")])
def test_qrels_are_imported(admin: Client, name: str, content: bytes) -> None:
    make_item(code="Q"), make_item(code="A")
    _make(admin, "import", name="new", file=_file(content, name))
    assert TruthSet.objects.get(name="new").pairs.count() == 1


def test_unknown_items_are_listed_and_nothing_is_imported(admin: Client) -> None:
    make_item(code="Q")
    assert "MISSING-1" in _refused(_make(admin, "import", name="new", file=_file(_truth(candidate="MISSING-1"))))


def test_unknown_items_are_skipped_where_that_is_ticked(admin: Client) -> None:
    make_item(code="Q")
    sent = {"name": "new", "file": _file(_truth(candidate="MISSING-1")), "skip_unknown": "on"}
    answer = admin.post(f"{ADD}?way=import", sent, follow=True)
    assert "MISSING-1" in answer.content.decode()
    assert TruthSet.objects.get(name="new").queries.count() == 1


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "t.json"),
        (b"\x00\xff\xfe" * 50, "t.json"),
        (b'{"queries": [' + b"[" * 100_000, "t.json"),
        (b'{"items": []}', "t.json"),
        (b'{"queries": [{"query_id": "1", "source_item_id": "Q", "relevant_items": "x"}]}', "t.json"),
        (b'{"queries": [{"query_id": "1\\u0000", "source_item_id": "Q", "relevant_items": []}]}', "t.json"),
        (b"\xff\xfe\x00", "t.csv"),
        (b"nothing,known\n1,2\n", "t.csv"),
        (b"Q 0 A 7\n", "t.qrels"),
        (b"Q 0 A\n", "t.qrels"),
        (b"x" * 10_000, "t.qrels"),
        (b"Q 0 A 2\nQ 0 A 3\n", "t.qrels"),
    ],
)
def test_hostile_files_are_refused_with_a_reason(admin: Client, content: bytes, name: str) -> None:
    make_item(code="Q"), make_item(code="A")
    answer = _make(admin, "import", name="new", file=_file(content, name))
    _refused(answer)
    assert answer.context["form"].errors["file"]


def test_a_file_above_the_limit_is_refused_before_it_is_read(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth_forms, "MAX_FILE_BYTES", 10)
    assert "import_truth" in _refused(_make(admin, "import", name="new", file=_file(_truth())))


def test_a_name_that_tells_no_format_asks_for_one(admin: Client) -> None:
    assert "Choose one." in _refused(_make(admin, "import", name="new", file=_file(_truth(), "truth.bin")))


def test_a_file_of_queries_goes_with_qrels_only(admin: Client) -> None:
    queries = _file(b"query_id,source_item_id\n1,Q\n", "q.csv")
    answer = _make(admin, "import", name="new", file=_file(_truth()), queries=queries)
    assert "goes with qrels only" in _refused(answer)


# ---- by hand


def test_an_empty_set_is_made_of_the_items_of_the_codes(admin: Client) -> None:
    make_item(code="A"), make_item(code="B")
    _make(admin, "manual", name="new", codes="A\nB\n", guidelines="Same idea: 3.")
    made = TruthSet.objects.get(name="new")
    assert (made.scope, made.items.count(), made.guidelines) == ("selection", 2, "Same idea: 3.")


def test_unknown_codes_are_named(admin: Client) -> None:
    assert "NOWHERE" in _refused(_make(admin, "manual", name="new", codes="NOWHERE"))


def test_the_same_name_makes_the_next_version(admin: Client) -> None:
    make_truth_set(name="new")
    _make(admin, "manual", name="new")
    assert list(TruthSet.objects.filter(name="new").values_list("version", flat=True)) == [2, 1]
