"""Mixup: each clip with a part of another one, and a loss that asks for both labels.

Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018. A clip keeps the larger part
of itself, so that its label stays the one that it is counted by. How large is drawn from (seed,
epoch, clip); the other is its neighbour in the global batch, which the plan has shuffled:

    share of a rank      0 1 | 2 3 | 4      4 stays itself, and so does who lost its neighbour
                         1 0 | 3 2 | 4      to damage

Ranks take stretches of the global batch, so that wherever each has an even number of clips, the
pairs do not depend on the number of ranks; elsewhere the last clip of a share stays itself. Pixels
never travel between ranks. One pass over the batch.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

STEPS = 4096  # of the table of quantiles


def partners(valid: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return which clip each is mixed with, itself where there is none, (clips that are valid,).

    Both are numbers among the valid clips.
    """
    places = np.flatnonzero(valid)
    neighbours = places ^ 1
    there = (neighbours < len(valid)) & valid[np.minimum(neighbours, len(valid) - 1)]
    among = np.cumsum(valid) - 1
    return among[np.where(there, neighbours, places)]


@functools.lru_cache(maxsize=8)
def quantiles(alpha: float, device: torch.device) -> Tensor:
    """Return float32 (STEPS,): quantiles of the smaller part of two that Beta(alpha, alpha) gives.

    With s = x ** alpha the density of x, which has a pole at 0, becomes (1 - x) ** (alpha - 1):
    smooth on 0 .. 1/2.
    """
    s = np.linspace(0, 0.5**alpha, 16 * STEPS)
    density = (1 - s ** (1 / alpha)) ** (alpha - 1)
    summed = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    found = np.interp(np.linspace(0, 1, STEPS), summed / summed[-1], s) ** (1 / alpha)
    return torch.from_numpy(found.clip(0, 0.5).astype(np.float32)).to(device)


def smaller_part(random: Tensor, alpha: float) -> Tensor:
    """Return float32 (N,), 0 to 1/2: what each clip takes of the other; random is in [0, 1)."""
    table = quantiles(alpha, random.device)
    at = random * (STEPS - 1)
    low = at.long()
    return torch.lerp(table[low], table[low + 1], at - low)


def mix(clips: Tensor, partner: Tensor, part: Tensor) -> Tensor:
    """Return clips (N, ...) of which each has `part` (N,) of the clip at `partner` (N,)."""
    return torch.lerp(clips, clips[partner], part.view(-1, *[1] * (clips.ndim - 1)))
