"""The vectors of a run: of its corpus, and of its queries, all of them stored ones."""

from collections.abc import Sequence

import numpy as np
from django.utils.translation import gettext as _

from embeddings.encoders.base import Modality
from embeddings.models import Encoder
from embeddings.search.dense import has_vectors
from embeddings.search.exact import Matrix, Places
from embeddings.stored_vectors import stored_vectors
from evaluation.engine.corpus import Corpus
from evaluation.run_settings import EvaluationError

# What must be equal for two encoders' vectors to be of one space: the same model, asked the same.
SAME_SPACE = (
    "backend", "model_id", "revision", "dimensions", "pooling", "document_instruction", "max_length", "precision",
    "options",
)  # fmt: skip


def corpus_vectors(encoder: Encoder, corpus: Corpus) -> tuple[Matrix, Places]:
    """(vectors (n, d), their places (n,), rising), of the items that have one."""
    vectors = np.empty((len(corpus.ids), encoder.dimensions), np.float16)
    places: list[Places] = []
    filled = 0
    for ids, rows in stored_vectors(encoder, corpus.ids.tolist()):
        vectors[filled : filled + len(ids)] = rows
        filled += len(ids)
        places.append(corpus.places(ids))
    return vectors[:filled], np.concatenate([np.empty(0, np.int64), *places])


def query_vectors(encoder: Encoder, item_ids: Sequence[int]) -> Matrix:
    """(q, d) in the order asked; a row of zeros for an item without a vector."""
    row_of = {item: row for row, item in enumerate(item_ids)}
    vectors = np.zeros((len(item_ids), encoder.dimensions), np.float16)
    for ids, rows in stored_vectors(encoder, list(item_ids)):
        vectors[[row_of[item] for item in ids.tolist()]] = rows
    return vectors


def sides(encoder: Encoder, query_view: str) -> tuple[Encoder, Encoder]:
    """(the encoder whose vectors are searched, the one whose vectors ask) for this view of the query items.

    Of a concatenation, text or image alone is asked in the part that sees it. Of a space of text and images in one, by
    the encoder that gives the same model the text or the images alone. Raises EvaluationError where there is none.
    """
    if query_view in {"item", encoder.modality}:
        return encoder, encoder
    parts = [each.part for each in encoder.parts.select_related("part") if each.part.modality == query_view]
    if len(parts) == 1:
        return parts[0], parts[0]
    same = {name: getattr(encoder, name) for name in SAME_SPACE}
    siblings = list(Encoder.objects.filter(modality=query_view, parts__isnull=True, **same).order_by("slug"))
    alone = next(filter(has_vectors, siblings), siblings[0] if siblings else None)
    if encoder.modality != Modality.MULTIMODAL or encoder.backend == "concat" or alone is None:
        raise EvaluationError(
            _(
                "The encoder %(encoder)s has no stored vectors of the %(view)s of items alone. Embed the items with "
                "the encoder of the same model for that (such as qwen3-vl-2b-text-mean beside qwen3-vl-2b-mm-mean)."
            )
            % {"encoder": encoder.slug, "view": _("text") if query_view == "text" else _("image")}
        )
    return encoder, alone
