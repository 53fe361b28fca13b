"""The download stage: find each clip's video, check it on arrival, record what it is.

Local files are used where they lie: probed in the decoder child (1 to 2 ms, packets counted, not
header claims) and hashed (sha256, 1.5 GB/s). A file that is missing or unreadable is a row with a
reason. One video is looked at once for all its clips.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from manifests import tables
from manifests.dataset import Dataset
from pipeline import outcome
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

    def plan(self, retry: Retry, number: int) -> pa.Table:
        """Return the clips that have no outcome yet, and those that `retry` asks for again."""
        clips = self.dataset.clips
        wanted = zip(clips["clip_id"].to_pylist(), clips["source"].to_pylist(), strict=True)
        todo = pending(wanted, self.dataset.parts(self.name), retry)
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
