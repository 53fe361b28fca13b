"""A moving average of the weights, which is what is evaluated and kept where it is asked for.

After Polyak and Juditsky (1992), with the warm-up of TensorFlow's ExponentialMovingAverage: early
on the decay is (1 + step) / (10 + step), so that the random start is soon forgotten. Costs one pass
over the weights a step, and their memory once more.
"""

from __future__ import annotations

import copy

import torch

from model.layers import Network


def begun(network: Network) -> Network:
    """Return the copy that becomes the average; it is never trained."""
    return copy.deepcopy(network).eval().requires_grad_(False)


@torch.no_grad()
def update(average: Network, network: Network, decay: float, step: int) -> None:
    """Move the average towards the network after `step` earlier steps (from 0).

    Weights and the norms' statistics alike; whole numbers, such as their counts, are copied.
    """
    decay = min(decay, (1 + step) / (10 + step))
    mine, theirs = average.state_dict(), network.state_dict()
    for name, value in mine.items():
        if value.is_floating_point():
            value.lerp_(theirs[name], 1 - decay)
        else:
            value.copy_(theirs[name])
