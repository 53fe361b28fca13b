"""Copies that are not synced: found whole, once, before they are given; after a power cut again."""

import hashlib
import os
import threading
import time
from pathlib import Path

import pytest
import xxhash

from manifests import records, scratch, whole
from manifests.content import Content
from manifests.scratch import Scratch
from tests.manifests.copies import SIZE, bytes_of, fetching, files


def content_of(name: str, kind: str = "xxh3") -> Content:
    data = bytes_of(name)
    digest = xxhash.xxh3_64_hexdigest(data) if kind == "xxh3" else hashlib.sha256(data).hexdigest()
    return Content(kind, digest, SIZE)  # type: ignore[arg-type]


def cut(data: bytes, how: str) -> bytes:
    """What a power cut may leave of a file that was not synced."""
    return {
        "nothing": b"",
        "zeros": bytes(len(data)),
        "a part": data[: len(data) // 2],
        "holes": data[:4096] + bytes(len(data) - 4096),
        "all": data,
    }[how]


@pytest.mark.parametrize("kind", ["xxh3", "sha256"])
@pytest.mark.parametrize("how", ["nothing", "zeros", "a part", "holes", "all"])
def test_after_a_power_cut_what_is_left_of_a_copy_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, kind: str
) -> None:
    """Its time of change may have been kept, whatever became of its bytes."""
    content, one = content_of("a", kind), Scratch(tmp_path / "scratch", 9 * SIZE)
    with one.copy_of(content, "s3://x/0.tar", fetching("a")) as path:
        pass
    now = path.stat()
    path.write_bytes(cut(bytes_of("a"), how))
    os.utime(path, ns=(now.st_atime_ns, now.st_mtime_ns))
    (tmp_path / "boot_id").write_text("another start")
    monkeypatch.setattr(records, "STARTED", tmp_path / "boot_id")
    counted: list[str] = []
    for _ in range(2):
        with one.copy_of(content, "s3://x/0.tar", fetching("a", counted)) as found:
            assert found.read_bytes() == bytes_of("a")
    assert counted == ["a"] * (how != "all")
    assert files(one.place) == [path]


def test_a_copy_that_was_written_to_is_fetched_anew(tmp_path: Path) -> None:
    one, counted = Scratch(tmp_path, 9 * SIZE), []
    for _ in range(2):
        with one.copy_of(content_of("a"), "s3://x/0.tar", fetching("a", counted)) as path:
            assert path.read_bytes() == bytes_of("a")
        with path.open("r+b") as file:
            file.write(b"x")
    assert counted == ["a", "a"]


@pytest.mark.parametrize("when", ["unsealed", "sealed", "named"])
def test_killed_about_when_a_copy_is_sealed(tmp_path: Path, when: str) -> None:
    one, counted = Scratch(tmp_path, 9 * SIZE), []

    def kill(fd: int, content: Content) -> None:
        if when == "sealed":
            whole.seal(fd, content)
        os._exit(9)

    child = os.fork()
    if not child:
        if when != "named":
            scratch.seal = kill
        with one.copy_of(content_of("a"), "s3://x/0.tar", fetching("a")):
            os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    with one.copy_of(content_of("a"), "s3://x/0.tar", fetching("a", counted)) as path:
        assert path.read_bytes() == bytes_of("a")
    assert counted == ["a"] * (when != "named") and files(tmp_path) == [path]


def test_a_seal_is_of_one_file_and_of_one_content(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        path.write_bytes(bytes_of("a"))
    content = content_of("a")
    with paths[0].open("r+b") as file:
        whole.seal(file.fileno(), content)
        now = os.fstat(file.fileno())
    os.utime(paths[1], ns=(now.st_atime_ns, now.st_mtime_ns))  # as `cp -p` has it
    assert whole.is_sealed(paths[0].stat(), content)
    assert not whole.is_sealed(paths[1].stat(), content)
    assert not whole.is_sealed(paths[0].stat(), content_of("a", "sha256"))
    os.truncate(paths[0], SIZE)  # a change that changes nothing
    assert not whole.is_sealed(paths[0].stat(), content)


def test_a_copy_without_a_seal_is_looked_at_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, looks = Scratch(tmp_path, 9 * SIZE), []
    with one.copy_of(content_of("a"), "s3://x/0.tar", fetching("a")) as path:
        os.utime(path)
    real, together = Content.difference, threading.Barrier(4, timeout=30)

    def difference(self: Content, fd: int, **more: bool) -> str | None:
        looks.append(fd)
        time.sleep(0.05)  # in which the others come
        return real(self, fd, **more)

    def read() -> None:
        together.wait()
        with one.copy_of(content_of("a"), "s3://x/0.tar", fetching("never")) as path:
            assert path.read_bytes() == bytes_of("a")

    monkeypatch.setattr(Content, "difference", difference)
    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(looks) == 1
