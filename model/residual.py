"""What the R(2+1)D networks share: the stem's planes, and which clips batch norm can train on."""

from __future__ import annotations

import torch
from torch import Tensor

from manifests.errors import ClipmillError
from model.layers import Network

STEM_WIDTH = 64
STEM_MIDDLE = 45
"""Planes between the stem's halves where the stem has STEM_WIDTH."""


def stem_middle(width: int) -> int:
    """Planes between the halves of a stem of `width` planes."""
    return max(1, STEM_MIDDLE * width // STEM_WIDTH)


class ResidualNetwork(Network):
    """Four stages, of which three halve time and sides: T/8 x H/16 x W/16 in the last."""

    def check(self, clips: Tensor) -> None:
        """Refuse, beyond the base class, what leaves batch norm a single value to train on."""
        super().check(clips)
        if torch.compiler.is_compiling() or not self.training:
            return
        count, _, frames, height, width = clips.shape
        if count * -(-frames // 8) * -(-height // 16) * -(-width // 16) == 1:
            raise ClipmillError(
                f"{self.spec.name} cannot train on one clip of {frames} frames of "
                f"{height}x{width}: batch norm sees one value in the last stage. Use a larger "
                "batch, clip or crop."
            )
