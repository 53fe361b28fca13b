"""Batches of one rank: tasks made of its rows, read into slots, handed out one by one.

Slots are taken for what workers have before them, for the task that is being handed out, and for
what the consumer holds: (workers * 2 + 1) tasks and two batches. A batch of 8 clips of 16x112x112
has 5 MB, and a task up to four of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from shards.ahead import Ahead
from shards.clips import Source
from shards.fill import Bad, Done, Filler, Task
from shards.format import UNLABELLED
from shards.plan import PAD
from shards.reading import HELD, PREFETCH, Reading, together
from shards.slots import Pool, Slots
from shards.verified import changed
from shards.windows import Windows
from shards.workers import Workers


@dataclass(frozen=True, slots=True)
class Batch:
    """One rank's share of a global batch; its memory is used again once no tensor shows it.

    pixels uint8 (N, T, H, W, C); labels int64 (N,), -1 where there is none; rows int64 (N,), the
    sample's place in `Stream.clip_ids`, -1 for padding; random float32 (N, 8) in [0, 1), drawn from
    (seed, epoch, clip) for augmentation on the device.
    """

    pixels: torch.Tensor
    labels: torch.Tensor
    rows: NDArray[np.int64]
    random: torch.Tensor

    @property
    def valid(self) -> torch.Tensor:
        """Bool (N,): false for padding, which counts for nothing."""
        return torch.from_numpy(self.rows != PAD)


class Batches:
    """Reads the batches of one rank, epoch after epoch; memory and processes are kept between."""

    def __init__(
        self,
        source: Source,
        keys: NDArray[np.uint64],
        windows: Windows,
        share: int,
        steps: int,
        reading: Reading,
        ahead: Ahead | None,
    ) -> None:
        count = reading.processes(source.spec, steps * share)
        self._together = together(source.spec, share, steps) if count else 1
        tasks = count * PREFETCH + 1
        self._slots = Slots(tasks * self._together + HELD, share, windows.window)
        self._pool = Pool(self._slots, HELD, pin=reading.on_gpu)
        self._filler = Filler(
            source,
            keys,
            windows,
            self._slots,
            verify=reading.verify,
            skipping=reading.bad_samples > 0,
        )
        self._workers = (
            Workers(self._filler, count, PREFETCH, reading.context, partial(_cut, source))
            if count
            else None
        )
        self._ahead = ahead

    def read(self, epoch: int, rows: NDArray[np.int64]) -> Iterator[tuple[Batch, list[str]]]:
        """Yield each batch of `rows` (steps, N), and why samples of it are missing.

        Raises:
            ClipmillError, StoppedError: a bad sample where none may be, a shard that does not come.
        """
        self._pool.recover()
        place = 0
        for task, done in self._run(self._tasks(epoch, rows)):
            bad = done.require()
            place += task.rows.size
            if self._ahead is not None:
                self._ahead.done(place)
            for number in range(len(task.slots)):
                yield self._batch(task, number, bad)

    def _run(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Done]]:
        if self._workers is not None:
            return self._workers.run(tasks)
        return ((task, self._filler[task]) for task in tasks)

    def _tasks(self, epoch: int, rows: NDArray[np.int64]) -> Iterator[Task]:
        share = rows.shape[1]
        if self._ahead is not None:
            shard_of = self._filler.source.samples.shard_of
            self._ahead.begin(np.where(rows == PAD, -1, shard_of[rows]).ravel())
        for start in range(0, len(rows), self._together):
            some = rows[start : start + self._together]
            paths = None
            if self._ahead is not None:
                paths = self._ahead.need(start * share, start * share + some.size)
            yield Task(epoch, self._pool.take(len(some)), some, paths)

    def _batch(self, task: Task, number: int, bad: list[Bad]) -> tuple[Batch, list[str]]:
        slot, rows = task.slots[number], task.rows[number]
        here = [one for one in bad if one.batch == number]
        if here:
            rows = rows.copy()
            rows[[one.place for one in here]] = PAD
        labels = np.where(rows == PAD, UNLABELLED, self._filler.source.samples.labels[rows])
        random = torch.from_numpy(self._slots.random[slot].copy())
        batch = Batch(self._pool.show(slot), torch.from_numpy(labels), rows, random)
        return batch, [one.reason for one in here]

    @property
    def restarts(self) -> int:
        """How often workers died and new ones were started."""
        return self._workers.restarts if self._workers else 0

    def close(self) -> None:
        """End the processes, and let go of what was fetched."""
        if self._workers is not None:
            self._workers.close()
            self._workers = None  # they know this reader: no ring may keep its memory
        if self._ahead is not None:
            self._ahead.close()


def _cut(source: Source) -> list[str]:
    """Tell which shards of a folder have another length than their rows say."""
    if source.folder is None:
        return []
    named = zip(source.samples.shards, source.contents, strict=True)
    return changed((name, source.folder / name, content.size) for name, content in named)
