"""Which window of a stored clip is taken, and the numbers a device draws for it: one law for all.

Drawn from (seed, epoch, clip) alone, some 20 microseconds for a batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manifests.spec import ClipSpec, Window
from shards import draws

RANDOM = 10  # numbers that are drawn for each clip, for augmentation on the device
_AXES = 3  # time, height and width: the numbers drawn first


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of clips stored by `spec`: drawn by `seed` with `train`, otherwise the middle one."""

    spec: ClipSpec
    window: Window
    seed: int
    train: bool

    def draw(
        self, keys: NDArray[np.uint64], epoch: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return first frame, top and left (N, 3) for clips by key (N,), and random (N, RANDOM)."""
        places = np.array(self.spec.shape[:_AXES]) - np.array(self.window) + 1
        drawn = draws.doubles(keys, self.seed, epoch, 0, _AXES + RANDOM)
        random = draws.as_floats(drawn[:, _AXES:])
        if not self.train:
            return np.broadcast_to(places // 2, (len(keys), _AXES)), random
        return (drawn[:, :_AXES] * places).astype(np.int64), random

    def cut(self, clip: NDArray[np.uint8], corner: list[int]) -> NDArray[np.uint8]:
        """Return the window of a clip (T, H, W, C) that begins at a corner: a view."""
        first, top, left = corner
        frames, height, width = self.window
        return clip[first : first + frames, top : top + height, left : left + width]
