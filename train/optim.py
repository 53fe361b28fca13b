"""Optimizers and learning-rate schedules by name: small functions in two tables.

`plateau` looks at a loss once an epoch (torch's ReduceLROnPlateau); the others are pure functions
of how far the run is, so they need no state to resume.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from model.layers import Network
from train.options import Options

EXACT = 1e-9  # an epoch's fraction that is rounding


def optimizer(
    network: Network, options: Options, new_head: bool = False, fused: bool = False
) -> Optimizer:
    """Return the optimizer of a run, each group with the rate that schedules start from.

    A new head on imported weights learns `head_lr` times as fast as the rest. `fused` moves all
    weights in one kernel.
    """
    head = set(network.head.parameters()) if new_head else set[nn.Parameter]()
    rest = [p for p in network.parameters() if p.requires_grad and p not in head]
    parts = [(rest, options.rate), ([*head], options.rate * options.head_lr)]
    groups = [
        {**group, "lr": rate, "base_lr": rate, "fused": fused or None}
        for parameters, rate in parts
        for group in _decayed(parameters, options)
        if group["params"]
    ]
    return OPTIMIZERS[options.optimizer](groups, options)


def _decayed(parameters: list[nn.Parameter], options: Options) -> list[dict[str, Any]]:
    """Decay the weights, not the biases and norms (one number a channel has nothing to decay).

    Adam decays all, as torch.optim.Adam does by default and the seed did.
    """
    if options.optimizer == "adam":
        return [{"params": parameters, "weight_decay": options.weight_decay}]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": options.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


OPTIMIZERS: dict[str, Callable[[list[dict[str, Any]], Options], Optimizer]] = {
    "adam": lambda groups, options: torch.optim.Adam(groups),
    "adamw": lambda groups, options: torch.optim.AdamW(groups),
    "sgd": lambda groups, options: torch.optim.SGD(
        groups, momentum=options.momentum, nesterov=options.momentum > 0
    ),
}


def _cosine(progress: float, options: Options) -> float:
    return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def _steps(progress: float, options: Options) -> float:
    """A factor less after each milestone; they count epochs of the whole run."""
    epoch = options.warmup_epochs + progress * (options.epochs - options.warmup_epochs)
    return options.factor ** sum(epoch >= mark - EXACT for mark in options.milestones)


SCHEDULES: dict[str, Callable[[float, Options], float]] = {
    "plateau": lambda progress, options: 1.0,
    "constant": lambda progress, options: 1.0,
    "cosine": _cosine,
    "steps": _steps,
}


def factor_at(options: Options, step: int, steps_an_epoch: int) -> float:
    """Return what the base rate is multiplied with at a step of the run, after a linear warm-up.

    warmup 4:  1/5 2/5 3/5 4/5 | the schedule over the remaining steps
    """
    total, warmup = options.epochs * steps_an_epoch, round(options.warmup_epochs * steps_an_epoch)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return SCHEDULES[options.schedule]((step - warmup) / max(total - warmup, 1), options)


def unreached(options: Options) -> list[str]:
    """Return what a schedule was asked for and will not come to in the run's epochs, in words."""
    found, epochs = list[str](), options.epochs
    if options.warmup_epochs >= epochs:
        found.append(
            f"the rate rises for {options.warmup_epochs:g} epochs and the run has {epochs}, so it "
            "never reaches --lr. Give a smaller --warmup-epochs."
        )
    late = [mark for mark in options.milestones if mark >= epochs]
    if late:
        found.append(
            f"--milestones {','.join(f'{mark:g}' for mark in late)} lie after the run's {epochs} "
            "epochs, so the rate does not fall there. Give such as the run comes to."
        )
    return found


def scale_rates(optimizer: Optimizer, bases: Iterable[float], factor: float) -> None:
    """Set each group's rate to its base times `factor`."""
    for group, base in zip(optimizer.param_groups, bases, strict=True):
        group["lr"] = base * factor
