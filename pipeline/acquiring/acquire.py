"""The download stage: find each clip's video, check it on arrival, record what it is.

Local files are used where they lie, archives are taken out into the root first. Each file is probed
in the decoder child (1 to 2 ms, packets counted, not header claims) and hashed (sha256, 1.5 GB/s).
A file that is missing or unreadable is a row with a reason. One file is looked at once for all its
clips.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests import tables
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.storage import Storage, open_storage
from pipeline import outcome, plans
from pipeline.acquiring.archives import archives
from pipeline.acquiring.facts import facts
from pipeline.acquiring.finding import Span, find, own_folders
from pipeline.acquiring.from_archive import take_out
from pipeline.acquiring.locate import Places, at_hand
from pipeline.acquiring.units import Absent, Planned, Unit, Video, cut
from pipeline.crew import Crew, in_processes
from pipeline.fetch.selection import EVERYTHING, Selection
from pipeline.retrying import STATE, Retry, pending
from pipeline.stage import Rows
from pipeline.video.decoder import Limits
from pipeline.video.errors import VideoError
from pipeline.worker import decoder

LOCAL = "local"  # what `via` says of videos that lie on a disk


@dataclass(frozen=True)
class Download:
    """The stage over one dataset folder."""

    dataset: Dataset
    selection: Selection = EVERYTHING
    name: str = "download"
    folders: tuple[str, ...] = own_folders()
    # Clips whose video is another one now, with the attempt that saw the old one.
    changed: Mapping[str, int] = field(default_factory=dict)
    ui: Ui = field(default_factory=lambda: Ui(quiet=True))

    @property
    def plans(self) -> str:
        """The same command goes on with its own plan, whatever other ones planned."""
        chosen = dataclasses.replace(self.selection, retry=EVERYTHING.retry)
        return "download" if chosen == EVERYTHING else f"download-local-{self.selection.digest}"

    def plan(self, retry: Retry, number: int) -> pa.Table:
        """Return the clips without an outcome, those that `retry` asks for, and changed ones."""
        places, clips = Places.of(self.dataset), self.dataset.clips
        wanted = [
            (clip, source)
            for clip, source, label in zip(
                *(clips[name].to_pylist() for name in ("clip_id", "source", "label")), strict=True
            )
            if not places.waits(source) and self.selection.takes(source, label)
        ]
        outcomes = self.dataset.parts(self.name, STATE)
        todo = pending(wanted, outcomes, retry)[: self.selection.limit]
        if self.changed:
            reached, planned = plans.attempts(outcomes), {clip for clip, _, _ in todo}
            todo += [
                (clip, source, reached[clip] + 1)
                for clip, source in wanted
                if clip not in planned and reached.get(clip, 0) == self.changed.get(clip)
            ]
        rows = [Planned(source, clip, attempt) for clip, source, attempt in todo]
        return tables.from_records("plans/download", rows)

    def serves(self, source: str) -> bool:
        """Whether this video can lie where the videos are said to be."""
        return not Places.of(self.dataset).waits(source)

    def units(self, todo: pa.Table) -> list[tuple[Unit, int]]:
        """Take the videos out of their archive if they lie in one, find each clip's file, and
        gather the clips of one file, then some files.
        """
        places, storage = Places.of(self.dataset), self.dataset.storage
        clips = self.dataset.clips.filter(pc.field("clip_id").isin(todo["clip_id"]))
        names = ("clip_id", "source", "start_s", "end_s")
        spans = {
            clip: Span(source, start, end)
            for clip, source, start, end in zip(
                *(clips[name].to_pylist() for name in names), strict=True
            )
            if not places.waits(source)
        }
        lost: dict[Span, str] = {}
        for archive in archives(places) if spans else ():
            lost |= take_out(archive, spans.values(), storage, self.ui)
        files = find(places, spans.values(), storage)
        attempts = zip(todo["clip_id"].to_pylist(), todo["attempt"].to_pylist(), strict=True)
        videos: dict[tuple[str, str], Video] = {}
        absent: list[Planned] = []
        for clip, attempt in attempts:
            if span := spans.get(clip):
                if file := files.get(span):
                    video = videos.setdefault((span.source, file.name), Video(file, []))
                    video.clips.append((clip, attempt))
                else:
                    absent.append(Planned(span.source, clip, attempt))
        ordered = [videos[key] for key in sorted(videos)]
        damage = {clip: lost[span] for clip, span in spans.items() if span in lost}
        return cut(ordered, absent, str(places.videos), damage)

    def results(self, units: Sequence[Unit], crew: Crew) -> Generator[Rows, None, None]:
        """Do the units in worker processes, after those that need none."""
        for unit in units:
            if isinstance(unit, Absent):
                yield unit.rows()
        if there := [unit for unit in units if not isinstance(unit, Absent)]:
            work = Acquire(self.dataset.storage.root, Limits())
            yield from in_processes(work, there, crew)


@dataclass(frozen=True)
class Acquire:
    """Looks at videos, in a worker process."""

    root: str
    limits: Limits

    def __call__(self, videos: list[Video]) -> Rows:
        """Return the outcome rows of these videos' clips."""
        storage, rows = open_storage(self.root), []
        for video in videos:
            started = time.monotonic()
            make = self._look(storage, video)
            seconds = time.monotonic() - started
            rows += [make(clip, attempt, seconds) for clip, attempt in video.clips]
        return {"download": rows}

    def _look(self, storage: Storage, video: Video) -> Callable[[str, int, float], dict[str, Any]]:
        """Look at one video and return what makes a row of it for any of its clips."""
        child = decoder("pyav", self.limits)
        versions = child.versions()
        try:
            with at_hand(storage, video.file.path) as path:
                probe = child.probe(path)
                found = facts(video.file, path, probe, LOCAL)
        except VideoError as error:
            reason, message = error.reason, error.message
            return lambda clip, attempt, seconds: outcome.failed(
                clip, attempt, seconds, versions, reason, message
            )
        return lambda clip, attempt, seconds: outcome.done(clip, attempt, seconds, versions) | found
