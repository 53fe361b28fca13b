"""R(2+1)D-18 and 34 with torchvision's names: networks that take published weights as they are.

Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition", CVPR 2018. The
stem is (1, 7, 7) / 2, then (3, 1, 1); a block is two factored 3x3x3 convolutions, and a 1x1x1
convolution is the shortcut of a downsampling one. GMACs for a 16x112x112 clip: 40.5 (18, 31.5 M
parameters), 41.5 (18 with exact planes, 33.4 M), 76.2 (34, 63.7 M).

The planes between the halves of the second convolution of a stage's first block:

    exact         of the convolution itself: 288, 576, 1152 (the paper's code, IG-65M)
    torchvision   of the first convolution once more: 230, 460, 921
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from manifests.errors import unknown
from model.layers import NetworkSpec, halves, initialise, middle_planes
from model.residual import ResidualNetwork, stem_middle

PLANES = ("torchvision", "exact")
CAFFE2_EPSILON = 1e-3
"""What the norms of the paper's code add to the variance; torch's own layers add 1e-5."""


class VideoBlock(nn.Module):
    """Two factored 3x3x3 convolutions and a shortcut; stride 2 halves time and both sides."""

    def __init__(
        self, inputs: int, outputs: int, stride: int, exact: bool, norm: partial[nn.BatchNorm3d]
    ) -> None:
        super().__init__()
        first = middle_planes(inputs, outputs, 3, 3)
        second = middle_planes(outputs, outputs, 3, 3) if exact else first
        pair = _pair(inputs, outputs, first, stride, norm)
        self.conv1 = nn.Sequential(pair, norm(outputs), nn.ReLU(inplace=True))
        self.conv2 = nn.Sequential(_pair(outputs, outputs, second, 1, norm), norm(outputs))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = nn.Sequential()  # empty: the identity
        if stride != 1 or inputs != outputs:
            shortcut = nn.Conv3d(inputs, outputs, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(shortcut, norm(outputs))

    def forward(self, planes: Tensor) -> Tensor:
        """(N, inputs, T, H, W) to (N, outputs, T', H', W')."""
        return self.relu(self.conv2(self.conv1(planes)) + self.downsample(planes))


def _pair(
    inputs: int, outputs: int, middle: int, stride: int, norm: partial[nn.BatchNorm3d]
) -> nn.Sequential:
    spatial, temporal = halves(inputs, outputs, (3, 3), (stride, stride), middle)
    return nn.Sequential(spatial, norm(middle), nn.ReLU(inplace=True), temporal)


class VideoResNet(ResidualNetwork):
    """Float clips (N, 3, T >= 1, H >= 16, W >= 16) in, logits (N, num_classes) out.

    `width` is the planes of the first stage; all others scale with it. `dropout` acts on the
    pooled features before `fc`. `blocks` are those of each stage.
    """

    def __init__(self, spec: NetworkSpec, blocks: tuple[int, ...], exact: bool) -> None:
        super().__init__(spec)
        width, norm = spec.options["width"], partial(nn.BatchNorm3d)
        if exact:
            norm = partial(nn.BatchNorm3d, eps=CAFFE2_EPSILON)
        middle = stem_middle(width)
        spatial, temporal = halves(3, width, (3, 7), (1, 2), middle)
        relus = nn.ReLU(inplace=True), nn.ReLU(inplace=True)
        self.stem = nn.Sequential(spatial, norm(middle), relus[0], temporal, norm(width), relus[1])
        inputs, stages = width, list[nn.Sequential]()
        for stage, count in enumerate(blocks):
            outputs = width * 2**stage
            first = VideoBlock(inputs, outputs, 1 if stage == 0 else 2, exact, norm)
            others = (VideoBlock(outputs, outputs, 1, exact, norm) for _ in range(count - 1))
            stages.append(nn.Sequential(first, *others))
            inputs = outputs
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.dropout = nn.Dropout(spec.options["dropout"])
        self.fc = nn.Linear(inputs, spec.num_classes)
        initialise(self)

    def forward(self, clips: Tensor) -> Tensor:
        """Normalised float clips (N, 3, T, H, W) to logits (N, num_classes)."""
        planes = self.stem(self.look(clips))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            planes = stage(planes)
        return self.fc(self.dropout(self.avgpool(planes).flatten(1)))


class R2Plus1D18(VideoResNet):
    """R(2+1)D-18; `planes` is `torchvision`, or `exact` for weights of the paper's code."""

    def __init__(
        self,
        num_classes: int,
        *,
        width: int = 64,
        dropout: float = 0.0,
        modality: str = "rgb",
        planes: str = "torchvision",
    ) -> None:
        if planes not in PLANES:
            raise unknown("planes of r2plus1d_18", str(planes), PLANES)
        options = {"width": width, "dropout": dropout, "modality": modality, "planes": planes}
        spec = NetworkSpec("r2plus1d_18", num_classes, options)
        super().__init__(spec, (2, 2, 2, 2), planes == "exact")


class R2Plus1D34(VideoResNet):
    """R(2+1)D-34 of the paper and of IG-65M, whose norms have torch's momentum of 0.1.

    IG-65M's own code has 0.9, which is Caffe2's for the same: in torch it would forget all but the
    last batches.
    """

    def __init__(
        self, num_classes: int, *, width: int = 64, dropout: float = 0.0, modality: str = "rgb"
    ) -> None:
        options = {"width": width, "dropout": dropout, "modality": modality}
        spec = NetworkSpec("r2plus1d_34", num_classes, options)
        super().__init__(spec, (3, 4, 6, 3), True)
