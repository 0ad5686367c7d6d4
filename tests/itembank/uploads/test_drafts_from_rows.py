"""What a row may hold, the same in every format (shown through JSONL)."""

import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itembank.uploads import ImageDraft, ItemDraft, RowErrors
from itembank.uploads.values import control_character, difficulty_named

from .builders import codes, item, jsonl, only_draft, parsed, picture, stored


def one_row(folder: Path, **fields: Any) -> ItemDraft | RowErrors:
    (row,) = parsed(stored(folder, "items.jsonl", jsonl(item(**fields))))
    return row


def test_a_full_row_becomes_a_typed_draft(tmp_path: Path) -> None:
    stored(tmp_path, "images/a.png", picture())
    row = item(
        grade=3,
        unit="덧셈",
        item_type="객관식",
        difficulty="상",
        choices=["2", 3],
        answer=2,
        explanation="하나 더하기 하나",
        curriculum_code="[4수01-03]",
        cognitive_level="이해",
        metadata={"source": "자체"},
        image_path="images/a.png",
        has_image=True,
    )
    draft = only_draft(parsed(stored(tmp_path, "items.jsonl", jsonl(row)), images=tmp_path))
    assert draft == ItemDraft(
        row=1,
        code="M-1",
        subject="수학",
        grade="3",
        unit="덧셈",
        item_type="multiple_choice",
        difficulty=4,
        text="1 + 1은?",
        choices=("2", "3"),
        answer="2",
        explanation="하나 더하기 하나",
        curriculum_code="[4수01-03]",
        cognitive_level="이해",
        metadata={"source": "자체"},
        images=(ImageDraft("question", 0, "images/a.png"),),
    )


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"id": None}, "required"),
        ({"id": "  "}, "required"),
        ({"id": "a b"}, "id-characters"),
        ({"id": "a\u200bb"}, "id-characters"),
        ({"id": "x" * 65}, "too-long"),
        ({"id": ["x"]}, "wrong-type"),
        ({"subject": ""}, "required"),
        ({"subject": "가" * 101}, "too-long"),
        ({"grade": True}, "wrong-type"),
        ({"unit": "a\nb"}, "line-break"),
        ({"item_type": "x" * 41}, "too-long"),
        ({"difficulty": 6}, "difficulty-unknown"),
        ({"difficulty": 2.5}, "difficulty-unknown"),
        ({"difficulty": "아주"}, "difficulty-unknown"),
        ({"text": ""}, "item-empty"),
        ({"text": " \n"}, "item-empty"),
        ({"text": None}, "item-empty"),
        ({"text": "가" * 100_001}, "too-long"),
        ({"text": "bell \x07"}, "control-character"),
        ({"text": "\x81"}, "control-character"),
        ({"choices": "①"}, "wrong-type"),
        ({"choices": ["a"] * 21}, "too-many"),
        ({"choices": ["a", ""]}, "choice-empty"),
        ({"choices": ["a"], "choice_1": "b"}, "choices-twice"),
        ({"metadata": "x"}, "wrong-type"),
        ({"metadata": {"source": 1}, "source": 2}, "metadata-collision"),
        ({"has_image": True}, "image-path-missing"),
        ({"has_image": True, "image_path": []}, "image-path-missing"),
        ({"has_image": "maybe"}, "flag-unknown"),
        ({"image_path": "a.png"}, "image-missing"),
        ({"image_path": "a.png", "has_image": True}, "image-missing"),
        ({"image_path": "a.png", "has_image": True, "text": ""}, "image-missing"),
        ({"image_path": 7}, "wrong-type"),
        ({"image_path": "x" * 501}, "too-long"),
        ({"image_path": ["a.png"] * 21}, "too-many"),
        ({"explanation_image_path": "a.png"}, "image-missing"),
    ],
)
def test_a_bad_value_is_an_error_of_its_row(tmp_path: Path, fields: dict[str, Any], code: str) -> None:
    row = one_row(tmp_path, **{"code" if name == "id" else name: value for name, value in fields.items()})
    assert code in codes(row)
    assert all(str(error.message) for error in row.errors)  # type: ignore[union-attr]


def test_a_row_lists_everything_that_is_wrong_with_it(tmp_path: Path) -> None:
    row = one_row(tmp_path, subject="", difficulty="?", has_image=True)
    assert isinstance(row, RowErrors)
    assert {error.field for error in row.errors} == {"subject", "difficulty", "image_path"}
    assert row.fields["id"] == "M-1"


def test_an_image_contradicts_has_image_false(tmp_path: Path) -> None:
    path = stored(tmp_path, "items.jsonl", jsonl(item(image_path="a.png", has_image=False)))
    stored(tmp_path, "images/a.png", picture())
    assert codes(parsed(path, images=tmp_path / "images")[0]) == ["image-contradiction"]


def test_an_item_may_be_an_image_alone(tmp_path: Path) -> None:
    path = stored(tmp_path, "items.jsonl", jsonl(item(text="", image_path="a.png")))
    stored(tmp_path, "images/a.png", picture())
    assert only_draft(parsed(path, images=tmp_path / "images")).text == ""


def test_images_of_choices_keep_the_place_of_their_choice(tmp_path: Path) -> None:
    row = item(choices=["가", "", "다"], choice_image_paths=[None, "b.png"], explanation_image_path="b.png")
    stored(tmp_path, "images/b.png", picture())
    draft = only_draft(parsed(stored(tmp_path, "i.jsonl", jsonl(row)), images=tmp_path / "images"))
    assert draft.images == (ImageDraft("explanation", 0, "b.png"), ImageDraft("choice", 1, "b.png"))


def test_more_choice_images_than_choices_are_refused(tmp_path: Path) -> None:
    stored(tmp_path, "images/b.png", picture())
    row = item(choices=["가"], choice_image_paths=["b.png", "b.png"])
    path = stored(tmp_path, "i.jsonl", jsonl(row))
    assert codes(parsed(path, images=tmp_path / "images")[0]) == ["choice-image-surplus"]


def test_an_id_may_come_once_only_and_the_error_names_the_first_row(tmp_path: Path) -> None:
    path = stored(tmp_path, "items.jsonl", jsonl(item("A"), item("B"), item("A"), item("A")))
    rows = parsed(path)
    assert [codes(row) for row in rows] == [[], [], ["id-duplicate"], ["id-duplicate"]]
    assert "row 1" in str(rows[3].errors[0].message)  # type: ignore[union-attr]


def test_ids_that_differ_in_unicode_form_only_are_the_same(tmp_path: Path) -> None:
    path = stored(tmp_path, "items.jsonl", jsonl(item("각"), item(unicodedata.normalize("NFD", "각"))))
    assert codes(parsed(path)[1]) == ["id-duplicate"]


def test_unknown_fields_are_kept_in_metadata(tmp_path: Path) -> None:
    row = one_row(tmp_path, source="EBS", metadata={"year": 2024})
    assert isinstance(row, ItemDraft)
    assert row.metadata == {"year": 2024, "source": "EBS"}


def test_korean_names_of_fields_are_understood(tmp_path: Path) -> None:
    path = stored(tmp_path, "i.jsonl", jsonl({"문항 코드": "A1", "과목": "과학", "본문": "힘은?", "난이도": "하"}))
    draft = only_draft(parsed(path))
    assert (draft.code, draft.subject, draft.text, draft.difficulty) == ("A1", "과학", "힘은?", 2)


def test_text_is_normalised_and_windows_quotes_are_mended(tmp_path: Path) -> None:
    row = one_row(tmp_path, text=unicodedata.normalize("NFD", "각도는") + "?\r\nIt\x92s 90°.  \r\n")
    assert isinstance(row, ItemDraft)
    assert row.text == "각도는?\nIt’s 90°."


@pytest.mark.parametrize(
    ("given_type", "slug"),
    [("객관식", "multiple_choice"), ("Short Answer", "short_answer"), ("서·논술형", "essay"), ("수행평가", "수행평가")],
)
def test_item_types_get_one_name_and_unknown_ones_stay(tmp_path: Path, given_type: str, slug: str) -> None:
    row = one_row(tmp_path, item_type=given_type)
    assert isinstance(row, ItemDraft)
    assert row.item_type == slug


@pytest.mark.parametrize(
    ("name", "level"), [("하", 2), ("중", 3), ("상", 4), ("Very Hard", 5), ("최하", 1), ("3", 3), ("0", None)]
)
def test_difficulty_has_five_levels(name: str, level: int | None) -> None:
    assert difficulty_named(name) == level


@given(st.text(alphabet=st.characters()))
def test_a_control_character_is_found_exactly_where_there_is_one(text: str) -> None:
    control = [c for c in text if unicodedata.category(c) in {"Cc", "Cs"} and c not in "\t\n\r"]
    assert (control_character(text.replace("\r", "\n")) is not None) == bool(control)
