"""The nearest hits once more, each read together with the query by a model that sees both.

Runs where the GPU slot is: in a worker, or in a command that owns the slot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from django.utils import translation
from django.utils.translation import gettext as _
from PIL import Image

from embeddings.encoders.base import EncoderInput, Features
from embeddings.encoders.errors import ItemError, ItemInputError, OutOfMemory
from embeddings.encoders.packing import pack
from embeddings.gpu import SLOT, GpuSlot, Model
from embeddings.pipeline.inputs import Content, describe, opened, read_contents
from embeddings.rerankers.base import RerankerBackend, RerankerSpec
from embeddings.search.answers import Hit
from embeddings.search.queries import sanitised
from embeddings.search.types import DEFAULT_TOP_N, MAX_K, SearchError, SearchRequest, check_reranking
from itembank.models import Item
from itembank.threads import ThreadPool

PREPARERS = 4


@dataclass(frozen=True, slots=True)
class RerankedHit:
    """A hit at its new rank; `hit.rank` is its dense one.

    `score` (0 to 1) is None where the model did not judge it: the hit is beyond the top N, or `problem` (translated,
    else "") says why. `image_used` is whether the pair that was scored held the images of this item.
    """

    hit: Hit
    rank: int
    score: float | None = None
    image_used: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Outcome:
    score: float | None = None
    image_used: bool = False
    problem: str = ""


_NOTHING = Features((), ())


@dataclass(frozen=True, slots=True)
class _Pair:
    """The query with one document, preprocessed; or the problem that prevented it."""

    features: Features = _NOTHING
    has_image: bool = False
    problem: str = ""


def rerank(
    query: EncoderInput | int | str,
    hits: Sequence[Hit],
    *,
    reranker: RerankerSpec,
    top_n: int = DEFAULT_TOP_N,
    top_k: int = MAX_K,
    threshold: float = 0.0,
    urgent: bool = True,
    slot: GpuSlot = SLOT,
) -> tuple[RerankedHit, ...]:
    """The best `top_k` of `hits` (in dense order), the first `top_n` of them scored against the query.

    `query` is an input, or an item by its id or code. Order: scores from `threshold` up by (score descending, code
    ascending), then the scored ones below it, then those that could not be scored, then those beyond the top N, each
    in dense order. `urgent` is that a person waits: the model is then taken before work that can wait. What is wrong
    with one hit is reported on that hit. Raises SearchError (the query cannot be read, a number is out of range),
    EncoderError (the model cannot run).
    """
    check_reranking(top_n, threshold)
    check_reranking(top_k, threshold)
    if not hits:
        return ()
    asked = _query_input(query)
    judged = hits[:top_n]
    model = slot.reranker(reranker)
    slot.load(model)  # what it has room for is known then
    outcomes = _outcomes(slot, model, _pairs(model.backend, asked, judged), urgent)
    ordered = _ordered(tuple(zip(judged, outcomes, strict=True)), threshold)
    ordered += [(hit, _Outcome()) for hit in hits[top_n:]]
    return tuple(
        RerankedHit(hit, rank, outcome.score, outcome.image_used, outcome.problem)
        for rank, (hit, outcome) in enumerate(ordered[:top_k], start=1)
    )


def requested_input(request: SearchRequest) -> EncoderInput | str:
    """What `rerank` takes as the query of this search. Raises SearchError where its image is broken."""
    if request.item_code:
        return request.item_code
    images = (Image.open(BytesIO(sanitised(request.image))).convert("RGB"),) if request.image else ()
    return EncoderInput(request.text.replace("\x00", " ").strip(), images)


# ---- pairs


def _query_input(query: EncoderInput | int | str) -> EncoderInput:
    """Raises SearchError: a query without its image would score other pairs than those asked for."""
    if isinstance(query, EncoderInput):
        return query
    found = Item.objects.filter(pk=query) if isinstance(query, int) else Item.objects.filter(code=query)
    content = read_contents(list(found.values_list("pk", flat=True)))
    if not content:
        raise SearchError("unknown-item", _("There is no item “%(code)s”. Check the code.") % {"code": query})
    try:
        return opened(*content.values())
    except ItemInputError as error:
        raise SearchError("broken-image", error.reason) from error


def _pairs(backend: RerankerBackend, query: EncoderInput, hits: Sequence[Hit]) -> list[_Pair]:
    contents = read_contents([hit.item_id for hit in hits])
    language = translation.get_language()

    def pair(hit: Hit) -> _Pair:
        with translation.override(language):  # a new thread does not know the reader's
            return _pair(backend, query, contents.get(hit.item_id))

    with ThreadPool(PREPARERS, "preprocess") as pool:
        return list(pool.map(pair, hits))


def _pair(backend: RerankerBackend, query: EncoderInput, content: Content | None) -> _Pair:
    """Uses no database: it runs in a thread of its own."""
    if content is None:
        return _Pair(problem=_("The item is no longer there."))
    try:
        document = opened(content)
        if not document.text.strip() and not document.images:
            return _Pair(problem=_("The item holds neither text nor a picture."))
        return _Pair(backend.preprocess(query, [document]), has_image=bool(document.images))
    except ItemInputError as error:
        return _Pair(problem=error.reason)
    except Exception as error:  # a backend may raise anything, and only this pair is touched
        return _Pair(problem=describe(error))


# ---- scores


def _outcomes(slot: GpuSlot, model: Model[RerankerBackend], pairs: Sequence[_Pair], urgent: bool) -> list[_Outcome]:
    scored = [pair for pair in pairs if not pair.problem]
    answers = iter(_scores(slot, model, Features.join(pair.features for pair in scored), urgent))
    return [_Outcome(problem=pair.problem) if pair.problem else _outcome(next(answers), pair) for pair in pairs]


def _outcome(answer: float | str, pair: _Pair) -> _Outcome:
    return _Outcome(problem=answer) if isinstance(answer, str) else _Outcome(answer, pair.has_image)


def _scores(slot: GpuSlot, model: Model[RerankerBackend], features: Features, urgent: bool) -> list[float | str]:
    """By pair: its score, or why it has none."""
    answers: list[float | str] = [""] * len(features)
    waiting = _packed(model, features.costs, range(len(features)))
    while waiting:
        batch = waiting.pop(0)
        try:
            scores = slot.score(model, features.take(batch), urgent=urgent).tolist()
        except OutOfMemory as error:
            if len(batch) == 1:
                answers[batch[0]] = str(error)
                continue
            _shrink_below(model, [features.costs[index] for index in batch])
            # All that waits: it was packed for room that is not there.
            waiting = _packed(model, features.costs, sum(waiting, batch))
        except ItemError as error:
            answers[batch.pop(error.index)] = error.reason
            waiting[:0] = [batch] if batch else []
        else:
            for index, score in zip(batch, scores, strict=True):
                answers[index] = score
    return answers


def _packed(model: Model[RerankerBackend], costs: Sequence[int], indices: Sequence[int]) -> list[list[int]]:
    own = [costs[index] for index in indices]
    batches = pack(own, budget=model.token_budget, padded=model.backend.pads)
    return [[indices[place] for place in batch] for batch in batches]


def _shrink_below(model: Model[RerankerBackend], costs: Sequence[int]) -> None:
    """Until this batch is cut: what it cost may be far less than the budget."""
    cost = max(costs) * len(costs) if model.backend.pads else sum(costs)
    model.shrink()
    while model.token_budget >= cost > 1:
        model.shrink()


def _ordered(judged: Sequence[tuple[Hit, _Outcome]], threshold: float) -> list[tuple[Hit, _Outcome]]:
    def place(entry: tuple[Hit, _Outcome]) -> tuple[int, float, str]:
        hit, outcome = entry
        if outcome.score is None:
            return 2, 0, ""
        return (0, -outcome.score, hit.code) if outcome.score >= threshold else (1, 0, "")

    return sorted(judged, key=place)  # stable: what is below the threshold keeps its dense order
