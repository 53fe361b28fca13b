"""The running statistics of batch norm: made equal over ranks, and measured anew where asked for.

DDP leaves each rank the statistics of its own clips. They are averaged after every step, at one
collective, so that a checkpoint of rank 0 holds them whole at any moment. `--precise-norms N`
replaces them before each evaluation by the means over N clips of train with the weights as they are
then (Wu and Johnson, "Rethinking 'Batch' in BatchNorm", 2021), at the cost of N forward passes:
running ones trail behind weights that move fast, most in short runs and for averaged weights.
"""

from __future__ import annotations

import itertools

import torch
from torch.nn.modules.batchnorm import _BatchNorm as AnyNorm  # what all sizes of it share

from model.layers import Network
from model.world import World
from train.inputs import real
from train.session import Session


def average_over_ranks(network: Network, world: World) -> None:
    """Make the running statistics of all ranks their mean; a collective call."""
    buffers = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
    if world.size == 1 or not buffers:
        return
    whole = torch.cat([buffer.reshape(-1) for buffer in buffers])
    mean = world.total({"": whole})[""] / world.size
    parts = mean.split([buffer.numel() for buffer in buffers])
    for buffer, part in zip(buffers, parts, strict=True):
        buffer.copy_(part.view_as(buffer))


@torch.no_grad()
def measure(session: Session) -> None:
    """Measure the statistics of the kept network anew, where the run asks for it.

    On the same clips each time, without random changes of their pixels; training does not look at
    running statistics, so its steps are the same with and without.
    """
    stream, clips = session.measuring, session.options.precise_norms
    if stream is None:
        return
    network = session.kept.eval()
    norms = [layer for layer in network.modules() if isinstance(layer, AnyNorm)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean of the batches
        norm.train()
    beginning = stream.state_dict()
    batches = min(len(stream), -(-clips // session.options.batch))
    with session.computing():
        for batch in itertools.islice(stream, batches):
            if bool(batch.valid.any()):
                pixels = real(batch).pixels.to(session.world.device)
                network(session.normalise(pixels).contiguous(memory_format=session.ways.layout))
    stream.load_state_dict(beginning)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
        norm.eval()
    average_over_ranks(network, session.world)
