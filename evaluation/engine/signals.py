"""What ranks the items of a run: the signals of its method, asked for a block of queries at once."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from embeddings.models import Encoder
from embeddings.search.dense import spans_of
from embeddings.search.exact import ExactSearch
from embeddings.search.fusion import FUSED_DEPTH, Ranking, fuse
from embeddings.search.lexical import Bm25
from embeddings.stored_terms import item_terms
from evaluation.engine.corpus import Corpus
from evaluation.engine.vectors import corpus_vectors, query_vectors, sides
from evaluation.run_settings import WITH_WORDS, RunSettings


class Signal(ABC):
    """One way to rank the corpus."""

    @abstractmethod
    def rank(self, item_ids: Sequence[int], *, depth: int) -> list[Ranking]:
        """For each query item the best `depth` places of the corpus, its own left out."""


class DenseSignal(Signal):
    """By the cosine of stored vectors."""

    def __init__(self, encoder: Encoder, corpus: Corpus, query_view: str) -> None:
        searched, self._asking = sides(encoder, query_view)
        self._corpus = corpus
        self._search = ExactSearch(*corpus_vectors(searched, corpus), spans_of(searched))

    def rank(self, item_ids: Sequence[int], *, depth: int) -> list[Ranking]:
        own = self._corpus.places(np.array(item_ids, np.int64))
        return list(self._search.nearest(query_vectors(self._asking, item_ids), own, depth=depth))


class LexicalSignal(Signal):
    """By BM25 over the terms of text and choices."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._index = Bm25(item_terms(corpus.ids.tolist()))

    def rank(self, item_ids: Sequence[int], *, depth: int) -> list[Ranking]:
        own = self._corpus.places(np.array(item_ids, np.int64))
        return list(self._index.best(list(item_terms(item_ids)), own, depth=depth))


class Method:
    """The signals of the run's method and how they become one ranking."""

    def __init__(self, settings: RunSettings, corpus: Corpus) -> None:
        self._settings = settings
        slugs = {encoder.slug: encoder for encoder in Encoder.objects.filter(slug__in=settings.encoders)}
        self._signals: list[Signal] = [
            DenseSignal(slugs[slug], corpus, settings.query_view) for slug in settings.encoders
        ]
        if settings.method in WITH_WORDS:
            self._signals.append(LexicalSignal(corpus))

    def rank(self, item_ids: Sequence[int]) -> list[Ranking]:
        """For each query item its ranking, as deep as the run asks."""
        depth = self._settings.depth
        if len(self._signals) == 1:
            return self._signals[0].rank(item_ids, depth=depth)
        asked = [signal.rank(item_ids, depth=max(depth, FUSED_DEPTH)) for signal in self._signals]
        return [self._fused(rankings, depth) for rankings in zip(*asked, strict=True)]

    def _fused(self, rankings: Sequence[Ranking], depth: int) -> Ranking:
        settings = self._settings
        fused = fuse(rankings, method=settings.method, alpha=settings.alpha, weights=settings.weights)
        return Ranking(fused.places[:depth], fused.scores[:depth])
