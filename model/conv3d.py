"""Versions of torch and cuDNN together that are slow or wrong at 3D convolutions on a GPU.

A table of what is known; asking it costs nothing, and nothing is imported for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from manifests.versions import numbers


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong from one version on (inclusive) up to another (exclusive); empty: any."""

    what: str
    source: str
    torch: tuple[str, str] = ("", "")
    cudnn: tuple[str, str] = ("", "")
    cure: str = "`pip install -U nvidia-cudnn-cu12` (or -cu13) to 9.15 or newer"


SLOW = "3D convolutions take about four times as long in bf16 and fp16"
FAULTS = (
    # It asks for the cuDNN that it was built with, so that a newer one is of no help.
    Fault(SLOW, "pytorch#166122", ("2.9", "2.9.1"), cure="take torch 2.10 or newer"),
    Fault(SLOW, "pytorch#166122", ("2.9.1", "2.10"), ("", "9.15")),
    Fault(
        "3D convolutions of some very large bf16 batches give wrong results",
        "pytorch#163539",
        cudnn=("9.10", "9.15"),
    ),
)


def faults(torch: str, cudnn: int | None) -> list[Fault]:
    """Return what is known to go wrong with a torch and its cuDNN.

    `cudnn` is as torch.backends.cudnn.version() tells it (91002), None where there is none.
    """
    if cudnn is None:
        return []
    return [
        fault
        for fault in FAULTS
        if _between(torch, fault.torch) and _between(named(cudnn), fault.cudnn)
    ]


def named(cudnn: int) -> str:
    """Return cuDNN's version as one writes it: 91002 -> 9.10.2, and of before 9, 8907 -> 8.9.7."""
    major, rest = divmod(cudnn, 10_000 if cudnn >= 90_000 else 1_000)
    return f"{major}.{rest // 100}.{rest % 100}"


def warnings(torch: str, cudnn: int | None) -> list[str]:
    """Return a sentence and its cure for each fault."""
    return [
        f"torch {torch} with cuDNN {named(cudnn or 0)}: {fault.what} ({fault.source}); {fault.cure}"
        for fault in faults(torch, cudnn)
    ]


def warnings_here() -> list[str]:
    """Return those of the torch of this process."""
    import torch

    return warnings(torch.__version__, torch.backends.cudnn.version())


def _between(version: str, bounds: tuple[str, str]) -> bool:
    low, high = bounds
    mine = numbers(version)
    return numbers(low) <= mine and (not high or mine < numbers(high))
