"""Terms: what of a text counts when texts are compared by their words."""

import subprocess
import sys

import pytest
from django.conf import settings

from itembank.terms import formula_terms, terms, terms_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("넓이를 구하는 아름다운 함수", ["넓이", "구하다", "아름답다", "함수"]),
        ("사과를 3,000원에 샀습니다.", ["사과", "3000", "원", "사다"]),
        ("The train leaves Seoul", ["the", "train", "leaves", "seoul"]),
        ("H2O의 분자량", ["h2o", "분자", "량"]),
        ("도형 ABC에서 ∠A = π", ["도형", "abc", "∠", "a", "=", "π"]),
        (r"함수 $f(x)=x^2$의 최솟값", ["함수", "f", "x", "=", "x", "^", "2", "최솟값"]),
        (r"식 \(\frac{a}{b}\) 정리", ["식", r"\frac", "a", "b", "정리"]),
        ("사과 $5, 배 $6", ["사과", "5", "배", "6"]),
        ("㉠ ① ~ !?", []),
        ("", []),
        ("😀 $x$😀 원 $y$", ["x", "원", "y"]),
    ],
)
def test_content_words_numerals_and_formulas_are_terms(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        (r"\dfrac{3x}{2}", [r"\frac", "3", "x", "2"]),
        (r"\left( x \right) \leq 1{,}5", ["x", r"\le", "1", "5"]),
        (r"3\,\mathrm{kg}", ["3", "kg"]),
        (r"\text{속력}=v", ["속력", "=", "v"]),
        ("a_1", ["a", "_", "1"]),
    ],
)
def test_formulas_that_differ_in_layout_only_have_the_same_terms(latex: str, expected: list[str]) -> None:
    assert list(formula_terms(latex)) == expected


def test_a_particle_behind_a_formula_is_no_term() -> None:
    assert terms("$x$의 값은 $y$와 같다") == ["x", "값", "y", "같다"]


def test_many_texts_keep_their_order() -> None:
    texts = [f"사과 {number}개 $x_{number}$" for number in range(500)]
    assert list(terms_of(texts)) == [terms(text) for text in texts]


def test_an_error_of_the_source_of_texts_comes_through() -> None:
    def texts() -> object:
        yield "사과"
        raise LookupError

    with pytest.raises(LookupError):
        list(terms_of(texts()))  # type: ignore[arg-type]
    assert terms("사과") == ["사과"]


def test_the_web_process_loads_no_morphemes() -> None:
    """Nor what multiplies sparse matrices, though its pages start builds and searches."""
    script = (
        "import sys, django; django.setup(); import itembank.terms, groundtruth.build_dispatch; "
        "print([name for name in ('kiwipiepy', 'scipy', 'sparse_dot_topn') if name in sys.modules])"
    )
    environment = {"DJANGO_SETTINGS_MODULE": "itembank.settings", "ITEMBANK_HOME": str(settings.HOME_DIR)}
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.strip() == "[]", ended.stderr
