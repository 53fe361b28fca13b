"""Which packed clips a split has, and where each one lies: the list that is read and resumed by.

Some 150 bytes a clip; reading the tables takes about a second for 500,000 clips.
"""

from __future__ import annotations

import dataclasses
import datetime
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests import tables
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from shards import plan
from shards.format import UNLABELLED

_MOMENTS = 64  # drops that are looked back through


@dataclass(frozen=True, slots=True)
class Samples:
    """The columns that reading needs, one entry a sample, in the order of clip_id and view."""

    clip_ids: list[str]
    keys: list[str]
    shards: list[str]
    shard_of: NDArray[np.int64]
    labels: NDArray[np.int64]
    offsets: NDArray[np.int64]
    nbytes: NDArray[np.int64]
    xxh3: list[str]

    @property
    def digest(self) -> str:
        """Name of this list of samples."""
        return plan.digest(self.keys, (self.shards[number] for number in self.shard_of))


def middle_views(samples: pa.Table) -> pa.Table:
    """Return one row a clip of a table of samples: of several views the middle one.

    Of N views, 0 to N - 1, that is N // 2: the later one of two.
    """
    if not len(samples) or pc.max(samples["view"]).as_py() == 0:  # type: ignore[attr-defined]
        return samples
    counts = samples.group_by("clip_id").aggregate([([], "count_all")])
    middle = pc.divide(counts["count_all"], 2)  # type: ignore[attr-defined]
    place = pc.index_in(samples["clip_id"], value_set=counts["clip_id"])  # type: ignore[attr-defined]
    return samples.filter(pc.equal(samples["view"], middle.take(place)))  # type: ignore[attr-defined]


def read_samples(
    dataset: Dataset, split: str, split_set: str | None, *, every_view: bool = False
) -> Samples:
    """Return the packed clips of one split, sorted by clip_id: one sample of each, or every view.

    Raises:
        ClipmillError: a shard of another ClipSpec, or a sample of a shard that has no row.
    """
    dataset.require_own_shards()
    known = set(dataset.parts("shards")["shard"].to_pylist())
    splits_of = dataset.splits_of(split_set)
    rows = dataset.parts("samples")
    rows = rows if every_view else middle_views(rows)
    ids = rows["clip_id"].to_pylist()
    rows = tables.keep(rows, (split in splits_of.get(name, ()) for name in ids))
    names = rows["shard"].to_pylist()
    shards = sorted(set(names))
    if unknown := [name for name in shards if name not in known]:
        raise ClipmillError(
            f"the table of samples names shard {unknown[0]}, which the table of shards lacks. "
            "Run `clipmill verify --root DIR`."
        )
    number = {name: index for index, name in enumerate(shards)}
    return Samples(
        rows["clip_id"].to_pylist(),
        rows["key"].to_pylist(),
        shards,
        np.array([number[name] for name in names], np.int64),
        rows["label_id"].fill_null(UNLABELLED).to_numpy().astype(np.int64),
        rows["offset"].to_numpy().astype(np.int64),
        rows["nbytes"].to_numpy().astype(np.int64),
        rows["xxh3"].to_pylist(),
    )


def dropped_since(dataset: Dataset, split: str, split_set: str | None, digest: str) -> int:
    """Return how many clips of a split were dropped since its list had that digest.

    0 where drops alone do not explain the difference. Reads the list once for each drop, from the
    newest back.
    """
    moments = sorted(set(dataset.tombstones["dropped_at"].to_pylist()), reverse=True)[:_MOMENTS]
    if not moments:
        return 0
    now = len(read_samples(dataset, split, split_set).clip_ids)
    for moment in moments:
        before = dataclasses.replace(dataset, until=moment - datetime.timedelta(milliseconds=1))
        then = read_samples(before, split, split_set)
        if then.digest == digest:
            return len(then.clip_ids) - now
    return 0
