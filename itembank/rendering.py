"""Item text (LaTeX, simple HTML, hostile input) to safe HTML or to one line of plain text.

The text and its formulas take separate ways. Formulas are cut out first, so that `$a<b$` is never read as a tag;
the rest is cleaned with nh3 to a short allow-list, and the formulas come back as MathML.
"""

import html
import re
from collections.abc import Iterator

import nh3
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from itembank.formulas import Formula, split_formulas
from itembank.mathml import to_mathml

MAX_TEXT_CHARS = 50_000
"""Longer text is shown escaped and unformatted: parsing hostile nesting takes quadratic time."""
MAX_FORMULA_CHARS_PER_TEXT = 20_000
"""Formulas beyond this total are shown as source, which bounds the time that one text can take."""

_BLOCK_TAGS = frozenset(["p", "table", "thead", "tbody", "tr", "td", "th", "ul", "ol", "li", "div", "hr"])
_ALLOWED_TAGS = _BLOCK_TAGS | frozenset(["br", "b", "i", "u", "s", "sub", "sup", "em", "strong", "span"])
_DROPPED_TAGS = frozenset(
    [
        "a",
        "abbr",
        "address",
        "applet",
        "article",
        "aside",
        "audio",
        "base",
        "blockquote",
        "body",
        "button",
        "canvas",
        "caption",
        "center",
        "cite",
        "code",
        "col",
        "colgroup",
        "dd",
        "del",
        "dl",
        "dt",
        "embed",
        "fieldset",
        "figcaption",
        "figure",
        "font",
        "footer",
        "form",
        "frame",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "head",
        "header",
        "html",
        "iframe",
        "img",
        "input",
        "ins",
        "kbd",
        "label",
        "link",
        "main",
        "mark",
        "math",
        "meta",
        "nav",
        "object",
        "option",
        "picture",
        "pre",
        "q",
        "ruby",
        "rp",
        "rt",
        "samp",
        "script",
        "section",
        "select",
        "small",
        "source",
        "strike",
        "style",
        "svg",
        "textarea",
        "title",
        "tt",
        "var",
        "video",
        "wbr",
    ]
)


def _any_of(tags: frozenset[str]) -> str:
    return "|".join(sorted(tags))


# All quantifiers are possessive: matching stays linear on hostile input.
_MARKUP = re.compile(
    rf"<!--(?:(?!<!--|-->).)*+-->|</?(?:{_any_of(_ALLOWED_TAGS | _DROPPED_TAGS)})"
    r"""(?:\s++[a-z][\w:.-]*+\s*+=\s*+(?:"[^"<>]*+"|'[^'<>]*+'|[^\s"'<>=]++))*+\s*+/?>""",
    re.IGNORECASE | re.DOTALL,
)
_BREAK = re.compile(rf"</?(?:{_any_of(_BLOCK_TAGS)}|br)(?![a-z0-9])[^<>]*+>", re.IGNORECASE)
_NEWLINES_AROUND_BREAK = re.compile(rf"\n*+({_BREAK.pattern})\n*+")

# Unicode noncharacters stand for the formulas while the text is cleaned; the source cannot hold them.
_MARK = re.compile("\ufdd0([0-9]+)\ufdd1")
_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufdd0\ufdd1]")

_RENDERED = nh3.Cleaner(
    tags=set(_ALLOWED_TAGS),
    attributes={"td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}},
    # A mark inside an attribute would put a formula's markup there.
    attribute_filter=lambda _tag, _name, value: value if re.fullmatch("[1-9][0-9]?", value) else None,
)
_STRIPPED = nh3.Cleaner(tags=set())


def render_text(source: str) -> SafeString:
    """Safe HTML of an item's text: formulas as MathML, simple tags kept, newlines as `<br>`.

    Never raises. A formula that cannot be read is shown as its source; text over `MAX_TEXT_CHARS` unformatted.
    """
    source = _normalised(source)
    if len(source) > MAX_TEXT_CHARS:
        return mark_safe(escape(source).replace("\n", "<br>"))  # noqa: S308  escaped in full
    text, formulas = _cut_formulas(source)
    cleaned = _break_lines(_RENDERED.clean(_escape_less_than(text)))
    rendered = list(_render_formulas(formulas))
    return mark_safe(_MARK.sub(lambda m: rendered[int(m[1])], cleaned))  # noqa: S308  cleaned by nh3


def plain_text(source: str) -> str:
    """One line of plain text for list columns: tags removed, whitespace folded, formulas left as source.

    The result is not HTML; a template escapes it.
    """
    text, formulas = _cut_formulas(_normalised(source)[:MAX_TEXT_CHARS])
    stripped = html.unescape(_STRIPPED.clean(_BREAK.sub(" ", _escape_less_than(text))))
    return " ".join(_MARK.sub(lambda m: formulas[int(m[1])].source, stripped).split())


def _normalised(source: str) -> str:
    return _UNWANTED.sub("", source.replace("\r\n", "\n").replace("\r", "\n"))


def _cut_formulas(source: str) -> tuple[str, list[Formula]]:
    """The text with a mark in place of each formula, and the formulas in order."""
    pieces: list[str] = []
    formulas: list[Formula] = []
    for part in split_formulas(source):
        if isinstance(part, str):
            pieces.append(part)
        else:
            pieces.append(f"\ufdd0{len(formulas)}\ufdd1")
            formulas.append(part)
    return "".join(pieces), formulas


def _escape_less_than(text: str) -> str:
    """A `<` that opens no HTML tag is a less-than sign (`0<a<b`), which a parser would swallow with its text."""
    pieces: list[str] = []
    position = 0
    for markup in _MARKUP.finditer(text):
        pieces += (text[position : markup.start()].replace("<", "&lt;"), markup[0])
        position = markup.end()
    pieces.append(text[position:].replace("<", "&lt;"))
    return "".join(pieces)


def _break_lines(cleaned: str) -> str:
    return _NEWLINES_AROUND_BREAK.sub(r"\1", cleaned.strip("\n")).replace("\n", "<br>")


def _render_formulas(formulas: list[Formula]) -> Iterator[str]:
    budget = MAX_FORMULA_CHARS_PER_TEXT
    for formula in formulas:
        budget -= len(formula.latex)
        mathml = to_mathml(formula.latex, block=formula.block) if budget >= 0 else None
        yield mathml if mathml is not None else _as_source(formula)


def _as_source(formula: Formula) -> str:
    title = _("This formula could not be read, so its LaTeX source is shown.")
    return format_html('<code class="latex-source" title="{}">{}</code>', title, formula.source)
