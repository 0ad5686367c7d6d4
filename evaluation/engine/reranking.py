"""The second stage of a run: the best of each ranking read once more, together with the query, by a reranker.

Runs where the GPU slot is: in a gpu worker, or in a command that owns the slot.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from embeddings.models import Reranker
from embeddings.search.answers import Hit
from embeddings.search.exact import NOTHING
from embeddings.search.fusion import Ranking
from embeddings.search.rerank import rerank
from embeddings.search.types import SearchError
from evaluation.engine.corpus import Corpus
from evaluation.run_settings import RunSettings
from itembank.models import Item


class Answer(NamedTuple):
    """`reason` is a code such as "broken-image" where the query could not be asked; "" where it was."""

    ranking: Ranking
    reason: str = ""


class Reranking:
    """Of one run, by a reranker whose precision is settled."""

    def __init__(self, settings: RunSettings, corpus: Corpus) -> None:
        self._settings, self._corpus = settings, corpus
        self._spec = Reranker.objects.get(slug=settings.reranker).spec()

    def rerank(self, query_items: Sequence[int], rankings: Sequence[Ranking]) -> list[Answer]:
        """The rankings in their new order. Scores are the reranker's for what it judged, the first stage's otherwise:
        they do not fall throughout; the order is what counts. A query that the reranker cannot read finds nothing.
        """
        return [self._answer(item, ranking) for item, ranking in zip(query_items, rankings, strict=True)]

    def _answer(self, query_item: int, ranking: Ranking) -> Answer:
        try:
            return Answer(self._one(query_item, ranking))
        except SearchError as error:
            return Answer(NOTHING, error.code)

    def _one(self, query_item: int, ranking: Ranking) -> Ranking:
        top, threshold = self._settings.rerank_top, self._settings.rerank_threshold
        hits = self._hits(Ranking(ranking.places[:top], ranking.scores[:top]))
        found = rerank(query_item, hits, reranker=self._spec, top_n=top, threshold=threshold, urgent=False)
        order = [each.hit.rank - 1 for each in found]
        judged = [each.hit.score if each.score is None else each.score for each in found]
        places = np.concatenate([ranking.places[order], ranking.places[top:]])
        return Ranking(places, np.concatenate([np.array(judged, np.float64), ranking.scores[top:]]))

    def _hits(self, ranking: Ranking) -> list[Hit]:
        ids = self._corpus.ids[ranking.places].tolist()
        codes = dict(Item.objects.filter(pk__in=ids).values_list("pk", "code"))
        return [
            Hit(rank, pk, codes[pk], score, {})
            for rank, (pk, score) in enumerate(zip(ids, ranking.scores.tolist(), strict=True), start=1)
        ]
