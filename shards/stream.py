"""Batches of clips from the shards of one split: exact, deterministic, resumable.

A clip is copied once, from the memory map straight into a reused batch buffer, cut to the window
the network takes (about 0.1 ms for 16x112x112 of 32x128x128). The order is shards/plan.py's: each
clip once an epoch, the same global batches for any number of ranks. `state_dict` is a handful of
plain numbers and advances when a batch has been consumed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.spec import CHANNELS, Window
from shards import plan
from shards.format import UNLABELLED
from shards.read import ShardReader
from shards.samples import dropped_since, read_samples

_TIME, _TOP, _LEFT, _DEVICE = range(4)
RANDOM = 8  # numbers drawn for each clip


@dataclass(frozen=True, slots=True)
class Batch:
    """One rank's share of a global batch; `pixels` is valid until the next batch is asked for.

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
        return torch.from_numpy(self.rows != plan.PAD)


class Stream:
    """Iterate one split in global batches; each iteration goes on where the state stands.

    With `train` the order is permuted, windows are drawn and the tail is dropped; without, the
    order is the table's, windows are centred and the last batch is padded. Of clips with several
    views the middle one is read, with `every_view` each as a sample of its own. An iteration ends
    with its epoch; the next one begins the following epoch.
    """

    def __init__(
        self,
        dataset: Dataset,
        split: str,
        window: Window,
        *,
        global_batch: int,
        train: bool,
        seed: int = 0,
        split_set: str | None = None,
        rank: int = 0,
        world: int = 1,
        every_view: bool = False,
    ) -> None:
        window.require_inside(dataset.spec)
        more = {"every_view": True} if every_view else {}
        self.samples = read_samples(dataset, split, split_set, **more)
        self.tail: plan.Tail = "drop" if train else "pad"
        count = len(self.samples.clip_ids)
        plan.require_batch(
            count, global_batch, self.tail, f"split {split!r} of {dataset.storage.root}"
        )
        self.window, self.global_batch, self.train, self.seed = window, global_batch, train, seed
        self.rank, self.world = rank, world
        self.epoch = self.step = 0
        self.digest = self.samples.digest
        self._spec = dataset.spec
        self._dropped_since = partial(dropped_since, dataset, split, split_set)
        self._keys = plan.clip_keys(self.samples.clip_ids)
        self._reader = ShardReader.of(dataset)
        share = -(-global_batch // world)
        self._buffer = torch.empty(
            (share, window.frames, window.height, window.width, CHANNELS), dtype=torch.uint8
        )

    @property
    def clip_ids(self) -> list[str]:
        """Ids of the split's packed clips, one a sample; `Batch.rows` points into it."""
        return self.samples.clip_ids

    @property
    def dropped(self) -> int:
        """Clips that each epoch leaves out because they fill no batch."""
        return len(self.clip_ids) - len(self) * self.global_batch if self.tail == "drop" else 0

    def __len__(self) -> int:
        """Steps in an epoch."""
        return plan.steps(len(self.clip_ids), self.global_batch, self.tail)

    def __iter__(self) -> Iterator[Batch]:
        order = self._order()
        while self.step < len(self):
            rows = plan.batch(order, self.step, self.global_batch, self.rank, self.world)
            # Counted before it is handed over: whoever saves while working on a batch has it done.
            self.step += 1
            yield self._read(rows)
        self.epoch, self.step = self.epoch + 1, 0

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands; the batch handed out last counts as consumed."""
        return {
            "version": plan.VERSION,
            "digest": self.digest,
            "seed": self.seed,
            "global_batch": self.global_batch,
            "epoch": self.epoch,
            "step": self.step,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state; any number of ranks, but the same data, seed and global batch."""
        mine = self.state_dict()
        for key in ("version", "digest", "seed", "global_batch"):
            if state.get(key) != mine[key]:
                if key == "digest":
                    self._require_not_dropped(str(state.get(key)))
                raise ClipmillError(
                    f"the saved position was reached with {key} {state.get(key)}, this run has "
                    f"{mine[key]}. Resume with the same data and options, or start a new run."
                )
        for key, most in (("epoch", None), ("step", len(self))):
            value = state.get(key)
            if not isinstance(value, int) or value < 0 or (most is not None and value > most):
                raise ClipmillError(
                    f"the saved position has {key} {value!r}; expected a whole number from 0"
                    f"{'' if most is None else f' to {most}'}. Start a new run."
                )
        self.epoch, self.step = state["epoch"], state["step"]

    def _require_not_dropped(self, digest: str) -> None:
        """Raise where the list of clips that had this digest has lost some to `drop`."""
        if lost := self._dropped_since(digest):
            raise ClipmillError(
                f"{lost:,} of its clips were dropped since the position was saved; a run is not "
                "continued on other data than it began with. Start a new run with another --run "
                "folder: it trains without them."
            )

    def _order(self) -> plan.Indices:
        if not self.train:
            return np.arange(len(self.clip_ids), dtype=np.int64)
        return plan.order(self.samples.shard_of, self.digest, self.seed, self.epoch)

    def _draw(self, rows: NDArray[np.int64], purpose: int, bound: int) -> NDArray[np.int64]:
        """A number in [0, bound) a sample; for evaluation the middle one."""
        if not self.train:
            return np.full(len(rows), bound // 2 if bound else 0)
        return plan.draws(self._keys[rows], self.seed, self.epoch, purpose, bound)

    def _read(self, rows: NDArray[np.int64]) -> Batch:
        table, window, spec = self.samples, self.window, self._spec
        starts = self._draw(rows, _TIME, spec.frames - window.frames + 1)
        tops = self._draw(rows, _TOP, spec.height - window.height + 1)
        lefts = self._draw(rows, _LEFT, spec.width - window.width + 1)
        out = self._buffer.numpy()
        for place, row in enumerate(rows):
            if row == plan.PAD:
                out[place] = 0
                continue
            clip = self._reader.pixels(
                table.shards[table.shard_of[row]],
                int(table.offsets[row]),
                int(table.nbytes[row]),
                table.xxh3[row],
                table.keys[row],
            )
            time, top, left = starts[place], tops[place], lefts[place]
            out[place] = clip[
                time : time + window.frames,
                top : top + window.height,
                left : left + window.width,
            ]
        labels = np.where(rows == plan.PAD, UNLABELLED, table.labels[rows])
        random = plan.uniforms(self._keys[rows], self.seed, self.epoch, _DEVICE, RANDOM)
        return Batch(self._buffer, torch.from_numpy(labels), rows, torch.from_numpy(random))
