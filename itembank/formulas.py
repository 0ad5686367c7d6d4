"""Where the formulas are in an item's text: the one reading that rendering and the item's category share."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_OPENING = re.compile(r"\\[\\$(\[]|\$\$?")
_BODY_OF = {
    "$": re.compile(r"((?:[^\\$]|\\.)*+)\$", re.DOTALL),
    "$$": re.compile(r"((?:[^\\$]|\\.|\$(?!\$))*+)\$\$", re.DOTALL),
    r"\(": re.compile(r"((?:[^\\]|\\[^)])*+)\\\)"),
    r"\[": re.compile(r"((?:[^\\]|\\[^\]])*+)\\\]"),
}
_PROSE = re.compile("[a-z]{3}|[가-힣]")
_OPERATOR = re.compile("[=+<>^_-]")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_DOLLAR = re.compile(r"(?<!\\)\$")
_DELIMITED = re.compile(r"\$\$?|\\[\[\]()]")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", " "), ("&amp;", "&"))


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula of a text: `latex` without its delimiters, `source` with them."""

    latex: str
    source: str
    block: bool


def split_formulas(source: str) -> Iterator[str | Formula]:
    """The text in order, in pieces without a formula and formulas; time is linear in its length.

    `$..$`, `$$..$$`, `\\(..\\)` and `\\[..\\]` delimit formulas. A price or a `$` without its partner is text, and
    `\\$` is a dollar.
    """
    position = 0
    unclosed: set[str] = set()  # delimiters without a closing one from here on; searching again is quadratic
    while opening := _OPENING.search(source, position):
        yield source[position : opening.start()]
        delimiter, position = opening[0], opening.end()
        found = None
        if delimiter in _BODY_OF and delimiter not in unclosed:
            found = _BODY_OF[delimiter].match(source, position)
            if found is None:
                unclosed.add(delimiter)
        if found and _is_formula(delimiter, found[1], source[found.end() : found.end() + 1]):
            position = found.end()
            yield Formula(_decoded(found[1]), delimiter + found[0], block=delimiter in {"$$", r"\["})
        else:
            yield "$" if delimiter == r"\$" else delimiter
    yield source[position:]


def as_formula(latex: str) -> str | None:
    """`$latex$`, whatever its delimiters were; None where that would not be one formula."""
    parts = [part for part in split_formulas(latex.strip()) if part]
    first = parts[0] if len(parts) == 1 else ""
    bare = (first.latex if isinstance(first, Formula) else latex).strip()
    found = [part for part in split_formulas(f"${bare}$") if part]
    is_one = len(found) == 1 and isinstance(found[0], Formula) and not _DOLLAR.search(bare)
    return f"${bare}$" if is_one else None


def is_bare_latex(text: str) -> bool:
    """Whether the text is a formula that someone wrote without delimiters: commands, and no prose or `$`."""
    commands = _COMMAND.search(text)
    return bool(commands) and not _DELIMITED.search(text) and not _PROSE.search(_COMMAND.sub("", text))


def _is_formula(delimiter: str, body: str, following: str) -> bool:
    if not body.strip():
        return False
    if delimiter != "$":
        return True
    if "\n\n" in body or (body[:1].isdigit() and following[:1].isdigit()):
        return False  # "$5-$6"
    if body[:1].isspace() == body[-1:].isspace() or "\\" in body:
        return True
    # A space on one side only: "$ 12$" and "$x=2 $" are formulas, "$5 and $6" and "5$ and 6$" are prices.
    return not _PROSE.search(body) and (body[:1].isspace() or bool(_OPERATOR.search(body)))


def _decoded(latex: str) -> str:
    for entity, character in _ENTITIES:
        latex = latex.replace(entity, character)
    return latex
