"""C3D: 78 M parameters, 50 M of them in two linear layers; 77 GMACs for a 32x112x112 clip.

Tran et al., "Learning Spatiotemporal Features with 3D Convolutional Networks", ICCV 2015: eight
3x3x3 convolutions, five poolings, three linear layers, a ReLU after every one but the last.
The last pooling is adaptive, to (1, 4, 4), so that clips of any size fit the linear layers;
the others round up, as the paper's Caffe did, so that even one frame passes.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from manifests.errors import ClipmillError
from model.layers import Network, NetworkSpec, initialise

# Planes in units of width, in the order of the paper; a name's digit says which pool follows it.
CONVOLUTIONS = {"1": 1, "2": 2, "3a": 4, "3b": 4, "4a": 8, "4b": 8, "5a": 8, "5b": 8}
POOL_AFTER = {"1": (1, 2, 2), "2": (2, 2, 2), "3b": (2, 2, 2), "4b": (2, 2, 2)}
POOLED = (1, 4, 4)
HIDDEN = 64


class C3D(Network):
    """C3D: float clips (N, 3, T >= 1, H >= 16, W >= 16) in, logits (N, num_classes) out.

    `width` is the planes of the first convolution; all others scale with it, and the paper's
    4096 hidden units are 64 * width. `dropout` follows the two hidden linear layers. `relu` False
    leaves out the ReLUs between the convolutions, as the seed's code did: for its weights.
    """

    head_prefix = "fc.fc8."

    def __init__(
        self,
        num_classes: int,
        *,
        width: int = 64,
        dropout: float = 0.5,
        modality: str = "rgb",
        relu: bool = True,
    ) -> None:
        options = {"width": width, "dropout": dropout, "modality": modality, "relu": relu}
        super().__init__(NetworkSpec("c3d", num_classes, options))
        if type(relu) is not bool:
            raise ClipmillError(f"relu of c3d is {relu!r}; expected true or false.")
        layers, inputs = OrderedDict[str, nn.Module](), 3
        for name, planes in CONVOLUTIONS.items():
            layers[f"conv{name}"] = nn.Conv3d(inputs, planes * width, 3, padding=1)
            if relu:
                layers[f"relu{name}"] = nn.ReLU(inplace=True)
            inputs = planes * width
            if name in POOL_AFTER:
                layers[f"pool{name[0]}"] = nn.MaxPool3d(POOL_AFTER[name], ceil_mode=True)
        layers["pool5"] = nn.AdaptiveMaxPool3d(POOLED)
        layers["flatten"] = nn.Flatten()
        self.feature = nn.Sequential(layers)

        head, inputs = OrderedDict[str, nn.Module](), inputs * POOLED[1] * POOLED[2]
        for number in (6, 7):
            head[f"fc{number}"] = nn.Linear(inputs, HIDDEN * width)
            head[f"relu{number}"] = nn.ReLU(inplace=True)
            head[f"dropout{number}"] = nn.Dropout(dropout)
            inputs = HIDDEN * width
        head["fc8"] = nn.Linear(inputs, num_classes)
        self.fc = nn.Sequential(head)
        initialise(self)

    def forward(self, clips: Tensor) -> Tensor:
        """Normalised float clips (N, 3, T, H, W) to logits (N, num_classes)."""
        return self.fc(self.feature(self.look(clips)))
