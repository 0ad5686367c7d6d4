"""Lists of candidates become hits: one list as it is, several fused."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from embeddings.search.answers import Hit, SignalScore
from embeddings.search.exact import SCORE_DIGITS
from embeddings.search.fusion import Ranking, fuse, normalised
from embeddings.search.signals import Candidate, Listed
from embeddings.search.types import SearchRequest


def merged(lists: Sequence[Listed], request: SearchRequest, *, most: int) -> list[Hit]:
    """At most so many hits by (score descending, code ascending in code point order)."""
    if len(lists) > 1:
        return _fused(lists, request, most)
    (only,) = lists
    return [_alone(only.name, rank, each) for rank, each in enumerate(only.candidates[:most], start=1)]


def _alone(name: str, rank: int, each: Candidate) -> Hit:
    signal = SignalScore(each.score, each.score, each.score, rank, each.image_used)
    return Hit(rank, each.item_id, each.code, each.score, {name: signal}, each.terms)


def _fused(lists: Sequence[Listed], request: SearchRequest, most: int) -> list[Hit]:
    lists = [_rounded(each) for each in lists]
    known = {each.item_id: each for listed in lists for each in listed.candidates}
    ids = sorted(known, key=lambda item_id: known[item_id].code)
    places = {item_id: place for place, item_id in enumerate(ids)}
    rankings = [_ranking(listed, places) for listed in lists]
    fused = fuse(rankings, method=request.method, alpha=request.alpha, weights=request.weights)
    signals = [_Signal(*each, request.method) for each in zip(lists, rankings, strict=True)]
    best = zip(fused.places[:most].tolist(), fused.scores.tolist(), fused.shares.T.tolist(), strict=False)
    hits = []
    for rank, (place, score, shares) in enumerate(best, start=1):
        item = known[ids[place]]
        says = {each.name: each.score(item.item_id, share) for each, share in zip(signals, shares, strict=True)}
        hits.append(Hit(rank, item.item_id, item.code, score, says, item.terms))
    return hits


class _Signal:
    """What one list says of an item, before and after normalisation."""

    def __init__(self, listed: Listed, ranking: Ranking, method: str) -> None:
        self.name = listed.name
        scores = normalised(ranking.scores, method=method).tolist()
        rows = zip(listed.candidates, ranking.scores.tolist(), scores, strict=True)
        self._held = {each.item_id: (*row, rank, each.image_used) for rank, (each, *row) in enumerate(rows, start=1)}

    def score(self, item_id: int, share: float) -> SignalScore:
        if item_id not in self._held:
            return SignalScore(None, 0.0, share, None)
        score, normal, rank, image_used = self._held[item_id]
        return SignalScore(score, normal, share, rank, image_used)


def _rounded(listed: Listed) -> Listed:
    """With scores rounded as evaluation rounds them, so that both see the same ties."""
    found = [each._replace(score=round(each.score, SCORE_DIGITS)) for each in listed.candidates]
    return replace(listed, candidates=sorted(found, key=lambda each: (-each.score, each.code)))


def _ranking(listed: Listed, places: dict[int, int]) -> Ranking:
    found = np.array([places[each.item_id] for each in listed.candidates], np.int64)
    return Ranking(found, np.array([each.score for each in listed.candidates], np.float64))
