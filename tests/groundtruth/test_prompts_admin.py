"""The pages of prompts: versions side by side, a new wording, a trial on three pairs."""

import pytest
from django.test import Client

from groundtruth.models import JudgeJob, LedgerEntry, Prompt
from tests.factories import allow, make_admin, make_staff
from tests.groundtruth.factories import make_pair, make_price, make_prompt, make_query, make_truth_set

pytestmark = pytest.mark.django_db

LIST = "/admin/groundtruth/prompt/"


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    client.cookies["django_language"] = "en"
    return client


def test_a_version_shows_what_it_changed_in_the_one_before(admin: Client) -> None:
    make_prompt("listwise", instructions="Judge with care.\nBe strict.\nBe brief.")
    newer = make_prompt("listwise", instructions="Judge with care.\nBe lenient.\nBe brief.")
    html = admin.get(f"{LIST}{newer.pk}/change/").content.decode()
    assert "<del>Be strict.</del>" in html
    assert "<ins>Be lenient.</ins>" in html
    assert "<span>Be brief.</span>" in html


def test_instructions_are_shown_as_text(admin: Client) -> None:
    prompt = make_prompt("listwise", instructions="<script>alert(1)</script>")
    assert "<script>alert(1)" not in admin.get(f"{LIST}{prompt.pk}/change/").content.decode()


def test_a_new_version_begins_with_the_wording_of_the_one_it_comes_from(admin: Client) -> None:
    prompt = make_prompt("pairwise", instructions="Look at both.")
    form = admin.get(f"{LIST}add/?from={prompt.pk}").context["form"]
    assert form.initial == {"kind": "pairwise", "instructions": "Look at both."}
    admin.post(f"{LIST}add/", {"kind": "pairwise", "instructions": "Look at all.", "note": "all"})
    written = Prompt.objects.get(instructions="Look at all.")
    assert (written.version, written.created_by) == (prompt.version + 1, written.created_by)
    assert written.created_by is not None


def test_a_wording_that_stands_is_never_changed(admin: Client) -> None:
    prompt = make_prompt()
    admin.post(f"{LIST}{prompt.pk}/change/", {"kind": "listwise", "instructions": "Other."})
    assert admin.post(f"{LIST}{prompt.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Prompt.objects.get(pk=prompt.pk).instructions == prompt.instructions


def test_an_empty_wording_is_refused(admin: Client) -> None:
    before = Prompt.objects.count()
    assert admin.post(f"{LIST}add/", {"kind": "listwise", "instructions": "  "}).context["form"].errors
    assert Prompt.objects.count() == before


def test_a_prompt_is_tried_on_three_pairs_after_its_price_was_shown(admin: Client) -> None:
    make_price("gpt-4o-mini")
    truth_set, prompt = make_truth_set(), make_prompt()
    query = make_query(truth_set)
    for _ in range(4):
        make_pair(query)
    sent = {"truth_set": truth_set.pk, "model": "gpt-4o-mini", "seed": 3}
    answer = admin.post(f"{LIST}{prompt.pk}/try/", sent, follow=True)
    trial = JudgeJob.objects.get()
    assert (trial.purpose, trial.state, trial.parameters["seed"]) == ("trial", "draft", 3)
    assert f"{trial.pk}/control/confirm/" in answer.content.decode()
    assert not LedgerEntry.objects.exists()


def test_a_set_with_less_than_three_pairs_cannot_be_tried_on(admin: Client) -> None:
    make_price("gpt-4o-mini")
    truth_set, prompt = make_truth_set(), make_prompt()
    make_pair(make_query(truth_set))
    sent = {"truth_set": truth_set.pk, "model": "gpt-4o-mini", "seed": 3}
    assert "three different pairs" in admin.post(f"{LIST}{prompt.pk}/try/", sent).content.decode()
    assert not JudgeJob.objects.exists()


def test_who_may_only_look_neither_writes_nor_tries(client: Client) -> None:
    client.force_login(allow(make_staff(), "groundtruth.view_prompt"))
    prompt = make_prompt()
    html = client.get(f"{LIST}{prompt.pk}/change/").content.decode()
    assert "/try/" not in html
    for address in (f"{LIST}add/", f"{LIST}{prompt.pk}/try/"):
        assert client.get(address).status_code == 403
