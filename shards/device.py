"""Batches on their way to a GPU: the next one is copied while this one is computed with.

Costs one more batch of the GPU's memory. On the CPU batches pass as they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cache
from typing import TypeVar

import torch

from shards.batches import Batch

T = TypeVar("T")


def on_device(
    batches: Iterator[tuple[Batch, T]], device: torch.device | None
) -> Iterator[tuple[Batch, T]]:
    """Yield the batches with pixels, labels and random numbers on a device."""
    if device is None or device.type != "cuda":
        yield from batches
        return
    copies = _copies(device)
    coming = _copied(batches, device, copies)
    while coming is not None:
        (batch, more), arrived = coming
        # Asked for before this one is handed out: its copy runs beside the computation.
        coming = _copied(batches, device, copies)
        here = torch.cuda.current_stream(device)
        here.wait_event(arrived)
        for tensor in (batch.pixels, batch.labels, batch.random):
            tensor.record_stream(here)
        yield batch, more
        del batch


@cache
def _copies(device: torch.device) -> torch.cuda.Stream:
    """The one stream that copies: torch keeps the memory of each stream for that stream alone."""
    return torch.cuda.Stream(device)


def _copied(
    batches: Iterator[tuple[Batch, T]], device: torch.device, copies: torch.cuda.Stream
) -> tuple[tuple[Batch, T], torch.cuda.Event] | None:
    """Begin to copy the next batch; None at the end."""
    with torch.cuda.stream(copies):
        # In here too, for the slots are pinned by the device that is the current one.
        found = next(batches, None)
        if found is None:
            return None
        batch, more = found
        there = dataclasses.replace(
            batch,
            pixels=batch.pixels.to(device, non_blocking=True),
            labels=batch.labels.to(device, non_blocking=True),
            random=batch.random.to(device, non_blocking=True),
        )
        arrived = torch.cuda.Event()
        arrived.record(copies)
        # Let go of here, where the slot learns after which copy it is free (shards/slots.py).
        del found, batch
    return (there, more), arrived
