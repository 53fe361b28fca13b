"""How a stream reads on this machine: none of it changes what is read, or in which order.

Without processes of their own, batches are read when they are asked for: 0.1 ms a raw clip.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import torch

from manifests.errors import ClipmillError, unknown
from manifests.spec import ClipSpec

CONTEXTS = ("fork", "forkserver", "spawn")
RAW, JPEG = 4, 8  # worker processes that no trainer outruns
TOGETHER = 16  # clips of raw shards that a worker is asked for at once: a message costs 0.3 ms
PREFETCH = 2  # messages that each worker has before it
HELD = 2  # batches that a consumer holds: the one it works on, and the one before


def alone(number: int) -> int:
    """Return what a single process makes of a count: itself."""
    return number


@dataclass(frozen=True)
class Reading:
    """How to read; the defaults read in this process and stop at the first bad sample.

    `workers` None takes what fits the machine. `verify` hashes each clip whenever it is read.
    Up to `bad_samples` clips an epoch may be damaged: they become padding, whatever their number
    on this rank, and `agree`, which sums a number over all ranks, is asked after each batch.
    `device` is where batches go: to a GPU the next one is copied while this one is computed with.
    """

    workers: int | None = 0
    verify: bool = False
    bad_samples: int = 0
    context: str = "fork"
    agree: Callable[[int], int] = alone
    device: torch.device | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and not 0 <= self.workers <= 1024:
            raise ClipmillError(f"{self.workers} workers; expected 0 to 1024.")
        if self.bad_samples < 0:
            raise ClipmillError(f"a budget of {self.bad_samples} bad samples; expected 0 or more.")
        if self.context not in CONTEXTS:
            raise unknown("start method", self.context, CONTEXTS)

    @property
    def on_gpu(self) -> bool:
        """Whether batches go to a GPU."""
        return self.device is not None and self.device.type == "cuda"

    def processes(self, spec: ClipSpec, clips: int) -> int:
        """Return how many workers to start for this rank, of `clips` clips an epoch.

        A GPU is fed by all cores that its rank has; beside a network on the CPU one worker reads
        ahead, and for a few hundred clips none.
        """
        if self.workers is not None:
            return self.workers
        if not self.on_gpu:
            return min(1, clips // 512)
        cores = len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        return max(1, min(JPEG if spec.codec == "jpeg" else RAW, cores - 1))


def together(spec: ClipSpec, share: int, steps: int) -> int:
    """Return how many batches of a rank's share a worker is asked for at once."""
    if spec.codec == "jpeg":
        return 1
    return max(1, min(TOGETHER // share, steps))
