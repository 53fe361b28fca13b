"""Where the shards of a data set are read: a folder of this machine, or copies fetched ahead."""

from __future__ import annotations

import numpy as np

from manifests.dataset import Dataset
from shards.batches import Fetching
from shards.clips import Source
from shards.samples import Samples
from shards.write import FOLDER


def source_of(dataset: Dataset, samples: Samples) -> Source:
    """Return what is read, and what the table of shards says of each; reads that table."""
    rows = dataset.parts("shards", ("shard", "bytes"))
    sizes = dict(zip(rows["shard"].to_pylist(), rows["bytes"].to_pylist(), strict=True))
    return Source(
        samples,
        dataset.spec,
        np.array([sizes[name] for name in samples.shards], np.int64),
        [None] * len(samples.shards),
        dataset.storage.place(FOLDER) if dataset.storage.room is None else None,
    )


def fetching_of(dataset: Dataset, samples: Samples) -> Fetching | None:
    """Return what fetches shards ahead of the plan; None where they are here already."""
    return None
