"""The ways from packed clips to batches that `clipmill bench stream` compares.

Each gives batches for ever, uint8 (N, T, H, W, C), and says how many it may have read ahead. What
is not clipmill's is written as its own users would write it, at its best.
"""

from __future__ import annotations

import importlib
import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shards.benching.setup import Clips, Pixels, Setup

Way = Callable[[Setup], tuple[Iterator[Any], int]]
PREFETCH = 2  # torch's own; 4 and 8 were tried with webdataset and with plain loaders: no faster
SHUFFLED = 64  # clips that webdataset holds back to shuffle; more cost memory and no time
MEMORY_PART = 0.25  # of the free memory, at most, for the source of memcpy


def memcpy(setup: Setup, slots: int = 1) -> tuple[Iterator[Pixels], int]:
    """Copy as many bytes from memory as large as the clips: what one core's memcpy does.

    Each clip's bytes are one run of the clip as it is stored; they go into `slots` batches in turn.
    """
    clips = Clips(setup)
    size = int(np.prod(clips.shape))
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    count = max(setup.batch, min(len(clips), int(free * MEMORY_PART) // clips.spec.nbytes))
    source = np.empty((count, clips.spec.nbytes), np.uint8)
    source[...] = np.arange(count, dtype=np.uint8)[:, None]  # every page is there

    def batches() -> Iterator[Pixels]:
        for rows, batch in zip(clips.rows(setup), _in_turn(setup, clips, slots), strict=False):
            flat = batch.reshape(setup.batch, size)
            for place, row in enumerate(rows):
                np.copyto(flat[place], source[row % count, :size])
            yield batch

    return batches(), 0


def crop_copy(setup: Setup, slots: int = 1) -> tuple[Iterator[Pixels], int]:
    """Copy each window from the mapped shard into `slots` batches in turn, on one core.

    Of jpeg shards it is simplejpeg that decodes them first.
    """
    clips = Clips(setup)

    def batches() -> Iterator[Pixels]:
        generator = np.random.default_rng(0)
        for rows, batch in zip(clips.rows(setup), _in_turn(setup, clips, slots), strict=False):
            starts = clips.starts(len(rows), generator)
            for place, row in enumerate(rows):
                batch[place] = clips.cut(clips.pixels(row), starts[place])
            yield batch

    return batches(), 0


def _in_turn(setup: Setup, clips: Clips, slots: int) -> Iterator[Pixels]:
    memory = np.empty((slots, setup.batch, *clips.shape), np.uint8)
    return itertools.cycle(memory)


def into_slots(way: Callable[[Setup, int], tuple[Iterator[Any], int]]) -> Way:
    """Return the same, going into as many batches in turn as clipmill reads into.

    One batch that is written again and again stays in the processor's caches; those that are read
    ahead cannot.
    """

    def run(setup: Setup) -> tuple[Iterator[Any], int]:
        from shards import reading

        steps, spec = len(Clips(setup)) // setup.batch, Clips(setup).spec
        tasks = setup.workers * reading.PREFETCH + 1
        return way(setup, tasks * reading.together(spec, setup.batch, steps) + reading.HELD)

    return run


def clipmill(setup: Setup) -> tuple[Iterator[Any], int]:
    """Stream as `clipmill train` does."""
    from manifests.dataset import Dataset
    from shards import reading
    from shards.stream import Stream

    dataset = Dataset.open(setup.root)
    stream = Stream(
        dataset,
        setup.split,
        setup.window,
        global_batch=setup.batch,
        train=True,
        split_set=setup.split_set,
        reading=reading.Reading(workers=setup.workers),
    )

    def batches() -> Iterator[Any]:
        while True:
            for batch in stream:
                yield batch.pixels

    tasks = setup.workers * reading.PREFETCH
    return batches(), tasks * reading.together(dataset.spec, setup.batch, len(stream))


class _Mapped:
    """A dataset of torch's kind over mapped shards; a clip by its number, or a batch at once."""

    def __init__(self, setup: Setup) -> None:
        self._clips, self._generator = Clips(setup), np.random.default_rng()

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, row: int) -> tuple[NDArray[np.uint8], int]:
        [start] = self._clips.starts(1, self._generator)
        window = self._clips.cut(self._clips.pixels(row), start)
        return np.ascontiguousarray(window), self._clips.places[row].label


class _Batched(_Mapped):
    """The same; torch asks for a whole batch, which is filled in place."""

    def __getitems__(self, rows: list[int]) -> tuple[Any, Any]:
        import torch

        pixels = torch.empty((len(rows), *self._clips.shape), dtype=torch.uint8)
        out, starts = pixels.numpy(), self._clips.starts(len(rows), self._generator)
        for place, row in enumerate(rows):
            out[place] = self._clips.cut(self._clips.pixels(row), starts[place])
        return pixels, torch.tensor([self._clips.places[row].label for row in rows])


def loader(setup: Setup) -> tuple[Iterator[Any], int]:
    """Read with torch's DataLoader, clip by clip, put together by its own collate function."""
    return _loaded(_Mapped(setup), setup)


def batched_loader(setup: Setup) -> tuple[Iterator[Any], int]:
    """Read with torch's DataLoader, a batch at a time, each into a tensor of its own."""
    return _loaded(_Batched(setup), setup, collate_fn=_same)


def _same(batch: Any) -> Any:
    return batch


def _loaded(dataset: Any, setup: Setup, **more: Any) -> tuple[Iterator[Any], int]:
    from torch.utils.data import DataLoader

    made: DataLoader[Any] = DataLoader(
        dataset,
        setup.batch,
        shuffle=True,
        drop_last=True,
        num_workers=setup.workers,
        persistent_workers=setup.workers > 0,
        prefetch_factor=PREFETCH if setup.workers else None,
        **more,
    )
    return endless(made), PREFETCH * setup.workers


def endless(made: Any) -> Iterator[Any]:
    """Yield the pixels of a loader's batches, epoch after epoch."""
    while True:
        for pixels, *_ in made:
            yield pixels


def webdataset(setup: Setup) -> tuple[Iterator[Any], int]:
    """Read tars as streams, each clip by frombuffer (`.decode()` is slower), batched in the worker.

    Tried and left: batching in the parent, numpy batches (pickled), GOPEN_BUFFER.
    """
    import torch

    wds: Any = importlib.import_module("webdataset")
    clips, generator = Clips(setup), np.random.default_rng()

    def cut(sample: dict[str, Any]) -> tuple[Pixels, int]:
        if clips.spec.codec == "raw":
            clip = np.frombuffer(sample["npy"], np.uint8, clips.spec.nbytes, 128)
        else:
            import simplejpeg

            clip = simplejpeg.decode_jpeg(sample["jpg"], colorspace="RGB")
        [start] = clips.starts(1, generator)
        return clips.cut(clip.reshape(clips.spec.shape), start), int(sample["cls"])

    def together(items: list[tuple[Pixels, int]]) -> tuple[Any, Any]:
        pixels = torch.empty((len(items), *clips.shape), dtype=torch.uint8)
        out = pixels.numpy()
        for place, (window, _) in enumerate(items):
            out[place] = window
        return pixels, torch.tensor([label for _, label in items])

    dataset = wds.WebDataset(
        [str(path) for path in clips.files],
        shardshuffle=len(clips.files),
        empty_check=False,
        workersplitter=wds.split_by_worker,
    )
    dataset = dataset.shuffle(SHUFFLED).map(cut).batched(setup.batch, together, partial=False)
    made = wds.WebLoader(
        dataset,
        batch_size=None,
        num_workers=setup.workers,
        persistent_workers=setup.workers > 0,
        prefetch_factor=PREFETCH if setup.workers else None,
    )
    return endless(made), PREFETCH * setup.workers


YARDSTICK, BARE, MINE, ORDINARY = "memcpy", "crop copy", "clipmill", "DataLoader"
INTO_SLOTS = ", into all slots"
# Of one core: the number of workers is nothing to them but that of the slots.
ALONE = (YARDSTICK, BARE, YARDSTICK + INTO_SLOTS, BARE + INTO_SLOTS)
WAYS: dict[str, Way] = {
    YARDSTICK: memcpy,
    YARDSTICK + INTO_SLOTS: into_slots(memcpy),
    BARE: crop_copy,
    BARE + INTO_SLOTS: into_slots(crop_copy),
    MINE: clipmill,
    ORDINARY: loader,
    "DataLoader, __getitems__": batched_loader,
    "webdataset": webdataset,
}
