"""Which items a run searches, in the order of their codes: a smaller place comes first at equal scores."""

import hashlib
from dataclasses import dataclass

import numpy as np
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from evaluation.run_settings import EvaluationError, RunSettings
from groundtruth.models import TruthSet
from itembank.models import Item


@dataclass(frozen=True, slots=True)
class Corpus:
    """`ids` (n,) by place; `fingerprint` changes with any item's code or content."""

    ids: NDArray[np.int64]
    fingerprint: str

    def places(self, item_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The places of these items (n,), -1 for those outside."""
        if not len(self.ids):
            return np.full(len(item_ids), -1, np.int64)
        order = np.argsort(self.ids)
        found = order[np.searchsorted(self.ids, item_ids, sorter=order).clip(max=len(order) - 1)]
        return np.where(self.ids[found] == item_ids, found, -1)


def read_corpus(truth_set: TruthSet, settings: RunSettings) -> Corpus:
    """Raises EvaluationError where no item is left to search."""
    items = _narrowed(_in_scope(truth_set, settings.scope), settings.corpus)
    # Sorted here, by code point: the database's order depends on its locale.
    rows = sorted(items.order_by().values_list("code", "pk", "content_hash").iterator(chunk_size=10_000))
    if not rows:
        raise EvaluationError(
            _("No item of “%(truth)s” is left to search. Choose another scope or corpus.") % {"truth": truth_set}
        )
    digest = hashlib.sha256()
    for code, _pk, content_hash in rows:
        digest.update(f"{code}\t{content_hash}\n".encode())
    return Corpus(np.array([pk for _code, pk, _hash in rows], np.int64), digest.hexdigest())


def _in_scope(truth_set: TruthSet, scope: str) -> QuerySet[Item]:
    """The truth's own items are those it was made over; of a truth over the whole bank, the whole bank."""
    if scope == "bank" or truth_set.scope == TruthSet.Scope.BANK:
        return Item.objects.all()
    return Item.objects.filter(pk__in=truth_set.items.values("item"))


def _narrowed(items: QuerySet[Item], corpus: str) -> QuerySet[Item]:
    has_image = {"category": Item.ItemCategory.IMAGE}
    if corpus == "with-images":
        return items.filter(**has_image)
    return items.exclude(**has_image) if corpus == "text-only" else items
