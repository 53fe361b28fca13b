"""Batches of clips from the shards of one split: exact, deterministic, resumable.

The order is shards/plan.py's: each clip once an epoch, the same global batches for any number of
ranks and workers. Clips are copied once, from the mapped shard into memory that is used again and
again (shards/batches.py). `state_dict` is a handful of plain numbers and advances when a batch has
been consumed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Self

from torch.utils.data import IterableDataset, get_worker_info

from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.spec import Window
from shards import plan
from shards.batches import Batch, Batches
from shards.device import on_device
from shards.draws import clip_keys
from shards.epochs import Epochs
from shards.position import Course, Position, required
from shards.reading import Reading
from shards.remote import ahead_of, source_of
from shards.samples import dropped_since, read_samples
from shards.windows import Windows

REASONS = 20  # of bad samples that are kept to be told


class Stream(IterableDataset[Batch]):
    """Iterate one split in global batches; each iteration goes on where the position stands.

    With `train` the order is permuted, windows are drawn and the tail is dropped; without, the
    order is the table's, windows are centred and the last batch is exact: padded with nothing. Of
    clips with several views the middle one is read, with `every_view` each as a sample of its own.
    An iteration ends with its epoch; the next one begins the following epoch. Memory and processes
    are taken with the first batch and kept until `close`, or until the stream is gone.
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
        tail: plan.Tail | None = None,
        lanes: int = 1,
        block: int = plan.BLOCK,
        reading: Reading | None = None,
    ) -> None:
        window.require_inside(dataset.spec)
        plan.require_course(rank, world, seed, block)
        more = {"every_view": True} if every_view else {}
        self.samples = read_samples(dataset, split, split_set, **more)
        self.tail: plan.Tail = tail or ("drop" if train else "exact")
        plan.require_batch(
            len(self.samples),
            global_batch,
            self.tail,
            f"split {split!r} of {dataset.storage.root}",
            lanes,
        )
        self.window, self.global_batch, self.train, self.seed = window, global_batch, train, seed
        self.rank, self.world, self.reading = rank, world, reading or Reading()
        self.digest = self.samples.digest
        self.bad: list[str] = []  # why samples were left out on this rank, the first of them
        self.left_out = 0  # how many were in the epoch that ended last, on all ranks
        self._course = Course(self.digest, seed, global_batch, block, lanes)
        self._epochs = Epochs(self.samples, self._course, rank, world, self.tail, train)
        self._position = self._epochs.first()
        self._dataset = dataset
        self._dropped_since = partial(dropped_since, dataset, split, split_set)
        self._batches: Batches | None = None
        self._turn = 0

    @property
    def clip_ids(self) -> list[str]:
        """Ids of the split's packed clips, one a sample; `Batch.rows` points into it."""
        return self.samples.clip_ids

    @property
    def epoch(self) -> int:
        """The epoch that is read, from 0."""
        return self._position.epoch

    @property
    def step(self) -> int:
        """Global batches of this epoch that were handed out."""
        return self._position.step

    @property
    def skipped(self) -> int:
        """Clips of this epoch that were read before it was re-cut."""
        return self._position.skipped

    @property
    def progress(self) -> int:
        """Global batches handed out since the first epoch began, as if all had had this size."""
        at = self._position
        return at.epoch * self.steps_an_epoch + at.skipped // self.global_batch + at.step

    @property
    def steps_an_epoch(self) -> int:
        """Steps in an epoch that was not re-cut."""
        return plan.steps(len(self.samples), self.global_batch, self.tail)

    @property
    def bad_samples(self) -> int:
        """Samples of this epoch that were left out as damaged, on all ranks."""
        return self._position.bad

    @property
    def restarts(self) -> int:
        """How often reading processes died and new ones went on, since the last `close`."""
        return self._batches.restarts if self._batches else 0

    @property
    def dropped(self) -> int:
        """Clips that this epoch leaves out because they fill no batch."""
        return self._rest() - len(self) * self.global_batch if self.tail == "drop" else 0

    @property
    def repeated(self) -> int:
        """Clips of an epoch's beginning that are read again to fill its last batch."""
        return plan.repeated(self._rest(), self.global_batch, self.tail)

    def _rest(self) -> int:
        return len(self.samples) - self._position.skipped

    def __len__(self) -> int:
        """Steps in this epoch; in one that was re-cut, those after the cut."""
        return self._epochs.steps(self._position)

    def __iter__(self) -> Iterator[Batch]:
        if get_worker_info() is not None:
            raise ClipmillError(
                "each worker of this DataLoader would read the whole stream; expected "
                "num_workers=0. The stream has workers of its own: reading=Reading(workers=N)."
            )
        self._turn += 1
        turn, at = self._turn, self._position
        coming = on_device(self._reader().read(at), self.reading.device)
        while True:
            # Before it takes anything: the newest iteration has the same processes read.
            self._require_newest(turn, at)
            if (found := next(coming, None)) is None:
                break
            batch, bad = found
            self._count(bad)
            # Counted before it is handed over: whoever saves while working on a batch has it done.
            at.step += 1
            yield batch
        self.left_out = at.bad
        at.next_epoch(self._course)

    def _require_newest(self, turn: int, at: Position) -> None:
        if turn != self._turn or at is not self._position:
            raise ClipmillError(
                "this iteration was left for a newer one, or another position was loaded; "
                "ask the newest iterator of the stream."
            )

    def _count(self, bad: list[str]) -> None:
        """Agree with the other ranks on how many samples were bad, and on whether to go on."""
        budget = self.reading.bad_samples
        if not budget:
            return
        self.bad = [*self.bad, *bad][:REASONS]
        self._position.bad += self.reading.agree(len(bad))
        if self._position.bad > budget:
            here = f", the first of them here: {self.bad[0]}" if self.bad else ", on other ranks."
            raise ClipmillError(
                f"{self._position.bad} bad samples in epoch {self.epoch + 1}, {budget} are allowed"
                f"{here}"
            )

    def _reader(self) -> Batches:
        if self._batches is None:
            source = source_of(self._dataset, self.samples)
            self._batches = Batches(
                source,
                clip_keys(self.samples.names()),
                Windows(self._dataset.spec, self.window, self.seed, self.train),
                self._epochs,
                self.reading,
                ahead_of(
                    self._dataset,
                    source,
                    self._course.lanes,
                    self.world,
                    skipping=self.reading.bad_samples > 0,
                ),
            )
        return self._batches

    def close(self) -> None:
        """End the processes that read and free their memory; the next iteration begins anew."""
        if self._batches is not None:
            self._batches.close()
            self._batches = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands; the batch handed out last counts as consumed."""
        return self._position.state(self._course)

    def load_state_dict(self, state: dict[str, Any], *, recut: bool = False) -> None:
        """Go on from a state; any number of ranks, but the same data, seed and global batch.

        With `recut` another global batch is taken too: the rest of the epoch is cut anew.
        """
        if (digest := state.get("digest")) != self.digest:
            self._require_not_dropped(str(digest))
        self._position = required(state, self._course, len(self.samples), recut=recut)

    def _require_not_dropped(self, digest: str) -> None:
        """Raise where the list of clips that had this digest has lost some to `drop`."""
        if lost := self._dropped_since(digest):
            raise ClipmillError(
                f"{lost:,} of its clips were dropped since the position was saved; a run is not "
                "continued on other data than it began with. Start a new run with another --run "
                "folder: it trains without them."
            )
