"""Published layouts, written down from their names and shapes, and what they compute.

Nothing here knows of model/: tables of tensors filled with random numbers, and forward passes with
torch.nn.functional alone.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]
Weights = dict[str, Tensor]


# Planes between the halves of the first convolution of a stage's first block, of its second one
# (torchvision, exact), and of all others; the seed's shortcuts; by the first stage's width.
WIDTH = 64
STEM = {64: 45, 4: 2}
FIRST = {64: (144, 230, 460, 921), 4: (9, 14, 28, 57)}
OTHERS = {64: (144, 288, 576, 1152), 4: (9, 18, 36, 72)}
SHORTCUTS = {64: (0, 42, 85, 170), 4: (0, 2, 5, 10)}


def norm_shapes(name: str, planes: int) -> Shapes:
    kinds = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{kind}": (planes,) for kind in kinds} | {f"{name}.num_batches_tracked": ()}


def torchvision_shapes(
    classes: int, blocks: tuple[int, ...], exact: bool, width: int = WIDTH
) -> Shapes:
    """The r2plus1d networks of torchvision and, where the planes are exact, of IG-65M."""
    stem = STEM[width]
    shapes: Shapes = {"stem.0.weight": (stem, 3, 1, 7, 7)} | norm_shapes("stem.1", stem)
    shapes |= {"stem.3.weight": (width, stem, 3, 1, 1)} | norm_shapes("stem.4", width)
    inputs = width
    for stage, count in enumerate(blocks):
        outputs = width * 2**stage
        for block in range(count):
            for number in (1, 2):
                name = f"layer{stage + 1}.{block}.conv{number}"
                small = block == 0 and (number == 1 or not exact)
                middle = (FIRST if small else OTHERS)[width][stage]
                shapes[f"{name}.0.0.weight"] = (middle, inputs, 1, 3, 3)
                shapes |= norm_shapes(f"{name}.0.1", middle)
                shapes[f"{name}.0.3.weight"] = (outputs, middle, 3, 1, 1)
                shapes |= norm_shapes(f"{name}.1", outputs)
                if number == 1 and block == 0 and stage > 0:
                    shortcut = f"layer{stage + 1}.0.downsample"
                    shapes[f"{shortcut}.0.weight"] = (outputs, inputs, 1, 1, 1)
                    shapes |= norm_shapes(f"{shortcut}.1", outputs)
                inputs = outputs
    return shapes | {"fc.weight": (classes, inputs), "fc.bias": (classes,)}


def _seed_pair(
    name: str, inputs: int, middle: int, outputs: int, kernel: tuple[int, int]
) -> Shapes:
    time, side = kernel
    shapes: Shapes = {f"{name}.spatial_conv.weight": (middle, inputs, 1, side, side)}
    shapes |= norm_shapes(f"{name}.bn1", middle)
    shapes[f"{name}.temporal_conv.weight"] = (outputs, middle, time, 1, 1)
    return shapes | norm_shapes(f"{name}.bn2", outputs)


def seed_r2plus1d_shapes(classes: int, width: int = WIDTH) -> Shapes:
    """The seed's R2Plus1D."""
    shapes = _seed_pair("feature.conv1", 3, STEM[width], width, (1, 7))
    inputs = width
    for stage in range(4):
        outputs = width * 2**stage
        first, others = FIRST[width][stage], OTHERS[width][stage]
        for block, middle in (("block1", first), ("blocks.0", others)):
            name = f"feature.conv{stage + 2}.{block}"
            shapes |= _seed_pair(f"{name}.conv1", inputs, middle, outputs, (3, 3))
            if block == "block1" and stage > 0:
                small = SHORTCUTS[width][stage]
                shapes |= _seed_pair(f"{name}.downsampleconv", inputs, small, outputs, (1, 1))
                shapes |= norm_shapes(f"{name}.downsamplebn", outputs)
            shapes |= norm_shapes(f"{name}.bn1", outputs)
            shapes |= _seed_pair(f"{name}.conv2", outputs, others, outputs, (3, 3))
            shapes |= norm_shapes(f"{name}.bn2", outputs)
            inputs = outputs
    return shapes | {"fc.weight": (classes, inputs), "fc.bias": (classes,)}


def seed_c3d_shapes(classes: int, width: int = WIDTH) -> Shapes:
    """The seed's C3D: two nn.Sequential, numbered by layer."""
    planes = {0: 1, 2: 2, 4: 4, 5: 4, 7: 8, 8: 8, 10: 8, 11: 8}
    shapes, inputs = Shapes(), 3
    for number, factor in planes.items():
        shapes[f"feature.{number}.weight"] = (factor * width, inputs, 3, 3, 3)
        shapes[f"feature.{number}.bias"] = (factor * width,)
        inputs = factor * width
    sizes = {0: (64 * width, inputs * 16), 3: (64 * width, 64 * width), 6: (classes, 64 * width)}
    for number, (rows, columns) in sizes.items():
        shapes |= {f"fc.{number}.weight": (rows, columns), f"fc.{number}.bias": (rows,)}
    return shapes


def filled(shapes: Shapes, seed: int = 0) -> Weights:
    """Random weights that keep the planes' size about 1 from layer to layer."""
    random = torch.Generator().manual_seed(seed)
    weights: Weights = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            weights[name] = torch.tensor(7)
            continue
        values = torch.randn(shape, generator=random)
        if len(shape) > 1:
            values *= (2 / values[0].numel()) ** 0.5
        elif name.endswith(("running_var", "weight")):
            values = values.abs() * 0.5 + 0.5
        else:
            values *= 0.2
        weights[name] = values
    return weights


def parameters(shapes: Shapes) -> int:
    """How many learned numbers a layout has."""
    counted = ("running_mean", "running_var", "num_batches_tracked")
    sizes = [torch.Size(s).numel() for name, s in shapes.items() if not name.endswith(counted)]
    return sum(sizes)


def _normed(weights: Weights, name: str, planes: Tensor, epsilon: float) -> Tensor:
    mean, var, weight, bias = (
        weights[f"{name}.{kind}"].view(1, -1, 1, 1, 1)
        for kind in ("running_mean", "running_var", "weight", "bias")
    )
    return (planes - mean) / (var + epsilon).sqrt() * weight + bias


def _convolved(weights: Weights, name: str, planes: Tensor, step: tuple[int, int]) -> Tensor:
    """Convolve with steps in (time, space); padding is half the kernel."""
    kernel = weights[f"{name}.weight"]
    time, height, width = kernel.shape[2:]
    padding = (time // 2, height // 2, width // 2)
    return functional.conv3d(planes, kernel, None, (step[0], step[1], step[1]), padding)


def torchvision_logits(weights: Weights, clips: Tensor, epsilon: float) -> Tensor:
    """Logits of a network of torchvision's layout, in eval mode."""
    planes = _convolved(weights, "stem.0", clips, (1, 2))
    planes = _normed(weights, "stem.1", planes, epsilon).relu()
    planes = _convolved(weights, "stem.3", planes, (1, 1))
    planes = _normed(weights, "stem.4", planes, epsilon).relu()
    blocks = {".".join(name.split(".")[:2]) for name in weights if name.startswith("layer")}
    for block in sorted(blocks):
        stride = 2 if f"{block}.downsample.0.weight" in weights else 1
        shortcut = planes
        if stride == 2:
            shortcut = _convolved(weights, f"{block}.downsample.0", planes, (2, 2))
            shortcut = _normed(weights, f"{block}.downsample.1", shortcut, epsilon)
        for number, step in ((1, stride), (2, 1)):
            name = f"{block}.conv{number}"
            planes = _convolved(weights, f"{name}.0.0", planes, (1, step))
            planes = _normed(weights, f"{name}.0.1", planes, epsilon).relu()
            planes = _convolved(weights, f"{name}.0.3", planes, (step, 1))
            planes = _normed(weights, f"{name}.1", planes, epsilon)
            planes = planes.relu() if number == 1 else (planes + shortcut).relu()
    return functional.linear(planes.mean((2, 3, 4)), weights["fc.weight"], weights["fc.bias"])


def seed_r2plus1d_logits(weights: Weights, clips: Tensor) -> Tensor:
    """Logits of the seed's R2Plus1D, in eval mode."""

    def pair(name: str, planes: Tensor, stride: tuple[int, int]) -> Tensor:
        planes = _convolved(weights, f"{name}.spatial_conv", planes, (1, stride[1]))
        planes = _normed(weights, f"{name}.bn1", planes, 1e-5).relu()
        planes = _convolved(weights, f"{name}.temporal_conv", planes, (stride[0], 1))
        return _normed(weights, f"{name}.bn2", planes, 1e-5).relu()

    planes = pair("feature.conv1", clips, (1, 2))
    for stage in range(2, 6):
        for block in ("block1", "blocks.0"):
            name = f"feature.conv{stage}.{block}"
            step = 2 if f"{name}.downsamplebn.weight" in weights else 1
            shortcut = planes
            if step == 2:
                shortcut = pair(f"{name}.downsampleconv", planes, (2, 2))
                shortcut = _normed(weights, f"{name}.downsamplebn", shortcut, 1e-5)
            planes = pair(f"{name}.conv1", planes, (step, step))
            planes = _normed(weights, f"{name}.bn1", planes, 1e-5).relu()
            planes = pair(f"{name}.conv2", planes, (1, 1))
            planes = (_normed(weights, f"{name}.bn2", planes, 1e-5) + shortcut).relu()
    return functional.linear(planes.mean((2, 3, 4)), weights["fc.weight"], weights["fc.bias"])


def seed_c3d_logits(weights: Weights, clips: Tensor) -> Tensor:
    """Logits of the seed's C3D, in eval mode: no ReLU between its convolutions."""
    planes = clips
    for number in range(12):
        if f"feature.{number}.weight" in weights:
            name = f"feature.{number}"
            planes = functional.conv3d(
                planes, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1
            )
        else:
            planes = functional.max_pool3d(planes, (1, 2, 2) if number == 1 else 2)
    features = functional.adaptive_max_pool3d(planes, (1, 4, 4)).flatten(1)
    for number in (0, 3, 6):
        weight, bias = weights[f"fc.{number}.weight"], weights[f"fc.{number}.bias"]
        features = functional.linear(features, weight, bias)
        features = features if number == 6 else features.relu()
    return features
