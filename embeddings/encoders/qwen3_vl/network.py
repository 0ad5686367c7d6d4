"""The network itself, as transformers has it, over batches of token sequences."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from embeddings.encoders.loading import check_complete
from embeddings.encoders.precision import LoadPlan
from embeddings.encoders.qwen3_vl.images import Geometry
from embeddings.encoders.qwen3_vl.prompt import Picture, TokenSequence
from embeddings.encoders.torch_models import inference
from embeddings.encoders.weights import ModelFiles

if TYPE_CHECKING:
    from torch import Tensor

# A query waits for one micro-batch: 8,192 tokens of the 2B model are 24 TFLOP, about a second on an 8 GB GPU.
TOKENS_A_BATCH = {"cuda": 8192, "cpu": 512}


class Network:
    """Hidden states of token sequences; with `answers` (ids of two tokens), also which of them comes next."""

    def __init__(self, files: ModelFiles, plan: LoadPlan, *, answers: tuple[int, int] | None = None) -> None:
        import torch
        from transformers import Qwen3VLForConditionalGeneration, Qwen3VLModel

        kind: Any = Qwen3VLForConditionalGeneration if answers else Qwen3VLModel
        loaded, report = kind.from_pretrained(files.path, output_loading_info=True, **plan.arguments)
        check_complete(str(files.path), report)
        self._model = (loaded.model if answers else loaded).eval()
        # Of the head for words, two rows are enough; the rest is freed with `loaded`.
        self._margin = _difference(loaded.lm_head.weight, *answers) if answers else torch.empty(0)
        self._geometry = Geometry.of(files)

    @property
    def dimensions(self) -> int:
        return int(self._model.config.text_config.hidden_size)

    @inference
    def pooled(self, sequences: Sequence[TokenSequence], pooling: str) -> "Tensor":
        """(n, dimensions) float32: the mean over a sequence's tokens, or its last token's state."""
        states, lengths = self._states(sequences)
        if pooling == "last":
            return self._last(states, lengths)
        import torch

        inside = torch.arange(states.shape[1], device=states.device) < lengths[:, None]
        # In 32 bit: a sum over thousands of tokens leaves the range of 16.
        # Left out and not multiplied by 0: padding that overflows to NaN is no fault of the item.
        return states.float().masked_fill(~inside[..., None], 0).sum(1) / lengths[:, None]

    @inference
    def margins(self, sequences: Sequence[TokenSequence]) -> "Tensor":
        """(n,) float32: by how much the first answer is likelier than the second, as a difference of logits."""
        return self._last(*self._states(sequences)) @ self._margin

    def _last(self, states: "Tensor", lengths: "Tensor") -> "Tensor":
        import torch

        return states[torch.arange(len(lengths), device=states.device), lengths - 1].float()

    def _states(self, sequences: Sequence[TokenSequence]) -> tuple["Tensor", "Tensor"]:
        """(n, longest, dimensions) and the lengths (n,).

        Padded on the right, where no token of a causal model looks: so no mask is needed, which leaves attention its
        fastest kernel.
        """
        import torch

        device, longest = self._model.device, max(len(sequence) for sequence in sequences)
        ids = np.zeros((len(sequences), longest), np.int64)
        positions = np.zeros((3, len(sequences), longest), np.int64)
        for row, sequence in enumerate(sequences):
            ids[row, : len(sequence)] = sequence.ids
            positions[:, row, : len(sequence)] = sequence.positions
        pictures = [picture for sequence in sequences for picture in sequence.pictures]
        states = self._model(
            input_ids=torch.from_numpy(ids).to(device),
            position_ids=torch.from_numpy(positions).to(device),
            use_cache=False,
            **(self._vision(pictures) if pictures else {}),
        ).last_hidden_state
        return states, torch.tensor([len(sequence) for sequence in sequences], device=device)

    def _vision(self, pictures: Sequence[Picture]) -> dict[str, "Tensor"]:
        import torch

        patches = torch.cat([self._patches(picture) for picture in pictures])
        merge = self._geometry.merge
        grids = [(1, picture.rows * merge, picture.columns * merge) for picture in pictures]
        return {"pixel_values": patches, "image_grid_thw": torch.tensor(grids, device=patches.device)}

    def _patches(self, picture: Picture) -> "Tensor":
        """(patches, 3 * frames * patch * patch) in the order of the vision tower: token by token, patches within.

        Here and not in preprocessing, because an image is sixteen times as large in this form.
        """
        import torch

        form = self._geometry
        pixels = torch.from_numpy(picture.pixels).to(self._model.device).permute(2, 0, 1).float() / 255
        mean, deviation = (
            torch.tensor(row, device=pixels.device)[:, None, None] for row in (form.mean, form.deviation)
        )
        blocks = ((pixels - mean) / deviation).reshape(
            3, picture.rows, form.merge, form.patch, picture.columns, form.merge, form.patch
        )
        ordered = blocks.permute(1, 4, 2, 5, 0, 3, 6)  # row, column, row and column within, channel, y, x
        still = ordered.unsqueeze(5).expand(*ordered.shape[:5], form.frames, *ordered.shape[5:])
        return still.reshape(-1, 3 * form.frames * form.patch**2)


@inference
def _difference(head: "Tensor", first: int, second: int) -> "Tensor":
    return head[first].float() - head[second].float()
