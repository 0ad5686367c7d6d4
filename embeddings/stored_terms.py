"""The terms of many items, stored ones where they are current."""

from collections.abc import Iterator, Sequence

from django.db.models import F

from embeddings.models import ItemTerms
from itembank.canonical import embedding_text
from itembank.models import Item
from itembank.terms import terms_of

CHUNK = 5_000


def item_terms(item_ids: Sequence[int]) -> Iterator[list[str]]:
    """The terms of each item's text and choices, in the order asked; an item that is not there has none."""
    for first in range(0, len(item_ids), CHUNK):
        yield from _chunk(item_ids[first : first + CHUNK])


def _chunk(item_ids: Sequence[int]) -> list[list[str]]:
    current = ItemTerms.objects.filter(pk__in=item_ids, content_hash=F("item__content_hash"))
    found = {pk: terms.split("\n") if terms else [] for pk, terms in current.values_list("pk", "terms")}
    rest = Item.objects.filter(pk__in=set(item_ids) - set(found)).values_list("pk", "text", "choices")
    texts = {pk: embedding_text(text=text, choices=choices) for pk, text, choices in rest}
    if texts:  # the analyser takes 2 s to load
        found |= dict(zip(texts, terms_of(texts.values()), strict=True))
    return [found.get(pk, []) for pk in item_ids]
