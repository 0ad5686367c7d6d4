"""Any encoder behind a server: vLLM, or another that speaks the OpenAI protocol. Written against vLLM 0.14's.

A server may cut, resize and pool in its own way and say nothing, so its vectors form a space of their own, and its
answers to a few fixed inputs are compared with those on file (probes.py) each time it is connected.
"""

import base64
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, ClassVar

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from embeddings.encoders import probes
from embeddings.encoders.base import EncoderBackend, EncoderInput, EncoderSpec, Modality, Role, checked_unit_rows
from embeddings.encoders.errors import EncoderError, ItemError, ModelUnavailable
from embeddings.encoders.qwen3_vl.prompt import punctuated
from embeddings.encoders.remote_content import parts, plain_text
from embeddings.model_servers import ModelServer, entries, not_an_answer

# A prompt as chat messages (one item a request), or texts as they are (several a request).
MESSAGES, INPUT = "messages", "input"

# Longer than nearly any token.
_CHARACTERS_PER_TOKEN = 16

Raw = NDArray[np.float64]
Payload = str | tuple[list[dict[str, Any]], ...]


def served(draft: EncoderSpec, server: str) -> EncoderSpec:
    """The draft's space as that server makes it. An option "model" of the draft is the name it is served under.

    The server is named, not its URL: it may move without a new space.
    """
    from embeddings.encoders.registry import backend_class

    chat = draft.backend == "qwen3-vl" or draft.modality is not Modality.TEXT
    options: dict[str, str | int | float | bool] = {
        "model": draft.model_id,
        "matryoshka": backend_class(draft.backend).matryoshka,
        **dict(draft.options),
        "server": server,
        "protocol": MESSAGES if chat else INPUT,
    }
    return replace(draft, backend="remote", precision="server", options=tuple(sorted(options.items())))


class RemoteBackend(EncoderBackend):
    """Vectors that a server computes. Not one of its answers is trusted: count, order, size and numbers are checked."""

    # A batch is sent at once and waits for its slowest item; a query waits for one batch.
    token_budget = 16384
    texts_a_request: ClassVar[int] = 16
    _server: ModelServer | None = None

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__(spec)
        options = dict(spec.options)
        self._server_name, self._model = str(options.get("server", "")), str(options.get("model", spec.model_id))
        self._chat = options.get("protocol") == MESSAGES

    @classmethod
    def completed(cls, spec: EncoderSpec) -> EncoderSpec:
        """Asks the server for a vector where the dimensions are open."""
        spec = replace(spec, revision=spec.revision or "served")
        if spec.dimensions:
            return spec
        backend = cls(spec)
        try:
            return replace(spec, dimensions=backend.measured())
        finally:
            backend.release_model()

    @classmethod
    def takes_text_queries(cls, spec: EncoderSpec) -> bool:
        return bool(dict(spec.options).get("text_queries"))

    # ---- the model

    def load_model(self) -> int:
        """Connects, looks for our model, and compares the server's answers to the fixed inputs with those on file."""
        try:
            reference = probes.read(self.spec)
            vectors = self.ask(probes.inputs(self.spec))
            if vectors.shape[1] == self.spec.dimensions:
                probes.compare(vectors, reference, self._server_name)
        except EncoderError:
            self.release_model()
            raise
        return int(vectors.shape[1])

    def release_model(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def measured(self) -> int:
        """The dimensions of the server's vectors; asked once, since somebody waits for a page."""
        self._server = ModelServer(self._server_name, self._model, hurried=True)
        return int(self.ask(probes.inputs(self.spec)[:1]).shape[1])

    def ask(self, inputs: Sequence[tuple[EncoderInput, Role]]) -> Raw:
        """(n, dimensions) unit rows for fixed inputs, whatever is on file. What the server refuses here, it refuses of
        every item: raises ModelUnavailable.
        """
        self._connected().check_model()
        try:
            raw = self.embed([self.preprocess([item], role).payload[0] for item, role in inputs])
            return checked_unit_rows(raw, raw.shape).astype(np.float64)
        except ItemError as error:
            raise ModelUnavailable(
                _("the server %(server)s does not encode our test inputs: %(reason)s; look at how it was started")
                % {"server": self._server_name, "reason": error.reason}
            ) from error

    # ---- items

    def prepare(self, item: EncoderInput, role: Role) -> tuple[int, Payload]:
        spec = self.spec
        if not self._chat:
            text = self.instruction(role) + plain_text(item.text, self._characters)
            return self.cost(EncoderInput(text)), text
        if spec.modality is Modality.IMAGE and item.images:
            # Several images of one item are several requests; their vectors are averaged.
            seen = [EncoderInput("", (image,)) for image in item.images]
        else:
            seen = [EncoderInput(item.text) if spec.modality is Modality.TEXT else item]
        cut = {"characters": self._characters, **self._limits}
        return self.cost(item), tuple(self._messages(parts(each, **cut), role) for each in seen)

    def _messages(self, content: list[dict[str, Any]], role: Role) -> list[dict[str, Any]]:
        user = {"role": "user", "content": content}
        if not self._instructed:
            return [user]
        return [{"role": "system", "content": [{"type": "text", "text": punctuated(self.instruction(role))}]}, user]

    @property
    def _characters(self) -> int:
        """How much of a text is sent. The tokeniser is the server's, and told to cut a prompt it takes the end, where a
        chat has the opening of the answer. So there a character counts as a token, of which it hardly ever is more:
        texts of more than `max_length` characters are cut earlier than by the local model. Elsewhere the server cuts.
        """
        return self.spec.max_length * (1 if self._chat and self._instructed else _CHARACTERS_PER_TOKEN)

    @property
    def _limits(self) -> dict[str, int]:
        """Image models resize to a size of their own; theirs is no limit for us to keep."""
        seen = self.spec if self._instructed else replace(self.spec, min_pixels=0, max_pixels=0)
        return {"min_pixels": seen.min_pixels, "max_pixels": seen.max_pixels}

    @property
    def _instructed(self) -> bool:
        """Language models read an instruction and the opening of an answer; image models (SigLIP) take neither."""
        return self.spec.modality is not Modality.IMAGE

    # ---- requests

    def embed(self, payload: Sequence[Payload]) -> Raw:
        server = self._connected()
        try:
            rows = server.answers(self._groups(len(payload)), lambda group: self._rows([payload[i] for i in group]))
        except ModelUnavailable:
            # It may come back as another one: connect, and compare, again.
            self.unload()
            raise
        sizes = {len(row) for row in rows}
        if len(sizes) != 1:
            raise not_an_answer(server.name, _("vectors of %(sizes)s dimensions") % {"sizes": sorted(sizes)})
        found = np.stack(rows)
        if dict(self.spec.options).get("matryoshka") and self.spec.dimensions:
            return found[:, : self.spec.dimensions]
        return found

    def _groups(self, count: int) -> list[list[int]]:
        size = 1 if self._chat else self.texts_a_request
        indices = iter(range(count))
        return list(iter(lambda: list(islice(indices, size)), []))

    def _rows(self, group: Sequence[Payload]) -> list[Raw]:
        if not self._chat:
            cut = {"truncate_prompt_tokens": self.spec.max_length}
            return self._vectors({"input": list(group), **cut}, len(group))
        return [self._mean([self._chat_vector(messages) for messages in each]) for each in group]

    def _chat_vector(self, messages: str | list[dict[str, Any]]) -> Raw:
        limits = self._limits
        body = {
            "messages": messages,
            "add_generation_prompt": self._instructed,  # vLLM leaves it out by default
            **({"mm_processor_kwargs": limits} if limits["max_pixels"] else {}),
            **self._words_of_an_image_model(messages),
        }
        return self._vectors(body, 1)[0]

    def _words_of_an_image_model(self, messages: Any) -> dict[str, Any]:
        """SigLIP was trained on texts padded to one length; vLLM pads, and cuts, where told to. Not images."""
        if self._instructed or messages[-1]["content"][0]["type"] != "text":
            return {}
        return {"padding": "max_length", "truncate_prompt_tokens": self.spec.max_length}

    def _vectors(self, body: dict[str, Any], count: int) -> list[Raw]:
        server = self._connected()
        # A third of the bytes, and every bit of the numbers; a server that does not know it sends lists.
        answer = server.post("/embeddings", {**body, "encoding_format": "base64"})
        return [_numbers(entry.get("embedding"), server.name) for entry in entries(answer, "data", server.name, count)]

    @staticmethod
    def _mean(vectors: list[Raw]) -> Raw:
        if len(vectors) == 1:
            return vectors[0]
        mean: Raw = np.mean([vector / np.linalg.norm(vector) for vector in vectors], axis=0)
        return mean

    def _connected(self) -> ModelServer:
        if self._server is None:
            self._server = ModelServer(self._server_name, self._model)
        return self._server


def _numbers(embedding: object, server: str) -> Raw:
    """One vector, sent as base64 of float32 or as a list; null is NaN. Raises EncoderError for anything else."""
    try:
        if isinstance(embedding, str):
            return np.frombuffer(base64.b64decode(embedding, validate=True), "<f4").astype(np.float64)
        if isinstance(embedding, list) and embedding:
            vector = np.array(embedding, np.float64)
            if vector.ndim == 1:
                return vector
    except (TypeError, ValueError):
        pass
    raise not_an_answer(server, _("a vector that is no list of numbers"))
