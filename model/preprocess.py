"""From stored pixels to network input, on the device: the one place train and infer share.

One pass over the uint8 batch and two in place over the float one; nothing waits for the device.
Mean and deviation are those of the published Kinetics weights (torchvision's), for pixels in 0..1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from manifests.errors import ClipmillError

MEAN = (0.43216, 0.394666, 0.37645)
STD = (0.22803, 0.22145, 0.216989)


def _three(name: str, values: Sequence[float], low: float) -> tuple[float, float, float]:
    numbers = tuple(float(value) for value in values)
    if len(numbers) != 3 or not all(math.isfinite(x) and low <= x <= 1e3 for x in numbers):
        raise ClipmillError(
            f"{name} is {numbers}; expected three numbers (red, green, blue) of at least {low:g}, "
            f"for pixels scaled to 0..1."
        )
    return numbers[0], numbers[1], numbers[2]


class Normalise(nn.Module):
    """uint8 (N, T, H, W, 3) to float32 (N, 3, T, H, W): (pixel / 255 - mean) / std.

    The result lies in memory as channels_last_3d, which is the order of the input: no transpose
    is made. `.to(device)` moves the constants; nothing stands in the state dict.

    Raises:
        ClipmillError: mean or std that are not three sensible numbers.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: Sequence[float] = MEAN, std: Sequence[float] = STD) -> None:
        super().__init__()
        self.mean = _three("mean", mean, -1e3)
        self.std = _three("std", std, 1e-6)
        means = torch.tensor(self.mean, dtype=torch.float64)
        stds = torch.tensor(self.std, dtype=torch.float64)
        shape = (3, 1, 1, 1)
        self.register_buffer("scale", (1 / (255 * stds)).float().view(shape), persistent=False)
        self.register_buffer("shift", (-means / stds).float().view(shape), persistent=False)

    def forward(self, clips: Tensor, flip: Tensor | None = None) -> Tensor:
        """Normalise `clips`; mirror left to right those for which `flip` (N, bool) is true.

        Raises:
            ClipmillError: clips that are not uint8 (N, T, H, W, 3), a flip of another shape.
        """
        if not torch.compiler.is_compiling():
            self._check(clips, flip)
        if flip is not None:
            # `where`, not indexing by a mask: that would wait for the device to count it.
            clips = torch.where(flip.view(-1, 1, 1, 1, 1), clips.flip(3), clips)
        planes = clips.permute(0, 4, 1, 2, 3)
        values = planes.to(torch.float32, memory_format=torch.channels_last_3d)
        return values.mul_(self.scale).add_(self.shift)

    def _check(self, clips: Tensor, flip: Tensor | None) -> None:
        shape = tuple(clips.shape)
        if clips.dtype != torch.uint8 or clips.ndim != 5 or shape[4] != 3:
            raise ClipmillError(
                f"got clips of {clips.dtype} and shape {shape}; expected torch.uint8 and "
                f"(N, T, H, W, 3), as the shards hold them."
            )
        if flip is not None and (flip.dtype != torch.bool or tuple(flip.shape) != shape[:1]):
            raise ClipmillError(
                f"got flip of {flip.dtype} and shape {tuple(flip.shape)}; expected torch.bool "
                f"and {shape[:1]}, one for each clip."
            )
