"""The download stage from one source: fetch in threads, look at what came, record it.

Part of the stage `download`: its rows say by `via` which source they come from, so that what one
source lacks is pending for the next. A file counts when it is whole, can be opened and holds its
clips; else it is removed and its clips have rows with reasons. Costs what the source costs, and
about 10 ms a file on two cores.
"""

from __future__ import annotations

import dataclasses
import datetime
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests import tables
from manifests.dataset import Dataset
from manifests.errors import StoppedError
from manifests.reasons import Reason
from pipeline import outcome
from pipeline.acquiring.facts import facts
from pipeline.acquiring.finding import File, own_folders
from pipeline.acquiring.units import Planned
from pipeline.crew import in_threads
from pipeline.fetch.check import require_span, require_whole
from pipeline.fetch.kept import Kept, lost_files
from pipeline.fetch.lines import Lines
from pipeline.fetch.litter import forget, sweep
from pipeline.fetch.pace import host_of
from pipeline.fetch.selection import EVERYTHING, Selection
from pipeline.fetch.source import Arrived, Refused, Source, Tools, Want
from pipeline.fetch.taxonomy import Then
from pipeline.retrying import STATE, Retry, pending
from pipeline.stage import Rows
from pipeline.video.decoder import Decoder, Limits
from pipeline.video.errors import VideoError

DAY = datetime.timedelta(days=1)
Row = dict[str, Any]
COLUMNS = ("clip_id", "source", "video_id", "start_s", "end_s")


@dataclass(frozen=True)
class Bring:
    """The stage over one dataset folder and one source.

    What sources in `after` can have waits until they have refused it: another machine may be
    bringing it, where they divide their work among machines themselves.
    """

    dataset: Dataset
    source: Source
    tools: Tools
    selection: Selection
    name: str = "download"
    folders: tuple[str, ...] = own_folders()
    after: tuple[Source, ...] = ()

    @property
    def plans(self) -> str:
        """The same command goes on with its own plan, whatever other ones planned."""
        return f"download-{self.source.name}-{self.selection.digest}"

    @property
    def units_per_s(self) -> float | None:
        """The most units a second that a budget of requests allows; None for no bound."""
        per_hour = self.source.host and self.tools.pace.rates.of(self.source.host)
        return per_hour / 3600 if per_hour else None

    def serves(self, source: str) -> bool:
        """Whether the source can have this video."""
        return self.source.serves(source)

    def plan(self, retry: Retry, number: int) -> pa.Table:
        """Return the clips that are not here and that this source has not been asked for, or is
        to be asked for again.
        """
        chosen, limit = self.selection, self.selection.limit
        if chosen.shared and self.source.divides:  # itself, when it cuts the plan into units
            chosen, limit = dataclasses.replace(chosen, part=EVERYTHING.part), None
        outcomes = self.dataset.parts(self.name, (*STATE, "via"))
        clips = self.dataset.clips.select(["clip_id", "source", "label"])
        asked = {
            one: set(outcomes.filter(pc.field("via") == one.name)["clip_id"].to_pylist())
            for one in self.after
        }
        wanted = (
            (clip, source)
            for clip, source, label in zip(*(x.to_pylist() for x in clips.columns), strict=True)
            if self.source.serves(source)
            and chosen.takes(source, label)
            and all(clip in known for one, known in asked.items() if one.serves(source))
        )
        lost = () if retry == "none" else lost_files(self.dataset)
        todo = pending(wanted, outcomes, retry, self.source.name, lost)[:limit]
        rows = [Planned(source, clip, attempt) for clip, source, attempt in todo]
        return tables.from_records("plans/download", rows)

    def units(self, todo: pa.Table) -> list[tuple[Any, int]]:
        """Cut the plan as the source wants it, after sweeping out what nobody goes on with."""
        attempts = dict(zip(todo["clip_id"].to_pylist(), todo["attempt"].to_pylist(), strict=True))
        clips = self.dataset.clips
        clips = tables.keep(clips, (clip in attempts for clip in clips["clip_id"].to_pylist()))
        wants = [
            Want(row["clip_id"], attempts[row["clip_id"]], *(row[name] for name in COLUMNS[1:]))
            for row in clips.select(COLUMNS).to_pylist()
        ]
        sweep(self.dataset, self.tools.storage, self.selection)
        return self.source.units(wants, self.tools)

    def results(self, units: Sequence[Any], jobs: int) -> Generator[Rows, None, None]:
        """Fetch in threads.

        Raises:
            UnreachableError: hosts that cannot be reached; all others were asked.
        """
        bringing = _Bringing(self.dataset, self.source, self.tools)
        yield from in_threads(bringing, units, jobs, self.tools.stop)
        if rows := bringing.lines.rest():
            yield {self.name: rows}
        if error := bringing.lines.error():
            raise error


class _Bringing:
    """Fetches units and makes rows of what comes, in any number of threads."""

    def __init__(self, dataset: Dataset, source: Source, tools: Tools) -> None:
        self._source, self._tools = source, tools
        self._thread = threading.local()
        self._kept = Kept(dataset)
        self.lines = Lines()
        columns = (*STATE, "via", "reason", "finished_at")
        rows = dataset.parts("download", columns).filter(
            (pc.field("via") == source.name) & (pc.field("reason") == str(Reason.UNAVAILABLE))
        )
        self._refused_before: dict[str, datetime.datetime] = {}
        for row in rows.select(["clip_id", "finished_at"]).to_pylist():
            first = self._refused_before.setdefault(row["clip_id"], row["finished_at"])
            self._refused_before[row["clip_id"]] = min(first, row["finished_at"])

    def __call__(self, unit: Any) -> Iterator[Rows]:
        line = self._source.host or host_of(unit[0].source)
        if self.lines.dead(line):
            return
        started = time.monotonic()
        for found in self._source.fetch(unit, self._tools):
            seconds = time.monotonic() - started
            rows = self._look(found, seconds) if isinstance(found, Arrived) else []
            if isinstance(found, Refused):
                rows = [self._refuse(want, found, seconds) for want in found.wants]
                if found.rule.line:
                    self.lines.failed(line, rows)
                    rows = []
            if rows:
                yield {"download": [*self.lines.works(line), *rows]}
            started = time.monotonic()

    def _look(self, found: Arrived, seconds: float) -> list[Row]:
        """Return the rows of a file's clips; a file that serves none of them is removed."""
        decoder, storage = self._decoder(), self._tools.storage
        versions = decoder.versions()
        file = File(found.name, storage.local(found.name), found.start_s)

        def failed(want: Want, error: VideoError) -> Row:
            row = outcome.failed(
                want.clip_id, want.attempt, seconds, versions, error.reason, error.message
            )
            return row | {"via": self._source.name}

        try:
            probe = decoder.probe(file.path)
            require_whole(probe)
        except VideoError as error:
            self._kept.remove(found.name)
            return [failed(want, error) for want in found.wants]
        columns: Row = {}
        rows = []
        for want in found.wants:
            try:
                require_span(probe, [want], found.start_s)
            except VideoError as error:  # its clip is beyond the end; others may not be
                rows.append(failed(want, error))
                continue
            columns = columns or facts(file, probe, self._source.name)
            rows.append(outcome.done(want.clip_id, want.attempt, seconds, versions) | columns)
        if columns:
            self._kept.add(found.name)
        else:
            self._kept.remove(found.name)
        return rows

    def _refuse(self, want: Want, found: Refused, seconds: float) -> Row:
        """Return the row of a clip that the source does not give.

        Raises:
            StoppedError: this machine cannot go on.
        """
        if found.rule.then is Then.STOP:
            raise StoppedError(
                f"{found.message}. Mend that, then run the same command again; nothing is lost."
            )
        row = outcome.failed(
            want.clip_id, want.attempt, seconds, {}, found.rule.reason, found.message
        )
        status = self._status(want, found.rule.then, row)
        if status == "gone":
            forget(self._tools.storage, want.source)
        return row | {"via": self._source.name, "status": status}

    def _status(self, want: Want, then: Then, row: dict[str, Any]) -> str:
        if then is Then.GONE_TWICE:
            first = self._refused_before.get(want.clip_id)
            return "gone" if first and row["finished_at"] - first >= DAY else "failed"
        return "gone" if then is Then.GONE else "failed"

    def _decoder(self) -> Decoder:
        """This thread's decoder, which ends with the thread."""
        if not hasattr(self._thread, "decoder"):
            self._thread.decoder = Decoder(limits=Limits())
        return self._thread.decoder
