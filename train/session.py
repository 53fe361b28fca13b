"""Everything that lives as long as a training run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.amp import GradScaler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.seen import Seen
from model.layers import Network
from model.metrics import Metrics
from model.preprocess import Normalise
from model.world import World
from shards.stream import Stream
from train.curve import Curve
from train.options import Options
from train.run import Run
from train.speed import precision
from train.speed.ways import Ways
from train.trackers.several import Trackers
from train.watch import Watch


@dataclass
class Session:
    """A run's data, network and state, and where it keeps and shows them."""

    dataset: Dataset
    options: Options
    run: Run
    world: World
    ui: Ui
    network: Network
    normalise: Normalise
    optimizer: Optimizer
    plateau: ReduceLROnPlateau
    train: Stream
    val: Stream | None
    metrics: Metrics
    ways: Ways
    scaler: GradScaler
    mirrored: torch.Tensor | None = None
    class_weights: torch.Tensor | None = None
    average: Network | None = None
    seen: Seen | None = None
    init: Mapping[str, Any] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)
    best_top1: float = -1.0
    saved: float = field(default_factory=time.monotonic)
    waited: float = 0.0
    aside: float = 0.0  # seconds that the last epoch took beside its training
    restarts: int = 0
    watch: Watch = field(default_factory=Watch)
    test: Stream | None = None
    measuring: Stream | None = None
    curve: Curve = field(default_factory=Curve)
    trackers: Trackers = field(default_factory=Trackers)

    @property
    def kept(self) -> Network:
        """The network that is evaluated and kept: the average where there is one."""
        return self.average or self.network

    def computing(self) -> contextlib.AbstractContextManager[object]:
        """Return the context in which the network is run: with the numbers of `ways`."""
        return precision.autocast(self.ways.precision, self.world.device)

    def close(self) -> None:
        """End the processes that read shards, and tell the trackers that it is over."""
        self.trackers.close()
        for stream in (self.train, self.val, self.test, self.measuring):
            if stream is not None:
                stream.close()
