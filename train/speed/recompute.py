"""Activations are not kept but computed again in the backward pass: less memory, a third more time.

Each residual block, or each stretch of C3D up to a pooling, keeps only what goes into it. Names of
weights stay as they are. Running statistics of batch norm are those of one forward pass: the second
one, over the same clips, leaves them alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from model.c3d import C3D
from model.layers import Network
from model.r2plus1d import Block
from model.videoresnet import VideoBlock

POOLS = (nn.MaxPool3d, nn.AdaptiveMaxPool3d)


def recompute(network: Network) -> None:
    """Have a network compute again, from now on, what it would have kept for its backward pass."""
    if isinstance(network, C3D):
        _replace(network.feature, partial(_in_turn, stretches(network.feature)))
        return
    for block in network.modules():
        if isinstance(block, Block | VideoBlock):
            _replace(block, partial(_again, block, partial(type(block).forward, block)))


def stretches(layers: nn.Sequential) -> list[nn.Sequential]:
    """Return the layers in stretches that end with a pooling."""
    found, stretch = list[nn.Sequential](), list[nn.Module]()
    for layer in layers:
        stretch.append(layer)
        if isinstance(layer, POOLS):
            found.append(nn.Sequential(*stretch))
            stretch = []
    return [*found, nn.Sequential(*stretch)] if stretch else found


def _replace(module: nn.Module, forward: Callable[[Tensor], Tensor]) -> None:
    module.forward = forward


def _in_turn(parts: list[nn.Sequential], planes: Tensor) -> Tensor:
    for part in parts:
        planes = _again(part, part, planes)
    return planes


def _again(part: nn.Module, forward: Callable[[Tensor], Tensor], planes: Tensor) -> Tensor:
    """Run a part, keeping what goes into it alone where gradients are wanted."""
    if not torch.is_grad_enabled():
        return forward(planes)
    contexts = partial(_contexts, part)
    return checkpoint(forward, planes, use_reentrant=False, context_fn=contexts)


def _contexts(
    part: nn.Module,
) -> tuple[contextlib.AbstractContextManager[None], contextlib.AbstractContextManager[None]]:
    """What surrounds the first forward of a part, and the second."""
    return contextlib.nullcontext(), _untouched(part)


@contextlib.contextmanager
def _untouched(part: nn.Module) -> Iterator[None]:
    """Leave the norms' running statistics and counts alone: at momentum 0 nothing is added.

    Not by `track_running_stats`: without statistics, other tensors would be kept than before.
    """
    norms = [one for one in part.modules() if isinstance(one, _BatchNorm) and one.training]
    before = [(one, one.momentum, one.num_batches_tracked) for one in norms]
    try:
        for norm in norms:
            norm.momentum, norm.num_batches_tracked = 0.0, None
        yield
    finally:
        for norm, momentum, count in before:
            norm.momentum, norm.num_batches_tracked = momentum, count
