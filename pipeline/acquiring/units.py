"""Units of looking at videos: some files with their clips, or many clips without a file.

The latter need no worker process and become rows by the ten thousand: half a million clips
without a video cost seconds and little memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from manifests.reasons import Reason
from pipeline import outcome
from pipeline.acquiring.finding import File
from pipeline.stage import Rows

UNIT = 32
ABSENT = 10_000


class Planned(NamedTuple):
    """A row of `plans/download`."""

    source: str
    clip_id: str
    attempt: int


class Video(NamedTuple):
    """One file and the clips (clip_id, attempt) it serves."""

    file: File
    clips: list[tuple[str, int]]


class Absent(NamedTuple):
    """Clips without a file, which need no worker process, and where one was looked for.

    `damage` tells by clip_id of those whose file lies there and is damaged.
    """

    looked: str
    clips: list[Planned]
    damage: Mapping[str, str]

    def rows(self) -> Rows:
        """Return the outcome rows of these clips."""
        missing = outcome.failed("", 0, 0.0, {}, Reason.MISSING, "")
        damaged = missing | {"reason": str(Reason.CORRUPT)}
        rows: list[dict[str, Any]] = []
        for source, clip, attempt in self.clips:
            row = damaged if clip in self.damage else missing
            text = self.damage.get(clip) or f"{self.looked} holds no video for {source}"
            message = text.encode("utf-8", "backslashreplace").decode()  # names may be no text
            rows.append({**row, "clip_id": clip, "attempt": attempt, "message": message})
        return {"download": rows}


Unit = list[Video] | Absent
T = TypeVar("T")


def cut(
    videos: Sequence[Video],
    absent: Sequence[Planned],
    looked: str,
    damage: Mapping[str, str],
) -> list[tuple[Unit, int]]:
    """Return units with their numbers of clips."""
    files = ((part, sum(len(video.clips) for video in part)) for part in _parts(videos, UNIT))
    others = ((Absent(looked, part, damage), len(part)) for part in _parts(absent, ABSENT))
    return [*others, *files]


def _parts(items: Sequence[T], size: int) -> Iterator[list[T]]:
    return ([*items[start : start + size]] for start in range(0, len(items), size))
