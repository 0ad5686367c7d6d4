"""From a query to its terms. An item's are stored; a text's are cut by Kiwi, which takes 2 s to load into a process."""

import re
import threading
import unicodedata
from collections.abc import Callable, Iterator
from typing import NamedTuple

from django.utils.translation import gettext as _

from embeddings.models import ItemTerms
from embeddings.search.lexical_index import INDEX
from embeddings.search.types import SearchError, SearchRequest
from itembank import terms as analyser
from itembank.canonical import embedding_text
from itembank.formulas import Formula, split_formulas
from itembank.models import Item
from itembank.threads import start_thread

LONGEST_WORD = 8  # of Korean, in syllables
_PIECE = re.compile(r"[가-힣]+|[A-Za-z][A-Za-z0-9]*|[0-9]+(?:[.,][0-9]+)*|[^\w\s]")

_warming = threading.Lock()


class QueryTerms(NamedTuple):
    terms: list[str]
    notes: tuple[str, ...] = ()


def query_terms(request: SearchRequest) -> QueryTerms:
    """The terms of the query's text. Raises SearchError where it has none."""
    text = request.text.replace("\x00", " ").strip()
    if not text:
        raise SearchError(
            "words-need-text", _("A search by words reads text only. Enter text, or choose another method.")
        )
    ignored = (_("The image was ignored: a search by words reads text only."),) if request.image else ()
    asked = _terms(text)
    return QueryTerms(asked.terms, (*ignored, *asked.notes))


def item_terms(item_id: int) -> QueryTerms:
    """The item's stored terms, older than its text by a sweep at most; without them, those of its text."""
    stored = ItemTerms.objects.filter(pk=item_id).values_list("terms", flat=True).first()
    if stored is not None:
        return QueryTerms(stored.split("\n") if stored else [])
    item = Item.objects.only("text", "choices").get(pk=item_id)
    return _terms(embedding_text(text=item.text, choices=item.choices))


def _terms(text: str) -> QueryTerms:
    if analyser.is_loaded():
        return QueryTerms(analyser.terms(text))
    _warm_up()
    snapshot = INDEX.current()
    note = _("The Korean analyser is being loaded, so the words were cut roughly. Search again in a few seconds.")
    return QueryTerms(list(rough_terms(text, lambda term: snapshot.column(term) is not None)), (note,))


def _warm_up() -> None:
    """Load the analyser beside this request; one thread is enough."""
    if _warming.acquire(blocking=False):
        start_thread(_load, name="load-kiwi")


def _load() -> None:
    try:
        analyser.load()
    finally:
        _warming.release()


def rough_terms(text: str, known: Callable[[str], bool]) -> Iterator[str]:
    """Terms without an analyser: of Korean, from left to right the longest pieces that some item has as a term."""
    for part in split_formulas(unicodedata.normalize("NFC", text)):
        if isinstance(part, Formula):
            yield from analyser.formula_terms(part.latex)
            continue
        for piece in _PIECE.findall(part):
            yield from _korean(piece, known) if "가" <= piece[0] <= "힣" else [piece.lower().replace(",", "")]


def _korean(word: str, known: Callable[[str], bool]) -> Iterator[str]:
    """A single syllable is a particle more often than a word, unless it stands alone."""
    start, least = 0, min(2, len(word))
    while start <= len(word) - least:
        for length in range(min(LONGEST_WORD, len(word) - start), least - 1, -1):
            piece = word[start : start + length]
            term = piece if known(piece) else piece + "다"
            if known(term):
                yield term
                start += length
                break
        else:
            start += 1
