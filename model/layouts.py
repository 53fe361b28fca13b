"""Whose weights a file holds, told by the names and shapes in it, and their names here.

torchvision's and IG-65M's names are the networks' own; the seed's are translated. The seed's names
are those of its public code, which is not needed here: `feature.*` and `fc.*`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Shapes = Mapping[str, tuple[int, ...]]
PAPER_WIDTH = 64


@dataclass(frozen=True, slots=True)
class Layout:
    """A network somewhere: what it is called, the network here and its options that fit.

    `model` is empty where there is none here. `rename` gives a tensor's name here.
    """

    title: str
    model: str
    options: Mapping[str, object]
    rename: Callable[[str], str]
    note: str = ""

    @property
    def choice(self) -> str:
        """The network and its options on a command line: `--model r2plus1d_18 --planes exact`."""
        words = ["--model", self.model]
        for name, value in self.options.items():
            words += [f"--no-{name}"] if value is False else [f"--{name}", str(value)]
        return " ".join(words)


def recognise(shapes: Shapes) -> Layout | None:
    """Return whose layout these names and shapes are; None where nobody's that is known."""
    for marks, make in _KNOWN.items():
        if all(mark in shapes for mark in marks):
            return make(shapes)
    return None


def _same(name: str) -> str:
    return name


def _width(shapes: Shapes, name: str) -> dict[str, object]:
    width = shapes[name][0] if shapes[name] else 0
    return {} if width == PAPER_WIDTH else {"width": width}


def _torchvision(shapes: Shapes) -> Layout:
    options = _width(shapes, "stem.3.weight")
    if "layer1.2.conv1.0.0.weight" in shapes:
        return Layout("r2plus1d_34 of IG-65M's layout", "r2plus1d_34", options, _same)
    first, second = (shapes.get(f"layer2.0.conv{i}.0.0.weight", ())[:1] for i in (1, 2))
    if first == second:
        return Layout("r2plus1d_18 of torchvision's layout", "r2plus1d_18", options, _same)
    options["planes"] = "exact"
    return Layout("r2plus1d_18 of the paper's exact planes", "r2plus1d_18", options, _same)


def _other_resnet(shapes: Shapes) -> Layout:
    return Layout("torchvision's r3d_18 or mc3_18", "", {}, _same)


def _own_r2plus1d(shapes: Shapes) -> Layout:
    options = _width(shapes, "feature.stem.temporal.weight")
    return Layout("clipmill's r2plus1d", "r2plus1d", options, _same)


def _own_c3d(shapes: Shapes) -> Layout:
    return Layout("clipmill's c3d", "c3d", _width(shapes, "feature.conv1.weight"), _same)


def _seed_r2plus1d(shapes: Shapes) -> Layout:
    options = _width(shapes, "feature.conv1.temporal_conv.weight")
    return Layout("the seed's r2plus1d", "r2plus1d", options, _of_seed_r2plus1d, _SEEN_BY_SEED)


def _seed_c3d(shapes: Shapes) -> Layout:
    options = {**_width(shapes, "feature.0.weight"), "relu": False}
    return Layout("the seed's c3d", "c3d", options, _of_seed_c3d, _SEEN_BY_SEED)


_SEEN_BY_SEED = (
    "the seed trained on BGR frames without mean and std: its weights are a start for training, "
    "and its accuracies are not to be had from them as they are"
)
# By names that only this layout has; the first that fits.
_KNOWN: Mapping[tuple[str, ...], Callable[[Shapes], Layout]] = {
    ("stem.3.weight", "layer1.0.conv1.0.0.weight"): _torchvision,
    ("stem.0.weight", "layer1.0.conv1.0.weight"): _other_resnet,
    ("feature.stem.temporal.weight",): _own_r2plus1d,
    ("feature.conv1.weight", "fc.fc6.weight"): _own_c3d,
    ("feature.conv1.temporal_conv.weight",): _seed_r2plus1d,
    ("feature.0.weight", "fc.0.weight"): _seed_c3d,
}

# In this order: a stage and its blocks, then the norms of a pair, then those of a block.
_SEED_R2PLUS1D = [
    (r"^feature\.conv1\.", r"feature.stem."),
    (r"^feature\.conv([2-5])\.block1\.", lambda m: f"feature.stage{int(m[1]) - 1}.0."),
    (
        r"^feature\.conv([2-5])\.blocks\.(\d{1,3})\.",
        lambda m: f"feature.stage{int(m[1]) - 1}.{int(m[2]) + 1}.",
    ),
    (r"\b(stem|conv1|conv2|downsampleconv)\.bn1\.", r"\1.spatial_norm."),
    (r"\b(stem|conv1|conv2|downsampleconv)\.bn2\.", r"\1.temporal_norm."),
    (r"\.bn([12])\.", r".norm\1."),
    (r"\.(spatial|temporal)_conv\.", r".\1."),
    (r"\.downsampleconv\.", r".shortcut.conv."),
    (r"\.downsamplebn\.", r".shortcut.norm."),
]
_SEED_C3D = {0: "1", 2: "2", 4: "3a", 5: "3b", 7: "4a", 8: "4b", 10: "5a", 11: "5b"}
_SEED_C3D_HEAD = {0: 6, 3: 7, 6: 8}


def _of_seed_r2plus1d(name: str) -> str:
    for pattern, put in _SEED_R2PLUS1D:
        name = re.sub(pattern, put, name)
    return name


def _of_seed_c3d(name: str) -> str:
    found = re.fullmatch(r"(feature|fc)\.(\d{1,2})\.(weight|bias)", name)
    if found is None:
        return name
    number = int(found[2])
    if found[1] == "feature" and number in _SEED_C3D:
        return f"feature.conv{_SEED_C3D[number]}.{found[3]}"
    if found[1] == "fc" and number in _SEED_C3D_HEAD:
        return f"fc.fc{_SEED_C3D_HEAD[number]}.{found[3]}"
    return name
