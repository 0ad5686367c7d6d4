"""What an import makes of rows: new, changed, unchanged, rejected."""

from collections.abc import Mapping
from typing import Any

import pytest
from django.db import connection
from django.utils import translation

from itembank import services
from itembank.imports import chunks
from itembank.imports.passes import check_upload, import_upload
from itembank.models import Item, UploadBatch
from itembank.services import UploadStateError
from tests.factories import make_item
from tests.itembank.uploading import checked, confirmed, counts, imported, make_upload
from tests.itembank.uploads.builders import item, jsonl

pytestmark = pytest.mark.django_db
State = UploadBatch.State


def snapshot() -> list[Mapping[str, Any]]:
    return [*Item.objects.order_by("code").values()]


def test_new_items_land_with_all_their_fields() -> None:
    batch = imported(
        jsonl(
            item(
                "A-1", subject="과학", grade="중1", unit="힘", item_type="객관식", difficulty="상",
                text="$F = ma$에서 $a$는?", choices=["1", "2"],
                answer="2", explanation="뉴턴", curriculum_code="9과01", cognitive_level="이해",
                metadata={"page": 3},
            )
        )
    )  # fmt: skip
    landed = Item.objects.get(code="A-1")
    assert (landed.subject, landed.grade, landed.unit, landed.item_type) == ("과학", "중1", "힘", "multiple_choice")
    assert (landed.difficulty, landed.choices, landed.answer, landed.explanation) == (4, ["1", "2"], "2", "뉴턴")
    assert (landed.curriculum_code, landed.cognitive_level, landed.metadata) == ("9과01", "이해", {"page": 3})
    assert (landed.category, landed.batch) == ("latex", batch)
    assert (batch.state, counts(batch)) == (State.IMPORTED, (1, 0, 0, 0))


def test_nothing_lands_before_it_is_confirmed() -> None:
    batch = checked(jsonl(item("A-1"), item("A-2")))
    assert (batch.state, counts(batch), Item.objects.count()) == (State.READY, (2, 0, 0, 0), 0)


def test_the_same_file_again_changes_nothing() -> None:
    data = jsonl(item("A-1"), item("A-2", choices=["가", "나"], metadata={"b": 1, "a": [1.5, None]}))
    imported(data)
    before = snapshot()
    batch = imported(data)
    assert counts(batch) == (0, 0, 2, 0)
    assert snapshot() == before


def test_a_changed_row_changes_its_item_and_no_other() -> None:
    imported(jsonl(item("A-1"), item("A-2")))
    before = {row["code"]: row for row in snapshot()}
    batch = imported(jsonl(item("A-1"), item("A-2", text="다른 문제")))
    after = {row["code"]: row for row in snapshot()}
    assert counts(batch) == (0, 1, 1, 0)
    assert after["A-1"] == before["A-1"]
    assert (after["A-2"]["text"], after["A-2"]["batch_id"]) == ("다른 문제", batch.pk)
    assert after["A-2"]["updated_at"] > before["A-2"]["updated_at"]
    assert (after["A-2"]["id"], after["A-2"]["created_at"]) == (before["A-2"]["id"], before["A-2"]["created_at"])


@pytest.mark.parametrize(("field", "value"), [("unit", "새 단원"), ("answer", "3"), ("explanation", "풀이")])
def test_an_edit_that_no_encoder_sees_leaves_the_content_hash(field: str, value: str) -> None:
    imported(jsonl(item("A-1")))
    before = Item.objects.get()
    assert counts(imported(jsonl(item("A-1", **{field: value})))) == (0, 1, 0, 0)
    after = Item.objects.get()
    assert after.content_hash == before.content_hash
    assert after.record_hash != before.record_hash


@pytest.mark.parametrize("change", [{"text": "다른 문제"}, {"choices": ["가", "나"]}])
def test_an_edit_that_encoders_see_changes_the_content_hash(change: dict[str, Any]) -> None:
    imported(jsonl(item("A-1")))
    before = Item.objects.get().content_hash
    imported(jsonl(item("A-1", **change)))
    assert Item.objects.get().content_hash != before


def test_good_rows_land_and_bad_ones_are_listed_with_their_reasons() -> None:
    batch = imported(jsonl(item("A-1"), item("A-2", difficulty="7"), item("", subject=""), item("A-3")))
    assert (batch.state, counts(batch)) == (State.IMPORTED, (2, 0, 0, 2))
    assert list(Item.objects.values_list("code", flat=True)) == ["A-1", "A-3"]
    listed = [(row.row, row.code, row.field) for row in batch.rows.filter(outcome="rejected")]
    assert listed == [(2, "A-2", "difficulty"), (3, "", "id"), (3, "", "subject")]
    assert all(row.reason for row in batch.rows.filter(outcome="rejected"))


def test_the_preview_promises_what_the_import_does() -> None:
    imported(jsonl(item("A-1"), item("A-2")))
    batch = checked(jsonl(item("A-1"), item("A-2", text="다른 문제"), item("A-3"), item("A-4", difficulty="9")))
    promised = counts(batch)
    assert promised == (1, 1, 1, 1)
    assert counts(confirmed(batch)) == promised


def test_the_preview_shows_a_sample_and_what_would_change() -> None:
    imported(jsonl(item("A-1", unit="함수")))
    batch = checked(jsonl(item("A-1", unit="도형", text="다른 문제"), item("A-2")))
    changed, new = (batch.rows.get(outcome=outcome) for outcome in ("changed", "new"))
    assert (changed.code, changed.raw["changes"], changed.raw["text"]) == ("A-1", ["unit", "text"], "다른 문제")
    assert (new.code, new.row) == ("A-2", 2)


def test_the_sample_is_the_first_fifty_of_each_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 20)
    batch = checked(jsonl(*(item(f"A-{number}") for number in range(120))))
    assert list(batch.rows.values_list("row", flat=True)) == list(range(1, 51))


def test_a_bank_that_changed_since_the_preview_is_seen_by_the_import() -> None:
    batch = checked(jsonl(item("A-1"), item("A-2")))
    imported(jsonl(item("A-1"), item("A-2", text="그 사이에 바뀐 문제")))
    assert counts(confirmed(batch)) == (0, 1, 1, 0)


def test_an_item_edited_by_hand_is_changed_back_by_its_file() -> None:
    data = jsonl(item("A-1", unit="함수"))
    imported(data)
    edited = Item.objects.get()
    edited.unit = "도형"
    services.save_item(item=edited)
    assert counts(imported(data)) == (0, 1, 0, 0)
    assert Item.objects.get().unit == "함수"


def test_saving_an_item_by_hand_without_a_change_is_none() -> None:
    data = jsonl(item("A-1", choices=["가", "나"], metadata={"a": 1}))
    imported(data)
    services.save_item(item=Item.objects.get())
    assert counts(imported(data)) == (0, 0, 1, 0)


def test_a_row_that_the_database_refuses_is_listed_and_the_rest_lands() -> None:
    batch = checked(jsonl(*(item(f"A-{number}") for number in range(9))))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE itembank_item ADD CONSTRAINT no_five CHECK (code <> 'A-5')")
    confirmed(batch)
    assert counts(batch) == (8, 0, 0, 1)
    rejected = batch.rows.get(outcome="rejected")
    assert (rejected.row, rejected.code, rejected.reason_code) == (6, "A-5", "refused")
    assert "no_five" in rejected.reason


def test_a_chunk_that_fails_half_way_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = checked(jsonl(item("A-1"), item("A-2", difficulty="9")))
    services.confirm_upload(batch_id=batch.pk)

    def fails(*_: object) -> None:
        assert Item.objects.count() == 1  # the good row is in the open transaction
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr("itembank.imports.passes.keep_rejected", fails)
    import_upload(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.processed_rows, Item.objects.count()) == (State.FAILED, 0, 0)
    assert "RuntimeError" in batch.error


def test_a_fault_far_down_in_the_file_keeps_all_of_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 10)
    rows = ", ".join(f'{{"id": "A-{number}", "subject": "수학", "text": "문제"}}' for number in range(50))
    batch = checked(f'{{"items": [{rows}, {{"id": '.encode(), name="items.json")
    assert batch.state == State.FAILED
    assert batch.error
    assert Item.objects.count() == 0


def test_a_file_without_items_fails_with_a_reason() -> None:
    batch = checked(b'{"items": []}', name="items.json")
    assert batch.state == State.FAILED
    assert batch.error


def test_reasons_are_in_the_language_of_the_uploader_whatever_the_worker_speaks() -> None:
    with translation.override("en"):
        batch = make_upload(jsonl(item("A-1", difficulty="9")))
    with translation.override("ko"):
        check_upload(batch.pk)
    assert "difficulty" in batch.rows.get().reason


def test_an_upload_is_confirmed_once() -> None:
    batch = imported(jsonl(item("A-1")))
    with pytest.raises(UploadStateError):
        services.confirm_upload(batch_id=batch.pk)


def test_a_cancelled_upload_is_not_imported() -> None:
    batch = checked(jsonl(item("A-1")))
    services.cancel_upload(batch_id=batch.pk)
    with pytest.raises(UploadStateError):
        services.confirm_upload(batch_id=batch.pk)
    import_upload(batch.pk)
    assert Item.objects.count() == 0


def test_an_upload_that_has_ended_cannot_be_cancelled() -> None:
    batch = imported(jsonl(item("A-1")))
    with pytest.raises(UploadStateError):
        services.cancel_upload(batch_id=batch.pk)


def test_an_item_made_elsewhere_keeps_its_key() -> None:
    existing = make_item(code="A-1")
    imported(jsonl(item("A-1")))
    assert Item.objects.get(code="A-1").pk == existing.pk
