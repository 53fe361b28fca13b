"""How long a step takes in one way: on a copy of the network, so that the run's own is untouched.

The batch is of the run's own size on its device, of random numbers; random states are put back.
Costs a copy of the network and of its optimizer's state for as long, and a handful of steps.
"""

from __future__ import annotations

import copy
import gc
import time
from dataclasses import dataclass
from functools import partial

import torch
from torch.nn import functional

from manifests.spec import Window
from model.layers import Network
from train.options import Options
from train.speed import precision
from train.speed.build import build
from train.speed.micro import learn
from train.speed.ways import Ways, prepare

# The same number on every rank: networks may wait for each other in the middle of a step.
WARM = {"cpu": 1, "cuda": 3}
TIMED = {"cpu": 2, "cuda": 10}


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried: a run's network on `clips` clips of a window, as its options say."""

    network: Network
    options: Options
    window: Window
    clips: int
    device: torch.device

    def seconds(self, ways: Ways) -> float:
        """Return the seconds of a step, the least of a few: what disturbs only adds.

        Raises:
            Exception: whatever torch has against these ways here: no memory, no compiler.
        """
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            self._forget(ways)  # what a trial that was lost may still have held
            try:
                return self._timed(ways)
            finally:
                self._forget(ways)

    def _timed(self, ways: Ways) -> float:
        prepare(ways, self.device)
        network = copy.deepcopy(self.network).train()
        optimizer = build(network, ways, self.options)
        replica = torch.compile(network) if ways.compiled else network
        scaler = precision.scaler(ways.precision, self.device)
        computing = partial(precision.autocast, ways.precision, self.device)
        shape = (self.clips, 3, *self.window)
        clips = torch.randn(shape, device=self.device).contiguous(memory_format=ways.layout)
        labels = torch.arange(self.clips, device=self.device) % network.spec.num_classes

        def loss(logits: torch.Tensor, rows: slice) -> torch.Tensor:
            return functional.cross_entropy(logits, labels[rows], reduction="sum") / self.clips

        def step() -> float:
            started = time.perf_counter()
            optimizer.zero_grad(set_to_none=True)
            learn(replica, clips, loss, computing, scaler, self.options.accumulate)  # type: ignore[arg-type]
            scaler.step(optimizer)
            scaler.update()
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            return time.perf_counter() - started

        for _ in range(WARM[self.device.type]):
            step()
        return min(step() for _ in range(TIMED[self.device.type]))

    def _forget(self, ways: Ways) -> None:
        """Give back what the trial held, so that the next one has the whole memory."""
        gc.collect()
        if ways.compiled:
            torch.compiler.reset()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
