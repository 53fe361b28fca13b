"""Checkpoints: one safetensors file with all that scoring and resuming need, and no code.

Holds the network's name and options, how clips were stored and normalised, the labels letter
for letter, what it was trained on, its weights, and optionally the training state and the
fingerprint of the videos it has seen. Saving
C3D with Adam's state writes 0.94 GB; loading for inference maps the weights and skips the state.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import model
from manifests.errors import ClipmillError
from manifests.parts import PREFIXES, part_of
from manifests.seen import Seen
from manifests.spec import ClipSpec, Window
from model import nest, tensorfile
from model.layers import Network, NetworkSpec, require_fit

FORMAT = 1
PLAIN = ("window", "mean", "std", "labels", "dataset", "dataset_digest", "metrics", "versions")


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions that decide what a checkpoint computes."""
    found = {"python": platform.python_version(), "torch": torch.__version__}
    try:
        found["clipmill"] = metadata.version("clipmill")
    except metadata.PackageNotFoundError:
        found["clipmill"] = "not installed"
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A network's weights with everything that gives them a meaning.

    `spec` is how the clips were stored, `window` the part of them the network saw, `mean` and
    `std` as Normalise takes them, `labels` in the order of label_id. `dataset` and
    `dataset_digest` say what it was trained on. `metrics` are plain numbers by name. `state` is
    any nest of tensors, arrays and plain values, or None. `seen` is which videos it was trained
    on: saved, but never loaded with the weights (manifests/seen.py reads it). `init` is the record
    of weights that the run began with (model/importing.py). `origin` names the checkpoint in
    errors.

    Raises:
        ClipmillError: labels that are not one for each class, a window larger than the clips.
    """

    network: NetworkSpec
    spec: ClipSpec
    window: Window
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    labels: tuple[str, ...]
    weights: Mapping[str, Tensor]
    dataset: str = ""
    dataset_digest: str = ""
    metrics: Mapping[str, float | int | str | None] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=versions)
    state: Any = None
    seen: Seen | None = None
    init: Mapping[str, Any] = field(default_factory=dict)
    origin: str = "checkpoint"

    def __post_init__(self) -> None:
        if len(set(self.labels)) != self.network.num_classes:
            raise ClipmillError(
                f"{self.origin} has {len(self.labels)} labels, {len(set(self.labels))} different; "
                f"expected one for each of the {self.network.num_classes} classes."
            )
        self.window.require_inside(self.spec)

    def build_model(self) -> Network:
        """Return the network with a copy of these weights, on their device, in eval mode.

        Raises:
            ClipmillError: the weights are not exactly those of the network.
        """
        # Random weights are drawn and overwritten (0.7 s at most; torch's "meta" device takes 1 s
        # to start), but not from the caller's generator: that would change a resumed run.
        with torch.random.fork_rng(devices=[]):
            network = model.build(
                self.network.name, self.network.num_classes, **self.network.options
            )
        require_fit(network, self.weights, self.origin)
        network.load_state_dict(self.weights)
        network.to(next(iter(self.weights.values())).device)
        return network.eval()

    def require_labels(self, labels: Sequence[str], where: str) -> None:
        """Raise unless `labels`, those of `where`, are the same names in the same order."""
        if tuple(labels) == self.labels:
            return
        pairs = zip([*self.labels, None], [*labels, None], strict=False)
        at, (mine, theirs) = next((i, pair) for i, pair in enumerate(pairs) if pair[0] != pair[1])
        raise ClipmillError(
            f"labels of {self.origin} ({len(self.labels)}) are not those of {where} "
            f"({len(labels)}): label_id {at} is {mine!r} against {theirs!r}. Use the data set it "
            f"was trained on, or train a network on this one with `clipmill train`."
        )

    def require_spec(self, spec: ClipSpec, where: str) -> None:
        """Raise unless `spec`, that of `where`, is the one this network was trained with."""
        self.spec.require(spec, self.origin, where)


def save(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint in place of `path`, whole or not at all (model/tensorfile.py).

    Raises:
        ClipmillError: something in it cannot be stored, naming it.
        StoppedError: the disk is full or cannot be written; what stood at `path` is whole.
    """
    taken = [key for key in checkpoint.weights if part_of(key) != "checkpoint"]
    if taken:
        prefix = PREFIXES[part_of(taken[0])]
        raise ClipmillError(f"weights cannot be named {taken[0]!r}: `{prefix}` is reserved.")
    document = {
        "format": FORMAT,
        "network": dataclasses.asdict(checkpoint.network),
        "spec": checkpoint.spec.as_dict(),
        **{name: getattr(checkpoint, name) for name in PLAIN},
        "init": dict(checkpoint.init),
    }
    try:
        text = json.dumps(document, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise ClipmillError(
            f"{path}: metrics, options and versions must be plain numbers and text: {error}."
        ) from error
    parts = {"checkpoint": tensorfile.Part(text, checkpoint.weights)}
    if checkpoint.state is not None:
        packed, tensors = nest.pack(checkpoint.state, PREFIXES["state"])
        parts["state"] = tensorfile.Part(packed, tensors)
    if checkpoint.seen is not None:
        hashes = {key: torch.from_numpy(x) for key, x in checkpoint.seen.arrays().items()}
        parts["seen"] = tensorfile.Part(checkpoint.seen.text, hashes)
    tensorfile.write(Path(path), parts)


def load(
    path: str | Path, device: torch.device | str = "cpu", with_state: bool = True
) -> Checkpoint:
    """Read a checkpoint: weights on `device`, the training state (if wanted) on the CPU.

    Raises:
        ClipmillError: not a checkpoint, damaged, or of another format version.
    """
    path = Path(path)
    parts = tensorfile.read(path, ["checkpoint", "state"] if with_state else ["checkpoint"])
    if "checkpoint" not in parts:
        raise ClipmillError(f"{path} has no description of a network. {tensorfile.CURE}")
    part = parts["checkpoint"]
    try:
        document = json.loads(part.text)
        if document["format"] != FORMAT:
            raise ClipmillError(
                f"{path} has checkpoint format {document['format']}; this clipmill reads {FORMAT}. "
                f"Use the clipmill that wrote it ({document.get('versions')})."
            )
        checkpoint = _from_document(document, part.tensors, str(path))
        state = None
        if "state" in parts:
            state = nest.unpack(parts["state"].text, parts["state"].tensors)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ClipmillError(
            f"{path}: its description is broken ({error!r}). {tensorfile.CURE}"
        ) from error
    weights = {key: tensor.to(device) for key, tensor in part.tensors.items()}
    return dataclasses.replace(checkpoint, weights=weights, state=state)


def _from_document(
    document: dict[str, Any], weights: Mapping[str, Tensor], origin: str
) -> Checkpoint:
    plain = {name: document[name] for name in PLAIN} | {"init": document.get("init", {})}
    for name in ("mean", "std", "labels"):
        plain[name] = tuple(plain[name])
    plain["window"] = Window(*plain["window"])
    network = document["network"] | {"options": dict(document["network"]["options"])}
    spec = ClipSpec.from_dict(document["spec"], origin)
    return Checkpoint(
        network=NetworkSpec(**network), spec=spec, weights=weights, origin=origin, **plain
    )
