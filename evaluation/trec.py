"""Files of the TREC kind (qrels and runs), read as the official trec_eval reads them."""

from collections.abc import Iterable, Iterator

from evaluation.metrics import Judged, Ranked


def read_qrels(lines: Iterable[str]) -> Judged:
    """Lines of "query iteration item relevance"."""
    judged: dict[str, dict[str, int]] = {}
    for query, _iteration, item, relevance, *_rest in _fields(lines):
        judged.setdefault(query, {})[item] = int(relevance)
    return judged


def read_run(lines: Iterable[str], depth: int | None = None) -> Ranked:
    """Lines of "query Q0 item rank score name", cut at `depth`. The rank is ignored: only scores order items.

    Items of equal score are ordered by their code, descending, which is the rule of trec_eval and not ours.
    """
    scores: dict[str, list[tuple[float, str]]] = {}
    for query, _q0, item, _rank, score, *_rest in _fields(lines):
        scores.setdefault(query, []).append((float(score), item))
    return {query: [item for _score, item in sorted(found, reverse=True)[:depth]] for query, found in scores.items()}


def _fields(lines: Iterable[str]) -> Iterator[list[str]]:
    return (line.split() for line in lines if line.strip() and not line.startswith("#"))
