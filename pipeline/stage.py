"""The one place that owns skipping what is done, retry, progress, recording and interruption.

A stage is a plan (pure), units of work cut from it, and what makes rows of them: worker processes
or threads (pipeline/crew.py, pipeline/threads.py). Rows are committed at least every minute, with
every shard, and when the run is interrupted; results are taken as they come. A resumed run
finishes the written plan first. The engine's own cost is about 0.1 ms a unit.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from manifests import schema
from manifests.console import Progress, Ui
from manifests.dataset import Dataset
from pipeline import plans
from pipeline.crew import Crew
from pipeline.lock import holding
from pipeline.retrying import STATE, Retry

COMMIT_EVERY_S = 30.0
COMMIT_EVERY_ROWS = 50_000  # some 50 MB of rows that wait
# A row appears after what it describes: shards before their samples, both before the outcomes.
ORDER = ("shards", "samples")
_FOLDERS = (".", "manifests", plans.FOLDER, *(f"manifests/{name}" for name in ORDER))

Rows = dict[str, list[dict[str, Any]]]
U = TypeVar("U")


class Stage(Protocol, Generic[U]):
    """What a stage has to say about itself."""

    @property
    def name(self) -> str:
        """The stage's name, which is also its table's."""
        ...

    @property
    def folders(self) -> Sequence[str]:
        """Where its work writes files, so that a dead run's temporary ones are removed."""
        ...

    def plan(self, retry: Retry, number: int) -> pa.Table:
        """Return what is to be done now, as a table of `plans/NAME`: pure but for reading."""
        ...

    def units(self, todo: pa.Table) -> list[tuple[U, int]]:
        """Cut plan rows into units of work, each with its number of clips.

        Rows that are in no unit are not this run's (another machine has them, say): they stay
        without an outcome, are not counted, and are cut again by the next run.
        """
        ...

    @property
    def plans(self) -> str:
        """Under which name its plans are kept; the stage's own but for parts of a stage."""
        ...

    def results(self, units: Sequence[U], crew: Crew) -> Generator[Rows, None, None]:
        """Do the units and yield rows as they come; closing it ends the work."""
        ...


@dataclass
class Summary:
    """What a run did: clips by status, and failed ones by reason."""

    stage: str
    title: str = ""
    planned: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def failed(self) -> int:
        """Clips that did not come out well."""
        return self.statuses["failed"] + self.statuses["gone"]

    @property
    def failures(self) -> str:
        """How many failed, in words: with the most frequent reasons."""
        if not self.failed:
            return ""
        most = self.reasons.most_common(3)
        others = "" if len(self.reasons) == len(most) else ", ..."
        return f"{self.failed:,} failed ({', '.join(f'{n:,} {why}' for why, n in most)}{others})"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for --json."""
        return {
            "stage": self.stage,
            "title": self.title or self.stage,
            "planned": self.planned,
            **{status: self.statuses[status] for status in ("done", "failed", "gone")},
            "reasons": dict(self.reasons),
            "seconds": round(self.seconds, 3),
        }


class _Recorder:
    """Gathers rows and commits them; nothing is lost between two commits but the work itself."""

    def __init__(self, dataset: Dataset, stage: str, summary: Summary, ui: Ui) -> None:
        self._dataset, self._stage, self._summary, self._ui = dataset, stage, summary, ui
        self._waiting: Rows = {}
        self._last = time.monotonic()

    def take(self, rows: Rows) -> None:
        for table, values in rows.items():
            self._waiting.setdefault(table, []).extend(values)
        for row in rows.get(self._stage, ()):
            self._summary.statuses[row["status"]] += 1
            if row["status"] != "done":
                self._summary.reasons[row["reason"]] += 1
                self._ui.detail(f"{row['clip_id']}: {row['reason']}: {row['message']}")
        many = len(self._waiting.get(self._stage, ())) >= COMMIT_EVERY_ROWS
        if rows.get("shards") or many or time.monotonic() - self._last >= COMMIT_EVERY_S:
            self.commit()

    def commit(self) -> None:
        for table in (*ORDER, self._stage):
            # Forgotten only when kept: after a fault, outcomes must not go ahead of their samples.
            self._dataset.append(table, self._waiting.get(table, []))
            self._waiting.pop(table, None)
        self._last = time.monotonic()


def run(
    dataset: Dataset,
    stage: Stage[Any],
    *,
    crew: Crew,
    retry: Retry,
    ui: Ui,
    title: str = "",
    units_per_s: float | None = None,
    share: tuple[int, int] = (1, 1),
    foresee: Callable[[pa.Table], None] | None = None,
) -> Summary:
    """Do all that is pending of a stage, under a `title` or its name; return what came of it.

    `units_per_s` is the most that a budget allows; the time that is left is told by it. Of a
    stage that is divided among machines this is the `share` (i of n) that it does. `foresee` looks
    at the rows that are to be done before anything of them is written, and may raise.

    Raises:
        StoppedError: the environment ended it (full disk, killed worker, a second run here).
    """
    summary = Summary(stage.name, title)
    started = time.monotonic()
    with holding(dataset.storage, stage.name, share):
        for folder in (*_FOLDERS, f"manifests/{stage.name}", *stage.folders):
            dataset.storage.clean(folder)
        for todo, words in _rounds(dataset, stage, retry, foresee):
            _work(dataset, stage, todo, words, crew, summary, ui, units_per_s)
        for table in (*ORDER, stage.name):
            dataset.compact(table)
    summary.seconds = time.monotonic() - started
    return summary


def _rounds(
    dataset: Dataset,
    stage: Stage[Any],
    retry: Retry,
    foresee: Callable[[pa.Table], None] | None,
) -> Iterator[tuple[pa.Table, str]]:
    """Yield what is left of the last plan, then what a new plan asks for: not what this run has
    just tried, which a retry of failed clips would do twice. With each go words about it, or none.
    """
    tried = pa.array([], pa.string())
    while True:
        left, number = remaining(dataset, stage.plans)
        if len(left):
            if foresee:
                foresee(left)
            yield left, f"finishing plan {number - 1}"
            tried = pa.concat_arrays([tried, *left["clip_id"].chunks])
        plan = stage.plan(retry, number).filter(~pc.field("clip_id").isin(tried))
        if not len(plan):
            return
        if foresee:
            foresee(plan)
        # Where another process took the number, its plan is the one to finish: two plans for the
        # same clips would pack them twice.
        if plans.write(dataset, stage.plans, plan, number):
            yield plan, ""
            return


def remaining(dataset: Dataset, name: str) -> tuple[pa.Table, int]:
    """Return the rows of the last plan of a name that have no outcome, and the next number."""
    known, table = plans.numbers(dataset, name), plans.table_of(name)
    if not known:
        return schema.TABLES[table].empty_table(), 0
    plan = plans.read(dataset, name, known[-1])
    asked = set(dataset.clips["clip_id"].to_pylist())
    outcomes = dataset.parts(table.partition("/")[2], STATE)
    return plans.unfinished(plan, outcomes, asked), known[-1] + 1


def coming(dataset: Dataset, stage: Stage[Any], retry: Retry) -> tuple[pa.Table, pa.Table]:
    """Return what a run would do, nothing written: rows left of the last plan, and new ones.

    What is left has no outcome, so a plan made now has it too; a run plans when it has done it.
    """
    left, number = remaining(dataset, stage.plans)
    ids = pa.concat_arrays([pa.array([], pa.string()), *left["clip_id"].chunks])
    return left, stage.plan(retry, number).filter(~pc.field("clip_id").isin(ids))


def _work(
    dataset: Dataset,
    stage: Stage[Any],
    todo: pa.Table,
    words: str,
    crew: Crew,
    summary: Summary,
    ui: Ui,
    units_per_s: float | None,
) -> None:
    units = stage.units(todo)
    if not units:
        return
    clips = sum(count for _, count in units)
    summary.planned += clips
    if words:
        ui.note(f"{stage.name}: {words}, {clips:,} clips left")
    most = units_per_s * clips / len(units) if units_per_s else None
    recorder = _Recorder(dataset, stage.name, summary, ui)
    with (
        ui.progress(clips, summary.title or summary.stage, most=most) as progress,
        contextlib.closing(stage.results([unit for unit, _ in units], crew)) as results,
    ):
        try:
            for rows in results:
                recorder.take(rows)
                _advance(progress, rows, stage.name, summary)
        finally:
            # Also when interrupted: what came back is recorded before the command ends.
            recorder.commit()


def _advance(progress: Progress, rows: Rows, stage: str, summary: Summary) -> None:
    progress.advance(len(rows.get(stage, ())), summary.failures)
