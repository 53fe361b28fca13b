"""The repack stage: shards → other shards, without a video.

What the source has packed and the target has not is planned as `pack` plans; workers write the
shards (rewriting.py). Tables alone are read here, and for jpeg four clips tried.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests import tables
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.spec import ClipSpec
from pipeline.crew import Crew, in_processes
from pipeline.packing.forecast import Forecast, forecast
from pipeline.packing.numbering import REPACK, next_index
from pipeline.packing.rewriting import Packed, RepackShard, ShardJob, pixels_of
from pipeline.packplan import plan_shards
from pipeline.retrying import STATE, Retry, pending
from pipeline.stage import Rows
from shards.format import encode_pixels, sample_bytes
from shards.read import ShardReader
from shards.write import FOLDER

TRIED = 4


class Sizes:
    """What a clip comes to, measured on the shards that there are."""

    def __init__(self, source: Dataset, samples: pa.Table, spec: ClipSpec) -> None:
        self._source, self._samples, self._spec = source, samples, spec

    def sample_bytes(self, todo: Sequence[str]) -> int:
        """Return the tar bytes of one sample of the clips to come."""
        return sample_bytes(self._spec, self._strip) if todo else 1

    def seconds(self, todo: Sequence[str]) -> float | None:
        """Return nothing: disks decide, and nobody knows them before."""
        return None

    @cached_property
    def _strip(self) -> float | None:
        """Mean bytes of a strip: those there are, or a few that are encoded now."""
        if self._spec.codec == "raw" or not len(self._samples):
            return None
        if self._source.spec.codec == "jpeg":
            return pc.mean(self._samples["nbytes"]).as_py()  # type: ignore[attr-defined]
        step = max(1, len(self._samples) // TRIED)
        some = self._samples.take([*range(0, len(self._samples), step)][:TRIED]).to_pylist()
        reader = ShardReader.of(self._source)
        try:
            sizes = [len(encode_pixels(pixels_of(reader, row), "jpeg")) for row in some]
        except ClipmillError:
            return None  # damage: the work finds it and says so
        return sum(sizes) / len(sizes)


@dataclass(frozen=True)
class Repack:
    """The stage over a new folder, `target`, of clips that `source` has packed."""

    source: Dataset
    target: Dataset
    shard_bytes: int | None = None
    name: str = "pack"
    plans: str = REPACK
    folders: tuple[str, ...] = (FOLDER,)

    @cached_property
    def samples(self) -> pa.Table:
        """Rows of the source's samples, in the order of clip and view."""
        return self.source.parts("samples")

    @cached_property
    def sizes(self) -> Sizes:
        """What clips come to in the new folder."""
        return Sizes(self.source, self.samples, self.target.spec)

    def plan(self, retry: Retry, number: int) -> pa.Table:
        """Return the shards to write: what the source has packed and the target has not."""
        shards = self.source.parts("shards")
        split_of = dict(zip(shards["shard"].to_pylist(), shards["split"].to_pylist(), strict=True))
        clips, names = self.samples["clip_id"].to_pylist(), self.samples["shard"].to_pylist()
        views: dict[str, int] = {}
        lying: dict[str, str] = {}
        for clip, name in zip(clips, names, strict=True):
            views[clip] = views.get(clip, 0) + 1
            lying[clip] = split_of[name]
        gone = set(self.target.dropped.to_pylist())
        wanted = ((clip, split) for clip, split in lying.items() if clip not in gone)
        outcomes = self.target.parts(self.name)
        todo = pending(wanted, outcomes.select(STATE), retry, retired=self._again(outcomes))
        rows = plan_shards(
            [(clip, split, attempt, views[clip]) for clip, split, attempt in todo],
            sample_bytes=self.sizes.sample_bytes([clip for clip, *_ in todo]),
            shard_bytes=self.shard_bytes,
            seed=self.target.seed,
            generation=number,
            next_index=next_index(self.target),
        )
        return tables.from_rows("plans/pack", rows)

    def _again(self, outcomes: pa.Table) -> set[str]:
        """Return the clips to do whatever their outcomes say: those of shards that `verify --fix`
        took out since, and those that the source could not pack earlier, and now has.
        """
        retired = self.target.parts("retired")["shard"].combine_chunks()
        lost = tables.finished(outcomes).filter(pc.field("shard").isin(retired))
        failed = tables.latest(outcomes).filter(pc.field("status") != "done")
        names = ("clip_id", "attempt", "finished_at")
        carried = set(_columns(self.source.parts(self.name), names))
        since = (row[0] for row in _columns(failed, names) if row in carried)
        return {*lost["clip_id"].to_pylist(), *since}

    def forecast(self, todo: pa.Table, workers: int | None) -> Forecast:
        """Return what the rows of a plan will come to."""
        return forecast(self.target.storage, self.source.views, self.sizes, todo, workers)

    def units(self, todo: pa.Table) -> list[tuple[ShardJob, int]]:
        """Return whole shards."""
        names = pa.array(todo["clip_id"].to_pylist(), pa.string())
        found: dict[str, list[dict[str, Any]]] = {}
        for row in self.samples.filter(pc.field("clip_id").isin(names)).to_pylist():
            found.setdefault(row["clip_id"], []).append(row)
        clips = self.source.clips
        labels = dict(zip(clips["clip_id"].to_pylist(), clips["label"].to_pylist(), strict=True))
        shards: dict[str, tuple[str, int, list[Packed]]] = {}
        for row in todo.to_pylist():
            clip = row["clip_id"]
            entry = shards.setdefault(row["shard"], (row["split"], row["generation"], []))
            rows = tuple(found.get(clip, ()))
            entry[2].append(Packed(clip, row["attempt"], labels.get(clip), rows))
        return [
            (ShardJob(name, split, generation, tuple(packed)), len(packed))
            for name, (split, generation, packed) in shards.items()
        ]

    def results(self, units: Sequence[ShardJob], crew: Crew) -> Generator[Rows, None, None]:
        """Do the units in worker processes."""
        work = RepackShard(self.source.storage.root, self.target.storage.root, self.target.spec)
        return in_processes(work, units, crew)


def _columns(table: pa.Table, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(table[name].to_pylist() for name in names), strict=True)
