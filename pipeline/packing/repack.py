"""The repack stage: shards → other shards, without a video.

Clips are read by offset and checked (xxh3) as they are read: about 1 GB/s a core from raw to raw
and from jpeg to jpeg, whose strips are copied; raw to jpeg encodes some 450 clips/s. Damage is a
failed clip, never copied on. A shard without rows is simply written again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests import tables
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.reasons import Reason
from manifests.spec import ClipSpec
from manifests.storage import open_storage
from pipeline import outcome
from pipeline.crew import Crew, in_processes
from pipeline.packing.forecast import Forecast, forecast
from pipeline.packing.numbering import REPACK, next_index
from pipeline.packplan import plan_shards
from pipeline.retrying import STATE, Retry, pending
from pipeline.stage import Rows
from shards.format import NO_PIXELS, Sample, encode_pixels, sample_bytes
from shards.read import ShardReader
from shards.write import FOLDER, own_versions, write_shard

TRIED = 4


@dataclass(frozen=True, slots=True)
class Packed:
    """A packed clip: the rows of its samples, one a view, and what else is known of it."""

    clip_id: str
    attempt: int
    label: str | None
    rows: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class ShardJob:
    """One shard to write of clips that lie in others, in order."""

    shard: str
    split: str
    generation: int
    clips: tuple[Packed, ...]


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
        reader = reader_of(self._source)
        try:
            sizes = [len(encode_pixels(_pixels(reader, row), "jpeg")) for row in some]
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


def reader_of(source: Dataset) -> ShardReader:
    """Return what reads the clips of a dataset."""
    shards = source.parts("shards")
    sizes = dict(zip(shards["shard"].to_pylist(), shards["bytes"].to_pylist(), strict=True))
    return ShardReader(source.storage, source.spec, sizes)


def _pixels(reader: ShardReader, row: Mapping[str, Any]) -> Any:
    return reader.pixels(row["shard"], row["offset"], row["nbytes"], row["xxh3"], row["key"])


@dataclass
class _Attempt:
    """The outcomes of one shard's clips, gathered while its samples are being written."""

    job: ShardJob
    source: Dataset
    spec: ClipSpec
    versions: dict[str, str]
    outcomes: list[dict[str, Any]] = field(default_factory=list)

    def samples(self) -> Iterator[Sample]:
        """Read the clips in order, all views of one or none; a damaged one leaves a row."""
        reader = reader_of(self.source)
        for clip in self.job.clips:
            started = time.monotonic()
            try:
                samples = [self._sample(reader, clip, row) for row in clip.rows]
                if not samples:
                    raise ClipmillError(f"{clip.clip_id} is in no shard any more; pack it anew.")
            except ClipmillError as error:
                row = outcome.failed(
                    clip.clip_id,
                    clip.attempt,
                    time.monotonic() - started,
                    self.versions,
                    Reason.CORRUPT,
                    str(error),
                )
                self.outcomes.append(row)
                continue
            yield from samples
            seconds = time.monotonic() - started
            row = outcome.done(clip.clip_id, clip.attempt, seconds, self.versions)
            self.outcomes.append(row | dict(samples[0].counts) | {"shard": self.job.shard})

    def _sample(self, reader: ShardReader, clip: Packed, row: Mapping[str, Any]) -> Sample:
        place = (row["shard"], row["offset"], row["nbytes"])
        copied = row["codec"] == self.spec.codec == "jpeg"
        encoded = bytes(reader.payload(*place, row["xxh3"], row["key"])) if copied else None
        about = reader.about(*place, row["key"])
        said = {name: about.get(name) for name in ("clip_id", "view", "label", "indices")}
        known = {"clip_id": clip.clip_id, "label": clip.label}
        known |= {name: row[name] for name in ("view", "indices")}
        if said != known:
            raise ClipmillError(
                f"shard {row['shard']}, sample {row['key']}: its JSON says {said}; its row says "
                f"{known}. Run `clipmill verify --root DIR`."
            )
        return Sample(
            clip_id=clip.clip_id,
            label_id=row["label_id"],
            label=clip.label,
            video_id=about["video_id"],
            start_s=about["start_s"],
            end_s=about["end_s"],
            pixels=NO_PIXELS if copied else _pixels(reader, row),
            indices=tuple(row["indices"]),
            stride=row["stride"],
            mirrored=row["mirrored"],
            fps=about["fps"],
            counts=about["counts"],
            view=row["view"],
            several=row["key"] != clip.clip_id,
            encoded=encoded,
        )


@dataclass(frozen=True)
class RepackShard:
    """Writes one shard, in a worker process."""

    source: str
    target: str
    spec: ClipSpec

    def __call__(self, job: ShardJob) -> Rows:
        """Return the rows of the shard, its samples and its clips' outcomes."""
        source = Dataset.open(self.source)
        versions = _versions(source, job)
        attempt = _Attempt(job, source, self.spec, versions | own_versions())
        written = write_shard(
            open_storage(self.target),
            job.shard,
            job.split,
            job.generation,
            attempt.samples(),
            self.spec,
            versions,
        )
        rows: Rows = {"pack": attempt.outcomes}
        return (
            rows
            if written is None
            else rows | {"shards": [written.shard], "samples": written.samples}
        )


def _versions(source: Dataset, job: ShardJob) -> dict[str, str]:
    """Return the versions that the clips were decoded with; several of one thing side by side."""
    names = {row["shard"] for clip in job.clips for row in clip.rows}
    rows = source.parts("shards").filter(pc.field("shard").isin(pa.array([*names], pa.string())))
    found: dict[str, set[str]] = {}
    for text in rows["versions"].to_pylist():
        for name, version in json.loads(text).items():
            found.setdefault(name, set()).add(version)
    return {name: ", ".join(sorted(versions)) for name, versions in found.items()}
