"""One LaTeX formula to MathML Core, safe whatever the formula holds.

`latex2mathml` parses; its element tree is serialised here from allow-lists of elements and attributes with every
character escaped, so no text of a formula can become markup. (Its own serialiser leaves `<` unescaped.)
"""

import html
import re
from functools import lru_cache
from xml.etree.ElementTree import Element

from latex2mathml.commands import MATRICES
from latex2mathml.converter import convert_to_element

MAX_FORMULA_CHARS = 2_000
MAX_BRACE_DEPTH = 50

_ELEMENTS = frozenset(
    [
        "math",
        "menclose",
        "mfrac",
        "mi",
        "mn",
        "mo",
        "mover",
        "mpadded",
        "mphantom",
        "mroot",
        "mrow",
        "mspace",
        "msqrt",
        "mstyle",
        "msub",
        "msubsup",
        "msup",
        "mtable",
        "mtd",
        "mtext",
        "mtr",
        "munder",
        "munderover",
    ]
)
_FLAG = re.compile(r"true|false")
_LENGTH = re.compile(r"[+-]?(?:\d{1,2}|\d{0,2}\.\d{1,4})(?:em|ex|px|pt|mu)?|(?:negative)?[a-z]{4,10}mathspace")
_WORD = re.compile(r"[a-z][a-z-]{0,30}")
_WORDS = re.compile(r"[a-z0-9. -]{1,80}")
_COLOUR = re.compile(r"[A-Za-z]{1,20}|#[0-9a-fA-F]{3,8}")
_ATTRIBUTES = {
    **dict.fromkeys(("accent", "displaystyle", "fence", "largeop", "movablelimits", "separator", "stretchy"), _FLAG),
    **dict.fromkeys(
        ("depth", "height", "linethickness", "lspace", "maxsize", "minsize", "rspace", "voffset", "width"), _LENGTH
    ),
    **dict.fromkeys(("display", "form", "mathvariant"), _WORD),
    **dict.fromkeys(("columnlines", "columnspacing", "notation", "rowlines", "rowspacing"), _WORDS),
    **dict.fromkeys(("mathbackground", "mathcolor"), _COLOUR),
    "scriptlevel": re.compile(r"[0-3]"),
}

_ENVIRONMENT = re.compile(r"\\begin\s*\{([^{}]*)\}")
_ENVIRONMENTS = frozenset(name.removeprefix("\\") for name in MATRICES)
# What latex2mathml does not know, in terms of what it does.
_ENVIRONMENT_ALIASES = {"aligned": "align*", "alignedat": "align*", "gathered": "matrix", "eqnarray*": "align*"}
_COMMAND_ALIASES = {r"\allowbreak": "", r"\overarc": r"\overparen", r"\textdollar": r"\$"}
_ALIAS = re.compile(
    r"\\(?P<edge>begin|end)\s*\{(?P<environment>aligned|alignedat|gathered|eqnarray\*)\}"
    r"|\\(?:allowbreak|overarc|textdollar)(?![A-Za-z])"
)
# A macro that expands to itself many times over is a bomb, and an item needs no macros.
_DEFINITION = re.compile(r"\\(?:def|newcommand|newenvironment|DeclareMathOperator)(?![A-Za-z])")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)


class _UnreadableFormulaError(ValueError):
    """The formula is outside of what can be shown faithfully."""


@lru_cache(maxsize=2048)
def to_mathml(latex: str, *, block: bool = False) -> str | None:
    """A `<math>` element safe to put into a page, or None where the formula cannot be read."""
    try:
        source = _ALIAS.sub(_in_known_terms, latex.strip())
        _check(source)
        return _serialise(convert_to_element(source, display="block" if block else "inline"))
    except Exception:  # latex2mathml raises anything, down to StopIteration and RecursionError
        return None


def _in_known_terms(alias: re.Match[str]) -> str:
    if environment := alias["environment"]:
        return f"\\{alias['edge']}{{{_ENVIRONMENT_ALIASES[environment]}}}"
    return _COMMAND_ALIASES[alias[0]]


def _check(latex: str) -> None:
    if not latex or len(latex) > MAX_FORMULA_CHARS or _DEFINITION.search(latex):
        raise _UnreadableFormulaError
    if not _ENVIRONMENTS.issuperset(_ENVIRONMENT.findall(latex)):
        raise _UnreadableFormulaError
    depth = 0
    for brace in _BRACE.findall(latex):
        depth += {"{": 1, "}": -1}.get(brace, 0)
        if not 0 <= depth <= MAX_BRACE_DEPTH:
            raise _UnreadableFormulaError
    if depth:
        raise _UnreadableFormulaError


def _serialise(element: Element) -> str:
    if element.tag not in _ELEMENTS:
        raise _UnreadableFormulaError
    if _is_overline(element):
        return f'<mrow style="border-top:1px solid">{_serialise(element[0])}</mrow>'
    tag = "munder" if _has_limit_below(element) else element.tag
    children = "".join(map(_serialise, element))
    attributes = "".join(f' {name}="{value}"' for name, value in _attributes(element).items())
    return f"<{tag}{attributes}>{_text(element)}{children}</{tag}>"


def _is_overline(element: Element) -> bool:
    """A line over a segment's name: as a character it stays short where no mathematical font is installed."""
    return element.tag == "mover" and len(element) == 2 and element[1].text == "&#x02015;"


def _has_limit_below(element: Element) -> bool:
    """`\\lim_{x \\to 0}`, which comes back as a subscript; browsers move it beside the word within a line."""
    return element.tag == "msub" and len(element) == 2 and element[0].text == "lim"


def _text(element: Element) -> str:
    raw = element.text or ""
    # An unknown command or a stray `&` comes back as it was written.
    if element.tag != "mtext" and (raw.startswith("\\") or raw == "&"):
        raise _UnreadableFormulaError
    return html.escape(html.unescape(raw))


def _attributes(element: Element) -> dict[str, str]:
    found = {
        name: value
        for name, value in element.attrib.items()
        if (pattern := _ATTRIBUTES.get(name)) and pattern.fullmatch(value)
    }
    if element.tag == "mo" and element.text == "lim":
        found["movablelimits"] = "true"
    if _is_upright_letter(element):
        found["mathvariant"] = "normal"
    if style := _style(element):
        found["style"] = style
    return found


def _is_upright_letter(element: Element) -> bool:
    """`\\mathrm{C}` comes back as a character reference without a variant, which browsers set in italics."""
    raw = element.text or ""
    return element.tag == "mi" and raw.startswith("&#") and html.unescape(raw).isascii()


def _style(element: Element) -> str:
    """Browsers ignore `columnalign` and `menclose`, which MathML Core left to CSS."""
    if element.get("columnalign") in {"left", "right"}:
        return f"text-align:{element.get('columnalign')}"
    if element.get("notation") == "box":
        return "border:1px solid;padding:.15em .3em"
    return ""
