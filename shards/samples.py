"""Which packed clips a split has, and where each one lies: the list that is read and resumed by.

Some 100 bytes a clip, in arrays that forked workers share; reading the tables takes about a second
for 500,000 clips.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.content import Content
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from shards import plan
from shards.contents import contents
from shards.format import UNLABELLED

_PIECE = 1 << 14
_MOMENTS = 64  # drops that are looked back through
_COLUMNS = ("clip_id", "view", "key", "shard", "label_id", "offset", "nbytes", "xxh3")


@dataclass(frozen=True)
class Samples:
    """The columns that reading needs, one entry a sample, in the order of clip_id and view.

    `ids` and `keys` are arrow strings, `xxh3` fixed 16 bytes of hexadecimal digits; `shard_of` are
    places in `shards`, which hold `contents`.
    """

    ids: pa.Array
    keys: pa.Array
    shards: list[str]
    contents: list[Content]
    shard_of: NDArray[np.int64]
    labels: NDArray[np.int64]
    offsets: NDArray[np.int64]
    nbytes: NDArray[np.int64]
    xxh3: NDArray[np.bytes_]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def clip_ids(self) -> list[str]:
        """Each sample's clip; a list of strings, made when it is asked for (70 bytes a clip)."""
        return self.ids.to_pylist()

    def names(self) -> Iterator[str]:
        """Yield each sample's clip; a few thousand of them are strings at once."""
        for start in range(0, len(self.ids), _PIECE):
            yield from self.ids.slice(start, _PIECE).to_pylist()

    @cached_property
    def digest(self) -> str:
        """Name of this list of samples."""
        return plan.digest(self.keys, self.shards, self.shard_of)


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
        ClipmillError: a shard of another ClipSpec, a sample of a shard that has no row, or of a
            label that there is not.
    """
    dataset.require_own_shards()
    known = dataset.parts("shards")
    rows = dataset.parts("samples", _COLUMNS)
    rows = rows if every_view else middle_views(rows)
    rows = rows.filter(pc.field("clip_id").isin(dataset.clips_of(split, split_set)))
    _require_labels(dataset, rows)
    names = rows["shard"].combine_chunks().dictionary_encode()
    shards = sorted(names.dictionary.to_pylist())
    wanted = pa.array(shards, pa.string())
    unknown = pc.index_in(wanted, known["shard"].combine_chunks())  # type: ignore[attr-defined]
    if unknown.null_count:
        first = shards[unknown.is_null().index(True).as_py()]
        raise ClipmillError(
            f"the table of samples names shard {first}, which the table of shards lacks. "
            "Run `clipmill verify --root DIR`."
        )
    number = {name: index for index, name in enumerate(shards)}
    held = contents(known.filter(pc.field("shard").isin(wanted)))
    places = np.array([number[name] for name in names.dictionary.to_pylist()], np.int64)
    ids, keys = rows["clip_id"].combine_chunks(), rows["key"].combine_chunks()
    samples = Samples(
        ids,
        ids if keys.equals(ids) else keys,
        shards,
        [held[name] for name in shards],
        places[names.indices.to_numpy()] if len(rows) else np.empty(0, np.int64),
        rows["label_id"].fill_null(UNLABELLED).to_numpy().astype(np.int64),
        rows["offset"].to_numpy().astype(np.int64),
        rows["nbytes"].to_numpy().astype(np.int64),
        rows["xxh3"].to_numpy().astype("S16"),
    )
    del rows, names, ids, keys, known
    pa.default_memory_pool().release_unused()  # the tables' own memory: twice as much as the list
    return samples


def _require_labels(dataset: Dataset, rows: pa.Table) -> None:
    """Raise where a clip has a label that there is not: a network has no output for it."""
    most = pc.max(rows["label_id"]).as_py()  # type: ignore[attr-defined]
    if most is not None and most >= len(dataset.labels):
        row = rows.filter(pc.field("label_id") == most).slice(0, 1).to_pylist()[0]
        raise ClipmillError(
            f"clip {row['clip_id']} is packed with label {most}; the table of labels has "
            f"{len(dataset.labels)}, from 0. Run `clipmill verify --root DIR`."
        )


def dropped_since(dataset: Dataset, split: str, split_set: str | None, digest: str) -> int:
    """Return how many clips of a split were dropped since its list had that digest.

    0 where drops alone do not explain the difference. Reads the list once for each drop, from the
    newest back.
    """
    moments = sorted(set(dataset.tombstones["dropped_at"].to_pylist()), reverse=True)[:_MOMENTS]
    if not moments:
        return 0
    now = len(read_samples(dataset, split, split_set))
    for moment in moments:
        before = dataclasses.replace(dataset, until=moment - datetime.timedelta(milliseconds=1))
        then = read_samples(before, split, split_set)
        if then.digest == digest:
            return len(then) - now
    return 0
