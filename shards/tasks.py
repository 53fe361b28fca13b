"""Tasks made of a rank's rows, and what is made of them when they are done.

Neither knows who hands batches out, so that no ring keeps the memory of a reader that is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from shards.ahead import Ahead
from shards.epochs import Epochs
from shards.fill import Done, Task
from shards.format import UNLABELLED
from shards.plan import PAD, Indices
from shards.position import Position
from shards.slots import Pool


@dataclass(frozen=True, eq=False)
class Tasks:
    """Cuts rows into tasks of `together` batches; takes slots for them when they are asked for."""

    epochs: Epochs
    pool: Pool
    together: int
    ahead: Ahead | None

    def since(self, at: Position, *, endless: bool) -> Iterator[Task]:
        """Return the tasks of an epoch from a position on; if `endless` of all epochs after it.

        Shards are fetched from now on, while workers are started, for one epoch alone.
        """
        rows = self.epochs.rows(at)
        if self.ahead is not None:
            shard_of = self.epochs.samples.shard_of
            self.ahead.begin(np.where(rows == PAD, -1, shard_of[rows]).ravel())
        return self._all(at, rows, endless)

    def _all(self, at: Position, rows: Indices, endless: bool) -> Iterator[Task]:
        yield from self._epoch(at.epoch, rows)
        while endless:
            at = at.following(self.epochs.course)
            yield from self._epoch(at.epoch, self.epochs.rows(at))

    def _epoch(self, epoch: int, rows: Indices) -> Iterator[Task]:
        share = rows.shape[1]
        for start in range(0, len(rows), self.together):
            some = rows[start : start + self.together]
            paths = None
            if self.ahead is not None:
                paths = self.ahead.need(start * share, start * share + some.size)
            yield Task(epoch, self.pool.take(len(some)), some, paths)


class Made(NamedTuple):
    """A task that was done: of each of its batches the slot, rows, labels and random numbers."""

    done: Done
    slots: tuple[int, ...]
    rows: NDArray[np.int64]
    labels: tuple[torch.Tensor, ...]
    random: tuple[torch.Tensor, ...]


@dataclass(frozen=True, eq=False)
class Maker:
    """Knows all labels, int64 (samples,), and random numbers, float32 (slots, N, 10)."""

    labels: NDArray[np.int64]
    random: NDArray[np.float32]

    def __call__(self, task: Task, done: Done) -> Made:
        """Return what batches are made of but for their pixels; bad samples become padding."""
        rows = task.rows
        if done.bad:
            rows = rows.copy()
            rows[[one.batch for one in done.bad], [one.place for one in done.bad]] = PAD
        labels = np.where(rows == PAD, UNLABELLED, self.labels[rows])
        random = self.random[list(task.slots)]  # a copy: slots are used again
        unbound = torch.from_numpy(labels).unbind(), torch.from_numpy(random).unbind()
        return Made(done, task.slots, rows, *unbound)
