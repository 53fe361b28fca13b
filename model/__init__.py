"""Networks by name, and what train and infer share: preprocessing, metrics, checkpoints.

Importing this costs nothing: torch (about a second) is imported when a network is built.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

from manifests.errors import unknown

if TYPE_CHECKING:
    from model.layers import Network

BUILDERS: dict[str, tuple[str, str]] = {
    "r2plus1d": ("model.r2plus1d", "R2Plus1D"),
    "c3d": ("model.c3d", "C3D"),
    "r2plus1d_18": ("model.videoresnet", "R2Plus1D18"),
    "r2plus1d_34": ("model.videoresnet", "R2Plus1D34"),
}


def build(name: str, num_classes: int, **options: Any) -> Network:
    """Return a freshly initialised network in training mode, on torch's default device.

    It takes float32 (N, 3, T, H, W), normalised, and returns logits (N, num_classes). `options`
    are the keyword arguments of the network's class (`width`, `dropout`, `modality`, …); what was
    used, defaults included, stands in the network's `spec`.

    Raises:
        ClipmillError: an unknown name or option (naming the nearest), a value out of range.
    """
    if name not in BUILDERS:
        raise unknown("model", name, BUILDERS)
    module, attribute = BUILDERS[name]
    network = getattr(importlib.import_module(module), attribute)
    allowed = [
        option for option in inspect.signature(network).parameters if option != "num_classes"
    ]
    for option in options:
        if option not in allowed:
            raise unknown(f"option of {name}", option, allowed)
    return network(num_classes, **options)
