"""The numbers that a network computes with; its weights and their updates are always float32.

bf16 has the range of float32 and needs nothing more. fp16 does not: its losses are scaled so that
small gradients are not lost, steps whose gradients overflow are left out, and the scale, which is
part of the training state, follows. Both halve the memory of activations.
"""

from __future__ import annotations

import contextlib

import torch
from torch.amp import GradScaler

KINDS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def resolve(name: str, device: torch.device) -> str:
    """Return what `auto` means: bf16 on GPUs that have it, otherwise fp32."""
    if name != "auto":
        return name
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return "bf16"
    return "fp32"


def autocast(name: str, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Return the context in which a network computes with these numbers."""
    if name == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, KINDS[name])


def scaler(name: str, device: torch.device) -> GradScaler:
    """Return what scales losses: by 1, at no cost, but for fp16."""
    return GradScaler(device.type, enabled=name == "fp16")
