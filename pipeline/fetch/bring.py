"""The download stage from one source: what is asked of it, cut into units and fetched in threads.

Part of the stage `download`: its rows say by `via` which source they come from, so that what one
source lacks is pending for the next. Costs what the source costs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests import tables
from manifests.dataset import Dataset
from pipeline.acquiring.finding import own_folders
from pipeline.acquiring.units import Planned
from pipeline.crew import Crew
from pipeline.fetch.kept import lost_files
from pipeline.fetch.litter import sweep
from pipeline.fetch.rows import Bringing
from pipeline.fetch.selection import EVERYTHING, Selection
from pipeline.fetch.source import Source, Tools, Want
from pipeline.retrying import STATE, Retry, pending
from pipeline.stage import Rows
from pipeline.threads import in_threads

THREADS = 8  # they wait for networks, so more than there are cores

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

    def results(self, units: Sequence[Any], crew: Crew) -> Generator[Rows, None, None]:
        """Fetch in threads.

        Raises:
            UnreachableError: hosts that cannot be reached; all others were asked.
        """
        bringing = Bringing(self.dataset, self.source, self.tools)
        yield from in_threads(bringing, units, crew.threads(THREADS), self.tools.stop)
        if rows := bringing.lines.rest():
            yield {self.name: rows}
        if error := bringing.lines.error():
            raise error
