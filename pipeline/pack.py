"""The pack stage: clips → shards, one shard a unit of work.

A worker decodes its shard's clips in plan order (or takes the tensors that `decode` kept), writes
the tar and hands back its rows; failed clips are rows. The bytes depend on the plan alone, not on
jobs or interruptions. A whole shard without rows is adopted after a check.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests import tables
from manifests.collector import without_collector
from manifests.dataset import Dataset
from manifests.reasons import Reason
from manifests.storage import Storage, open_storage
from pipeline import outcome
from pipeline.clip import Job, Settings, acquired, jobs_of, made_for, make, whole
from pipeline.crew import Crew, in_processes
from pipeline.packing.choosing import EVERYTHING, Choice
from pipeline.packing.costs import Costs
from pipeline.packing.forecast import Forecast, forecast
from pipeline.packing.numbering import next_index
from pipeline.packplan import plan_shards, shard_split
from pipeline.retrying import STATE, Retry, pending
from pipeline.stage import Rows
from pipeline.video.errors import VideoError
from shards.format import NO_PIXELS, Sample
from shards.hashed import HashedFile
from shards.read import scan_file
from shards.write import Written, shard_path, shard_row, write_shard


@dataclass(frozen=True, slots=True)
class ShardJob:
    """One shard to write and the clips that go into it, in order."""

    shard: str
    split: str
    generation: int
    clips: tuple[Job, ...]


@dataclass(frozen=True)
class Pack:
    """The stage over one dataset folder. A shard's split is the clip's in the first split set."""

    dataset: Dataset
    settings: Settings
    shard_bytes: int | None = None
    choice: Choice = EVERYTHING
    name: str = "pack"
    plans: str = "pack"
    folders: tuple[str, ...] = ("shards",)

    @without_collector()
    def plan(self, retry: Retry, number: int) -> pa.Table:
        """Return the shards to write: acquired clips that are neither packed nor failed.

        Reads tables; for jpeg a few clips are decoded where no shard tells how large they become.
        """
        splits_of = self.dataset.splits_of(None)
        self.choice.require(splits_of)
        undecodable = _failed(self.dataset.parts("decode")) if retry == "none" else set()
        outcomes = self.dataset.parts(self.name, (*STATE, "shard"))
        there = self.choice.of_splits(acquired(self.dataset)["clip_id"].to_pylist(), splits_of)
        decodable = [clip for clip in there if clip not in undecodable]
        begun = set(outcomes["clip_id"].to_pylist()) if self.choice.limit else ()
        chosen = self.choice.first(decodable, begun, self.dataset.seed)
        wanted = ((clip, shard_split(splits_of.get(clip, ()))) for clip in chosen)
        todo = pending(wanted, outcomes, retry, retired=self._retired(outcomes))
        rows = plan_shards(
            [(clip, split, attempt, self.dataset.views(clip)) for clip, split, attempt in todo],
            sample_bytes=self.costs.sample_bytes([clip for clip, *_ in todo]) if todo else 1,
            shard_bytes=self.shard_bytes,
            seed=self.dataset.seed,
            generation=number,
            next_index=next_index(self.dataset),
        )
        return tables.from_rows("plans/pack", rows)

    @cached_property
    def costs(self) -> Costs:
        """What clips come to; the trial that it may need is made once."""
        return Costs(self.dataset, self.settings)

    def forecast(self, todo: pa.Table, workers: int | None) -> Forecast:
        """Return what the rows of a plan will come to."""
        return forecast(self.dataset.storage, self.dataset.views, self.costs, todo, workers)

    def _retired(self, outcomes: pa.Table) -> list[str]:
        """Return the clips that were packed into shards which `verify --fix` took out since."""
        shards = self.dataset.parts("retired")["shard"].combine_chunks()
        rows = tables.finished(outcomes).filter(pc.field("shard").isin(shards))
        return rows["clip_id"].to_pylist()

    @without_collector()
    def units(self, todo: pa.Table) -> list[tuple[ShardJob, int]]:
        """Return whole shards: where one clip has no outcome, its shard is not recorded."""
        jobs = jobs_of(self.dataset, todo)
        shards: dict[str, tuple[str, int, list[Job]]] = {}
        for row in todo.to_pylist():
            entry = shards.setdefault(row["shard"], (row["split"], row["generation"], []))
            entry[2].append(jobs[row["clip_id"]])
        return [
            (ShardJob(name, split, generation, tuple(clips)), len(clips))
            for name, (split, generation, clips) in shards.items()
        ]

    def results(self, units: Sequence[ShardJob], crew: Crew) -> Generator[Rows, None, None]:
        """Do the units in worker processes."""
        return in_processes(PackShard(self.dataset.storage.root, self.settings), units, crew)


def _failed(outcomes: pa.Table) -> set[str]:
    """Return the clips that cannot be decoded, as far as `decode` knows."""
    rows = tables.latest(outcomes)
    damaged = pc.fill_null(pc.equal(rows["reason"], str(Reason.DAMAGED)), False)  # type: ignore[attr-defined]
    rows = rows.filter(pc.invert(damaged))  # type: ignore[attr-defined]
    return {
        clip
        for clip, status in zip(
            rows["clip_id"].to_pylist(), rows["status"].to_pylist(), strict=True
        )
        if status != "done"
    }


@dataclass
class _Attempt:
    """The outcomes of one shard's clips, gathered while its samples are being written."""

    job: ShardJob
    settings: Settings
    storage: Storage
    outcomes: list[dict[str, Any]] = field(default_factory=list)

    def samples(self) -> Iterator[Sample]:
        """Make the clips in order, all views of one or none; a failed one leaves a row."""
        versions = self.settings.versions()
        for clip in self.job.clips:
            started = time.monotonic()
            try:
                samples = make(clip, self.settings, self.storage)
            except VideoError as error:
                seconds = time.monotonic() - started
                self.outcomes.append(
                    outcome.failed(
                        clip.clip_id, clip.attempt, seconds, versions, error.reason, error.message
                    )
                )
                continue
            yield from samples
            seconds, by = time.monotonic() - started, versions | dict(samples[0].versions)
            row = outcome.done(clip.clip_id, clip.attempt, seconds, by)
            self.outcomes.append(row | dict(samples[0].counts) | {"shard": self.job.shard})


@dataclass(frozen=True)
class PackShard:
    """Writes one shard, in a worker process."""

    root: str
    settings: Settings

    def __call__(self, job: ShardJob) -> Rows:
        """Return the rows of the shard, its samples and its clips' outcomes."""
        storage = open_storage(self.root)
        rows = self._adopt(storage, job)
        if rows is not None:
            return rows
        attempt = _Attempt(job, self.settings, storage)
        written = write_shard(
            storage,
            job.shard,
            job.split,
            job.generation,
            attempt.samples(),
            self.settings.spec,
            self.settings.versions(),
        )
        return _rows(written, attempt.outcomes)

    def _adopt(self, storage: Storage, job: ShardJob) -> Rows | None:
        """Take a whole shard that has no rows: the run died between writing and recording.

        Clips that it lacks had failed; they are tried again for their reasons. Should one come
        out now, the shard is written anew, as an undisturbed run would have. That another decoder
        had rescued a clip (second_try.py) went with the rows.
        """
        if storage.size(shard_path(job.shard)) is None:
            return None
        with storage.fetched(shard_path(job.shard)) as path:
            return self._adopted(path, storage, job)

    def _adopted(self, path: Path, storage: Storage, job: ShardJob) -> Rows | None:
        """Return the rows of a shard that is there; None when it is not what was planned."""
        started = time.monotonic()
        try:
            jobs = {clip.clip_id: clip for clip in job.clips}
            found: dict[str, list[Sample]] = {}
            rows: list[dict[str, Any]] = []
            with HashedFile(path) as file:
                for sample, row in scan_file(file, job.shard, self.settings.spec):
                    clip = jobs.get(sample.clip_id)
                    if clip is None or not made_for(sample, clip):
                        return None
                    # What is kept of it is not its pixels: those of a whole shard are too many.
                    light = dataclasses.replace(sample, pixels=NO_PIXELS)
                    found.setdefault(clip.clip_id, []).append(light)
                    rows.append(row)
                digests = file.digests()
        except (ValueError, OSError):
            return None
        rest = tuple(clip for clip in job.clips if clip.clip_id not in found)
        kept = [clip for clip in job.clips if clip.clip_id in found]
        order = [sample.key for clip in kept for sample in found[clip.clip_id]]
        if order != [row["key"] for row in rows]:
            return None
        if not all(whole(found[clip.clip_id], clip) for clip in kept):
            return None
        left = ShardJob(job.shard, job.split, job.generation, rest)
        attempt = _Attempt(left, self.settings, storage)
        if next(attempt.samples(), None) is not None:
            return None
        versions = self.settings.versions()
        seconds = (time.monotonic() - started) / max(len(job.clips), 1)
        done = [
            outcome.done(clip.clip_id, clip.attempt, seconds, versions)
            | dict(found[clip.clip_id][0].counts)
            | {"shard": job.shard}
            for clip in kept
        ]
        row = shard_row(
            job.shard,
            job.split,
            len(rows),
            digests,
            self.settings.spec,
            job.generation,
            versions,
        )
        return _rows(Written(row, rows), attempt.outcomes + done)


def _rows(written: Written | None, outcomes: list[dict[str, Any]]) -> Rows:
    if written is None:
        return {"pack": outcomes}
    return {"shards": [written.shard], "samples": written.samples, "pack": outcomes}
