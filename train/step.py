"""One optimizer step on one global batch: augment, forward, backward, update.

Costs what the network costs; on several ranks one more collective for the norms' statistics.
"""

from __future__ import annotations

import inspect
import warnings
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from model.layers import Network
from model.world import World
from shards.batches import Batch
from train import average
from train.inputs import Inputs, inputs, loss_of
from train.norms import average_over_ranks
from train.optim import factor_at, scale_rates
from train.session import Session
from train.speed.micro import learn


def replicate(
    network: Network, world: World, compiled: bool = False, static: bool = False
) -> nn.Module:
    """Return the network as it is trained: under DDP where there are other ranks, or compiled.

    `static` says that every backward pass exchanges gradients, as none does with parts of a step.
    """
    if compiled:
        return torch.compile(replicate(network, world))  # type: ignore[return-value]
    if world.size == 1:
        return network
    devices = [world.device.index] if world.device.type == "cuda" else None
    # Weights of 1x1x1 have more than one name for their layout; nothing is slower for it.
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    # The norms' statistics are averaged after each step; by itself DDP would keep rank 0's alone.
    # torch 2.13 has another name for the option, and warns of the one of before.
    known = inspect.signature(DistributedDataParallel.__init__).parameters
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    no_sync: dict[str, Any] = {name: False}
    return DistributedDataParallel(
        network,
        device_ids=devices,
        gradient_as_bucket_view=True,
        static_graph=static,
        **no_sync,
    )


def step(session: Session, replica: nn.Module, batch: Batch) -> Tensor:
    """One optimizer step on one global batch; returns this rank's share of its mean loss."""
    options = session.options
    number = session.train.progress - 1
    _set_rate(session, number)
    # Dropout depends on (seed, step, rank) alone, so resuming needs no generator state.
    torch.manual_seed((options.seed * 1_000_003 + number) * 1_009 + session.world.rank)
    # A rank whose clips are all damaged takes part with no loss, and leaves the norms as they are.
    replica.train(bool(batch.valid.any()))
    given = inputs(session, batch)
    session.optimizer.zero_grad(set_to_none=True)
    loss, logits = learn(
        replica,
        given.clips,
        partial(_loss, session, given),
        session.computing,
        session.scaler,
        options.accumulate,
    )
    session.scaler.step(session.optimizer)
    session.scaler.update()
    average_over_ranks(session.network, session.world)
    if session.average is not None:
        average.update(session.average, session.network, options.ema, number)
    session.metrics.update(logits, given.labels, given.valid)
    return loss


def _loss(session: Session, given: Inputs, logits: Tensor, rows: slice) -> Tensor:
    """Some clips' share of the global batch's mean loss."""
    smoothing = session.options.label_smoothing
    losses = loss_of(logits, given, rows, session.class_weights, smoothing)
    # DDP averages gradients over ranks: scaled so that their mean is the global batch's mean.
    return losses * (session.world.size / session.options.batch)


def _set_rate(session: Session, step: int) -> None:
    options, steps = session.options, session.train.steps_an_epoch
    warmup = round(options.warmup_epochs * steps)
    groups = session.optimizer.param_groups
    # Plateau keeps its own rate once the warm-up is over: the step after it sets the full one.
    if options.schedule != "plateau" or (warmup and step <= warmup):
        factor = factor_at(options, step, steps)
        scale_rates(session.optimizer, [group["base_lr"] for group in groups], factor)
