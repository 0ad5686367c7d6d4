"""The terms of items follow their texts, and the index over them is never half built."""

import threading
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from embeddings import term_services
from embeddings.models import ItemTerms, LexicalGeneration, LexicalPart
from embeddings.search import generations
from embeddings.search.generations import built_generation, load_generation, store_generation
from embeddings.stored_terms import item_terms
from embeddings.tasks import index_terms as index_terms_task
from embeddings.term_services import generation_is_due, index_terms, outdated_count
from itembank.alone import Work, alone_on
from itembank.models import Item
from itembank.services import save_item
from tests.factories import make_item

pytestmark = pytest.mark.django_db


def terms_of(item: Item) -> list[str]:
    return ItemTerms.objects.get(pk=item.pk).terms.split("\n")


def edit(item: Item, text: str) -> None:
    item.text = text
    save_item(item=item)


def test_terms_are_those_of_text_and_choices_in_order() -> None:
    item = make_item(text="함수의 넓이를 구하시오. $\\frac{1}{2}$", choices=["정답"])
    assert index_terms().finished
    assert terms_of(item) == ["함수", "넓이", "구하다", "\\frac", "1", "2", "정답"]


def test_only_new_and_edited_items_are_read() -> None:
    first, second = make_item(text="확률"), make_item(text="통계")
    assert index_terms().items == 2
    before = ItemTerms.objects.get(pk=second.pk).version
    edit(first, "함수")
    assert index_terms().items == 1
    assert terms_of(first) == ["함수"]
    assert ItemTerms.objects.get(pk=first.pk).version > before
    assert ItemTerms.objects.get(pk=second.pk).version == before
    assert index_terms().items == 0


def test_terms_go_with_their_item() -> None:
    item = make_item()
    index_terms()
    item.delete()
    assert not ItemTerms.objects.exists()


def test_an_item_without_words_is_not_read_again() -> None:
    item = make_item(text="", choices=[])
    assert index_terms().items == 1
    assert ItemTerms.objects.get(pk=item.pk).terms == ""
    assert outdated_count() == 0


def test_work_stops_when_its_time_is_up_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(term_services, "BATCH", 2)
    for _number in range(5):
        make_item()
    assert index_terms(seconds=0) == (2, False)
    assert outdated_count() == 3
    assert index_terms() == (3, True)


def test_the_task_indexes_what_waits() -> None:
    make_item()
    index_terms_task()
    assert outdated_count() == 0


def test_the_command_indexes_and_all_reads_every_item_again() -> None:
    make_item()
    out = StringIO()
    call_command("index_terms", stdout=out)
    call_command("index_terms", "--all", stdout=out)
    assert out.getvalue().split("\n") == ["1 items", "1 items", ""]


@pytest.mark.django_db(transaction=True)
def test_only_one_process_indexes_at_a_time() -> None:
    make_item()
    with elsewhere_alone_on_terms():
        assert index_terms() == (0, False)
        with pytest.raises(CommandError, match="Another process"):
            call_command("index_terms", stdout=StringIO())
    assert index_terms() == (1, True)


def elsewhere_alone_on_terms() -> Any:
    """Another connection holds the work."""
    from contextlib import contextmanager

    @contextmanager
    def held() -> Iterator[None]:
        ready, done = threading.Event(), threading.Event()

        def hold() -> None:
            with alone_on(Work.TERMS, 0):
                ready.set()
                done.wait(30)
            connection.close()

        thread = threading.Thread(target=hold)
        thread.start()
        ready.wait(30)
        try:
            yield
        finally:
            done.set()
            thread.join()

    return held()


# ---- generations


def test_what_is_stored_is_loaded_again() -> None:
    for text in ("함수의 넓이", "원의 넓이", ""):
        make_item(text=text)
    index_terms()
    built = built_generation()
    loaded = load_generation(store_generation(built).pk)
    assert loaded is not None
    assert loaded.columns == built.columns
    assert (loaded.version, loaded.mean_length) == (built.version, built.mean_length)
    for name in ("item_ids", "starts", "places", "weights", "rarities"):
        assert getattr(loaded, name).tolist() == getattr(built, name).tolist(), name


def test_documents_are_in_the_order_of_codes() -> None:
    for code in ("b", "a", "B"):
        make_item(code=code)
    index_terms()
    codes = dict(Item.objects.values_list("pk", "code"))
    assert [codes[pk] for pk in built_generation().item_ids.tolist()] == ["B", "a", "b"]


def test_the_first_terms_make_a_generation_and_few_more_do_not() -> None:
    make_item()
    index_terms()
    first = LexicalGeneration.objects.get()
    make_item()
    index_terms()
    assert LexicalGeneration.objects.get() == first


def test_many_changes_make_a_new_generation_and_the_old_one_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    make_item()
    index_terms()
    first = LexicalGeneration.objects.get()
    monkeypatch.setattr(term_services, "NEWER_LEAST", 1)
    make_item()
    make_item()
    index_terms()
    newest = LexicalGeneration.objects.get()
    assert newest.pk > first.pk
    assert newest.documents == 3
    assert set(LexicalPart.objects.values_list("generation", flat=True)) == {newest.pk}


def test_a_change_makes_a_new_generation_after_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    item = make_item()
    index_terms()
    monkeypatch.setattr(term_services, "OLDEST_CHANGE", term_services.OLDEST_CHANGE * 0)
    assert not generation_is_due()  # nothing changed
    item.delete()
    assert generation_is_due()


def test_a_build_that_is_cut_off_leaves_the_old_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    make_item()
    index_terms()
    first = LexicalGeneration.objects.get()
    arrays = generations._arrays

    def cut_off(built: generations.Generation) -> Iterator[tuple[str, bytes]]:
        yield from list(arrays(built))[:2]
        raise MemoryError

    monkeypatch.setattr(generations, "_arrays", cut_off)
    make_item()
    with pytest.raises(MemoryError):
        store_generation(built_generation())
    assert LexicalGeneration.objects.get() == first
    loaded = load_generation(first.pk)
    assert loaded is not None
    assert len(loaded.item_ids) == 1


def test_a_generation_longer_than_a_part_is_put_together_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generations, "PART_BYTES", 7)
    make_item()
    index_terms()
    assert LexicalPart.objects.filter(name="terms").count() > 1
    built = built_generation()
    loaded = load_generation(LexicalGeneration.objects.get().pk)
    assert loaded is not None
    assert loaded.columns == built.columns
    assert loaded.weights.tolist() == built.weights.tolist()


# ---- stored terms, asked for


def test_stored_terms_come_in_the_order_asked_and_missing_or_old_ones_are_made() -> None:
    first, second, third = make_item(text="확률"), make_item(text="통계"), make_item(text="넓이")
    index_terms()
    edit(second, "함수")
    ItemTerms.objects.filter(pk=first.pk).update(terms="stored")
    ItemTerms.objects.filter(pk=third.pk).delete()
    assert list(item_terms([third.pk, 0, second.pk, first.pk])) == [["넓이"], [], ["함수"], ["stored"]]
