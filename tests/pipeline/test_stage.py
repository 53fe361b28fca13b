"""The engine: what is done is skipped, interruption keeps what came back, one place records."""

import errno
import os
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from manifests import disk, tables
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import StoppedError
from manifests.reasons import Reason
from pipeline import outcome, plans, stage
from pipeline.crew import Crew, in_processes
from pipeline.retrying import STATE, Retry, pending
from pipeline.stage import Rows


class Counting:
    """A stage that does one clip a unit and remembers which."""

    name = plans = "decode"
    folders = ("clips",)

    def __init__(self, dataset: Dataset, work: Callable[[tuple[str, int]], Rows] | None = None):
        self.dataset, self.done = dataset, []
        self._work = work or self._do

    def plan(self, retry: Retry, number: int) -> pa.Table:
        wanted = ((clip, None) for clip in self.dataset.clips["clip_id"].to_pylist())
        todo = pending(wanted, self.dataset.parts("decode", STATE), retry)
        return tables.from_rows(
            "plans/decode", ({"clip_id": clip, "attempt": attempt} for clip, _, attempt in todo)
        )

    def units(self, todo: pa.Table) -> list[tuple[tuple[str, int], int]]:
        rows = zip(todo["clip_id"].to_pylist(), todo["attempt"].to_pylist(), strict=True)
        return [(row, 1) for row in rows]

    def results(self, units: Sequence[tuple[str, int]], crew: Crew) -> Generator[Rows, None, None]:
        return in_processes(self._work, units, crew)

    def _do(self, unit: tuple[str, int]) -> Rows:
        self.done.append(unit)
        return {"decode": [outcome.done(*unit, 0.0, {})]}


@pytest.fixture
def dataset(tmp_path: Path, annotated: Callable[..., Dataset]) -> Dataset:
    return annotated(tmp_path / "root")


def run(one: Any, retry: Retry = "none", jobs: int = 1) -> stage.Summary:
    return stage.run(one.dataset, one, crew=Crew(jobs), retry=retry, ui=Ui(quiet=True))


def test_done_is_done(dataset: Dataset) -> None:
    one = Counting(dataset)
    assert run(one).statuses == {"done": 12}
    assert run(one).planned == 0
    assert len(one.done) == 12
    assert plans.numbers(dataset, "decode") == [0]


def test_interrupted_what_came_back_is_kept_and_the_plan_finished(dataset: Dataset) -> None:
    one = Counting(dataset)

    def stop(unit: tuple[str, int]) -> Rows:
        if len(one.done) == 5:
            raise KeyboardInterrupt
        return one._do(unit)

    one._work = stop
    with pytest.raises(KeyboardInterrupt):
        run(one)
    assert len(dataset.parts("decode")) == 5
    one._work = one._do
    assert run(one).planned == 7
    assert sorted(one.done) == sorted(set(one.done))
    assert plans.numbers(dataset, "decode") == [0]


def test_a_commit_that_fails_forgets_nothing(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shards, samples, outcomes: none may go ahead of what failed before it."""
    recorder = stage._Recorder(dataset, "decode", stage.Summary("decode"), Ui(quiet=True))
    recorder._waiting = {"shards": [{}], "samples": [{}], "decode": [{}]}
    kept: list[str] = []

    def append(self: Dataset, name: str, rows: list[Any]) -> None:
        if name == "samples" and "samples" not in broken:
            broken.append(name)
            raise StoppedError("the disk reports an input/output error")
        if rows:
            kept.append(name)

    broken: list[str] = []
    monkeypatch.setattr(Dataset, "append", append)
    with pytest.raises(StoppedError):
        recorder.commit()
    recorder.commit()
    assert kept == ["shards", "samples", "decode"]
    recorder.commit()
    assert kept == ["shards", "samples", "decode"]


def test_failures_are_counted_by_reason_and_retried_when_asked(dataset: Dataset) -> None:
    from manifests.reasons import Reason

    one = Counting(dataset)

    def fail(unit: tuple[str, int]) -> Rows:
        message = f"/videos/\udcff of {unit[0]}"  # file names need not be UTF-8
        return {"decode": [outcome.failed(*unit, 0.0, {}, Reason.CORRUPT, message)]}

    one._work = fail
    found = run(one)
    assert (found.failed, found.reasons) == (12, {"corrupt": 12})
    assert run(one).planned == 0
    assert run(one, "gone").planned == 0
    one._work = one._do
    assert run(one, "failed").statuses == {"done": 12}
    assert {attempt for _, attempt in one.done} == {2}
    assert run(one, "all").planned == 0


def test_clips_no_longer_asked_for_are_left_out_of_a_plan(dataset: Dataset) -> None:
    one = Counting(dataset)
    plans.write(dataset, "decode", one.plan("none", 0), 0)
    asked = {"nobody", dataset.clips["clip_id"][0].as_py()}
    plan = plans.read(dataset, "decode", 0)
    left = plans.unfinished(plan, dataset.parts("decode"), asked)
    assert len(left) == 1
    assert not plans.write(dataset, "decode", plan, 0)


def test_leftovers_of_the_dead_are_removed_first(dataset: Dataset) -> None:
    from manifests import leftovers

    folder = Path(dataset.storage.root) / "clips"
    folder.mkdir()
    (folder / f".tmp-{leftovers.host()}-{os.getpid()}-0123abcd").write_bytes(b"half")
    run(Counting(dataset))
    assert list(folder.iterdir()) == []


def test_a_full_disk_ends_the_run_and_the_next_goes_on(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, data: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    one, real = Counting(dataset), disk.write

    def work(unit: tuple[str, int]) -> Rows:
        monkeypatch.setattr(disk, "write", full)
        return one._do(unit)

    one._work = work
    with pytest.raises(StoppedError, match="the disk is full"):
        run(one)
    monkeypatch.setattr(disk, "write", real)
    one._work = one._do
    assert run(one).statuses == {"done": 12}


def _die(unit: tuple[str, int]) -> Rows:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


@pytest.mark.slow
def test_a_killed_worker_stops_the_run_in_one_sentence(dataset: Dataset) -> None:
    one = Counting(dataset, _die)
    with pytest.raises(StoppedError, match="a worker process was killed"):
        run(one, jobs=2)


def test_rows_are_committed_by_time_as_well(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seconds() -> Iterator[float]:
        now = 0.0
        while True:
            now += 20
            yield now

    clock = seconds()
    monkeypatch.setattr(stage.time, "monotonic", lambda: next(clock))
    one, seen = Counting(dataset), []

    def work(unit: tuple[str, int]) -> Rows:
        seen.append(len(dataset.parts("decode")))
        return one._do(unit)

    one._work = work
    run(one)
    assert seen[-1] > 0


def test_a_resumed_run_does_not_retry_what_it_has_just_tried(dataset: Dataset) -> None:
    one = Counting(dataset)

    def stop(unit: tuple[str, int]) -> Rows:
        raise KeyboardInterrupt

    def fail(unit: tuple[str, int]) -> Rows:
        one.done.append(unit)
        return {"decode": [outcome.failed(*unit, 0.0, {}, Reason.MISSING, "not there")]}

    one._work = stop
    with pytest.raises(KeyboardInterrupt):
        run(one, "failed")
    one._work = fail
    summary = run(one, "failed")
    assert (summary.planned, summary.failed, len(one.done)) == (12, 12, 12)
    assert run(one, "failed").planned == 12  # the next command does try them again
    assert plans.numbers(dataset, "decode") == [0, 1]
