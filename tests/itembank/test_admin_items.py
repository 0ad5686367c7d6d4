"""The items' pages: quick at any size, safe to show, and honest about what an edit means."""

import unicodedata
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from itembank.bank import FilterOptions, ItemCounts, filter_options, item_counts, value_choices
from itembank.models import Item, UploadBatch
from tests.factories import allow, make_admin, make_image, make_item, make_staff
from tests.itembank.uploading import counts, imported
from tests.itembank.uploads.builders import item as upload_row
from tests.itembank.uploads.builders import jsonl, picture, zipped

pytestmark = pytest.mark.django_db

LIST = "/admin/itembank/item/"


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    return client


def _form(item: Item, **changes: Any) -> dict[str, Any]:
    names = ("subject", "grade", "unit", "item_type", "difficulty", "text", "choices", "answer", "explanation")
    opened = {"metadata": "{}", "opened_hash": Item.objects.get(pk=item.pk).record_hash if item.pk else ""}
    return {name: getattr(item, name) for name in names} | opened | changes


def _codes(client: Client, **query: str) -> list[str]:
    return [item.code for item in client.get(LIST, query).context["cl"].result_list]


def test_the_list_takes_few_queries_however_many_items_it_shows(
    admin: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(30):
        make_image(make_item())
    with django_assert_max_num_queries(15):
        response = admin.get(LIST)
    assert response.content.decode().count('class="ib-thumb"') == 30


def test_the_list_of_an_empty_bank_opens(admin: Client) -> None:
    assert admin.get(LIST).status_code == 200


def test_the_beginning_of_a_code_finds_the_items_of_that_code(admin: Client) -> None:
    for code in ("AB-1", "AB-2", "XAB-1"):
        make_item(code=code)
    assert _codes(admin, q="AB") == ["AB-1", "AB-2"]


def test_other_words_are_looked_for_in_the_text(admin: Client) -> None:
    make_item(code="A", text="직각삼각형의 넓이를 구하시오.")
    make_item(code="B", text="직각삼각형의 둘레를 구하시오.")
    assert _codes(admin, q="넓이 직각") == ["A"]


def test_a_filter_keeps_the_items_of_that_value(admin: Client) -> None:
    make_item(code="A", subject="수학")
    make_item(code="B", subject="물리학")
    assert _codes(admin, subject="물리학") == ["B"]


@pytest.mark.parametrize(
    "query",
    [
        "difficulty=x",
        "subject=none",
        "p=x",
        "p=99999",
        "q=%00",
        "category__exact=?",
        "batch=x",
        "batch=99999999999999999999",
        "metadata=%00",
        "metadata=a%3D%00",
    ],
)
def test_a_broken_address_is_no_server_error(admin: Client, query: str) -> None:
    make_item()
    assert admin.get(f"{LIST}?{query}").status_code in {200, 302}


def test_a_hostile_text_is_shown_and_does_nothing(admin: Client) -> None:
    item = make_item(code="<b>x", text="<script>alert(1)</script><img src=x onerror=alert(2)>", answer="<svg onload=a>")
    for address in (LIST, f"{LIST}{item.pk}/change/"):
        html = admin.get(address).content.decode()
        assert "<script>alert" not in html
        assert "<img src=x" not in html
        assert "<svg onload" not in html
        assert "<b>x" not in html


def test_formulas_are_mathml_on_the_item_page(admin: Client) -> None:
    item = make_item(text=r"$\frac{1}{2}$의 값")
    assert "<mfrac>" in admin.get(f"{LIST}{item.pk}/change/").content.decode()


def test_the_item_page_shows_images_choices_answer_and_explanation(admin: Client) -> None:
    item = make_item(choices=["하나", "둘"], answer="정답입니다", explanation="풀이입니다")
    image = make_image(item)
    html = admin.get(f"{LIST}{item.pk}/change/").content.decode()
    assert f"/media/thumbnails/{image.pk}/320/" in html
    for text in ("하나", "둘", "정답입니다", "풀이입니다"):
        assert text in html


def test_an_edit_of_the_text_changes_what_encoders_see(admin: Client) -> None:
    item = make_item()
    admin.post(f"{LIST}{item.pk}/change/", _form(item, text="$x$의 값을 구하시오."))
    edited = Item.objects.get()
    assert edited.text == "$x$의 값을 구하시오."
    assert edited.content_hash != item.content_hash
    assert edited.category == Item.ItemCategory.LATEX


def test_an_edit_of_the_unit_leaves_vectors_alone(admin: Client) -> None:
    item = make_item()
    admin.post(f"{LIST}{item.pk}/change/", _form(item, unit="이차함수"))
    edited = Item.objects.get()
    assert edited.unit == "이차함수"
    assert edited.content_hash == item.content_hash
    assert edited.record_hash != item.record_hash


def test_saving_an_item_with_images_keeps_its_hash_and_category(admin: Client) -> None:
    item = make_item()
    make_image(item)
    before = Item.objects.get()
    admin.post(f"{LIST}{item.pk}/change/", _form(item))
    after = Item.objects.get()
    assert (after.content_hash, after.category) == (before.content_hash, Item.ItemCategory.IMAGE)


def test_the_code_of_an_item_does_not_change(admin: Client) -> None:
    item = make_item(code="A-1")
    admin.post(f"{LIST}{item.pk}/change/", _form(item, code="B-1"))
    assert Item.objects.get().code == "A-1"


def test_empty_choice_boxes_at_the_end_are_no_choices(admin: Client) -> None:
    item = make_item()
    admin.post(f"{LIST}{item.pk}/change/", _form(item, choices=["3", "", "5", "", ""]))
    assert Item.objects.get().choices == ["3", "", "5"]


def test_a_choice_that_is_an_image_keeps_its_place(admin: Client) -> None:
    item = make_item(choices=["", ""])
    make_image(item, role="choice", position=1)
    admin.post(f"{LIST}{item.pk}/change/", _form(item, choices=["", "", "", ""]))
    assert Item.objects.get().choices == ["", ""]


def test_an_item_may_be_added_by_hand(admin: Client) -> None:
    fields = _form(Item(subject="수학", text="새 문항", difficulty=2), code="NEW-1", choices=["1", "2"])
    admin.post(f"{LIST}add/", fields)
    item = Item.objects.get(code="NEW-1")
    assert item.category == Item.ItemCategory.TEXT_ONLY
    assert len(item.content_hash) == 64


def test_an_item_needs_text_or_an_image(admin: Client) -> None:
    item = make_item(text="처음")
    response = admin.post(f"{LIST}{item.pk}/change/", _form(item, text=" "))
    assert "text" in response.context["adminform"].form.errors
    assert Item.objects.get().text == "처음"


@pytest.mark.parametrize("empty", ["", "  "])
def test_empty_metadata_is_an_empty_object(admin: Client, empty: str) -> None:
    item = make_item(metadata={"source": "2024"})
    assert admin.post(f"{LIST}{item.pk}/change/", _form(item, metadata=empty)).status_code == 302
    assert Item.objects.get().metadata == {}


@pytest.mark.parametrize(
    "refused",
    [
        '["a"]',
        "1",
        "null",
        '"a"',
        "{",
        r'{"a": "\u0000"}',
        '{"a": "\0"}',
        r'{"\ud800": 1}',
        '{"a": NaN}',
        '{"a": 1, "a": 2}',
        '{"a": 1e999}',
        '{"a": ' + "1" * 5000 + "}",
        "[" * 100_000,
        '{"a":' * 40 + "1" + "}" * 40,
    ],
    ids=lambda text: text[:20].encode("unicode_escape").decode(),
)
def test_metadata_that_an_upload_refuses_is_refused_by_the_form(admin: Client, refused: str) -> None:
    item = make_item(metadata={"source": "2024"})
    response = admin.post(f"{LIST}{item.pk}/change/", _form(item, metadata=refused))
    assert response.status_code == 200
    assert "metadata" in response.context["adminform"].form.errors
    assert Item.objects.get().metadata == {"source": "2024"}


@pytest.mark.parametrize("field", ["subject", "unit", "text", "answer", "explanation", "choices"])
def test_a_character_that_the_database_cannot_hold_is_refused(admin: Client, field: str) -> None:
    item = make_item(choices=["가"])
    broken = ["나\0"] if field == "choices" else "나\0"
    response = admin.post(f"{LIST}{item.pk}/change/", _form(item, **{field: broken}))
    assert response.status_code == 200
    assert list(response.context["adminform"].form.errors) == [field]


def test_half_a_character_in_a_request_is_no_server_error(admin: Client) -> None:
    item = make_item()
    fields = "&".join(f"{name}=%ED%A0%80" for name in ("subject", "text", "answer", "choices", "metadata"))
    response = admin.post(f"{LIST}{item.pk}/change/", fields, content_type="application/x-www-form-urlencoded")
    assert response.status_code in {200, 302}


def _as_shown(client: Client, item: Item) -> dict[str, Any]:
    """What a browser sends back from the item's page where nobody changed anything: lines end in CRLF."""
    form = client.get(f"{LIST}{item.pk}/change/").context["adminform"].form
    shown = {field.html_name: "" if field.value() is None else field.value() for field in form}
    lines = {name: value.replace("\n", "\r\n") for name, value in shown.items() if isinstance(value, str)}
    choices = [choice.replace("\n", "\r\n") for choice in shown["choices"]]
    return shown | lines | {"choices": [*choices, "", ""]}


def _long_row() -> dict[str, Any]:
    lines = "첫째 줄\n\n둘째 줄: $x$"
    fields = dict.fromkeys(("text", "answer", "explanation"), lines)
    return upload_row("A-1", **fields, choices=["가\n나", "다"], metadata={"쪽": 1.5, "표": ["<b>", {"c": None}]})


def test_an_item_that_is_saved_unedited_is_unchanged_for_its_file(admin: Client) -> None:
    data = jsonl(_long_row())
    imported(data)
    item = Item.objects.get()
    assert admin.post(f"{LIST}{item.pk}/change/", _as_shown(admin, item)).status_code == 302
    assert Item.objects.get().record_hash == item.record_hash
    assert counts(imported(data)) == (0, 0, 1, 0)


def test_an_item_whose_choices_are_pictures_only_is_unchanged_when_it_is_saved_unedited(admin: Client) -> None:
    data, images = jsonl(upload_row("A-1", choice_image_paths=["c.png"])), zipped({"c.png": picture()})
    imported(data, images=images)
    item = Item.objects.get()
    assert admin.post(f"{LIST}{item.pk}/change/", _as_shown(admin, item)).status_code == 302
    assert Item.objects.get().content_hash == item.content_hash
    assert counts(imported(data, images=images)) == (0, 0, 1, 0)


def test_a_form_that_was_opened_before_an_import_does_not_write_older_text_back(admin: Client) -> None:
    imported(jsonl(upload_row("A-1", text="옛 문제")))
    item = Item.objects.get()
    shown = _as_shown(admin, item)
    imported(jsonl(upload_row("A-1", text="새 문제")))
    response = admin.post(f"{LIST}{item.pk}/change/", shown | {"unit": "도형"}, headers={"accept-language": "en"})
    assert "changed since you opened it" in response.content.decode()
    assert (Item.objects.get().text, Item.objects.get().unit) == ("새 문제", "")


def test_the_page_of_an_item_sends_back_what_it_was_opened_with(admin: Client) -> None:
    item = make_item()
    page = admin.get(f"{LIST}{item.pk}/change/").content.decode()
    form = page[page.index('id="item_form"') :]
    assert f'name="opened_hash" value="{item.record_hash}"' in form[: form.index("</form>")]


def test_a_form_that_does_not_say_what_it_was_opened_with_is_refused(admin: Client) -> None:
    item = make_item(text="처음")
    response = admin.post(f"{LIST}{item.pk}/change/", _form(item, text="나중", opened_hash=""))
    assert response.context["adminform"].form.non_field_errors()
    assert Item.objects.get().text == "처음"


@pytest.mark.parametrize("field", ["subject", "unit", "text", "answer", "explanation"])
def test_the_form_composes_hangul_as_an_upload_does(admin: Client, field: str) -> None:
    item = make_item()
    admin.post(f"{LIST}{item.pk}/change/", _form(item, **{field: unicodedata.normalize("NFD", "수학")}))
    assert getattr(Item.objects.get(), field) == "수학"


def test_staff_without_permission_see_no_items(client: Client) -> None:
    client.force_login(make_staff())
    assert client.get(LIST).status_code == 403


def test_staff_who_may_view_cannot_change(client: Client) -> None:
    item = make_item(text="처음")
    client.force_login(allow(make_staff(), "itembank.view_item"))
    assert client.get(f"{LIST}{item.pk}/change/").status_code == 200
    assert client.post(f"{LIST}{item.pk}/change/", _form(item, text="나중")).status_code == 403
    assert Item.objects.get().text == "처음"


def test_counts_are_by_category() -> None:
    make_item(text="글")
    make_item(text="$x$")
    make_image(make_item())
    assert item_counts() == ItemCounts(image=1, latex=1, text_only=1)
    assert item_counts().total == 3


def test_filter_options_are_the_values_that_occur_sorted_and_never_empty() -> None:
    for subject, grade, difficulty in (("수학", "", 3), ("물리학", "고1", None), ("수학", "고1", 1)):
        make_item(subject=subject, grade=grade, difficulty=difficulty, unit="", item_type="")
    make_item(curriculum_code="9수02-05", cognitive_level="적용", grade="고1", unit="", item_type="")
    options = filter_options()
    assert (options.subject, options.grade, options.difficulty) == (["물리학", "수학"], ["고1"], [1, 3])
    assert (options.unit, options.item_type) == ([], [])
    assert (options.curriculum_code, options.cognitive_level) == (["9수02-05"], ["적용"])


def test_uploads_to_filter_by_are_those_that_items_came_with_newest_first() -> None:
    uploads = [UploadBatch.objects.create(file_name=name) for name in ("a.csv", "empty.csv", "b.csv")]
    for upload in (uploads[0], uploads[2], uploads[2]):
        Item.objects.filter(pk=make_item().pk).update(batch=upload)
    options = filter_options()
    assert options.batch == [(uploads[2].pk, "b.csv"), (uploads[0].pk, "a.csv")]
    assert value_choices(options, "batch")[0] == (str(uploads[2].pk), f"b.csv ({uploads[2].pk})")


def test_filter_options_of_an_empty_bank_are_empty() -> None:
    assert filter_options() == FilterOptions([], [], [], [], [], [], [], [])


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ({"curriculum_code__icontains": "수02"}, ["A"]),
        ({"cognitive_level": "적용"}, ["A", "B"]),
        ({"metadata": "source = 수능"}, ["B"]),
        ({"metadata": "year=2024", "cognitive_level": "적용"}, ["A"]),
        ({"metadata": "year=2023"}, []),
    ],
)
def test_the_list_is_filtered_by_every_kind_of_field(admin: Client, query: dict[str, str], codes: list[str]) -> None:
    make_item(code="A", curriculum_code="9수02-05", cognitive_level="적용", metadata={"year": 2024})
    make_item(code="B", curriculum_code="9과02-05", cognitive_level="적용", metadata={"source": "수능"})
    make_item(code="C")
    assert _codes(admin, **query) == codes


def test_the_list_is_filtered_by_any_upload_also_one_that_the_drop_down_lacks(admin: Client) -> None:
    upload = UploadBatch.objects.create(file_name="a.csv")
    Item.objects.filter(pk=make_item(code="A").pk).update(batch=upload)
    make_item(code="B")
    assert _codes(admin, batch=str(upload.pk)) == ["A"]
    assert _codes(admin, batch=str(upload.pk + 1)) == []


def test_metadata_that_is_no_pair_is_said_on_the_list(admin: Client) -> None:
    make_item(code="A")
    response = admin.get(LIST, {"metadata": "source"})
    assert list(response.context["cl"].result_list) == []
    assert "source=KMWPS" in response.content.decode()


def test_accounts_can_be_made_and_listed(admin: Client) -> None:
    fields = {"username": "kim", "password1": "long enough 1", "password2": "long enough 1", "usable_password": "true"}
    admin.post("/admin/auth/user/add/", fields)
    assert User.objects.filter(username="kim").exists()
    assert admin.get("/admin/auth/user/").status_code == 200
    assert admin.get("/admin/auth/group/add/").status_code == 200


def test_units_are_filtered_by_a_part_of_their_name(admin: Client) -> None:
    make_item(code="A", unit="일차함수와 그래프")
    make_item(code="B", unit="이차방정식")
    assert _codes(admin, unit__icontains="함수") == ["A"]


def test_item_types_are_named_in_the_readers_language(admin_client: Client) -> None:
    make_item(item_type="multiple_choice")
    make_item(item_type="project")
    page = admin_client.get("/admin/itembank/item/").content.decode()
    assert "객관식" in page
    assert "multiple_choice</td>" not in page
    assert "project" in page, "a type of the bank's own is shown as it is"
