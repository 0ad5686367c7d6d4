"""Fingerprints of all that decides the rankings of a run beside its settings.

Two runs with equal ones have equal rankings; a run that is taken up again must still find the same.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from importlib.metadata import version

from django.utils.translation import gettext as _

from embeddings.models import Embedding, Encoder, Reranker
from embeddings.search.dense import has_vectors
from embeddings.search.lexical import K1, B
from embeddings.selectors import with_all_parts
from evaluation.engine.corpus import Corpus, read_corpus
from evaluation.engine.queries import asked_items
from evaluation.engine.vectors import sides
from evaluation.run_settings import WITH_WORDS, EvaluationError, RunSettings
from groundtruth.models import TruthSet

CODE = "1"  # of the search of runs: raise it when a change of code changes rankings (fusion, ties, terms, reranking)


def run_fingerprint(settings: RunSettings) -> str:
    """SHA-256 (hex) of everything that decides the rankings; `settings` hold the fingerprints."""
    return hashlib.sha256(json.dumps(settings.as_json(), sort_keys=True).encode()).hexdigest()


def reranker_key(slug: str) -> str:
    return f"reranker {slug}"


class Fingerprints:
    """What is there now. Reads each part of the bank once, however many runs of a matrix ask for it."""

    def __init__(self) -> None:
        self._corpora: dict[tuple[int, str, str], Corpus] = {}
        self._vectors: dict[tuple[object, ...], str] = {}

    def corpus(self, truth_set: TruthSet, settings: RunSettings) -> Corpus:
        """Raises EvaluationError where no item is left to search."""
        key = (truth_set.pk, settings.scope, settings.corpus)
        if key not in self._corpora:
            self._corpora[key] = read_corpus(truth_set, settings)
        return self._corpora[key]

    def of(self, truth_set: TruthSet, settings: RunSettings) -> dict[str, str]:
        """By what they are of: the truth, the items searched and the items that ask with their contents, encoders and
        reranker by slug, which items have a vector of which content, and the code.

        Raises EvaluationError for what is not there or cannot be asked that way.
        """
        encoders = [(encoder, *_with_vectors(encoder, settings)) for encoder in _encoders(settings)]
        corpus, asked = self.corpus(truth_set, settings), asked_items(truth_set, settings)
        found = {
            "truth": truth_set.fingerprint,
            "corpus": corpus.fingerprint,
            "queries": _hashed([row[:-1] for row in asked]),
        }
        for encoder, searched, asking in encoders:
            every = {part for each in (encoder, searched, asking) for part in with_all_parts(each)}
            found |= {part.slug: part.fingerprint for part in every}
            key = (searched.pk, asking.pk, truth_set.pk, settings.scope, settings.corpus, settings.query_view)
            if key not in self._vectors:
                query_items = [item for *_names, item in asked]
                self._vectors[key] = _stored(searched, corpus.ids.tolist(), asking, query_items)
            found[f"vectors {encoder.slug}"] = self._vectors[key]
        return dict(sorted((found | _code(settings) | _reranker(settings)).items()))


def _hashed(rows: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()


def _stored(searched: Encoder, items: Sequence[int], asking: Encoder, query_items: Sequence[int]) -> str:
    """Which of them have a vector, of which content. The counts before it are for people: a model of which half the
    vectors are missing is not a bad one.
    """
    contents = _contents(searched, items)
    have = len(contents) - contents.count(None)
    return f"{have}/{len(contents)} {_hashed([contents, _contents(asking, query_items)])}"


def _contents(encoder: Encoder, item_ids: Sequence[int]) -> list[str | None]:
    """The content of which each item has a vector, None where it has none."""
    rows = Embedding.objects.filter(encoder=encoder).values_list("item_id", "content_hash")
    found = dict(rows.iterator(chunk_size=10_000))
    return [found.get(item) for item in item_ids]


def _code(settings: RunSettings) -> dict[str, str]:
    words = f", kiwipiepy {version('kiwipiepy')}, BM25 {K1:g} {B:g}" if settings.method in WITH_WORDS else ""
    return {"code": f"{CODE}{words}"}


def _encoders(settings: RunSettings) -> list[Encoder]:
    found = {encoder.slug: encoder for encoder in Encoder.objects.filter(slug__in=settings.encoders)}
    _refuse_missing(set(settings.encoders) - found.keys(), Encoder.objects.values_list("slug", flat=True))
    return [found[slug] for slug in settings.encoders]


def _with_vectors(encoder: Encoder, settings: RunSettings) -> tuple[Encoder, Encoder]:
    """The encoder that is searched and the one that asks."""
    both = sides(encoder, settings.query_view)
    for each in both:
        if not has_vectors(each):
            raise EvaluationError(
                _("The encoder %(encoder)s has no vectors yet. Start an embedding job for it.") % {"encoder": each.slug}
            )
    return both


def _reranker(settings: RunSettings) -> dict[str, str]:
    if not settings.reranker:
        return {}
    found = Reranker.objects.filter(slug=settings.reranker).values_list("fingerprint", flat=True).first()
    if found is None:
        _refuse_missing({settings.reranker}, Reranker.objects.values_list("slug", flat=True))
    return {reranker_key(settings.reranker): str(found)}


def _refuse_missing(missing: set[str], known: Iterable[str]) -> None:
    if missing:
        raise EvaluationError(
            _("There is no “%(slug)s”. There are: %(known)s.")
            % {"slug": ", ".join(sorted(missing)), "known": ", ".join(known) or "–"}
        )
