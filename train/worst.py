"""The worst errors of an evaluation: the clips that a network got wrong with the most confidence.

They are kept on the device while batches stream by, without waiting for it: a sort of a few
numbers and a copy of a batch's thinned frames each time, and 2.4 MB for 8 clips at 112x112. At
the end one collective moves the numbers of all ranks and one the chosen frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.world import World

CLIPS = 8
FRAMES = 8


@dataclass(frozen=True, slots=True)
class Wrong:
    """A clip taken for another class: its frames uint8 (T, H, W, 3) and how sure the network was.

    `truth` and `predicted` are label_ids; `confidence` is the probability from 0 to 1.
    """

    clip_id: str
    frames: NDArray[np.uint8]
    truth: int
    predicted: int
    confidence: float


class Worst:
    """Keeps the `CLIPS` worst errors of one rank."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        # Of each: confidence (-1: no error), row, truth, prediction.
        self._numbers = torch.full((CLIPS, 4), -1.0, dtype=torch.float64, device=device)
        self._frames: Tensor | None = None

    @torch.no_grad()
    def update(
        self, pixels: Tensor, logits: Tensor, labels: Tensor, rows: NDArray[np.int64]
    ) -> None:
        """Look at a batch: pixels uint8 (N, T, H, W, 3), logits (N, classes), labels (N,) int.

        `rows` are the samples' places in `Stream.clip_ids`, -1 for padding.
        """
        thin = pixels[:, _spread(pixels.shape[1])]
        if self._frames is None:
            self._frames = thin.new_zeros((CLIPS, *thin.shape[1:]))
        confidence, predicted = logits.double().softmax(1).max(1)
        places = torch.from_numpy(rows).to(self._device)
        wrong = (predicted != labels) & (labels >= 0) & (places >= 0)
        confidence = torch.where(wrong, confidence, -1.0)
        mine = torch.stack([confidence, places.double(), labels.double(), predicted.double()], 1)
        numbers = torch.cat([self._numbers, mine])
        kept = numbers[:, 0].topk(CLIPS).indices
        self._numbers = numbers[kept]
        self._frames = torch.cat([self._frames, thin])[kept]

    def result(self, world: World, clip_ids: Sequence[str]) -> list[Wrong]:
        """Return the worst of all ranks, the most confident first; a collective call."""
        every = torch.cat(world.gather(self._numbers)).cpu()
        best = every[:, 0].topk(CLIPS).indices.tolist()
        shape = self._shape(world)
        if shape is None:
            return []
        frames = torch.zeros((CLIPS, *shape), dtype=torch.uint8, device=self._device)
        for place, number in enumerate(best):
            if number // CLIPS == world.rank and self._frames is not None:
                frames[place] = self._frames[number % CLIPS]
        whole = world.total({"": frames})[""].cpu().numpy()  # of one rank each, so it adds up
        found = []
        for place, number in enumerate(best):
            confidence, row, truth, predicted = every[number].tolist()
            if confidence >= 0:
                name = clip_ids[int(row)]
                found.append(Wrong(name, whole[place], int(truth), int(predicted), confidence))
        return found

    def _shape(self, world: World) -> tuple[int, ...] | None:
        """The frames' shape, also on a rank that had no batch; None where none had."""
        mine = [0] * 4 if self._frames is None else list(self._frames.shape[1:])
        shape = tuple(world.most(number) for number in mine)
        return shape if all(shape) else None


def _spread(frames: int) -> list[int]:
    """Places of at most `FRAMES` frames, evenly spread: 16 -> 0, 2, 4, ... 15."""
    return np.linspace(0, frames - 1, min(FRAMES, frames)).round().astype(int).tolist()
