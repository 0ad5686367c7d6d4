"""Items with the same text but for numbers, among the hits of a search."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from embeddings.search.answers import Hit
from embeddings.search.types import SearchRequest
from itembank.canonical import masked_text
from itembank.models import Item

LEAST_CHARACTERS = 8  # besides numbers: two items that say "2 + 3 =" and "5 + 1 =" share no text
LEAST_WITH_IMAGE = 30  # "What is x in the figure?" stands beside any figure


def grouped(hits: Sequence[Hit], item: int) -> tuple[Hit, ...]:
    """The hits, those of the same text with their `group`: 0 is that of the query item, others are in order of rank."""
    masks = masks_of([item, *(hit.item_id for hit in hits)])
    shared = [masks[hit.item_id] for hit in hits if hit.item_id in masks]
    groups = {masks[item]: 0} if item in masks else {}
    for mask in shared:
        if shared.count(mask) > 1:
            groups.setdefault(mask, len(groups) + (item not in masks))
    return tuple(replace(hit, group=groups.get(masks.get(hit.item_id, ""))) for hit in hits)


def without_near_duplicates(hits: Sequence[Hit], request: SearchRequest, item: int | None) -> list[Hit]:
    """The hits whose text differs from the query's in more than numbers, ranked anew."""
    masks = masks_of([*filter(None, [item]), *(hit.item_id for hit in hits)])
    own = masks.get(item) if item else masked_text(text=request.text, choices=())
    kept = [hit for hit in hits if own is None or masks.get(hit.item_id) != own]
    return [replace(hit, rank=rank) for rank, hit in enumerate(kept, start=1)]


def masks_of(item_ids: Iterable[int]) -> dict[int, str]:
    """The masked text of each item whose text says enough to tell it from others."""
    rows = Item.objects.filter(pk__in=list(item_ids)).values_list("pk", "text", "choices", "category")
    masks = {}
    for item_id, text, choices, category in rows:
        mask = masked_text(text=text, choices=choices)
        least = LEAST_WITH_IMAGE if category == Item.ItemCategory.IMAGE else LEAST_CHARACTERS
        if len(mask.replace("0", "")) >= least:
            masks[item_id] = mask
    return masks
