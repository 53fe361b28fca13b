"""Bring a network into the form that is computed with; its state dict stays the plain one."""

from __future__ import annotations

from torch.optim import Optimizer

from model.layers import Network
from model.padding import pad, pad_optimizer
from train.optim import optimizer as make_optimizer
from train.options import Options
from train.speed.recompute import recompute
from train.speed.ways import Ways


def build(network: Network, ways: Ways, options: Options, new_head: bool = False) -> Optimizer:
    """Change a network in place, on its device, and return the optimizer of what it then is.

    `new_head`: its head was drawn and stands on imported weights.
    """
    if ways.padded:
        pad(network)
    network.to(memory_format=ways.layout)  # type: ignore[call-overload]
    if options.recompute:
        recompute(network)
    optimizer = make_optimizer(network, options, new_head, ways.fused)
    pad_optimizer(optimizer, network)
    return optimizer
