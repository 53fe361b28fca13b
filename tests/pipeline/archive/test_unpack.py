"""Unpacking into storage: resumed, killed, on a full disk."""

import errno
import io
import os
import signal
import tarfile
import time
from pathlib import Path

import pytest

from manifests import disk
from manifests.errors import StoppedError
from manifests.storage import open_storage
from pipeline.archive.unpack import unpack

FILES = {f"UCF-101/c/v_{i}.avi": os.urandom(50_000 + i) for i in range(12)}


@pytest.fixture
def archive(tmp_path) -> Path:
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as out:
        for name, data in FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return path


def own(name: str) -> str | None:
    return f"videos/{name.rpartition('_')[2]}"


WHOLE = {f"{i}.avi": 50_000 + i for i in range(12)}


def test_wanted_members_lie_under_our_names(tmp_path, archive):
    storage, told = open_storage(tmp_path / "root"), []
    done = unpack(
        archive, lambda name: own(name) if "1" in name[10:] else None, storage, told.append
    )
    assert (done.written, done.skipped) == (12, 0) or done.written == len(storage.list("videos"))
    assert sum(told) == archive.stat().st_size and min(told) >= 0
    for name in storage.list("videos"):
        assert storage.read(f"videos/{name}") == FILES[f"UCF-101/c/v_{name}"]


def test_what_is_there_is_not_written_again(tmp_path, archive):
    storage = open_storage(tmp_path / "root")
    assert unpack(archive, own, storage).written == 12
    before = {path: path.stat().st_ino for path in (tmp_path / "root/videos").iterdir()}
    storage.delete("videos/3.avi")
    storage.write("videos/4.avi", b"half")
    done = unpack(archive, own, storage)
    assert (done.written, done.skipped) == (2, 10)
    assert storage.list("videos") == WHOLE
    after = {path: path.stat().st_ino for path in before}
    assert {path.name for path in before if before[path] != after[path]} <= {"3.avi", "4.avi"}


def test_of_two_members_for_one_file_the_first_is_taken(tmp_path, archive):
    storage = open_storage(tmp_path / "root")
    for _ in range(2):
        done = unpack(archive, lambda _: "one.avi", storage)
        assert done.passed_over == {"second member for one file": 11}
        assert storage.read("one.avi") == FILES["UCF-101/c/v_0.avi"]
    assert (done.written, done.skipped) == (0, 1)


def test_a_full_disk_stops_and_the_same_call_goes_on(tmp_path, archive, monkeypatch):
    storage, left = open_storage(tmp_path / "root"), [220_000]
    write = disk.write

    def full(fd: int, data: bytes | memoryview) -> None:
        left[0] -= len(data)
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(fd, data)

    monkeypatch.setattr(disk, "write", full)
    with pytest.raises(StoppedError, match="disk is full"):
        unpack(archive, own, storage)
    assert storage.list("videos").items() <= WHOLE.items()
    assert not storage.leftovers("videos")
    monkeypatch.setattr(disk, "write", write)
    done = unpack(archive, own, storage)
    assert done.skipped == 4 and done.written == 8
    assert storage.list("videos") == WHOLE


def test_killed_it_leaves_a_temporary_file_at_most(tmp_path, archive):
    storage, ready = open_storage(tmp_path / "root"), tmp_path / "ready"
    child = os.fork()
    if not child:
        count = 0

        def stick(fd: int, data: bytes | memoryview, write=disk.write) -> None:
            nonlocal count
            write(fd, data[: len(data) // 2])
            count += 1
            if count == 5:
                ready.touch()
                time.sleep(60)
            write(fd, data[len(data) // 2 :])

        disk.write = stick
        unpack(archive, own, storage)
        os._exit(0)
    while not ready.exists():
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert storage.list("videos").items() <= WHOLE.items()
    assert len(storage.leftovers("videos")) == 1
    storage.clean("videos")
    assert not storage.leftovers("videos")
    assert unpack(archive, own, storage).written == 8
    assert storage.list("videos") == WHOLE
