"""Unpacking into storage: resumed, killed, on a full disk."""

import errno
import gzip
import io
import os
import signal
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from manifests import disk
from manifests.errors import ClipmillError, StoppedError
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


def zipped(members: dict[str, bytes], method: int = 0) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        for name, data in members.items():
            made.writestr(name, data)
    return out.getvalue()


def flipped(data: bytes, inside: bytes) -> bytes:
    at = data.index(inside) + len(inside) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_of_another_archive_what_differs_is_written_anew(tmp_path, archive):
    """Interrupted with one archive, gone on with another whose members have the same sizes."""
    storage = open_storage(tmp_path / "root")
    unpack(archive, lambda name: own(name) if name < "UCF-101/c/v_3" else None, storage)
    parts = storage.list("videos").keys()
    other = dict(FILES)
    other["UCF-101/c/v_1.avi"] = FILES["UCF-101/c/v_1.avi"][:-1] + b"?"
    other["UCF-101/c/v_2.avi"] = os.urandom(50_002)
    archive.write_bytes(zipped(other))
    done = unpack(archive, own, storage)
    assert 3 <= len(parts) < 12 and (done.written, done.skipped) == (
        12 - len(parts) + 2,
        len(parts) - 2,
    )
    assert {f"UCF-101/c/v_{n}": storage.read(f"videos/{n}") for n in WHOLE} == other


def test_nothing_of_a_damaged_tar_stays_and_a_good_one_gives_all(tmp_path, archive):
    plain = gzip.decompress(archive.read_bytes())
    good = gzip.compress(plain, 0)
    archive.write_bytes(flipped(good, FILES["UCF-101/c/v_5.avi"][:99]))
    storage = open_storage(tmp_path / "root")
    storage.write("videos/5.avi", FILES["UCF-101/c/v_5.avi"][:-1] + b"?")  # of a killed pass
    with pytest.raises(ClipmillError, match=r"is damaged.*fetch it again"):
        unpack(archive, own, storage)
    assert storage.list("videos") == {}
    archive.write_bytes(good)
    assert unpack(archive, own, storage).written == 12
    assert {f"UCF-101/c/v_{n}": storage.read(f"videos/{n}") for n in WHOLE} == FILES


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("size", [300, 50_000])
def test_a_damaged_member_of_a_zip_is_told_and_the_rest_taken(tmp_path, method, size):
    members = {f"{i}.avi": os.urandom(size) for i in range(4)}
    path, storage = tmp_path / "a.zip", open_storage(tmp_path / "root")
    path.write_bytes(flipped(zipped(members, method), members["1.avi"][100:200]))
    done = unpack(path, lambda name: name, storage)
    assert done.written == 3 and done.damaged.keys() == {"1.avi"}
    assert "a.zip is damaged: '1.avi' cannot be read" in str(done.damaged["1.avi"])
    del members["1.avi"]
    assert {name: storage.read(name) for name in storage.list(".")} == members


def test_a_damaged_archive_inside_a_zip_is_counted(tmp_path):
    inner = zipped({"a.avi": b"a" * 50_000})
    whole = zipped({"x.zip": inner, "y.zip": zipped({"b.avi": b"b" * 50_000})})
    path, storage = tmp_path / "a.zip", open_storage(tmp_path / "root")
    path.write_bytes(flipped(whole, b"a" * 50_000))
    done = unpack(path, lambda name: name, storage)
    assert done.passed_over == {"damaged archive inside": 1} and storage.list("y") == {
        "b.avi": 50_000
    }


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
