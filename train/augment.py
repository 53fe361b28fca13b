"""Random changes of whole clips on the device: mirror, zoom, colour, the same on every frame.

Each clip's numbers come with its batch, drawn from (seed, epoch, clip), so that what happens to it
depends neither on ranks nor on workers nor on where a run was resumed. Zooming resamples every
frame once (bilinear); colour is one pass in float. Both work on uint8 and give uint8 back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as functional
from torch import Tensor

from manifests.errors import unknown

# Columns of Batch.random.
FLIP, AREA, ASPECT, TOP, LEFT, BRIGHTNESS, CONTRAST, SATURATION, HUE, MIXED = range(10)
ASPECTS = (3 / 4, 4 / 3)
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma
# Luma and two colour differences, as NTSC has them: hue is the direction of the differences.
_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


def zoom(clips: Tensor, random: Tensor, least_area: float) -> Tensor:
    """Cut a part of each clip's frames and enlarge it to the full frame again.

    uint8 (N, T, H, W, C) in and out. The part has `least_area` to 1 of the area and an aspect
    between 3:4 and 4:3 of the frame's (nearer to it where a large part would not fit), as in the
    Inception papers' RandomResizedCrop.
    """
    count, frames, height, width, channels = clips.shape
    area = least_area + (1 - least_area) * random[:, AREA]
    low, high = torch.tensor(ASPECTS).log()
    aspect = (low + (high - low) * random[:, ASPECT]).exp()
    # Where that aspect does not fit, the nearest that does: across * down is always the area.
    across = (area * aspect).sqrt().clamp(max=1).maximum(area)
    down = area / across
    # affine_grid's frame is [-1, 1]: a part of half-width `across` has its middle in +-(1-across).
    middle_x = (2 * random[:, LEFT] - 1) * (1 - across)
    middle_y = (2 * random[:, TOP] - 1) * (1 - down)
    none = torch.zeros_like(across)
    rows = [torch.stack([across, none, middle_x], 1), torch.stack([none, down, middle_y], 1)]
    theta = torch.stack(rows, 1)
    grid = functional.affine_grid(theta, [count, 1, height, width], align_corners=False)
    planes = clips.permute(0, 1, 4, 2, 3).reshape(count, frames * channels, height, width).float()
    sampled = functional.grid_sample(planes, grid, padding_mode="border", align_corners=False)
    back = sampled.view(count, frames, channels, height, width).permute(0, 1, 3, 4, 2)
    return back.round_().to(torch.uint8)


def colour(clips: Tensor, random: Tensor, strength: float) -> Tensor:
    """Change brightness, contrast and saturation of each clip by up to `strength`.

    uint8 (N, T, H, W, C) in and out; factors are uniform in 1 - strength .. 1 + strength.
    """
    factors = 1 + strength * (2 * random[:, [BRIGHTNESS, CONTRAST, SATURATION]] - 1)
    brightness, contrast, saturation = factors.view(-1, 3, 1, 1, 1, 1).unbind(1)
    values = clips.float() * brightness
    weights = torch.tensor(_GREY, device=clips.device)
    grey = (values * weights).sum(-1, keepdim=True)
    values = grey + (values - grey) * saturation
    mean = grey.mean((1, 2, 3, 4), keepdim=True)
    values = mean + (values - mean) * contrast
    return values.round_().clamp_(0, 255).to(torch.uint8)


def hue(clips: Tensor, random: Tensor, most: float) -> Tensor:
    """Turn the hue of each clip by up to `most` of the circle (1/2: to the opposite colour).

    uint8 (N, T, H, W, C) in and out. Luma stays, and so does what is grey.
    """
    angle = 2 * math.pi * most * (2 * random[:, HUE] - 1)
    one, none = torch.ones_like(angle), torch.zeros_like(angle)
    cos, sin = angle.cos(), angle.sin()
    rows = [one, none, none, none, cos, -sin, none, sin, cos]
    turn = torch.stack(rows, 1).view(-1, 3, 3)
    basis = torch.tensor(_YIQ, device=clips.device)
    matrix = torch.linalg.inv(basis) @ turn @ basis
    values = clips.float().flatten(1, 3) @ matrix.transpose(1, 2)
    return values.round_().clamp_(0, 255).to(torch.uint8).view_as(clips)


def mirrored(labels: Sequence[str], kept: Sequence[str]) -> Tensor | None:
    """Return bool (classes,): which labels may be mirrored, all but those `kept`; None for all.

    Raises:
        ClipmillError: a label that the data set does not have (naming the nearest).
    """
    for name in kept:
        if name not in labels:
            raise unknown("label in --flip-except", name, labels)
    return torch.tensor([label not in kept for label in labels]) if kept else None


def flips(random: Tensor) -> Tensor:
    """Return bool (N,): which clips are to be mirrored."""
    return random[:, FLIP] < 0.5
