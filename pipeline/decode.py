"""The decode stage: clip tensors under clips/, for those who run it apart from packing.

Each tensor is a tar of one raw sample (clips/ab/CLIP.tar), or of all views of its clip, so its
frame indices travel with it and a whole file without a row can be adopted. It takes as much room
as raw shards; `pack` decodes on the way without it.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import xxhash

from manifests import tables
from manifests.collector import without_collector
from manifests.dataset import Dataset
from manifests.storage import Storage, open_storage
from pipeline import outcome
from pipeline.clip import (
    Job,
    Settings,
    acquired,
    digest_of,
    jobs_of,
    make,
    stored_spec,
    whole,
)
from pipeline.crew import Crew, in_processes
from pipeline.retrying import STATE, Retry, pending
from pipeline.stage import Rows
from pipeline.video.errors import VideoError
from shards.read import file_sha256, scan
from shards.write import write_shard

UNIT = 8


@dataclass(frozen=True)
class Decode:
    """The stage over one dataset folder."""

    dataset: Dataset
    settings: Settings
    name: str = "decode"
    plans: str = "decode"
    folders: tuple[str, ...] = tuple(f"clips/{number:02x}" for number in range(256))

    @without_collector()
    def plan(self, retry: Retry, number: int) -> pa.Table:
        """Return the acquired clips that are not decoded yet."""
        wanted = ((clip, None) for clip in sorted(acquired(self.dataset)["clip_id"].to_pylist()))
        todo = pending(wanted, self.dataset.parts(self.name, STATE), retry)
        rows = ({"clip_id": clip, "attempt": attempt} for clip, _, attempt in todo)
        return tables.from_rows("plans/decode", rows)

    @without_collector()
    def units(self, todo: pa.Table) -> list[tuple[list[Job], int]]:
        """Return a few clips at a time."""
        jobs = [*jobs_of(self.dataset, todo).values()]
        cuts = (jobs[start : start + UNIT] for start in range(0, len(jobs), UNIT))
        return [(cut, len(cut)) for cut in cuts]

    def results(self, units: Sequence[list[Job]], crew: Crew) -> Generator[Rows, None, None]:
        """Do the units in worker processes."""
        return in_processes(DecodeClips(self.dataset.storage.root, self.settings), units, crew)


@dataclass(frozen=True)
class DecodeClips:
    """Decodes clips into files of their own, in a worker process."""

    root: str
    settings: Settings

    def __call__(self, jobs: list[Job]) -> Rows:
        """Return the outcome rows of these clips."""
        storage = open_storage(self.root)
        return {"decode": [self._one(storage, job) for job in jobs]}

    def _one(self, storage: Storage, job: Job) -> dict[str, Any]:
        started = time.monotonic()
        versions = self.settings.versions()
        path = tensor_path(job.clip_id)
        try:
            found = self._adopt(storage, path, job)
            if found is None:
                samples = make(job, self.settings, storage)
                spec = stored_spec(self.settings.spec)
                folder, _, name = path.rpartition("/")
                written = write_shard(storage, name, "clips", 0, samples, spec, versions, folder)
                assert written is not None
                digests = {"xxh3": digest_of(written.samples), "sha256": written.shard["sha256"]}
                found = samples[0].counts, digests
                versions = versions | dict(samples[0].versions)
        except VideoError as error:
            seconds = time.monotonic() - started
            return outcome.failed(
                job.clip_id, job.attempt, seconds, versions, error.reason, error.message
            )
        row = outcome.done(job.clip_id, job.attempt, time.monotonic() - started, versions)
        counts, digests = found
        return row | dict(counts) | {"path": path, "bytes": storage.size(path)} | digests

    def _adopt(
        self, storage: Storage, path: str, job: Job
    ) -> tuple[Mapping[str, int], dict[str, str]] | None:
        """Take a whole tensor that has no row: the process died between writing and recording.

        Returns its counts and the digests of its pixels and its file. That another decoder had
        rescued the clip (second_try.py) went with the row.
        """
        if job.attempt > 1 or storage.size(path) is None:
            return None
        try:
            with storage.fetched(path) as file:
                found = [*scan(file, path, stored_spec(self.settings.spec))]
                sha256 = file_sha256(file)
        except ValueError:
            return None
        samples = [sample for sample, _ in found]
        if not whole(samples, job):
            return None
        xxh3 = digest_of([row for _, row in found])
        return samples[0].counts, {"xxh3": xxh3, "sha256": sha256}


def tensor_path(clip_id: str) -> str:
    """Return where a clip's tensor lies; 256 folders keep each one small."""
    return f"clips/{xxhash.xxh3_64_hexdigest(clip_id.encode())[:2]}/{clip_id}.tar"
