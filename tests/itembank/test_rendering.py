"""What staff see of an item's text, and what hostile text cannot do to them."""

from html.parser import HTMLParser

import nh3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from itembank.mathml import to_mathml
from itembank.rendering import MAX_TEXT_CHARS, plain_text, render_text

HARMLESS_ATTRIBUTES = frozenset(
    """
    accent class colspan columnlines columnspacing depth display displaystyle fence form height largeop
    linethickness lspace mathbackground mathcolor mathvariant maxsize minsize movablelimits notation rowlines
    rowspacing rowspan rspace scriptlevel separator stretchy style title voffset width
    """.split()  # noqa: SIM905  a word list reads better
)
HARMLESS_STYLES = {"text-align:left", "text-align:right", "border:1px solid;padding:.15em .3em", "border-top:1px solid"}
HARMLESS_TAGS = frozenset(
    """
    p br b i u s sub sup em strong table tr td th thead tbody ul ol li span div hr code math menclose mfrac mi mn mo
    mover mpadded mphantom mroot mrow mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover
    """.split()  # noqa: SIM905  a word list reads better
)
FRAGMENTS = st.sampled_from(
    [
        "$",
        "$$",
        r"\(",
        r"\)",
        r"\[",
        r"\]",
        r"\$",
        "\\",
        "{",
        "}",
        "&",
        "<",
        ">",
        '"',
        "'",
        "\n",
        " ",
        "x",
        "가",
        "5",
        "<b>",
        "</b>",
        "<p>",
        "</td>",
        "<td colspan=",
        "<table>",
        "<!--",
        "-->",
        "<script>",
        "</script>",
        "<svg>",
        "<img src=x onerror=alert(1)>",
        " onclick=alert(1) ",
        "javascript:alert(1)",
        "<style>",
        "<math>",
        "<mtext>",
        r"\text{",
        r"\href{",
        r"\class{",
        r"\style{",
        r"\color{",
        r"\frac",
        r"\left(",
        r"\begin{cases}",
        r"\hbox{",
        "&lt;",
        "&#60;",
        "&#x3c;script&#x3e;",
        "\ufdd0",
        "0\ufdd1",
        "\x00",
        "\ud800",
        "^",
        "_",
        r"\verb|",
        r"\unicode{",
    ]
)
HOSTILE_TEXT = st.lists(FRAGMENTS | st.text(max_size=5), max_size=40).map("".join)


class Elements(HTMLParser):
    """The start tags of a piece of HTML with their attributes."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))


def assert_harmless(markup: str) -> None:
    for tag, attributes in Elements(markup).found:
        assert tag in HARMLESS_TAGS
        for name, value in attributes:
            assert name in HARMLESS_ATTRIBUTES
            assert name != "style" or value in HARMLESS_STYLES
            assert name == "title" or "javascript:" not in (value or "")


@given(HOSTILE_TEXT)
def test_no_text_yields_anything_but_harmless_markup(source: str) -> None:
    rendered = render_text(source)
    assert "<script" not in rendered.lower()
    assert_harmless(rendered)


@given(HOSTILE_TEXT)
def test_a_browsers_parser_reads_the_markup_as_it_was_written(source: str) -> None:
    rendered = render_text(source)
    attributes = {tag: set(HARMLESS_ATTRIBUTES) for tag in HARMLESS_TAGS}
    once = nh3.clean(rendered, tags=set(HARMLESS_TAGS), attributes=attributes)
    assert nh3.clean(once, tags=set(HARMLESS_TAGS), attributes=attributes) == once
    assert Elements(once).found == Elements(rendered).found


@given(st.text() | HOSTILE_TEXT)
def test_plain_text_is_one_line_and_never_raises(source: str) -> None:
    assert plain_text(source) == " ".join(plain_text(source).split())


@given(HOSTILE_TEXT)
def test_a_formula_of_any_text_is_harmless_or_refused(latex: str) -> None:
    assert_harmless(to_mathml(latex, block=True) or "")


@pytest.mark.parametrize("source", ["$x^2$", r"\(x^2\)"])
def test_inline_delimiters_become_inline_mathml(source: str) -> None:
    assert render_text(f"값 {source}은") == (
        '값 <math display="inline"><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math>은'
    )


@pytest.mark.parametrize("source", ["$ 12$", r"$ 6 \times 4$", r"$\frac12 $", "$ x $", "$ y = mx$", "$x=2 $"])
def test_spaces_inside_the_dollars_do_not_hide_a_formula(source: str) -> None:
    assert render_text(source).startswith("<math")


@pytest.mark.parametrize("source", ["$$x$$", r"\[x\]"])
def test_display_delimiters_become_block_mathml(source: str) -> None:
    assert render_text(source) == '<math display="block"><mrow><mi>x</mi></mrow></math>'


@pytest.mark.parametrize(
    "text", ["값은 $5", "$5 and $6 each", "$5-$6", "1$ 2", "$$", r"\(x", "$x", "$ $", "5$", "5$ and 6$"]
)
def test_dollars_and_delimiters_that_enclose_no_formula_stay_text(text: str) -> None:
    assert render_text(text) == text


def test_an_escaped_dollar_is_a_dollar() -> None:
    assert render_text(r"\$5와 \$6") == "$5와 $6"


def test_a_price_before_a_formula_does_not_swallow_it() -> None:
    assert render_text("$5 내고 $x$").startswith("$5 내고 <math")


def test_less_than_signs_in_text_are_kept() -> None:
    assert render_text("0<a<b 이고 c>0") == "0&lt;a&lt;b 이고 c&gt;0"
    assert render_text("0<b 이고 c>0") == "0&lt;b 이고 c&gt;0"


def test_less_than_signs_in_a_formula_are_kept_however_they_are_written() -> None:
    assert render_text("$a<b$") == render_text("$a &lt; b$")
    assert "<mo>&lt;</mo>" in render_text("$a<b$")


def test_simple_markup_is_kept_and_attributes_are_dropped() -> None:
    assert render_text('<b class="x">가</b><sub>2</sub>') == "<b>가</b><sub>2</sub>"
    assert render_text('<table><tr><td colspan="2" width="9">a</td></tr></table>') == (
        '<table><tbody><tr><td colspan="2">a</td></tr></tbody></table>'
    )


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '<a href="javascript:alert(1)"></a>',
        "<style>body{}</style>",
        "<!-- note -->",
        "<iframe src=x></iframe>",
    ],
)
def test_unwanted_markup_is_removed(hostile: str) -> None:
    assert render_text(f"앞{hostile}뒤") == "앞뒤"


def test_a_formula_inside_an_attribute_does_not_break_out_of_it() -> None:
    assert render_text('<table><tr><td colspan="$x$">a</td></tr></table>').count("<math") == 0


def test_newlines_are_kept_outside_of_block_tags_only() -> None:
    assert render_text("가\n나\r\n다") == "가<br>나<br>다"
    assert render_text("가\n<p>나</p>\n다") == "가<p>나</p>다"


def test_korean_inside_text_command_is_shown() -> None:
    assert "<mtext>넓이\u00a0(가)</mtext>" in render_text(r"$\text{넓이 (가)} = 3$")


def test_markup_inside_text_command_is_shown_as_text() -> None:
    assert "&lt;script&gt;" in render_text(r"$\text{<script>}$")
    assert "&lt;script&gt;" in render_text(r"$\text{&#60;script&#62;}$")


@pytest.mark.parametrize("command", [r"\href{javascript:alert(1)}{x}", r'\class{" onclick="x}{x}', r"\style{a:b}{x}"])
def test_commands_that_set_attributes_have_no_effect(command: str) -> None:
    assert_harmless(render_text(f"${command}$"))
    assert "<mi>x</mi>" in render_text(f"${command}$")


@pytest.mark.parametrize(
    "latex",
    [r"\nosuchcommand x", r"\frac{1}{2", "x}", r"a & b", r"\begin{nosuch}x\end{nosuch}", r"\left( x", "x^a^b"],
)
def test_a_formula_that_cannot_be_read_is_shown_as_source(latex: str) -> None:
    rendered = render_text(f"${latex}$")
    assert rendered.startswith('<code class="latex-source" title="')
    assert rendered.endswith(f">${latex.replace('&', '&amp;')}$</code>")


@pytest.mark.parametrize(
    "latex",
    [
        r"\begin{cases} x+1 & (x<0) \\ 2x & (x \ge 0) \end{cases}",
        r"\begin{aligned} a&=b \\ c&=d \end{aligned}",
        r"\lim_{x \to 0} \frac{\sin x}{x}",
        r"\sum_{k=1}^{n} a_k \quad \int_{0}^{2} f(x)\,dx",
        r"\overline{AB} \perp \overline{CD}, \angle ABC = 90^\circ",
        r"{}^{14}_{\,6}\mathrm{C}, \ 2\mathrm{H}_2 \rightarrow \mathrm{O}_2",
        r"\left\{ a_n \right\}, \ \vec{a} \cdot \vec{b}, \ \mathrm{P}(A \cap B)",
        r"f'(x) = \log_2 8 \pm \sqrt[3]{5} \times 10\%",
        r"\boxed{\text{(가)}} \therefore x \neq 0",
    ],
)
def test_formulas_of_school_mathematics_are_read(latex: str) -> None:
    assert to_mathml(latex) is not None


def test_an_upright_chemical_symbol_is_not_set_in_italics() -> None:
    assert to_mathml(r"\mathrm{C}") == '<math display="inline"><mrow><mi mathvariant="normal">C</mi></mrow></math>'


def test_a_line_over_a_segment_is_as_long_as_its_name() -> None:
    segment = "<mrow><mi>A</mi><mi>B</mi></mrow>"
    assert f'<mrow style="border-top:1px solid">{segment}</mrow>' in render_text(r"$\overline{AB}$")


def test_a_limit_stands_below_its_word() -> None:
    assert '<munder><mo movablelimits="true">lim</mo>' in render_text(r"$$\lim_{x \to 0} f(x)$$")


@pytest.mark.parametrize(
    "hostile",
    [
        "$" + "{" * 100_000 + "}" * 100_000 + "$",
        "$" + "{" * 900 + "}" * 900 + "$",
        "$" + r"\displaystyle" * 150 + "$",
        "$" + r"\sqrt" * 390 + "$",
        r"$\def\a{xxxxxxxxxx}\def\b{\a\a\a\a\a\a\a\a}\def\c{\b\b\b\b\b\b\b\b}\c\c\c\c\c\c\c$",
        r"\(" * (MAX_TEXT_CHARS // 2),
        "$" * MAX_TEXT_CHARS,
        "<!--" * (MAX_TEXT_CHARS // 4),
        "<b" + " a=1" * (MAX_TEXT_CHARS // 5),
        "<ul><li>" * (MAX_TEXT_CHARS // 8),
        "<b><p>" * (MAX_TEXT_CHARS // 6),
        "".join(f"$x^{{{i}}}$" for i in range(5_000)),
        "<b>" * 1_000_000,
    ],
    ids=lambda text: text[:12],
)
@pytest.mark.timeout(30)  # against a hang: what is quadratic takes minutes here
def test_hostile_text_is_shown_all_the_same(hostile: str) -> None:
    assert "<script" not in render_text(hostile)
    assert isinstance(plain_text(hostile), str)


def test_plain_text_folds_space_and_keeps_latex() -> None:
    assert plain_text("<p>함수  $a<b$</p>\n<p>값은&nbsp;\\$3</p>") == "함수 $a<b$ 값은 $3"
