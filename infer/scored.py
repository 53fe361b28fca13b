"""The clips of a scored split, each once, and the mean over their stored views.

A clip's stored views are samples next to each other; their probabilities are averaged in float32:
0.15 GB for 60,000 clips of 600 classes, and only where a clip has several.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.metrics import Metrics
from shards.plan import PAD
from shards.samples import Samples

COUNTED = 4096  # clips at a time


@dataclass(frozen=True, slots=True)
class Scored:
    """Clips in the order of clip_id: their labels (-1: none) and how many views each has.

    `clip_of` is each sample's clip.
    """

    clip_ids: list[str]
    labels: NDArray[np.int64]
    views: NDArray[np.int64]
    clip_of: NDArray[np.int64]

    @classmethod
    def of(cls, samples: Samples) -> Self:
        """Put the samples of one clip together."""
        names = np.array(samples.clip_ids)
        first = np.ones(len(names), bool)
        first[1:] = names[1:] != names[:-1]
        clip_of = np.cumsum(first) - 1
        return cls(names[first].tolist(), samples.labels[first], np.bincount(clip_of), clip_of)

    @property
    def several(self) -> bool:
        """Whether any clip has more than one view."""
        return len(self.clip_of) > len(self.clip_ids)


class Mean:
    """Adds up the probabilities of samples that come in any order."""

    def __init__(self, scored: Scored, classes: int) -> None:
        self._scored = scored
        self._sum = torch.zeros((len(scored.clip_ids), classes))

    def add(self, places: NDArray[np.int64], scores: Tensor) -> int:
        """Take logits (N, classes) of the samples at `places`; return how many are no padding."""
        real = places != PAD
        clips = torch.from_numpy(self._scored.clip_of[places[real]])
        self._sum.index_add_(0, clips, scores.cpu()[torch.from_numpy(real)].softmax(1))
        return int(real.sum())

    def logits(self, metrics: Metrics) -> NDArray[np.float16]:
        """Return float16 (clips, classes), the logarithms of the means, and count them."""
        mean = self._sum / torch.from_numpy(self._scored.views).unsqueeze(1)
        found = mean.clamp_min(torch.finfo(torch.float16).tiny).log()
        device = metrics.state()["loss"].device
        for start in range(0, len(found), COUNTED):
            labels = torch.from_numpy(self._scored.labels[start : start + COUNTED])
            metrics.update(found[start : start + COUNTED].to(device), labels.to(device))
        return found.numpy().astype(np.float16)
