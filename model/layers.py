"""What the networks share: their base class, the factored convolution, checks, initialisation.

A network is layers and a linear `fc` head on top; it carries the `NetworkSpec` that rebuilds
it, so a checkpoint needs no file name conventions. Checks read shapes only: no synchronisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from manifests.errors import ClipmillError, unknown

MIN_SIDE = 16
"""Smallest crop side in pixels: every network here halves the side four times."""
MAX_CLASSES = 1_000_000
MODALITIES = ("rgb", "motion")
# What moves deviates less than a picture from the mean picture: brought to about the same size.
MOTION_SCALE = 2.0


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """The arguments of `model.build` that give this network again; `options` is complete."""

    name: str
    num_classes: int
    options: Mapping[str, Any] = field(default_factory=dict)


class Network(nn.Module):
    """Base of all networks: float clips (N, 3, T, H, W) in, logits (N, num_classes) out.

    `head` is the last linear layer and `head_prefix` the start of its names in the state dict:
    what fine-tuning replaces and trains faster.
    """

    head_prefix = "fc."

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        classes = spec.num_classes
        if type(classes) is not int or not 1 <= classes <= MAX_CLASSES:
            raise ClipmillError(
                f"num_classes is {classes!r}; expected a whole number from 1 to {MAX_CLASSES}."
            )
        width, dropout = spec.options["width"], spec.options["dropout"]
        if type(width) is not int or not 4 <= width <= 256:
            raise ClipmillError(
                f"width of {spec.name} is {width!r}; expected a whole number from 4 to 256 "
                f"(64 is the paper's, 16 suits a small machine)."
            )
        if type(dropout) not in (int, float) or not 0 <= dropout < 1:
            raise ClipmillError(
                f"dropout of {spec.name} is {dropout!r}; expected a number from 0 to below 1."
            )
        if spec.options["modality"] not in MODALITIES:
            raise unknown(f"modality of {spec.name}", str(spec.options["modality"]), MODALITIES)
        self.spec = spec

    def look(self, clips: Tensor) -> Tensor:
        """Check normalised clips and return what the first layer takes: (N, 3, T, H, W) both.

        `rgb` is the clips. `motion` is what each pixel deviates from its mean over the clip's
        frames, so that nothing of a scene that stands still can be learned: a relative of the RGB
        difference of Wang et al., "Temporal Segment Networks", ECCV 2016.
        """
        self.check(clips)
        if self.spec.options["modality"] == "rgb":
            return clips
        return (clips - clips.mean(2, keepdim=True)) * MOTION_SCALE

    @property
    def head(self) -> nn.Linear:
        """The last linear layer."""
        layer = self.get_submodule(self.head_prefix.rstrip("."))
        assert isinstance(layer, nn.Linear)
        return layer

    def check(self, clips: Tensor) -> None:
        """Raise ClipmillError for clips this network cannot take; skipped while compiling."""
        if torch.compiler.is_compiling():
            return
        shape = tuple(clips.shape)
        if clips.ndim != 5 or shape[1] != 3 or 0 in shape:
            raise ClipmillError(
                f"{self.spec.name} got clips of shape {shape}; expected (N, 3, T, H, W) with "
                f"nothing empty. model.preprocess.Normalise makes it from (N, T, H, W, 3)."
            )
        if not clips.is_floating_point():
            raise ClipmillError(
                f"{self.spec.name} got {clips.dtype}; expected normalised floats. "
                f"Pass the clips through model.preprocess.Normalise first."
            )
        if self.spec.options["modality"] == "motion" and shape[2] < 2:
            raise ClipmillError(
                f"{self.spec.name} got clips of one frame; its modality is motion, of which one "
                "frame has none. Use two frames or more, or the modality rgb."
            )
        if min(shape[3:]) < MIN_SIDE:
            raise ClipmillError(
                f"{self.spec.name} got clips of {shape[3]}x{shape[4]} pixels; expected at least "
                f"{MIN_SIDE}x{MIN_SIDE}. Use a larger crop."
            )


def middle_planes(inputs: int, outputs: int, time: int, side: int) -> int:
    """Planes between the halves that keep the parameters of the full 3D convolution."""
    area = side * side
    return time * area * inputs * outputs // (area * inputs + time * outputs)


def halves(
    inputs: int,
    outputs: int,
    kernel: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    middle: int | None = None,
) -> tuple[nn.Conv3d, nn.Conv3d]:
    """Return the spatial (1, k, k) and the temporal (t, 1, 1) half of a 3D convolution.

    `kernel` and `stride` are (time, space); padding makes it ceil(n / stride).
    """
    (time, side), (time_stride, side_stride) = kernel, stride
    middle = middle or middle_planes(inputs, outputs, time, side)
    spatial = nn.Conv3d(
        inputs,
        middle,
        kernel_size=(1, side, side),
        stride=(1, side_stride, side_stride),
        padding=(0, side // 2, side // 2),
        bias=False,
    )
    temporal = nn.Conv3d(
        middle,
        outputs,
        kernel_size=(time, 1, 1),
        stride=(time_stride, 1, 1),
        padding=(time // 2, 0, 0),
        bias=False,
    )
    return spatial, temporal


def initialise(network: Network) -> None:
    """Kaiming-normal weights for layers that feed a ReLU, zero biases, a small head.

    The small head makes the first loss about ln(num_classes) whatever the features' scale.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv3d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    nn.init.normal_(network.head.weight, std=0.001)


def require_fit(network: nn.Module, weights: Mapping[str, Tensor], origin: str) -> None:
    """Raise ClipmillError unless `weights` of `origin` have the network's names and shapes."""
    expected = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    found = {key: tuple(tensor.shape) for key, tensor in weights.items()}
    wrong = sorted(
        key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key)
    )
    if not wrong:
        return
    first = "; ".join(
        f"{key} is {found.get(key, 'missing')}, expected {expected.get(key, 'nothing')}"
        for key in wrong[:3]
    )
    raise ClipmillError(
        f"{origin}: {len(wrong)} of {len(expected)} tensors do not fit the network: {first}. "
        f"Save the state dict of the bare network, and build it with the same options."
    )
