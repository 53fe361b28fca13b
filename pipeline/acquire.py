"""The download stage: find each clip's video, check it on arrival, record what it is.

Local files are used where they lie: probed in the decoder child (1 to 2 ms, packets counted, not
header claims) and hashed (sha256, 1.5 GB/s). A file that is missing or unreadable is a row with a
reason. One video is looked at once for all its clips.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests import tables
from manifests.dataset import FILE, Dataset
from manifests.errors import ClipmillError
from manifests.reasons import Reason
from manifests.rows import Clip
from manifests.storage import Storage
from pipeline import outcome, plans
from pipeline.annotate.sources import SCHEME
from pipeline.locate import Places
from pipeline.stage import Retry, Rows
from pipeline.video.decoder import Limits
from pipeline.video.errors import VideoError
from pipeline.worker import decoder
from shards.read import file_sha256

UNIT = 32

Video = tuple[str, list[tuple[str, int]]]  # source, [(clip_id, attempt)]


@dataclass(frozen=True)
class Download:
    """The stage over one dataset folder."""

    dataset: Dataset
    name: str = "download"
    folders: tuple[str, ...] = ()
    # Clips whose video is another one now, with the attempt that saw the old one.
    changed: Mapping[str, int] = field(default_factory=dict)

    def plan(self, retry: Retry, number: int) -> pa.Table:
        """Return the clips without an outcome, those that `retry` asks for, and changed ones."""
        clips = self.dataset.clips
        wanted = [*zip(clips["clip_id"].to_pylist(), clips["source"].to_pylist(), strict=True)]
        outcomes = self.dataset.parts(self.name)
        todo = pending(wanted, outcomes, retry)
        if self.changed:
            reached, planned = plans.attempts(outcomes), {clip for clip, _, _ in todo}
            todo += [
                (clip, source, reached[clip] + 1)
                for clip, source in wanted
                if clip not in planned and reached.get(clip, 0) == self.changed.get(clip)
            ]
        return tables.from_rows(
            "plans/download",
            (
                {"source": source, "clip_id": clip, "attempt": attempt}
                for clip, source, attempt in todo
            ),
        )

    def units(self, todo: pa.Table) -> list[tuple[list[Video], int]]:
        """Gather the clips of one video, then some videos."""
        videos: dict[str, list[tuple[str, int]]] = {}
        for row in todo.to_pylist():
            videos.setdefault(row["source"], []).append((row["clip_id"], row["attempt"]))
        ordered = sorted(videos.items())
        units = [ordered[start : start + UNIT] for start in range(0, len(ordered), UNIT)]
        return [(unit, sum(len(clips) for _, clips in unit)) for unit in units]

    def worker(self) -> Callable[[list[Video]], Rows]:
        """Return the function that looks at some videos."""
        return Acquire(Places.of(self.dataset), Limits())


@dataclass(frozen=True)
class Acquire:
    """Looks at videos, in a worker process."""

    places: Places
    limits: Limits

    def __call__(self, videos: list[Video]) -> Rows:
        """Return the outcome rows of these videos' clips."""
        rows = []
        for source, clips in videos:
            started = time.monotonic()
            make = self._look(source)
            seconds = time.monotonic() - started
            rows += [make(clip, attempt, seconds) for clip, attempt in clips]
        return {"download": rows}

    def _look(self, source: str) -> Callable[[str, int, float], dict[str, Any]]:
        """Look at one video and return what makes a row of it for any of its clips."""
        child = decoder("pyav", self.limits)
        versions = child.versions()
        path = self.places.local(source)
        try:
            probe = child.probe(path)
        except VideoError as error:
            reason, message = error.reason, error.message
            return lambda clip, attempt, seconds: outcome.failed(
                clip, attempt, seconds, versions, reason, message
            )
        found = {
            "path": source.removeprefix(SCHEME),
            "bytes": probe.size,
            "sha256": file_sha256(path),
            "file_start_s": 0.0,
            "duration_s": probe.duration_s,
            "fps": probe.fps,
            "width": probe.width,
            "height": probe.height,
            "container": probe.container,
            "codec": probe.codec,
            "packets": probe.packets,
            "rotation": probe.rotation,
        }
        return lambda clip, attempt, seconds: outcome.done(clip, attempt, seconds, versions) | found


def changed_videos(storage: Storage, clips: Iterable[Clip], videos: Path) -> dict[str, int]:
    """Return clip_id → last attempt, for acquired clips whose file is not the one acquired.

    Sizes are compared, which costs a look at each file; where the folder of videos is another one
    than before, contents too (1.5 GB/s).

    Raises:
        ClipmillError: such a clip is packed: its shard holds the old video.
    """
    rows = tables.finished(tables.read_parts(storage, "manifests/download", "download"))
    if not len(rows):
        return {}
    rows = rows.select(["clip_id", "attempt", "bytes", "sha256", "path"])
    known = {row["clip_id"]: row for row in rows.to_pylist()}
    samples = tables.read_parts(storage, "manifests/samples", "samples")
    packed = set(samples["clip_id"].to_pylist())
    moved = _videos_or_none(storage) != str(videos)
    places = Places(storage.local("."), videos)
    same: dict[tuple[Path, str], bool | None] = {}
    found: dict[str, int] = {}
    for clip in clips:
        row = known.get(clip.clip_id)
        if row is None or not clip.source.startswith(SCHEME):
            continue
        path = places.local(clip.source)
        hashed = moved or row["path"] != clip.source.removeprefix(SCHEME)
        key = path, row["sha256"]
        if key not in same:
            same[key] = _is_same(path, row["bytes"], row["sha256"] if hashed else None)
        if same[key]:
            continue
        if clip.clip_id not in packed:
            found[clip.clip_id] = row["attempt"]
        elif same[key] is False:  # a video that was removed after packing harms nothing
            raise ClipmillError(
                f"clip {clip.clip_id} is packed in {storage.root}, and {path} is no longer the "
                f"video it was made of ({row['bytes']:,} bytes then). Put that video back, or "
                "annotate into a new folder and pack there."
            )
    return found


def _videos_or_none(storage: Storage) -> str | None:
    """The folder of videos that the last annotate named, if it is known."""
    if storage.size(FILE) is None:
        return None
    return Dataset.open(storage.root).videos


def _is_same(path: Path, size: int, sha256: str | None) -> bool | None:
    """Whether a file is the one that was acquired; None where there is none to look at."""
    try:
        if not path.is_file():
            return None
        return path.stat().st_size == size and sha256 in (None, sha256 and file_sha256(path))
    except OSError:
        return None


def forget_tensors(dataset: Dataset, changed: Iterable[str]) -> None:
    """Record that tensors which `decode` kept of changed videos are of no use any more."""
    names = pa.array([*changed], pa.string())
    kept = tables.finished(dataset.parts("decode")).filter(pc.field("clip_id").isin(names))
    dataset.append(
        "decode",
        [
            outcome.failed(
                row["clip_id"],
                row["attempt"] + 1,
                0.0,
                {},
                Reason.CHANGED,
                "decoded from a video that was exchanged since; `--retry failed` decodes it anew",
            )
            for row in kept.select(["clip_id", "attempt"]).to_pylist()
        ],
    )


def pending(
    wanted: Iterable[tuple[str, Any]], outcomes: pa.Table, retry: Retry
) -> list[tuple[str, Any, int]]:
    """Return (clip_id, what came with it, attempt) of clips to do: new ones, and retried ones."""
    again = {"none": (), "failed": ("failed",), "gone": ("gone",), "all": ("failed", "gone")}
    state = tables.latest(outcomes)
    known = {
        name: (status, attempt)
        for name, status, attempt in zip(
            state["clip_id"].to_pylist(),
            state["status"].to_pylist(),
            state["attempt"].to_pylist(),
            strict=True,
        )
    }
    todo = []
    for clip, more in wanted:
        status, attempt = known.get(clip, ("", 0))
        if not status or status in again[retry]:
            todo.append((clip, more, attempt + 1))
    return todo
