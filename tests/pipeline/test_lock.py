"""The lock says who holds it, and nothing worse than double work comes of its absence."""

import errno
import os
from pathlib import Path
from types import ModuleType

import filelock
import pytest

from manifests.errors import StoppedError
from manifests.local import LocalStorage
from pipeline import lock
from pipeline.lock import holding


def test_the_second_is_told_who_was_first(tmp_path: Path, faults: ModuleType) -> None:
    store = LocalStorage(tmp_path)

    def second() -> None:
        with holding(store, "pack"):
            pass

    with holding(store, "pack"):
        for _ in range(2):
            ended = faults.forked(second)
            assert ended.code == faults.STOPPED
            assert f"process {os.getpid()} on " in ended.trace
            assert "pack is already running" in ended.trace
        with holding(store, "download"):
            pass
    assert faults.forked(second).code == 0


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ((1, 2), (2, 2), True),
        ((1, 2), (1, 2), False),
        ((1, 2), (2, 3), False),
        ((1, 1), (1, 2), False),
        ((1, 2), (1, 1), False),
    ],
)
def test_only_shares_of_one_division_run_together(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    first: tuple[int, int],
    second: tuple[int, int],
    both: bool,
) -> None:
    monkeypatch.setattr(lock, "LOOKING_S", 0.1)
    store = LocalStorage(tmp_path)
    with holding(store, "download", first):
        if both:
            with holding(store, "download", second):
                pass
        else:
            with (
                pytest.raises(StoppedError, match="already running"),
                holding(store, "download", second),
            ):
                pass
            with holding(store, "pack", second):
                pass
    with holding(store, "download", second):
        pass


def test_a_dead_holder_holds_nothing(tmp_path: Path, faults: ModuleType) -> None:
    store = LocalStorage(tmp_path)

    def die() -> None:
        with holding(store, "pack"):
            os.kill(os.getpid(), 9)

    assert faults.forked(die).code == faults.KILLED
    with holding(store, "pack"):
        pass


def test_a_full_disk_or_no_locks_at_all_do_not_stop_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def none(self: object, timeout: float) -> None:
        raise NotImplementedError("no flock here")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with holding(LocalStorage(tmp_path), "pack"):
            pass
    monkeypatch.setattr(filelock.FileLock, "acquire", none)
    with holding(LocalStorage(tmp_path), "pack"):
        pass


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "manifests").write_text("a file")
    with pytest.raises(StoppedError), holding(LocalStorage(tmp_path), "pack"):
        pass
