"""What only a browser shows: sign-in, languages, a search with its hits, progress that moves."""

import io
import re
from collections.abc import Sequence
from typing import Any

import pytest
from django.contrib.auth.models import User
from PIL import Image

from embeddings import worker
from embeddings.encoders.base import EncoderInput, Role
from embeddings.encoders.registry import create_backend
from embeddings.job_services import finish_job, start_job
from embeddings.models import Encoder, JobItem
from embeddings.search import SearchRequest, search
from itembank.models import Item
from tests.embeddings.spaces import fill, make_items
from tests.factories import make_encoder, make_image, make_item

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TEXT = "이차방정식의 두 근의 합"


def _embedded(items: Sequence[Item]) -> Encoder:
    """An active encoder over the items, with real vectors."""
    encoder = make_encoder("hashing")
    vectors = create_backend(encoder.spec()).encode([EncoderInput(item.text) for item in items], Role.DOCUMENT)
    fill(encoder, items, vectors)
    Encoder.objects.update(is_active=True)
    return encoder


def _items() -> list[Item]:
    texts = ["일차함수 $y=2x+1$의 기울기를 구하시오.", r"이차방정식 $x^2-\frac{3}{2}x+2=0$의 두 근의 합을 구하시오."]
    items = [make_item(code=f"MATH-{number}", text=text) for number, text in enumerate(texts, start=1)]
    make_image(items[0])
    return list(Item.objects.order_by("code"))


def _png() -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(buffer, "PNG")
    return {"name": "query.png", "mimeType": "image/png", "buffer": buffer.getvalue()}


def test_the_language_changes_with_one_click_before_sign_in(page: Any) -> None:
    page.goto("/admin/login/")
    assert page.locator("html").get_attribute("lang") == "ko"
    page.click("button[lang=en]")
    page.wait_for_selector("html[lang=en]")
    assert page.get_by_role("button", name="Log in").is_visible()


def test_the_language_changes_with_one_click_on_the_page_one_is_on(admin_page: Any) -> None:
    admin_page.goto("/admin/search/?k=3")
    admin_page.click("header button[lang=en], .ib-languages button[lang=en]")
    admin_page.wait_for_selector("html[lang=en]")
    assert admin_page.url.endswith("/admin/search/?k=3")


def test_a_text_typed_into_the_search_page_finds_its_item(admin_page: Any) -> None:
    _embedded(_items())
    # The worker's part, done beforehand: the query's vector is kept and found again.
    search(SearchRequest(text=TEXT), encode=lambda query: worker.encode_query(str(query.pk)))
    admin_page.goto("/admin/search/")
    admin_page.fill("textarea[name=text]", TEXT)
    admin_page.keyboard.press("Enter")
    admin_page.wait_for_selector(".ib-hit")
    first = admin_page.locator(".ib-hit").first
    assert first.locator("header a").inner_text() == "MATH-2"
    assert first.locator("math mfrac").count() == 1


def test_a_picture_chosen_in_the_search_page_is_shown_before_it_is_sent(admin_page: Any) -> None:
    admin_page.goto("/admin/search/")
    admin_page.set_input_files("#search-form input[type=file]", [_png()])
    admin_page.wait_for_function("document.getElementById('search-preview').naturalWidth === 30")


def test_the_upload_page_names_the_chosen_files(admin_page: Any) -> None:
    admin_page.goto("/admin/itembank/uploadbatch/add/")
    for name in ("file", "images_file"):
        admin_page.set_input_files(f"input[name={name}]", [{**_png(), "name": f"{name}.zip"}])
    assert admin_page.locator("[data-chosen]").all_inner_texts() == ["file.zip", "images_file.zip"]


def test_similar_items_are_one_click_from_an_items_page(admin_page: Any) -> None:
    items = _items()
    _embedded(items)
    admin_page.goto(f"/admin/itembank/item/{items[1].pk}/change/")
    admin_page.click("a[href$='?item=MATH-2']")
    admin_page.wait_for_selector(".ib-hit")
    assert admin_page.locator(".ib-hit header a").inner_text() == "MATH-1"
    picture = admin_page.locator(".ib-hit img.ib-thumb")
    picture.scroll_into_view_if_needed()
    admin_page.wait_for_function("document.querySelector('.ib-hit img.ib-thumb').naturalWidth > 0")


def test_the_progress_of_a_job_moves_without_a_reload(admin_page: Any) -> None:
    make_items(10)
    job = start_job(encoder=make_encoder("hashing"), scope="all")
    admin_page.goto(f"/admin/embeddings/embeddingjob/{job.pk}/change/")
    percent = admin_page.locator("#job [data-percent]")
    assert percent.inner_text() == "0"
    half = job.items.order_by("pk").values("pk")[:5]
    JobItem.objects.filter(pk__in=half).update(state="done")
    admin_page.wait_for_function("document.querySelector('#job [data-percent]').textContent === '50'")
    assert admin_page.locator("#job .ib-bar > .ib-done").evaluate("bar => bar.style.width") == "50%"


def test_the_page_of_a_job_that_ends_shows_its_end(admin_page: Any) -> None:
    items = make_items(2)
    encoder = make_encoder("hashing")
    job = start_job(encoder=encoder, scope="all")
    admin_page.goto(f"/admin/embeddings/embeddingjob/{job.pk}/change/")
    vectors = create_backend(encoder.spec()).encode([EncoderInput(item.text) for item in items], Role.DOCUMENT)
    fill(encoder, items, vectors)
    job.items.update(state="done")
    assert finish_job(job=job)
    admin_page.wait_for_selector('#job[data-state="completed"]')


@pytest.mark.parametrize("width", [1400, 420])
def test_no_page_is_wider_than_its_window(admin_page: Any, width: int) -> None:
    items = _items()
    encoder = _embedded(items)
    job = start_job(encoder=encoder, scope="all")
    admin_page.set_viewport_size({"width": width, "height": 900})
    for address in (
        "/admin/",
        "/admin/search/?item=MATH-1",
        "/admin/itembank/item/",
        f"/admin/itembank/item/{items[0].pk}/change/",
        "/admin/embeddings/encoder/",
        f"/admin/embeddings/encoder/{encoder.pk}/change/",
        f"/admin/embeddings/embeddingjob/{job.pk}/change/",
        f"/admin/auth/user/{User.objects.get().pk}/change/",
    ):
        admin_page.goto(address)
        assert admin_page.evaluate("document.documentElement.scrollWidth") <= width, address
    assert admin_page.locator(".selector").count() == 2


def test_korean_pages_hold_no_english_words_of_ours(admin_page: Any) -> None:
    _embedded(_items())
    for address in ("/admin/", "/admin/search/", "/admin/embeddings/encoder/add/", "/admin/itembank/item/add/"):
        admin_page.goto(address)
        shown = re.findall(r"\b(?:the|and|items|encoder|job|search|vectors|missing|embedded)\b", _text(admin_page))
        assert shown == [], address
    assert "기준선: 글자 겹침" in _text_of(admin_page, "/admin/embeddings/encoder/")


def _text(page: Any) -> str:
    page.evaluate("document.querySelectorAll('.material-symbols-outlined').forEach(icon => icon.remove())")
    return str(page.locator("#main").inner_text())


def _text_of(page: Any, address: str) -> str:
    page.goto(address)
    return _text(page)
