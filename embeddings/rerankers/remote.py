"""A reranker behind a server, at /score or /rerank. Written against vLLM 0.14's, text and images on both sides.

vLLM scores Qwen3-VL-Reranker rightly only with --chat-template (examples/pooling/score/template/qwen3_vl_reranker.jinja
of its repository); without it the scores look plausible and mean nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, ClassVar

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from embeddings.encoders.base import EncoderInput
from embeddings.encoders.errors import EncoderError, ModelUnavailable
from embeddings.encoders.remote_content import parts
from embeddings.model_servers import ModelServer, entries, not_an_answer
from embeddings.rerankers.base import RerankerBackend, RerankerSpec

Side = str | dict[str, Any]
Pair = tuple[Side, Side]

ENDPOINTS = ("score", "rerank")


def served(draft: RerankerSpec, server: str) -> RerankerSpec:
    """The reranker as that server runs it. Options of the draft may be "model", the name it is served under, and
    "endpoint", "score" or "rerank".
    """
    options = {"model": draft.model_id, "endpoint": "score", **dict(draft.options), "server": server}
    return replace(draft, backend="remote", precision="server", options=tuple(sorted(options.items())))


class RemoteReranker(RerankerBackend):
    """Scores that a server computes."""

    token_budget = 32768
    # Texts only. A pair with an image goes alone: servers before vLLM 0.15 read a list of images as many documents.
    pairs_a_request: ClassVar[int] = 16
    _server: ModelServer | None = None

    def __init__(self, spec: RerankerSpec) -> None:
        super().__init__(spec)
        options = dict(spec.options)
        self._server_name, self._model = str(options.get("server", "")), str(options.get("model", spec.model_id))
        self._endpoint = str(options.get("endpoint", "score"))
        if self._endpoint not in ENDPOINTS:
            raise EncoderError(
                _("a reranker's endpoint is one of %(known)s, not “%(endpoint)s”")
                % {"known": ", ".join(ENDPOINTS), "endpoint": self._endpoint}
            )

    @classmethod
    def completed(cls, spec: RerankerSpec) -> RerankerSpec:
        return replace(spec, revision=spec.revision or "served")

    def load_model(self) -> None:
        try:
            self._connected().check_model()
        except EncoderError:
            self.release_model()
            raise

    def release_model(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def prepare(self, query: EncoderInput, document: EncoderInput) -> tuple[int, Pair]:
        cost = sum(max(1, len(side.text) // 2) + 256 * len(side.images) for side in (query, document))
        return cost, (self._side(query), self._side(document))

    def judge(self, payload: Sequence[Pair]) -> NDArray[np.float64]:
        server = self._connected()
        try:
            scores = server.answers(self._groups(payload), lambda group: self._scores([payload[i] for i in group]))
        except ModelUnavailable:
            self.unload()
            raise
        return np.array(scores, np.float64)

    def _side(self, item: EncoderInput) -> Side:
        spec = self.spec
        content = parts(item, characters=spec.max_length, min_pixels=spec.min_pixels, max_pixels=spec.max_pixels)
        return {"content": content} if item.images else str(content[0]["text"])

    def _groups(self, payload: Sequence[Pair]) -> list[list[int]]:
        """Texts under the same query together, as many as go into one request; pairs with an image alone."""
        groups: list[list[int]] = []
        for query, run in groupby(range(len(payload)), key=lambda index: _shared_query(index, payload[index])):
            indices, size = list(run), self.pairs_a_request if isinstance(query, str) else 1
            groups += [indices[start : start + size] for start in range(0, len(indices), size)]
        return groups

    def _scores(self, pairs: Sequence[Pair]) -> list[float]:
        server, query = self._connected(), pairs[0][0]
        documents = [document for _query, document in pairs] if len(pairs) > 1 else pairs[0][1]
        if self._endpoint == "score":
            answer = server.post("/score", {"text_1": query, "text_2": documents, **self._how()})
            found, number = entries(answer, "data", server.name, len(pairs)), "score"
        else:
            # Older servers want a list of texts, but one document with images as it is.
            listed = [documents] if isinstance(documents, str) else documents
            answer = server.post("/rerank", {"query": query, "documents": listed, **self._how()})
            found, number = entries(answer, "results", server.name, len(pairs)), "relevance_score"
        return [_number(entry.get(number), server.name) for entry in found]

    def _how(self) -> dict[str, Any]:
        """The instruction in the words of vLLM's template, SGLang and llama.cpp; each ignores the others'."""
        instruction = self.spec.instruction
        limits = {"min_pixels": self.spec.min_pixels, "max_pixels": self.spec.max_pixels}
        return {
            "instruction": instruction,
            "instruct": instruction,
            "chat_template_kwargs": {"instruction": instruction},
            **({"mm_processor_kwargs": limits} if self.spec.max_pixels else {}),
        }

    def _connected(self) -> ModelServer:
        if self._server is None:
            self._server = ModelServer(self._server_name, self._model)
        return self._server


def _shared_query(index: int, pair: Pair) -> str | int:
    """The same for pairs that may go in one request."""
    query, document = pair
    return query if isinstance(query, str) and isinstance(document, str) else index


def _number(score: object, server: str) -> float:
    if score is None:
        return float("nan")
    if isinstance(score, bool) or not isinstance(score, int | float):
        raise not_an_answer(server, _("a score that is no number"))
    return float(score)
