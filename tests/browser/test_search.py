"""The search page by hand: keys, thumbs, two columns, a formula that shows itself, a link that is copied."""

from typing import Any

import pytest

from embeddings.models import SearchMark
from embeddings.services import activate_encoder
from embeddings.term_services import index_terms
from tests.embeddings.spaces import clustered, fill, make_items, make_space

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

FOCUSED = "document.activeElement.dataset.hit"


@pytest.fixture
def codes() -> list[str]:
    items = make_items(12)
    space = make_space(8)
    fill(space, items, clustered(12, 8))
    activate_encoder(encoder=space)
    index_terms()
    return [item.code for item in items]


@pytest.fixture
def search(admin_page: Any, codes: list[str]) -> Any:
    """The page with what is similar to the first item."""
    admin_page.goto(f"/admin/search/?item={codes[0]}&k=4")
    return admin_page


def _shown(page: Any) -> list[str]:
    return [str(card.get_attribute("data-hit")) for card in page.locator(".ib-hits .ib-hit").all()]


def _press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_keys_move_between_cards_and_stop_at_the_ends(search: Any) -> None:
    shown = _shown(search)
    walked = []
    for key in ("j", "j", "ArrowDown", "k", "ArrowUp", "k", "k"):
        _press(search, key)
        walked.append(shown.index(search.evaluate(FOCUSED)))
    assert walked == [0, 1, 2, 1, 0, 0, 0]


def test_keys_work_while_a_korean_keyboard_is_on(search: Any) -> None:
    search.evaluate(
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'ㅓ', code: 'KeyJ', bubbles: true}))"
    )
    assert search.evaluate(FOCUSED) == _shown(search)[0]


def test_enter_opens_the_item_and_s_what_is_similar_to_it(search: Any) -> None:
    second = _shown(search)[1]
    address = search.url
    _press(search, "j", "j", "Enter")
    search.wait_for_url("**/admin/itembank/item/*/change/")
    search.goto(address)
    _press(search, "j", "j", "s")
    search.wait_for_url(f"**/admin/search/?item={second}*")


def test_w_unfolds_why(search: Any) -> None:
    _press(search, "j", "w")
    assert search.locator(".ib-hit").nth(1).locator("[data-why] table").is_visible()


def test_keys_do_nothing_while_one_types(admin_page: Any, codes: list[str]) -> None:
    admin_page.goto("/admin/search/")
    _press(admin_page, "/")
    admin_page.keyboard.type("jcs/?")
    assert admin_page.locator("textarea[name=text]").input_value() == "jcs/?"
    assert not admin_page.locator("#search-keys").is_visible()


def test_the_list_of_keys_opens_and_closes(search: Any) -> None:
    _press(search, "?")
    assert search.locator("#search-keys").is_visible()
    _press(search, "Escape")
    assert not search.locator("#search-keys").is_visible()


def test_thumbs_are_kept_without_a_reload_and_announced(search: Any) -> None:
    card = search.locator(".ib-hits .ib-hit").first
    _press(search, "j", "u")
    search.wait_for_function("document.getElementById('search-live').textContent !== ''")
    assert [mark.verdict for mark in SearchMark.objects.all()] == [1]
    assert card.locator("[data-verdict='1']").get_attribute("aria-pressed") == "true"
    search.reload()
    assert card.locator("[data-verdict='1']").get_attribute("aria-pressed") == "true"
    _press(search, "j", "u")
    search.wait_for_function("document.getElementById('search-live').textContent !== ''")
    assert not SearchMark.objects.exists()


def test_a_thumb_that_could_not_be_kept_is_taken_back_and_said(search: Any) -> None:
    search.route("**/search/mark/", lambda route: route.fulfill(status=200, json={"error": "No longer there."}))
    _press(search, "j", "d")
    search.wait_for_selector(".ib-hit [data-note]")
    assert "No longer there." in search.locator(".ib-hit [data-note]").inner_text()
    assert search.locator(".ib-hit [aria-pressed=true]").count() == 0


def test_a_key_puts_two_methods_beside_each_other_and_arrows_go_across(search: Any) -> None:
    _press(search, "c")
    search.wait_for_url("**compare=1**")
    columns = search.locator(".ib-column")
    assert columns.count() == 2
    _press(search, "j", "ArrowRight")
    assert search.evaluate(FOCUSED) == columns.nth(1).locator(".ib-hit").first.get_attribute("data-hit")
    _press(search, "c")
    search.wait_for_function("document.querySelectorAll('.ib-column').length === 1")


def test_only_the_settings_of_the_chosen_method_are_shown(search: Any) -> None:
    slider = search.locator("input[name=alpha]")
    assert not slider.is_visible()
    search.check("input[name=method][value=hybrid]")
    assert slider.is_visible()
    assert not search.locator("input[name=b-method]").first.is_visible()
    search.check("input[name=compare]")
    assert search.locator("input[name=b-method]").first.is_visible()


def test_filters_that_are_ticked_and_applied_stand_in_the_address(search: Any) -> None:
    search.check("input[name=subject][value=수학]")
    search.click(".ib-side-apply button")
    search.wait_for_url("**subject=**")
    search.click(".ib-chip")
    search.wait_for_function("!location.search.includes('subject')")


def test_a_formula_shows_itself_while_it_is_typed(admin_page: Any, codes: list[str]) -> None:
    admin_page.goto("/admin/search/")
    admin_page.locator("input[name=formula]").press_sequentially(r"\frac{1}{2}")
    admin_page.wait_for_selector("#search-formula mfrac")
    admin_page.locator("input[name=formula]").press_sequentially("$")
    admin_page.wait_for_selector("#search-formula.ib-quiet")


def test_the_link_is_copied(search: Any) -> None:
    search.context.grant_permissions(["clipboard-read", "clipboard-write"])
    search.click("[data-copy]")
    search.wait_for_function("document.getElementById('search-live').textContent !== ''")
    assert search.evaluate("navigator.clipboard.readText()") == search.url


@pytest.mark.parametrize("width", [1400, 420])
def test_two_columns_are_no_wider_than_their_window(search: Any, codes: list[str], width: int) -> None:
    search.set_viewport_size({"width": width, "height": 900})
    search.goto(f"/admin/search/?item={codes[0]}&compare=1&method=hybrid")
    assert search.evaluate("document.documentElement.scrollWidth") <= width
    assert search.locator("#search-side").evaluate("side => side.open") == (width > 1000)
