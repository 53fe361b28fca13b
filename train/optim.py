"""Optimizers and learning-rate schedules by name: small functions in two tables.

`plateau` looks at a loss once an epoch (torch's ReduceLROnPlateau); the others are pure functions
of how far the run is, so they need no state to resume.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.optim import Optimizer

MOMENTUM = 0.9


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Decay the weights, not the biases and norms (one number a channel has nothing to decay)."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


OPTIMIZERS: dict[str, Callable[[nn.Module, float, float], Optimizer]] = {
    # The seed's Adam: L2 on every parameter, as torch.optim.Adam does by default.
    "adam": lambda net, lr, decay: torch.optim.Adam(net.parameters(), lr, weight_decay=decay),
    "adamw": lambda net, lr, decay: torch.optim.AdamW(_groups(net, decay), lr),
    "sgd": lambda net, lr, decay: torch.optim.SGD(
        _groups(net, decay), lr, momentum=MOMENTUM, nesterov=True
    ),
}

SCHEDULES: dict[str, Callable[[float], float]] = {
    "plateau": lambda progress: 1.0,
    "constant": lambda progress: 1.0,
    "cosine": lambda progress: 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))),
}


def factor_at(schedule: str, step: int, total: int, warmup: int) -> float:
    """Return what the base rate is multiplied with at a step of `total`, after a linear warm-up.

    warmup 4:  1/5 2/5 3/5 4/5 | the schedule over the remaining steps
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return SCHEDULES[schedule]((step - warmup) / max(total - warmup, 1))


def scale_rates(optimizer: Optimizer, bases: Iterable[float], factor: float) -> None:
    """Set each group's rate to its base times `factor`."""
    for group, base in zip(optimizer.param_groups, bases, strict=True):
        group["lr"] = base * factor
