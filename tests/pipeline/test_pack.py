"""Packing: the same bytes for any number of jobs and kills, adoption, retry, full disks, rivals."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from manifests import tables
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import StoppedError
from pipeline import pack, stage
from pipeline.verifying.verify import verify

Stages = Callable[..., dict[str, Any]]
REPO = Path(__file__).resolve().parents[2]
MB = "0.019"
PACK = ("--shard-mb", MB, "--keep-free", 0)


def hashes(root: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((root / "shards").iterdir())
    }


def rows(root: Path, table: str) -> list[dict[str, Any]]:
    found = Dataset.open(str(root)).parts(table).to_pylist()
    return [{k: v for k, v in row.items() if k not in ("seconds", "finished_at")} for row in found]


def same(one: Path, two: Path) -> None:
    assert hashes(one) == hashes(two)
    for table in ("download", "pack", "shards", "samples"):
        assert rows(one, table) == rows(two, table)
    for root in (one, two):
        assert verify(Dataset.open(str(root)), Ui(quiet=True))["problems"] == []


def decoded(recorded: Any) -> list[str]:
    return [name for verb, name, _ in recorded.asked if verb == "decode"]


@pytest.fixture
def begun(tmp_path: Path, annotated: Callable[..., Dataset], run_stages: Stages) -> Path:
    """A root that was downloaded and not packed."""
    root = tmp_path / "root"
    annotated(root)
    run_stages(root, "download")
    return root


def test_what_fails_is_a_row_with_a_reason(built: Path) -> None:
    states = Counter((row["status"], row["reason"]) for row in rows(built, "pack"))
    assert states == {("done", None): 10, ("failed", "outside_span"): 1}
    states = Counter((row["status"], row["reason"]) for row in rows(built, "download"))
    assert states == {("done", None): 11, ("failed", "missing"): 1}


@pytest.mark.slow
@pytest.mark.parametrize("more", [["--jobs", 2], ["--jobs", 2, "--decoder", "ffmpeg"]])
def test_jobs_and_decoders_give_the_same_shards(
    begun: Path, built: Path, cli: Callable[..., Any], more: list[Any]
) -> None:
    ended = cli("pack", "--root", begun, "--shard-mb", MB, *more)
    assert ended.returncode == 0, ended.stderr
    assert hashes(begun) == hashes(built)
    assert rows(begun, "samples") == rows(built, "samples")


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_in_the_middle_the_same_command_goes_on(
    begun: Path, built: Path, cli: Callable[..., Any], jobs: int
) -> None:
    """A real process group, killed as soon as one or more shards are there."""
    command = ["pack", "--root", str(begun), "--shard-mb", MB, "--jobs", str(jobs)]
    for wanted in (1, 2):
        process = subprocess.Popen(
            [sys.executable, str(REPO / "clipmill.py"), *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until = time.monotonic() + 60
        while len([*begun.glob("shards/*.tar")]) < wanted and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    ended = cli(*command)
    assert ended.returncode == 0, ended.stderr
    same(begun, built)


def test_whole_shards_without_rows_are_adopted(
    begun: Path, built: Path, run_stages: Stages, recorded: Any
) -> None:
    run_stages(begun, "pack")
    for table in ("shards", "samples", "pack"):
        shutil.rmtree(begun / "manifests" / table)
    recorded.asked.clear()
    run_stages(begun, "pack")
    assert decoded(recorded) == ["h.avi"], "only the clip that failed is tried, for its reason"
    same(begun, built)


@pytest.mark.parametrize("how", ["cut", "flipped", "foreign", "shorter", "label"])
def test_damaged_or_wrong_shards_are_not_adopted(
    begun: Path, built: Path, run_stages: Stages, recorded: Any, how: str
) -> None:
    run_stages(begun, "pack")
    for table in ("shards", "samples", "pack"):
        shutil.rmtree(begun / "manifests" / table)
    first, second, *_ = sorted((begun / "shards").iterdir())
    good = first.read_bytes()
    if how == "cut":
        first.write_bytes(good[:-512])
    elif how == "flipped":
        first.write_bytes(good[:1] + bytes([good[1] ^ 1]) + good[2:])
    elif how == "foreign":
        first.write_bytes(second.read_bytes())
    elif how == "shorter":
        first.write_bytes(b"")
    else:  # a label of the same length that the tables do not say
        first.write_bytes(good.replace(b'"label": "jump"', b'"label": "hump"'))
        assert first.read_bytes() != good
    recorded.asked.clear()
    run_stages(begun, "pack")
    assert len(decoded(recorded)) > 1
    same(begun, built)


def test_a_resumed_plan_keeps_its_layout_whatever_the_options(
    begun: Path, built: Path, run_stages: Stages, monkeypatch: pytest.MonkeyPatch, recorded: Any
) -> None:
    _stop_after(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        run_stages(begun, "pack")
    monkeypatch.undo()
    assert 0 < len(rows(begun, "pack")) < 11
    run_stages(begun, "pack", shard_mb=50.0)
    same(begun, built)
    assert len([*(begun / "manifests" / "plans").glob("pack-*")]) == 1


def _stop_after(monkeypatch: pytest.MonkeyPatch, shards: int) -> None:
    """Ctrl-C when so many units of work have come back."""
    real = pack.in_processes

    def results(*args: Any) -> Iterator[Any]:
        for number, found in enumerate(real(*args)):
            if number == shards:
                raise KeyboardInterrupt
            yield found

    monkeypatch.setattr(pack, "in_processes", results)


def test_retry_tries_failed_clips_again_in_shards_of_their_own(
    begun: Path, run_stages: Stages, recorded: Any, videos: Path, annotated: Any
) -> None:
    run_stages(begun, "pack")
    before = hashes(begun)
    for retry, planned in (("none", 0), ("gone", 0), ("failed", 1), ("all", 1)):
        [summary] = run_stages(begun, "pack", retry=retry)["stages"]
        assert summary["planned"] == planned
    states = [(row["attempt"], row["status"]) for row in rows(begun, "pack") if row["reason"]]
    assert states == [(1, "failed"), (2, "failed"), (3, "failed")]
    failed = next(row["clip_id"] for row in rows(begun, "pack") if row["reason"])
    # The span is mended (as if the video had been): it comes out and gets a shard of its own.
    dataset = Dataset.open(str(begun))
    source = next(row for row in dataset.clips.to_pylist() if row["clip_id"] == failed)["source"]
    recorded._answers |= {
        key: recorded._answers[("decode", *(key[1:3]), "None", "None")]
        for key in [*recorded._answers]
        if key[0] == "decode" and source.endswith(Path(key[1]).name) and key[3] == "100.0"
    }
    [summary] = run_stages(begun, "pack", retry="failed")["stages"]
    assert (summary["planned"], summary["done"]) == (1, 1)
    after = hashes(begun)
    assert before.items() < after.items(), "shards that exist never change"
    assert len(after) == len(before) + 1
    assert verify(Dataset.open(str(begun)), Ui(quiet=True))["problems"] == []
    assert run_stages(begun, "pack", retry="all")["stages"][0]["planned"] == 0


def test_two_processes_without_the_lock_end_in_one_state(
    begun: Path, built: Path, run_stages: Stages, recorded: Any, faults: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(stage, "holding", lambda *args: nullcontext())
    pids = []
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                run_stages(begun, "pack")
                code = 0
            finally:
                os._exit(code)
        pids.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    assert codes == [0, 0, 0]
    same(begun, built)
    assert len([*(begun / "manifests" / "plans").glob("pack-*")]) == 1


def test_two_who_plan_at_once_finish_one_plan(
    begun: Path, built: Path, run_stages: Stages, recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other takes the plan's number between our planning and our writing."""
    real, rivals = stage.plans.write, []

    def write(*args: Any) -> bool:
        if not rivals:
            rivals.append(real(*args))
            return real(*args)
        return real(*args)

    monkeypatch.setattr(stage.plans, "write", write)
    run_stages(begun, "pack")
    assert rivals == [True]
    same(begun, built)
    assert len([*(begun / "manifests" / "plans").glob("pack-*")]) == 1


def test_the_second_process_is_told_who_packs(begun: Path, run_stages: Stages) -> None:
    from pipeline.lock import holding

    with (
        holding(Dataset.open(str(begun)).storage, "pack"),
        pytest.raises(StoppedError, match=rf"process {os.getpid()} on"),
    ):
        run_stages(begun, "pack")


def test_a_disk_that_is_really_full(
    small_disk: Callable[..., Path], annotated: Callable[..., Dataset], run_stages: Stages,
    built: Path, cli: Callable[..., Any],
) -> None:  # fmt: skip
    disk = small_disk("1m")
    root = disk / "root"
    annotated(root)
    run_stages(root, "download")
    room = os.statvfs(disk)
    # Two shards fit, with their rows; then the disk is full.
    (disk / "ballast").write_bytes(bytes(room.f_bavail * room.f_frsize - 96 * 1024))
    command = ("pack", "--root", root, "--shard-mb", MB, "--jobs", 1, "--keep-free", 0)
    ended = cli(*command)
    assert ended.returncode == 3, ended.stderr
    assert "the disk is full; free some space" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [path.name for path in root.rglob(".tmp-*")] == []
    problems = verify(Dataset.open(str(root)), Ui(quiet=True))["problems"]
    whats = {found["what"] for found in problems}
    assert all(w == "in no table" or "pack has no outcome" in w for w in whats), whats
    (disk / "ballast").unlink()
    assert cli(*command).returncode == 0
    same(root, built)


@pytest.mark.parametrize("verb", ["pack", "verify --fix"])
def test_a_root_that_is_read_only(
    small_disk: Callable[..., Path], annotated: Callable[..., Dataset], run_stages: Stages,
    built: Path, cli: Callable[..., Any], verb: str,
) -> None:  # fmt: skip
    """One error, nothing half-written; the same command goes on once it can be written."""
    disk = small_disk("4m")
    root = disk / "root"
    annotated(root)
    run_stages(root, "download", *(["pack"] if verb != "pack" else []))
    if verb != "pack":
        next((root / "shards").iterdir()).unlink()
    before = sorted(path for path in root.rglob("*"))
    command = (*verb.split(), "--root", root, *(PACK if verb == "pack" else ()))
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    ended = cli(*command, "--jobs", 1)
    assert ended.returncode == 3, ended.stderr
    assert ended.stderr.count("error:") == 1 and "Traceback" not in ended.stderr
    assert cli("verify", "--root", root).returncode == (0 if verb == "pack" else 1)
    assert cli("status", "--root", root).returncode == 0
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    assert sorted(path for path in root.rglob("*")) == before
    ended = cli(*command, "--jobs", 1)
    assert ended.returncode == 0, ended.stderr
    if verb == "pack":
        same(root, built)


@pytest.mark.parametrize("what", ["shards", "manifests/samples", "manifests/shards"])
def test_what_was_deleted_is_one_error_and_can_be_mended(
    begun: Path, built: Path, run_stages: Stages, cli: Callable[..., Any], what: str
) -> None:
    """A deleted shard, or a deleted part: told by who reads, put right by --fix and pack."""
    run_stages(begun, "pack")
    gone = sorted((begun / what).iterdir())[0]
    gone.unlink()
    shown = cli("inspect", "--root", begun, "--random", 9, "--out", begun / "x.png")
    assert "Traceback" not in shown.stderr and shown.stderr.count("error:") <= 1
    (begun / "x.png").unlink(missing_ok=True)
    assert cli("verify", "--root", begun).returncode == 1
    assert cli("verify", "--root", begun, "--fix").returncode == 0
    run_stages(begun, "pack")
    assert verify(Dataset.open(str(begun)), Ui(quiet=True))["problems"] == []
    clips = [
        {row["clip_id"]: row["xxh3"] for row in rows(root, "samples")} for root in (begun, built)
    ]
    assert clips[0] == clips[1]


def test_nothing_is_done_twice(begun: Path, run_stages: Stages, recorded: Any) -> None:
    run_stages(begun, "pack")
    before = hashes(begun)
    recorded.asked.clear()
    for _ in range(tables.COMPACT_AT):
        assert run_stages(begun, "pack")["stages"][0]["planned"] == 0
    assert decoded(recorded) == []
    assert hashes(begun) == before


def test_a_video_that_changed_is_a_row(
    tmp_path: Path, videos: Path, run_stages: Stages, annotated: Callable[..., Dataset]
) -> None:
    from manifests import annotations
    from pipeline.annotate.folder import read_folder

    own = Path(shutil.copytree(videos, tmp_path / "videos"))
    found = read_folder(own, csv=own / "clips.csv", val=0, test=0, seed=3, name="own")
    spec = annotated(tmp_path / "other").spec
    annotations.annotate(str(tmp_path / "root"), found, spec, 3, str(own))
    run_stages(tmp_path / "root", "download")
    with (own / "a.avi").open("ab") as file:
        file.write(b"more")
    (own / "b.avi").unlink()
    run_stages(tmp_path / "root", "pack")
    reasons = Counter(row["reason"] for row in rows(tmp_path / "root", "pack"))
    assert reasons == {None: 8, "outside_span": 1, "changed": 1, "missing": 1}
