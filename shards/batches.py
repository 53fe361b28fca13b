"""Batches of one rank: tasks made of its rows, read into slots, handed out one by one.

Slots are taken for what workers have before them, for the task that is being handed out, and for
what the consumer holds: (workers * 2 + 1) tasks and two batches. A batch of 8 clips of 16x112x112
has 5 MB, and a task up to four of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from shards.ahead import Ahead
from shards.clips import Source
from shards.epochs import Epochs
from shards.fill import Filler, Task
from shards.plan import PAD
from shards.position import Position
from shards.reading import HELD, PREFETCH, Reading, together
from shards.slots import Pool, Slots
from shards.tasks import Made, Maker, Tasks
from shards.verified import changed
from shards.windows import Windows
from shards.workers import Workers


@dataclass(frozen=True, slots=True)
class Batch:
    """One rank's share of a global batch; its memory is used again once no tensor shows it.

    pixels uint8 (N, T, H, W, C); labels int64 (N,), -1 where there is none; rows int64 (N,), the
    sample's place in `Stream.clip_ids`, -1 for padding; random float32 (N, 10) in [0, 1), drawn
    from (seed, epoch, clip) for augmentation on the device.
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
    """Reads the batches of one rank, epoch after epoch; memory and processes are kept between.

    In training its processes go on into the next epoch while the last batches are handed out; of
    remote shards they do not, which are fetched for one epoch at a time.
    """

    def __init__(
        self,
        source: Source,
        keys: NDArray[np.uint64],
        windows: Windows,
        epochs: Epochs,
        reading: Reading,
        ahead: Ahead | None,
    ) -> None:
        steps = epochs.steps(epochs.first())
        count = reading.processes(source.spec, steps * epochs.share)
        several = together(source.spec, epochs.share, steps) if count else 1
        slots = Slots((count * PREFETCH + 1) * several + HELD, epochs.share, windows.window)
        self._pool = Pool(slots, HELD, pin=reading.on_gpu)
        self._filler = Filler(
            source,
            keys,
            windows,
            slots,
            verify=reading.verify,
            skipping=reading.bad_samples > 0,
        )
        self._workers = (
            Workers(self._filler, count, PREFETCH, reading.context, partial(_cut, source))
            if count
            else None
        )
        self._ahead = ahead
        self._epochs = epochs
        self._tasks = Tasks(epochs, self._pool, several, ahead)
        self._maker = Maker(source.samples.labels, slots.random)
        self._endless = epochs.train and count > 0 and ahead is None
        self._coming: Iterator[Made] = iter(())
        self._stands: Position | None = None  # before which epoch `_coming` stands

    def read(self, at: Position) -> Iterator[tuple[Batch, list[str]]]:
        """Yield each batch of an epoch from a position on, and why samples of it are missing.

        Raises:
            ClipmillError, StoppedError: a bad sample where none may be, a shard that does not come.
        """
        at, stands, self._stands = replace(at), self._stands, None
        if at != stands:
            self._begin(at)
        place, steps = 0, self._epochs.steps(at) - at.step
        while steps > 0:
            made = next(self._coming)
            bad = made.done.require()
            place += made.rows.size
            if self._ahead is not None:
                self._ahead.done(place)
            for number, slot in enumerate(made.slots):
                pixels = self._pool.show(slot)
                if number + 1 == len(made.slots) and self._workers is not None:
                    self._workers.ahead()
                batch = Batch(pixels, made.labels[number], made.rows[number], made.random[number])
                del pixels
                yield batch, [one.reason for one in bad if one.batch == number]
            steps -= len(made.slots)
        if self._endless:
            self._stands = at.following(self._epochs.course)

    def _begin(self, at: Position) -> None:
        if self._workers is not None:
            self._workers.settle()
        self._pool.recover()
        tasks = self._tasks.since(at, endless=self._endless)
        if self._workers is not None:
            self._coming = self._workers.run(tasks, self._maker)
        else:
            self._coming = _alone(tasks, self._filler, self._maker)

    @property
    def restarts(self) -> int:
        """How often workers died and new ones were started."""
        return self._workers.restarts if self._workers else 0

    def close(self) -> None:
        """End the processes, and let go of what was fetched."""
        if self._ahead is not None:
            self._ahead.close()  # first: a thread may be waiting for a shard
        if self._workers is not None:
            self._workers.close()


def _alone(tasks: Iterable[Task], filler: Filler, maker: Maker) -> Iterator[Made]:
    """Read tasks when they are asked for. No method: no ring may keep a reader's memory."""
    for task in tasks:
        yield maker(task, filler[task])


def _cut(source: Source) -> list[str]:
    """Tell which shards of a folder have another length than their rows say."""
    if source.folder is None:
        return []
    named = zip(source.samples.shards, source.contents, strict=True)
    return changed((name, source.folder / name, content.size) for name, content in named)
