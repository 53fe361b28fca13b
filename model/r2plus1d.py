"""R(2+1)D-18 as the seed counts it: 33.2 M parameters, 82 GMACs for a 32x112x112 clip.

Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition", CVPR 2018.
Every 3D convolution is a spatial one, then a temporal one. Three things differ from the paper
and are kept because the parameter counts and the seed's weights depend on them: the stem has no
temporal extent, a second norm and ReLU follow each factored pair, and the shortcut of a
downsampling block is a factored pair too.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from manifests.errors import ClipmillError
from model.layers import Network, NetworkSpec, factored, initialise

BLOCKS = (2, 2, 2, 2)
STEM_MIDDLE = 45
STEM_WIDTH = 64


class Block(nn.Module):
    """Two factored 3x3x3 convolutions and a shortcut; stride 2 halves time and both sides."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = factored(inputs, outputs, (3, 3), (stride, stride))
        self.norm1 = nn.BatchNorm3d(outputs)
        self.conv2 = factored(outputs, outputs, (3, 3))
        self.norm2 = nn.BatchNorm3d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Sequential()  # empty: the identity
        if stride != 1 or inputs != outputs:
            self.shortcut.add_module("conv", factored(inputs, outputs, (1, 1), (stride, stride)))
            self.shortcut.add_module("norm", nn.BatchNorm3d(outputs))

    def forward(self, planes: Tensor) -> Tensor:
        """(N, inputs, T, H, W) to (N, outputs, T', H', W')."""
        residual = self.relu(self.norm1(self.conv1(planes)))
        residual = self.norm2(self.conv2(residual))
        return self.relu(residual + self.shortcut(planes))


class R2Plus1D(Network):
    """R(2+1)D: float clips (N, 3, T >= 1, H >= 16, W >= 16) in, logits (N, num_classes) out.

    `width` is the planes of the first stage; all others scale with it. `dropout` acts on the
    pooled features before `fc`: the paper has none, training small sets from scratch wants it.
    """

    def __init__(
        self, num_classes: int, *, width: int = 64, dropout: float = 0.0, modality: str = "rgb"
    ) -> None:
        options = {"width": width, "dropout": dropout, "modality": modality}
        super().__init__(NetworkSpec("r2plus1d", num_classes, options))
        middle = max(1, STEM_MIDDLE * width // STEM_WIDTH)
        layers = OrderedDict[str, nn.Module](stem=factored(3, width, (1, 7), (1, 2), middle))
        inputs = width
        for stage, count in enumerate(BLOCKS):
            outputs = width * 2**stage
            blocks = [Block(inputs, outputs, 1 if stage == 0 else 2)]
            blocks += [Block(outputs, outputs, 1) for _ in range(count - 1)]
            layers[f"stage{stage + 1}"] = nn.Sequential(*blocks)
            inputs = outputs
        layers["pool"] = nn.AdaptiveAvgPool3d(1)
        layers["flatten"] = nn.Flatten()
        self.feature = nn.Sequential(layers)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(inputs, num_classes)
        initialise(self)

    def forward(self, clips: Tensor) -> Tensor:
        """Normalised float clips (N, 3, T, H, W) to logits (N, num_classes)."""
        return self.fc(self.dropout(self.feature(self.look(clips))))

    def check(self, clips: Tensor) -> None:
        """Refuse, beyond the base class, what leaves batch norm a single value to train on."""
        super().check(clips)
        if torch.compiler.is_compiling() or not self.training:
            return
        count, _, frames, height, width = clips.shape
        if count * -(-frames // 8) * -(-height // 16) * -(-width // 16) == 1:
            raise ClipmillError(
                f"r2plus1d cannot train on one clip of {frames} frames of {height}x{width}: batch "
                f"norm sees one value in the last stage. Use a larger batch, clip or crop."
            )
