"""R(2+1)D-18 as the seed counts it: 33.2 M parameters, 82 GMACs for a 32x112x112 clip.

Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition", CVPR 2018.
Every 3D convolution is a spatial one, then a temporal one. Three things differ from the paper
and are kept because the parameter counts and the seed's weights depend on them: the stem has no
temporal extent, a second norm and ReLU follow each factored pair, and the shortcut of a
downsampling block is a factored pair too.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from model.layers import NetworkSpec, halves, initialise
from model.residual import ResidualNetwork, stem_middle

BLOCKS = (2, 2, 2, 2)


def factored(
    inputs: int,
    outputs: int,
    kernel: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    middle: int | None = None,
) -> nn.Sequential:
    """Return the two halves of a 3D convolution (model/layers.py), each with norm and ReLU."""
    spatial, temporal = halves(inputs, outputs, kernel, stride, middle)
    layers = OrderedDict[str, nn.Module](
        spatial=spatial,
        spatial_norm=nn.BatchNorm3d(spatial.out_channels),
        spatial_relu=nn.ReLU(inplace=True),
        temporal=temporal,
        temporal_norm=nn.BatchNorm3d(outputs),
        temporal_relu=nn.ReLU(inplace=True),
    )
    return nn.Sequential(layers)


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


class R2Plus1D(ResidualNetwork):
    """R(2+1)D: float clips (N, 3, T >= 1, H >= 16, W >= 16) in, logits (N, num_classes) out.

    `width` is the planes of the first stage; all others scale with it. `dropout` acts on the
    pooled features before `fc`: the paper has none, training small sets from scratch wants it.
    """

    def __init__(
        self, num_classes: int, *, width: int = 64, dropout: float = 0.0, modality: str = "rgb"
    ) -> None:
        options = {"width": width, "dropout": dropout, "modality": modality}
        super().__init__(NetworkSpec("r2plus1d", num_classes, options))
        stem = factored(3, width, (1, 7), (1, 2), stem_middle(width))
        layers = OrderedDict[str, nn.Module](stem=stem)
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
