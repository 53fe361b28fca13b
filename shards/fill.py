"""Fill slots with clips: crop and window of each are copied once, straight from the mapped shard.

About 0.1 ms a raw clip of 16x112x112 in 32x128x128, 3 ms a jpeg one. Runs in the worker processes,
or in the stream's own where it has none. It never touches a network: shards are files here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from manifests.errors import ClipmillError, StoppedError
from manifests.spec import Window
from shards import draws
from shards.clips import Clips, Damaged, Paths, Source
from shards.plan import PAD
from shards.slots import RANDOM, Slots

_CUTS = 3  # numbers drawn before those for the device: first frame, top, left


class Task(NamedTuple):
    """Batches to be read into slots: rows int64 (batches, N), -1 for none.

    `paths` says where the shards of a remote root lie, by number.
    """

    epoch: int
    slots: tuple[int, ...]
    rows: NDArray[np.int64]
    paths: Paths = None


class Bad(NamedTuple):
    """A sample that could not be read: its batch in a task, its place there, and why."""

    batch: int
    place: int
    reason: str


class Done(NamedTuple):
    """What came of a task: the bad samples, or the error that ends the stream."""

    bad: list[Bad]
    error: str | None = None
    stopped: bool = False  # by the environment: the same command may go on

    def require(self) -> list[Bad]:
        """Return the bad samples, or raise the error as it was raised where it arose."""
        if self.error is not None:
            raise (StoppedError if self.stopped else ClipmillError)(self.error)
        return self.bad


@dataclass
class Filler:
    """Reads tasks. `train` draws windows at random by `seed`, otherwise the middle one is taken.

    Bad samples are left out (zeros) where `skipping`, else the first one is the error.
    """

    source: Source
    keys: NDArray[np.uint64]  # of the clips, to draw from
    window: Window
    slots: Slots
    seed: int
    train: bool
    verify: bool = False
    skipping: bool = False
    _clips: Clips = field(init=False)

    def __post_init__(self) -> None:
        self._clips = Clips(self.source, verify=self.verify, skipping=self.skipping)
        self._places = np.array(self.source.spec.shape[:_CUTS]) - np.array(self.window) + 1

    def __getitem__(self, task: Task) -> Done:
        """Read a task's clips into its slots: what a DataLoader calls its dataset for."""
        try:
            return Done(self._read(task))
        except ClipmillError as error:
            return Done([], str(error), isinstance(error, StoppedError))

    def _read(self, task: Task) -> list[Bad]:
        bad: list[Bad] = []
        cuts = self._cuts(task).tolist()
        rows = task.rows.ravel().tolist()
        for row, cut in zip(rows, cuts, strict=True):
            if row != PAD:
                self._clips.ahead(row, cut[0], self.window.frames, task.paths)
        share = task.rows.shape[1]
        for number, (row, cut) in enumerate(zip(rows, cuts, strict=True)):
            batch, place = divmod(number, share)
            out = self.slots.pixels[task.slots[batch], place]
            try:
                out[...] = 0 if row == PAD else self._window(row, cut, task.paths)
            except Damaged as error:
                if not self.skipping:
                    raise ClipmillError(str(error)) from error
                out[...] = 0
                bad.append(Bad(batch, place, str(error)))
        return bad

    def _window(self, row: int, cut: list[int], paths: Paths) -> NDArray[np.uint8]:
        first, top, left = cut
        frames, height, width = self.window
        clip = self._clips.clip(row, paths)
        return clip[first : first + frames, top : top + height, left : left + width]

    def _cuts(self, task: Task) -> NDArray[np.int64]:
        """Return first frame, top and left of each clip's window; draw what the device will use."""
        rows = task.rows.ravel()
        drawn = draws.doubles(self.keys[rows], self.seed, task.epoch, 0, _CUTS + RANDOM)
        random = draws.as_floats(drawn[:, _CUTS:]).reshape(*task.rows.shape, RANDOM)
        for slot, numbers in zip(task.slots, random, strict=True):
            self.slots.random[slot] = numbers
        if not self.train:
            return np.broadcast_to(self._places // 2, (len(rows), _CUTS))
        return (drawn[:, :_CUTS] * self._places).astype(np.int64)
