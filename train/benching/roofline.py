"""What a device could do at most: its measured matrix rate and memory, a network's operations.

The bound of a step is the sum over its convolutions of the longer of two times: operations at the
matrix rate, and bytes (inputs, weights and outputs, once each) at the rate of a copy. Norms, ReLUs
and the optimizer come on top in truth, so 1 is out of reach; the part reached says what is left.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from model.layers import Network
from train.benching.turns import synchronise
from train.speed.precision import KINDS, autocast

_SIDES = {"cuda": 8192, "cpu": 1024}
_COPIED = {"cuda": 1 << 30, "cpu": 1 << 27}  # bytes: more than caches hold
_TIMES = 5


@dataclass(frozen=True, slots=True)
class Layer:
    """One convolution's work in a step, forward and backward: operations and bytes."""

    operations: float
    bytes: float


def layers(network: Network, clips: Tensor, kind: str) -> list[Layer]:
    """Return the work of each convolution for a batch (N, 3, T, H, W) in numbers of a kind.

    Multiplications and additions count as two. Backward is the same twice more, once for the
    weights and once for the inputs, which the first layer does not need.
    """
    found: list[Layer] = []
    each = KINDS[kind].itemsize

    def look(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(layer, nn.Conv3d)
        taps = layer.weight[0].numel()
        passes = 3 if inputs[0].requires_grad else 2
        moved = inputs[0].numel() + layer.weight.numel() + output.numel()
        found.append(Layer(2.0 * taps * output.numel() * passes, float(moved * each * passes)))

    hooks = [
        one.register_forward_hook(look) for one in network.modules() if isinstance(one, nn.Conv3d)
    ]
    try:
        with autocast(kind, clips.device):
            network(clips)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def matrix_rate(kind: str, device: torch.device) -> float:
    """Return the operations a second of a large matrix product in numbers of a kind."""
    side = _SIDES[device.type]
    one, two = (torch.randn(side, side, device=device).to(KINDS[kind]) for _ in range(2))
    return 2 * side**3 / _best(lambda: one @ two, device)


def copy_rate(device: torch.device) -> float:
    """Return the bytes a second that a large copy reads and writes."""
    source = torch.zeros(_COPIED[device.type], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * source.numel() / _best(lambda: target.copy_(source), device)


def _best(work: Callable[[], Any], device: torch.device) -> float:
    seconds = math.inf
    for _ in range(_TIMES):
        synchronise(device)
        started = time.perf_counter()
        work()
        synchronise(device)
        seconds = min(seconds, time.perf_counter() - started)
    return seconds


def roofline(
    work: list[Layer], clips: int, clips_per_s: float, rate: float, copied: float
) -> dict[str, float]:
    """Return what a step of `clips` clips needs, what could be reached, and what part of it is.

    `rate` is in operations a second, `copied` in bytes a second.
    """
    operations, moved = sum(one.operations for one in work), sum(one.bytes for one in work)
    bound = sum(max(one.operations / rate, one.bytes / copied) for one in work)
    starved = sum(one.operations for one in work if one.operations / rate < one.bytes / copied)
    reached = operations / clips * clips_per_s
    return {
        "gflop_a_clip": round(operations / clips / 1e9, 2),
        "flop_a_byte": round(operations / moved, 1),
        "ridge_flop_a_byte": round(rate / copied, 1),
        "memory_bound_part": round(starved / operations, 3),
        "gflop_per_s": round(reached / 1e9, 1),
        "matrix_gflop_per_s": round(rate / 1e9, 1),
        "copy_gb_per_s": round(copied / 1e9, 1),
        "of_matrix_rate": round(reached / rate, 3),
        "possible_clips_per_s": round(clips / bound, 2),
        "of_possible": round(clips_per_s * bound / clips, 3),
    }
