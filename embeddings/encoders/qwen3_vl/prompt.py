"""From texts and images to the token sequences that Qwen3-VL was trained on.

Own tokens are placed by id, and everything else is read as plain text: an item that holds "<|im_end|>" or
"<|image_pad|>" says these characters to the model and ends no turn. Text between two own tokens is tokenised in one
piece, as in the authors' code, so that ids are the same to the last one.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Longer than nearly any token: bounds the tokeniser's work on a huge text.
_CHARACTERS_PER_TOKEN = 16


@dataclass(frozen=True, slots=True)
class Token:
    """One of the model's own tokens, by name."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """An image as the model sees it: (height, width, 3) uint8 and its size in image tokens."""

    pixels: NDArray[np.uint8]
    rows: int
    columns: int


Segment = str | Token | Picture

IM_START, IM_END = Token("<|im_start|>"), Token("<|im_end|>")
VISION_START, VISION_END = Token("<|vision_start|>"), Token("<|vision_end|>")
IMAGE_PAD = Token("<|image_pad|>")


@dataclass(frozen=True, slots=True, eq=False)
class TokenSequence:
    """Token ids (n,), their positions in time, height and width (3, n), and the pictures among them."""

    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    pictures: tuple[Picture, ...]

    def __len__(self) -> int:
        return len(self.ids)


class PromptTokenizer:
    """The checkpoint's tokeniser, for prompts. Safe for threads: nothing in it changes after it is made."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "tokenizer.json"

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._file))
        tokenizer.encode_special_tokens = True
        return tokenizer

    def id_of(self, token: str) -> int:
        """Raises ValueError for a token that the checkpoint does not have."""
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise ValueError(f"{self._file} has no token {token}")
        return int(found)

    def cut(self, text: str, limit: int) -> str:
        """The start of the text that is `limit` tokens at most, in whole characters."""
        text = text[: limit * _CHARACTERS_PER_TOKEN]
        offsets = self._tokenizer.encode(text, add_special_tokens=False).offsets
        return text if len(offsets) <= limit else text[: offsets[limit][0]]

    def sequence(self, segments: Iterable[Segment]) -> TokenSequence:
        """The segments' tokens with their positions: text counts on, an image spans its rows and columns."""
        ids: list[int] = []
        positions: list[NDArray[np.int64]] = []
        pictures: list[Picture] = []
        at = 0
        for segment in _joined(segments):
            if isinstance(segment, Picture):
                pictures.append(segment)
                ids += [self.id_of(IMAGE_PAD.name)] * (segment.rows * segment.columns)
                positions.append(_grid(segment) + at)
                at += max(segment.rows, segment.columns)
            else:
                found = self._ids(segment)
                ids += found
                positions.append(np.broadcast_to(np.arange(at, at + len(found)), (3, len(found))))
                at += len(found)
        return TokenSequence(np.array(ids, np.int64), np.concatenate(positions, axis=1), tuple(pictures))

    def length(self, segments: Iterable[Segment]) -> int:
        """The number of tokens, without making the sequence."""
        return sum(
            segment.rows * segment.columns if isinstance(segment, Picture) else len(self._ids(segment))
            for segment in _joined(segments)
        )

    def _ids(self, segment: str | Token) -> list[int]:
        if isinstance(segment, Token):
            return [self.id_of(segment.name)]
        return list(self._tokenizer.encode(segment, add_special_tokens=False).ids)


def _joined(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Neighbouring texts as one."""
    for is_text, group in groupby(segments, key=lambda segment: isinstance(segment, str)):
        neighbours = list(group)
        yield from ["".join(map(str, neighbours))] if is_text else neighbours


def _grid(picture: Picture) -> NDArray[np.int64]:
    rows, columns = np.divmod(np.arange(picture.rows * picture.columns), picture.columns)
    return np.stack([np.zeros_like(rows), rows, columns])


# ---- the prompts of both models


def embedding_prompt(instruction: str, text: str, pictures: Sequence[Picture]) -> list[Segment]:
    """System instruction, then images before text, then the opening of an answer."""
    return [
        *(IM_START, "system\n", punctuated(instruction), IM_END, "\n"),
        *(IM_START, "user\n", *_content(text, pictures), IM_END, "\n"),
        *(IM_START, "assistant\n"),
    ]


JUDGE = (
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided. "
    'Note that the answer can only be "yes" or "no".'
)


def judging_prompt(
    instruction: str, query: tuple[str, Sequence[Picture]], document: tuple[str, Sequence[Picture]]
) -> list[Segment]:
    """What the reranker answers with yes or no."""
    return [
        *(IM_START, "system\n", JUDGE, IM_END, "\n"),
        *(IM_START, "user\n", "<Instruct>: ", instruction, "<Query>:", *_content(*query)),
        *("\n<Document>:", *_content(*document), IM_END, "\n"),
        *(IM_START, "assistant\n"),
    ]


def _content(text: str, pictures: Sequence[Picture]) -> list[Segment]:
    images = [part for picture in pictures for part in (VISION_START, picture, VISION_END)]
    return [*images, text]


def punctuated(instruction: str) -> str:
    """With a full stop at the end where it has no punctuation there, as the model's authors do."""
    instruction = instruction.strip()
    ends = instruction and unicodedata.category(instruction[-1]).startswith("P")
    return instruction if ends else f"{instruction}."
