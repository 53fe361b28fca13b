"""One clip from its video to a Sample: what `decode` and `pack` share.

Decoding runs in the worker's decoder child (20 to 200 ms a clip). A clip that cannot be decoded
raises VideoError with its reason. A clip that `decode` stored is read back and checked instead.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from manifests import tables
from manifests.dataset import Dataset
from manifests.reasons import Reason
from manifests.spec import ClipSpec
from manifests.storage import Storage
from pipeline.acquiring.locate import Places, Where, at_hand
from pipeline.retrying import STATE
from pipeline.second_try import in_either
from pipeline.video.decoder import Backend, Decoded, Limits
from pipeline.video.errors import VideoError
from pipeline.worker import decoder
from shards.format import Sample
from shards.read import scan

_FILE = ("path", "bytes", "file_start_s")
_TENSOR = ("path", "xxh3")


@dataclass(frozen=True, slots=True)
class Job:
    """One clip to make: its row, where its video is, and the stored tensor if there is one.

    What lies under the root is named by its path there: a worker has a storage of its own.
    """

    clip_id: str
    attempt: int
    label_id: int | None
    label: str | None
    video_id: str
    start_s: float | None
    end_s: float | None
    path: Where
    bytes: int | None
    file_start_s: float
    stored: str | None
    stored_xxh3: str | None
    views: int = 1


@dataclass(frozen=True, slots=True)
class Settings:
    """How clips are decoded, the same for all of a run."""

    spec: ClipSpec
    backend: Backend
    limits: Limits

    def versions(self) -> dict[str, str]:
        """Versions of what decodes, for the rows."""
        return decoder(self.backend, self.limits).versions()


def jobs_of(dataset: Dataset, todo: pa.Table) -> dict[str, Job]:
    """Return the jobs of plan rows (clip_id, attempt) by clip_id."""
    places = Places.of(dataset)
    names = todo["clip_id"].to_pylist()
    asked = ("label_id", "label", "video_id", "source", "start_s", "end_s")
    clips = _by_clip(dataset.clips, names, asked)
    files = _by_clip(acquired(dataset, _FILE), names, _FILE)
    stored = _by_clip(finished(dataset, "decode", _TENSOR), names, _TENSOR)
    jobs = {}
    for name, attempt in zip(names, todo["attempt"].to_pylist(), strict=True):
        clip, kept = clips[name], stored.get(name)
        # A video that was lost since the plan was written becomes a row when it is opened.
        file = files.get(name, {"path": "", "bytes": None, "file_start_s": 0.0})
        jobs[name] = Job(
            name,
            attempt,
            clip["label_id"],
            clip["label"],
            clip["video_id"],
            clip["start_s"],
            clip["end_s"],
            places.acquired(clip["source"], file["path"]),
            file["bytes"],
            file["file_start_s"] or 0.0,
            kept["path"] if kept else None,
            kept["xxh3"] if kept else None,
            dataset.views(name),
        )
    return jobs


def finished(dataset: Dataset, stage: str, columns: Sequence[str] = ()) -> pa.Table:
    """Return the outcome rows of the clips that a stage has done: who they are, and `columns`."""
    return tables.finished(dataset.parts(stage, (*STATE, *columns)))


def acquired(dataset: Dataset, columns: Sequence[str] = ()) -> pa.Table:
    """Return the download rows of the clips that are there."""
    return finished(dataset, "download", columns)


def _by_clip(
    table: pa.Table, names: list[str], columns: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return clip_id → some columns of the clips named: only those become Python objects."""
    rows = table.filter(pc.field("clip_id").isin(pa.array(names, pa.string()))).select(
        ["clip_id", *columns]
    )
    return {row["clip_id"]: row for row in rows.to_pylist()}


def make(job: Job, settings: Settings, storage: Storage) -> list[Sample]:
    """Return a clip's samples, one a view; `counts` are the outcome's decoding columns.

    Raises:
        VideoError: the clip cannot be made; it carries the reason.
    """
    if job.stored is not None:
        kept = _read_stored(job, settings.spec, storage)
        if kept is not None:
            return kept
    with at_hand(storage, job.path) as path:
        return _decoded(job, path, settings)


def _decoded(job: Job, path: Path, settings: Settings) -> list[Sample]:
    size = _size(path)
    if size and job.bytes and size != job.bytes:
        raise VideoError(
            Reason.CHANGED,
            f"{PurePath(job.path).name} has {size} bytes; it had {job.bytes} when it was acquired. "
            "Put the file back, or annotate into a new folder.",
        )
    start_s = None if job.start_s is None else job.start_s - job.file_start_s
    end_s = None if job.end_s is None else job.end_s - job.file_start_s
    decoded, rescued_by = in_either(
        lambda backend: decoder(backend, settings.limits),
        settings.backend,
        lambda one: one.decode_views(path, settings.spec, start_s, end_s, job.views),
    )
    return [_sample(job, view, one, rescued_by) for view, one in enumerate(decoded)]


def _sample(job: Job, view: int, decoded: Decoded, rescued_by: Mapping[str, str]) -> Sample:
    return Sample(
        **_identity(job),
        pixels=decoded.pixels,
        indices=tuple(int(index) for index in decoded.indices),
        stride=decoded.stride,
        mirrored=decoded.mirrored,
        fps=decoded.fps,
        counts={
            "frames_decoded": decoded.frames_decoded,
            "packets": decoded.packets,
            "errors": decoded.errors,
            "rotation": decoded.rotation,
        },
        versions=rescued_by,
        view=view,
        several=job.views > 1,
    )


def _size(path: Path) -> int | None:
    """Return a file's size; None where it is none or may not be asked: opening it says why."""
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def stored_spec(spec: ClipSpec) -> ClipSpec:
    """Return the spec of tensors that `decode` keeps: always raw, compressed only in shards."""
    return dataclasses.replace(spec, codec="raw")


def _read_stored(job: Job, spec: ClipSpec, storage: Storage) -> list[Sample] | None:
    """Return the tensors that `decode` kept, or None when they are gone, damaged or too few."""
    assert job.stored is not None
    try:
        with storage.fetched(job.stored) as path:
            found = [*scan(path, job.stored, stored_spec(spec))]
    except (ValueError, OSError):
        return None
    samples = [sample for sample, _ in found]
    if not whole(samples, job) or digest_of([row for _, row in found]) != job.stored_xxh3:
        return None
    return [dataclasses.replace(sample, **_identity(job)) for sample in samples]


def whole(samples: Sequence[Sample], job: Job) -> bool:
    """Whether samples are all views of a job's clip, in order."""
    return [(sample.clip_id, sample.view, sample.several) for sample in samples] == [
        (job.clip_id, view, job.views > 1) for view in range(job.views)
    ]


def digest_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the digest of a clip's pixels: of several views, one over theirs in order."""
    digests = [row["xxh3"] for row in rows]
    if len(digests) == 1:
        return digests[0]
    return xxhash.xxh3_64_hexdigest("".join(digests).encode())


def made_for(sample: Sample, job: Job) -> bool:
    """Whether a stored sample says of its clip what the tables say now."""
    return all(getattr(sample, name) == value for name, value in _identity(job).items())


def _identity(job: Job) -> dict[str, Any]:
    """What the tables say of a clip, as a sample carries it."""
    names = ("clip_id", "label_id", "label", "video_id", "start_s", "end_s")
    return {name: getattr(job, name) for name in names}
