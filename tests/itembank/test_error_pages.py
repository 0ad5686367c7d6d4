"""Pages of errors: in words, with a way back, and without the database."""

import pytest
from django.template.loader import render_to_string
from django.utils.translation import override


@pytest.mark.parametrize(
    ("page", "words"),
    [("404.html", "페이지를 찾을 수 없습니다"), ("500.html", "서버에 오류"), ("403.html", "볼 권한이 없습니다")],
)
def test_a_page_of_an_error_needs_neither_database_nor_context(page: str, words: str) -> None:
    with override("ko"):
        html = render_to_string(page)
    assert words in html
    assert '<a href="/">' in html
