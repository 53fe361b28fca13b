"""One shard written of clips that lie in others: what a worker of `repack` does.

Clips are read by offset and checked (xxh3) as they are read: about 1 GB/s a core from raw to raw
and from jpeg to jpeg, whose strips are copied; raw to jpeg encodes some 450 clips/s. Damage is a
failed clip, never copied on. A shard without rows is simply written again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.reasons import Reason
from manifests.spec import ClipSpec
from manifests.storage import open_storage
from pipeline import outcome
from pipeline.stage import Rows
from shards.format import NO_PIXELS, Sample
from shards.read import ShardReader
from shards.write import own_versions, write_shard


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


def pixels_of(reader: ShardReader, row: Mapping[str, Any]) -> np.ndarray:
    """Return the pixels of a row of `samples`; ClipmillError where they are damaged."""
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
        reader = ShardReader.of(self.source)
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
            pixels=NO_PIXELS if copied else pixels_of(reader, row),
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
