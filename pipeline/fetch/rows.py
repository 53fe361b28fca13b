"""What a source brings or refuses, looked at and made rows of, in any number of threads.

A file counts when it is whole, can be opened and holds its clips; else it is removed and its clips
have rows with reasons. About 10 ms a file on two cores.
"""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from manifests.addresses import host_of
from manifests.dataset import Dataset
from manifests.errors import StoppedError
from manifests.reasons import Reason
from pipeline import outcome
from pipeline.acquiring.facts import facts
from pipeline.acquiring.finding import File
from pipeline.acquiring.locate import InRoot
from pipeline.fetch.check import require_span, require_whole
from pipeline.fetch.kept import Kept
from pipeline.fetch.lines import Lines
from pipeline.fetch.litter import forget
from pipeline.fetch.source import Arrived, Refused, Source, Tools, Want
from pipeline.fetch.taxonomy import Then
from pipeline.retrying import STATE
from pipeline.stage import Rows
from pipeline.video.decoder import Decoder, Limits
from pipeline.video.errors import VideoError

DAY = datetime.timedelta(days=1)
Row = dict[str, Any]


class Bringing:
    """Fetches units and makes rows of what comes, in any number of threads."""

    def __init__(self, dataset: Dataset, source: Source, tools: Tools) -> None:
        self._source, self._tools = source, tools
        self._thread = threading.local()
        self._kept = Kept(dataset)
        self.lines = Lines()
        columns = (*STATE, "via", "finished_at")
        rows = dataset.parts("download", columns).filter(
            (pc.field("via") == source.name) & (pc.field("reason") == str(Reason.UNAVAILABLE))
        )
        self._refused_before: dict[str, datetime.datetime] = {}
        for row in rows.select(["clip_id", "finished_at"]).to_pylist():
            first = self._refused_before.setdefault(row["clip_id"], row["finished_at"])
            self._refused_before[row["clip_id"]] = min(first, row["finished_at"])

    def __call__(self, unit: Any) -> Iterator[Rows]:
        """Fetch one unit and yield rows as its videos come; none for a line that was given up.

        Raises:
            StoppedError: this machine cannot go on.
        """
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
        with self._tools.storage.fetched(found.name) as path:
            return self._looked(found, path, seconds)

    def _looked(self, found: Arrived, path: Path, seconds: float) -> list[Row]:
        decoder = self._decoder()
        versions = decoder.versions()
        file = File(found.name, InRoot(found.name), found.start_s)

        def failed(want: Want, error: VideoError) -> Row:
            row = outcome.failed(
                want.clip_id, want.attempt, seconds, versions, error.reason, error.message
            )
            return row | {"via": self._source.name}

        try:
            probe = decoder.probe(path)
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
            columns = columns or facts(file, path, probe, self._source.name)
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
