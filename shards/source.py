"""Single samples for pipelines of others: the source of a `wds.DataPipeline`, or of a DataLoader.

The order is shards/plan.py's, so ranks and workers share an epoch exactly, and another epoch is
another order. A sample costs the copy of its window and a look at two kilobytes of JSON; making
batches, which `Stream` does without a further copy, is the pipeline's and costs some five.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.spec import Window
from shards import draws, plan
from shards.read import ShardReader
from shards.samples import read_samples
from shards.windows import Windows
from shards.write import shard_path


class SampleSource(IterableDataset[dict[str, Any]]):
    """Iterate one split as dicts: `__key__`, `__url__`, `npy`, `cls`, `json`.

    `npy` is uint8 (T, H, W, C) of the caller's own, `cls` the label_id (-1: none), `json` what pack
    wrote beside the clip. With `train` the order is permuted, the window (without one: the whole
    clip) is drawn as `Stream` draws it, and each rank gets equally many clips, at most `world - 1`
    being left out; without, the order is the table's, the window the middle one, and each clip
    comes once. `rank` and `world` are torchrun's unless given.

    Raises:
        ClipmillError: a window larger than the clips, a split that holds none, or a rank that its
            world does not have.
    """

    def __init__(
        self,
        dataset: Dataset,
        split: str,
        window: Window | None = None,
        *,
        train: bool,
        seed: int = 0,
        split_set: str | None = None,
        rank: int | None = None,
        world: int | None = None,
        every_view: bool = False,
    ) -> None:
        super().__init__()
        spec = dataset.spec
        self.window = window or Window(spec.frames, spec.height, spec.width)
        self.window.require_inside(spec)
        self.train, self.seed = train, seed
        self.rank = int(os.environ.get("RANK", "0")) if rank is None else rank
        self.world = int(os.environ.get("WORLD_SIZE", "1")) if world is None else world
        plan.require_course(self.rank, self.world, seed)
        self.samples = read_samples(dataset, split, split_set, every_view=every_view)
        self._dataset, self._digest = dataset, self.samples.digest
        self._keys = draws.clip_keys(self.samples.names())
        self._windows = Windows(spec, self.window, seed, train)
        # Shared with workers that live for several epochs: the epoch, and how often it was set.
        self._set = torch.zeros(2, dtype=torch.int64).share_memory_()
        self._passes, self._heard = 0, 0
        self._process = os.getpid()
        self._require_enough(split)

    def _require_enough(self, split: str) -> None:
        count, tail = len(self.samples), "drop" if self.train else "exact"
        where = f"split {split!r} of {self._dataset.storage.root}"
        if 0 < count < self.world and self.train:
            raise ClipmillError(
                f"{where} holds {count} clips, less than one for each of {self.world} processes. "
                "Start fewer."
            )
        plan.require_batch(count, 1, tail, where)

    @property
    def dropped(self) -> int:
        """Clips that each epoch leaves out so that all ranks get equally many."""
        return len(self.samples) % self.world if self.train else 0

    def set_epoch(self, epoch: int) -> None:
        """Begin the next pass with this epoch; between passes, and for workers that live on too.

        Without it each further pass takes the epoch after. Workers that are started anew for each
        pass know of no earlier one: with them it must be called.
        """
        self._set += torch.tensor([epoch - int(self._set[0]), 1])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self._require_own_connection()
        epoch = self._epoch()
        reader = ShardReader.of(self._dataset)
        for row in self._share(epoch).tolist():
            yield self._sample(reader, row, epoch)
        self._passes += 1

    def _epoch(self) -> int:
        epoch, heard = self._set.tolist()
        if heard != self._heard:
            self._passes, self._heard = 0, heard
        return epoch + self._passes

    def _share(self, epoch: int) -> plan.Indices:
        """Return the rows that this worker of this rank reads."""
        count = len(self.samples)
        order = np.arange(count)
        if self.train:
            order = plan.order(self.samples.shard_of, self._digest, self.seed, epoch)
        mine = order[: count - self.dropped][self.rank :: self.world]
        worker = get_worker_info()
        return mine if worker is None else mine[worker.id :: worker.num_workers]

    def _sample(self, reader: ShardReader, row: int, epoch: int) -> dict[str, Any]:
        table = self.samples
        key, shard = table.keys[row].as_py(), table.shards[table.shard_of[row]]
        where = (shard, int(table.offsets[row]), int(table.nbytes[row]))
        clip = reader.pixels(*where, table.xxh3[row].decode(), key)
        [corner], _ = self._windows.draw(self._keys[row : row + 1], epoch)
        return {
            "__key__": key,
            "__url__": f"{self._dataset.storage.root}/{shard_path(shard)}",
            "npy": self._windows.cut(clip, corner.tolist()).copy(),
            "cls": int(table.labels[row]),
            "json": reader.about(*where, key),
        }

    def _require_own_connection(self) -> None:
        """Raise in a forked worker, which would use its parent's connection to a remote root."""
        remote = self._dataset.storage.room is not None
        if remote and get_worker_info() is not None and os.getpid() != self._process:
            raise ClipmillError(
                f"workers that were forked cannot fetch shards of {self._dataset.storage.root}; "
                "expected num_workers=0 or multiprocessing_context='spawn'. Or use shards.stream."
            )

    def __setstate__(self, state: dict[str, Any]) -> None:
        # In a process that was not forked but started: it has connections of its own.
        self.__dict__.update(state | {"_process": os.getpid()})
