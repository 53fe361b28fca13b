"""A batch as the network and the loss take it: real clips alone, changed at random on the device.

All that is random is drawn from (seed, epoch, clip): neither ranks nor workers nor where a run was
resumed change it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from shards.batches import Batch
from train import augment, mixup
from train.session import Session


@dataclass(frozen=True, slots=True)
class Inputs:
    """Normalised clips (N, 3, T, H, W) and labels (N,); `valid` (N,) is false for padding.

    With mixup, a clip has `part` (N,) of a clip labelled `others` (N,).
    """

    clips: Tensor
    labels: Tensor
    valid: Tensor
    others: Tensor | None = None
    part: Tensor | None = None


def inputs(session: Session, batch: Batch) -> Inputs:
    """Return what a step takes of a batch; a batch without a real clip stays whole."""
    options, device = session.options, session.world.device
    partner = torch.from_numpy(mixup.partners(batch.valid.numpy())).to(device, non_blocking=True)
    batch = real(batch)
    labels = batch.labels.to(device, non_blocking=True)
    random = batch.random.to(device, non_blocking=True)
    pixels = _changed(session, batch.pixels.to(device, non_blocking=True), random)
    clips = session.normalise(pixels, _flips(session, labels, random))
    others = part = None
    if options.mixup and len(partner):
        others = labels[partner]
        part = mixup.smaller_part(random[:, augment.MIXED], options.mixup)
        clips = mixup.mix(clips, partner, part)
    clips = clips.contiguous(memory_format=session.ways.layout)
    return Inputs(clips, labels, batch.valid.to(device), others, part)


def _changed(session: Session, pixels: Tensor, random: Tensor) -> Tensor:
    options = session.options
    if options.least_area < 1:
        pixels = augment.zoom(pixels, random, options.least_area)
    if options.jitter > 0:
        pixels = augment.colour(pixels, random, options.jitter)
    if options.hue > 0:
        pixels = augment.hue(pixels, random, options.hue)
    return pixels


def _flips(session: Session, labels: Tensor, random: Tensor) -> Tensor | None:
    """Which clips are mirrored: half of those whose label a mirror leaves true."""
    if not session.options.flip:
        return None
    flips = augment.flips(random)
    return flips if session.mirrored is None else flips & session.mirrored[labels]


def loss_of(
    logits: Tensor, given: Inputs, rows: slice, weight: Tensor | None, smoothing: float
) -> Tensor:
    """Return the sum of some clips' losses: cross-entropy, with mixup that of both labels.

    `weight` (classes,) is what each label counts, `smoothing` the part spread over all classes.
    """

    def losses(labels: Tensor, reduction: str) -> Tensor:
        return functional.cross_entropy(
            logits,
            labels[rows],
            weight=weight,
            ignore_index=-1,
            reduction=reduction,
            label_smoothing=smoothing,
        )

    if given.others is None or given.part is None:
        return losses(given.labels, "sum")
    own, other = losses(given.labels, "none"), losses(given.others, "none")
    return torch.lerp(own, other, given.part[rows]).sum()


def real(batch: Batch) -> Batch:
    """Return the batch without padding, which would count in the norms' statistics; none: whole.

    Padding stands at the end of a share that is one clip shorter, and where a clip was damaged.
    """
    valid = batch.valid
    if bool(valid.all()) or not bool(valid.any()):
        return batch
    there = valid.to(batch.pixels.device)
    return Batch(
        batch.pixels[there], batch.labels[there], batch.rows[valid.numpy()], batch.random[there]
    )
