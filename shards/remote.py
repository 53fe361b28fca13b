"""Where the shards of a data set are read: a folder of this machine, or copies fetched ahead."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from manifests.dataset import Dataset
from manifests.errors import ClipmillError, StoppedError
from manifests.storage import Storage
from shards.ahead import Ahead
from shards.clips import Source
from shards.samples import Samples
from shards.write import FOLDER, shard_path


def source_of(dataset: Dataset, samples: Samples) -> Source:
    """Return what is read, and where it lies."""
    here = dataset.storage.room is None
    return Source(
        samples,
        dataset.spec,
        samples.contents,
        dataset.storage.place(FOLDER) if here else None,
    )


def ahead_of(
    dataset: Dataset, source: Source, lanes: int = 1, world: int = 1, *, skipping: bool = False
) -> Ahead | None:
    """Return what fetches shards before they are read; None where they are on this machine.

    Processes of a machine that read other lanes hold other shards: they divide the room.
    torchrun says how many they are. With `skipping` a shard that is not what the tables say is
    given as it is: whoever reads it tells good clips from bad.
    """
    room = dataset.storage.room
    if room is None:
        return None

    def fetch(number: int) -> contextlib.AbstractContextManager[Path]:
        path, content = shard_path(source.samples.shards[number]), source.contents[number]
        fetched = dataset.storage.fetched(path, content=content)
        return _as_it_is(dataset.storage, path, fetched) if skipping else fetched

    sizes = np.array([content.size for content in source.contents], np.int64)
    apart = max(1, lanes * int(os.environ.get("LOCAL_WORLD_SIZE", "1")) // world)
    first = int(os.environ.get("LOCAL_RANK", "0"))
    return Ahead(fetch, sizes, room // min(apart, world), first=first)


@contextlib.contextmanager
def _as_it_is(
    storage: Storage, path: str, wanted: contextlib.AbstractContextManager[Path]
) -> Iterator[Path]:
    """Give what is wanted or, where another file is there instead, that."""
    with contextlib.ExitStack() as held:
        try:
            place = held.enter_context(wanted)
        except StoppedError:
            raise
        except ClipmillError:
            place = held.enter_context(storage.fetched(path))
        yield place
