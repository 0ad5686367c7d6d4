"""The terms of a text, for what compares texts by their words: TF-IDF and lexical search.

A term is a content morpheme of Korean (verbs and adjectives by their dictionary form), a Latin word, a numeral, a
mathematical sign, or a token of a formula. Kiwi and its model (90 MB, 2 s to load) are imported at first use: the web
process stays light.
"""

import os
import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from itembank.formulas import Formula, split_formulas

if TYPE_CHECKING:
    from kiwipiepy import Kiwi, Token

# Particles and endings say how a thing is asked, not what. Modifiers and adverbs stay: "more" and "all" decide sums.
_NOUNS = frozenset({"NNG", "NNP", "NNB", "NR", "NP", "XR", "XPN", "XSN", "MM", "MAG", "SL", "SH"})
_STEMS = frozenset({"VV", "VA", "VX"})
_NUMERAL = "SN"
_SYMBOL = "SW"

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_TOKEN = re.compile(
    r"(?:(?<=\\mathrm\{)|(?<=\\text\{))[A-Za-z]+|[가-힣]+|"  # units and words
    r"\\[A-Za-z]+|[0-9]+(?:[.,][0-9]+)*|[^\W\d_]|[^\s\w\\{}()\[\],.;:&$~]|[_^]"
)
# How a formula is laid out, which says nothing about what it is.
_LAYOUT = re.compile(
    r"\\(left|right|[bB]igg?[lr]?|displaystyle|textstyle|limits|q?quad|text(rm|bf)?|math(rm|bf|it|sf)|rm|bf|it|begin|end"
    r"|hline)"
)
_SAME = {r"\dfrac": r"\frac", r"\tfrac": r"\frac", r"\leq": r"\le", r"\geq": r"\ge", r"\neq": r"\ne"}
# Stands for what is no Korean: Kiwi then reads the particle behind it as one.
_PLACEHOLDER = "A"

_lock = threading.Lock()


class _Prepared(NamedTuple):
    """A text with placeholders, and by their positions the terms that they stand for."""

    text: str
    held: dict[int, list[str]]


def terms(text: str) -> list[str]:
    """The terms of a text in its order, as often as they occur."""
    return next(terms_of([text]))


def terms_of(texts: Iterable[str]) -> Iterator[list[str]]:
    """The terms of each text, in order; about 500 texts a second and core. Texts are read a little ahead."""
    waiting: list[_Prepared] = []

    def prepared() -> Iterator[str]:
        for text in texts:
            waiting.append(_prepared(text))
            yield waiting[-1].text

    for tokens in _tokenizer().tokenize(prepared()):
        yield list(_merged(waiting.pop(0), tokens))


def is_loaded() -> bool:
    """Whether Kiwi is in this process, so that terms take no time to begin with."""
    return bool(_loaded.cache_info().currsize)


def load() -> None:
    """Load Kiwi, unless it is loaded."""
    _tokenizer()


def formula_terms(latex: str) -> Iterator[str]:
    r"""Commands, numerals, identifiers and operators: `\frac{3x}{2}` is `\frac`, `3`, `x`, `2`."""
    for token in _TOKEN.findall(latex):
        if not _LAYOUT.fullmatch(token):
            yield _SAME.get(token, _number(token))


def _prepared(text: str) -> _Prepared:
    pieces: list[str] = []
    held: dict[int, list[str]] = {}
    length = 0
    for piece, found in _pieces(unicodedata.normalize("NFC", text)):
        if found is not None:
            held[length] = found
        pieces.append(piece)
        length += len(piece)
    return _Prepared("".join(pieces), held)


def _pieces(text: str) -> Iterator[tuple[str, list[str] | None]]:
    """The text in order: Korean as it is, formulas and Latin words as placeholders with their terms."""
    for part in split_formulas(text):
        if isinstance(part, Formula):
            yield _PLACEHOLDER, list(formula_terms(part.latex))
            continue
        end = 0
        for word in _WORD.finditer(part):
            yield part[end : word.start()], None
            yield _PLACEHOLDER, [word[0].lower()]
            end = word.end()
        yield part[end:], None


def _merged(prepared: _Prepared, tokens: "list[Token]") -> Iterator[str]:
    """The terms of Kiwi's tokens and of the placeholders, in the order of the text."""
    placed = [(place, found) for place, found in prepared.held.items()]
    placed += [(token.start, _term(token)) for token in tokens if not _is_held(prepared, token)]
    for _place, found in sorted(placed, key=itemgetter(0)):
        yield from found


def _is_held(prepared: _Prepared, token: "Token") -> bool:
    """Whether the token is of placeholders, of which Kiwi may make one word."""
    return token.tag == "SL" and any(place in prepared.held for place in range(token.start, token.end))


def _term(token: "Token") -> list[str]:
    tag = token.tag.partition("-")[0]  # regular and irregular verbs are verbs
    if tag in _STEMS:
        return [token.form + "다"]
    if tag in _NOUNS:
        return [token.form.lower()]
    if tag == _NUMERAL:
        return [_number(token.form)]
    # Signs of mathematics and Greek letters; circled numbers and bullets say nothing.
    return [each for each in token.form if unicodedata.category(each) in {"Sm", "Ll", "Lu"}] if tag == _SYMBOL else []


def _number(token: str) -> str:
    return token.replace(",", "") if token[:1].isdigit() else token


def _tokenizer() -> "Kiwi":
    """The process's own: made once, by whichever thread is first."""
    with _lock:
        return _loaded()


@cache
def _loaded() -> "Kiwi":
    from kiwipiepy import Kiwi

    return Kiwi(num_workers=len(os.sched_getaffinity(0)))
