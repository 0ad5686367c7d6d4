"""A headless Chromium at the real pages. Skipped, with the reason, where there is none."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.factories import make_admin

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    # Playwright keeps an event loop in this thread, where Django then refuses the ORM; nothing here is asynchronous.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def page(chromium: Any, live_server: Any) -> Iterator[Any]:
    """A page of a visitor. At the end the console must hold no error."""
    context = chromium.new_context(base_url=live_server.url, locale="ko-KR")
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def admin_page(page: Any) -> Any:
    """The page of an administrator who has just signed in through the form."""
    make_admin()
    page.goto("/admin/")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", "correct horse")
    page.click("#login-form button[type=submit]")
    page.wait_for_selector("#nav-sidebar-apps")
    return page
