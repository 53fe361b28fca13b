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
from shards.clips import Clips, Damaged, Paths, Source
from shards.plan import PAD
from shards.slots import Slots
from shards.windows import RANDOM, Windows


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
    """Reads tasks; where `skipping`, bad samples are left out (zeros), else the first raises."""

    source: Source
    keys: NDArray[np.uint64]  # of the clips, to draw from
    windows: Windows
    slots: Slots
    verify: bool = False
    skipping: bool = False
    _clips: Clips = field(init=False)

    def __post_init__(self) -> None:
        self._clips = Clips(self.source, verify=self.verify, skipping=self.skipping)

    def __getitem__(self, task: Task) -> Done:
        """Read a task's clips into its slots: what a DataLoader calls its dataset for."""
        try:
            return Done(self._read(task))
        except ClipmillError as error:
            return Done([], str(error), isinstance(error, StoppedError))

    def _read(self, task: Task) -> list[Bad]:
        bad: list[Bad] = []
        rows = task.rows.ravel().tolist()
        corners, frames = self._corners(task), self.windows.window.frames
        for row, corner in zip(rows, corners, strict=True):
            if row != PAD:
                self._clips.ahead(row, corner[0], frames, task.paths)
        share = task.rows.shape[1]
        for number, (row, corner) in enumerate(zip(rows, corners, strict=True)):
            batch, place = divmod(number, share)
            out = self.slots.pixels[task.slots[batch], place]
            try:
                if row == PAD:
                    out[...] = 0
                else:
                    clip = self._clips.clip(row, task.paths, corner[0] + frames)
                    out[...] = self.windows.cut(clip, corner)
            except Damaged as error:
                if not self.skipping:
                    raise ClipmillError(str(error)) from error
                out[...] = 0
                bad.append(Bad(batch, place, str(error)))
        return bad

    def _corners(self, task: Task) -> list[list[int]]:
        """Return where each clip's window begins; draw what the device will use."""
        corners, random = self.windows.draw(self.keys[task.rows.ravel()], task.epoch)
        shares = random.reshape(*task.rows.shape, RANDOM)
        for slot, numbers in zip(task.slots, shares, strict=True):
            self.slots.random[slot] = numbers
        return corners.tolist()
