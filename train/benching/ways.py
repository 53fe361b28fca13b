"""The ways to train that `clipmill bench train` compares: ours, the seed's, a plain loop.

What is not clipmill's is written as its own users write it: float32, torch's usual layout, the loss
fetched after every step.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import model
from manifests.console import Ui
from manifests.dataset import Dataset
from model.world import World
from shards import reading
from shards.batches import Batch
from shards.windows import RANDOM
from train.benching import jpegs
from train.benching.turns import Way
from train.options import Options
from train.run import Run
from train.session import Session
from train.speed.ways import prepare
from train.start import start
from train.step import replicate, step

SEED, PLAIN = "r2plus1d", "r2plus1d_18"
TAKEN_AHEAD = 2  # batches for each worker: torch's own


def session_of(
    root: str, options: Options, world: World, workers: int, folder: Path, ui: Ui
) -> Session:
    """Return a training session as `clipmill train` starts it, with a run folder of its own."""
    how = reading.Reading(workers=workers)
    return start(Dataset.open(root), options, Run(folder), world, ui, how)


def constant(session: Session) -> Batch:
    """Return a batch of the session's shape that lies on the device."""
    spec, window = session.dataset.spec, session.train.window
    count, classes = session.options.batch, session.network.spec.num_classes
    generator = torch.Generator().manual_seed(0)
    shape = (count, *window, spec.shape[3])
    pixels = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    labels = torch.arange(count) % classes
    random = torch.rand((count, RANDOM), generator=generator)
    device = session.world.device
    rows: Any = torch.arange(count).numpy()
    return Batch(pixels.to(device), labels.to(device), rows, random.to(device))


def clipmill(session: Session, name: str) -> Way:
    """Return clipmill's own step on a batch that lies on the device."""
    replica, batch = _replica(session), constant(session)
    return Way(name, session.options.batch, lambda: step(session, replica, batch), _ours(session))


def from_shards(session: Session, workers: int, name: str) -> Way:
    """Return clipmill's own step on what its stream reads."""
    replica = _replica(session)
    batches = itertools.chain.from_iterable(itertools.repeat(session.train))
    steps, spec = len(session.train), session.dataset.spec
    ahead = reading.PREFETCH * workers
    ahead *= reading.together(spec, session.options.batch, steps)
    return Way(
        name,
        session.options.batch,
        lambda: step(session, replica, next(batches)),
        _ours(session),
        lambda: _take(batches, ahead),
    )


def _replica(session: Session) -> nn.Module:
    return replicate(session.network, session.world, session.ways.compiled)


def _ours(session: Session) -> Callable[[], None]:
    return lambda: prepare(session.ways, session.world.device)


def _take(batches: Iterator[Any], count: int) -> None:
    for _ in range(count):
        next(batches)


def _as_torch_is() -> None:
    """Torch's own settings: convolutions of float32 by TF32, no search for algorithms."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = False


class Plain:
    """The loop that everybody writes, for a network of ours as torch builds it."""

    def __init__(self, session: Session, optimizer: Callable[..., torch.optim.Optimizer]) -> None:
        spec, self.device = session.network.spec, session.world.device
        self.network = model.build(spec.name, spec.num_classes, **spec.options).to(self.device)
        self.optimizer = optimizer(self.network.parameters())
        self.clips = session.options.batch
        window = session.train.window
        self.constant = (
            torch.randn(self.clips, 3, *window).to(self.device),
            (torch.arange(self.clips) % spec.num_classes).to(self.device),
        )

    def step(self, clips: Tensor, labels: Tensor) -> float:
        """One step; returns its loss."""
        clips, labels = clips.to(self.device), labels.to(self.device)
        self.optimizer.zero_grad()
        loss = functional.cross_entropy(self.network(clips), labels)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def alone(self, name: str) -> Way:
        """Return the loop on a batch that lies on the device."""
        return Way(name, self.clips, lambda: self.step(*self.constant), _as_torch_is)

    def from_jpegs(self, folder: Path, session: Session, workers: int, name: str) -> Way:
        """Return the loop on what a loader reads from folders of JPEG frames."""
        batches = jpegs.batches(folder, session.train.window, self.clips, workers)
        ahead = TAKEN_AHEAD * workers
        return Way(
            name,
            self.clips,
            lambda: self.step(*next(batches)),
            _as_torch_is,
            lambda: _take(batches, ahead),
        )
