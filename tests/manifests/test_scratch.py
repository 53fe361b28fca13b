"""Copies on this machine: bounded, never half, never removed while they are read."""

import hashlib
import multiprocessing
import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import xxhash

from manifests import scratch
from manifests.content import Content
from manifests.errors import ClipmillError
from manifests.scratch import Scratch
from tests.manifests.copies import SIZE, bytes_of, fetching, files


def test_a_copy_is_fetched_once_and_again_when_it_was_removed(tmp_path: Path) -> None:
    one, counted = Scratch(tmp_path, 3 * SIZE), []
    for name in ("a.mp4", "a.mp4", "b.mp4", "c.mp4", "b.mp4", "d.mp4", "b.mp4", "a.mp4"):
        with one.copy(name, "1", SIZE, fetching(name, counted)) as path:
            assert path.read_bytes() == bytes_of(name) and path.suffix == ".mp4"
        assert sum(path.stat().st_size for path in files(tmp_path)) <= 3 * SIZE
    # Of a, b and c the least recently used is a: d took its place, and those that a low mark took.
    assert counted[:4] == ["a.mp4", "b.mp4", "c.mp4", "d.mp4"] and counted[-1] == "a.mp4"
    with one.copy("b.mp4", "2", SIZE, fetching("B")) as path:
        assert path.read_bytes() == bytes_of("B")


def test_what_is_read_is_not_removed(tmp_path: Path) -> None:
    one = Scratch(tmp_path, 2 * SIZE)
    with one.copy("held", "1", SIZE, fetching("held")) as held:
        for number in range(5):
            with one.copy(f"{number}", "1", SIZE, fetching(f"{number}")):
                assert held.read_bytes() == bytes_of("held")
        # Where all is held, the bound gives way: whoever works has to have its files.
        with (
            one.copy("x", "1", SIZE, fetching("x")) as x,
            one.copy("y", "1", SIZE, fetching("y")) as y,
        ):
            assert held.exists() and x.exists() and y.exists()
    with one.copy("z", "1", SIZE, fetching("z")):
        assert sum(path.stat().st_size for path in files(tmp_path)) <= 2 * SIZE


def test_what_was_half_fetched_is_never_taken_for_whole(tmp_path: Path) -> None:
    one = Scratch(tmp_path, 9 * SIZE)

    def broken(fd: int) -> None:
        os.pwrite(fd, b"half", 0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), one.copy("a", "1", SIZE, broken):
        pass
    assert files(tmp_path) == []
    child = multiprocessing.get_context("spawn").Process(target=die, args=(str(tmp_path),))
    child.start()
    child.join()
    [left] = files(tmp_path)
    assert left.name.startswith(".") and left.stat().st_size == SIZE
    with one.copy("a", "1", SIZE, fetching("a")) as path:
        assert path.read_bytes() == bytes_of("a")
    assert files(tmp_path) == [path]


def die(place: str) -> None:
    def kill(fd: int) -> None:
        os.pwrite(fd, b"half", 0)
        os._exit(9)

    with Scratch(Path(place), 9 * SIZE).copy("a", "1", SIZE, kill):
        pass


def content_of(name: str, kind: str = "xxh3") -> Content:
    data = bytes_of(name)
    digest = xxhash.xxh3_64_hexdigest(data) if kind == "xxh3" else hashlib.sha256(data).hexdigest()
    return Content(kind, digest, SIZE)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["xxh3", "sha256"])
def test_known_content_is_fetched_once_for_each_address(tmp_path: Path, kind: str) -> None:
    """What another root calls the same is not taken for it: a digest can be forged."""
    one, counted = Scratch(tmp_path, 9 * SIZE), []
    a, b = content_of("a", kind), content_of("b", kind)
    for root in ("s3://x/0.tar", "s3://y/0.tar", "s3://x/0.tar"):
        with one.copy_of(a, root, fetching("a", counted)) as path:
            assert path.read_bytes() == bytes_of("a") and path.suffix == ".tar"
    with one.copy_of(b, "s3://x/0.tar", fetching("b", counted)) as other:
        assert other.read_bytes() == bytes_of("b") and other != path
    assert counted == ["a", "a", "b"]
    with one.copy_of(a, "s3://y/0.tar", fetching("a", counted)) as copy:
        one.forget("s3://x/0.tar", a)
        assert sorted(files(tmp_path)) == sorted([copy, other])


def test_other_bytes_are_fetched_once_more_and_then_refused(tmp_path: Path) -> None:
    one, turns = Scratch(tmp_path, 9 * SIZE), iter(("b", "a"))

    def in_turn(fd: int) -> None:
        os.pwrite(fd, bytes_of(next(turns)), 0)

    with one.copy_of(content_of("a"), "s3://x/0.tar", in_turn) as path:
        assert path.read_bytes() == bytes_of("a")
    counted: list[str] = []
    for kind in ("xxh3", "sha256"):
        wrong = one.copy_of(content_of("c", kind), "s3://x/9.tar", fetching("b", counted))
        with pytest.raises(ClipmillError, match=f"s3://x/9.tar: its {kind} is .* fetched twice"):
            wrong.__enter__()
    assert counted == ["b"] * 4 and files(tmp_path) == [path]

    def longer(fd: int) -> None:
        os.pwrite(fd, bytes_of("c") + b"x", 0)

    with (
        pytest.raises(ClipmillError, match=f"{SIZE + 1} bytes; expected {SIZE}"),
        one.copy_of(content_of("c"), "s3://x/9.tar", longer),
    ):
        pass


def test_what_was_kept_under_its_version_is_known_by_its_content(tmp_path: Path) -> None:
    one = Scratch(tmp_path, 9 * SIZE)
    with one.growing() as file:
        file.write(bytes_of("a"))
        file.finish()
        one.keep(file.path, "s3://x/0.tar", "1")
    with one.copy_of(content_of("b"), "s3://x/0.tar", fetching("b")) as path:
        assert path.read_bytes() == bytes_of("b")
    with one.copy_of(content_of("a"), "s3://x/0.tar", fetching("never")) as path:
        assert path.read_bytes() == bytes_of("a")
    assert len(files(tmp_path)) == 2


def test_a_forked_child_keeps_no_lock_of_its_parent(tmp_path: Path) -> None:
    one = Scratch(tmp_path, SIZE)
    holder = one.copy("held", "1", SIZE, fetching("held"))
    held = holder.__enter__()
    (told, tell), (begun, begin) = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        os.close(tell)
        os.write(begin, b"!")  # what it inherited is closed: that is done within fork
        with (tmp_path / "own").open("wb", buffering=0) as own:
            os.read(told, 1)  # until the parent has looked
            # Closing what it inherited closes nothing that has got its number since.
            holder.__exit__(None, None, None)
            own.write(b"still open")
        os._exit(0)
    os.close(told)
    os.close(begin)
    try:
        assert os.read(begun, 1) == b"!"
        with one.copy("other", "1", SIZE, fetching("other")):
            assert held.exists(), "the parent's lock went with its child"
        holder.__exit__(None, None, None)
        with one.copy("third", "1", SIZE, fetching("third")):
            assert not held.exists(), "a child still holds what its parent has let go"
    finally:
        os.close(tell)
        os.close(begun)
        assert os.waitpid(child, 0)[1] == 0
    assert (tmp_path / "own").read_bytes() == b"still open"


def test_all_who_waited_for_a_file_read_it_together(tmp_path: Path) -> None:
    one, together = Scratch(tmp_path, 9 * SIZE), threading.Barrier(4, timeout=30)

    def slow(fd: int) -> None:
        for thread in threads:
            thread.start()
        while sum(link.name.endswith(".part") for link in open_files()) < 4:
            time.sleep(0.01)
        time.sleep(0.05)  # from opening the file to waiting for it
        os.pwrite(fd, bytes_of("a"), 0)

    def open_files() -> list[Path]:
        links = Path("/proc/self/fd").iterdir()
        return [link.readlink() for link in links if os.path.lexists(link)]

    def read(fetch: Callable[[int], None]) -> None:
        with one.copy("a", "1", SIZE, fetch) as path:
            together.wait()
            assert path.read_bytes() == bytes_of("a")

    threads = [threading.Thread(target=read, args=(fetching("never"),)) for _ in range(3)]
    read(slow)
    for thread in threads:
        thread.join()


def work(place: str, seed: int) -> int:
    """Read files at random; return how often one was not what it should be."""
    one, draw, wrong = Scratch(Path(place), 8 * SIZE), random.Random(seed), 0
    for _ in range(60):
        name = str(draw.randrange(20))
        with one.copy(name, "1", SIZE, fetching(name)) as path:
            wrong += path.read_bytes() != bytes_of(name)
    return wrong


def test_processes_share_it(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = pool.starmap(work, [(str(tmp_path), seed) for seed in range(4)])
    assert found == [0] * 4
    left = files(tmp_path)
    assert left and sum(path.stat().st_size for path in left) <= 8 * SIZE
    assert not any(path.name.startswith(".") for path in left)


def test_a_growing_file_takes_room_and_is_kept_or_gone(tmp_path: Path) -> None:
    one = Scratch(tmp_path, 4 * SIZE)
    for number in range(4):
        with one.copy(f"{number}", "1", SIZE, fetching(f"{number}")):
            pass
    with one.growing() as file:
        for _ in range(3):
            file.write(bytes_of("g"))
        assert sum(path.stat().st_size for path in files(tmp_path)) <= 4 * SIZE
        assert file.finish() == 3 * SIZE
        one.keep(file.path, "grown.tar", "1")
    with one.copy("grown.tar", "1", 3 * SIZE, fetching("never")) as path:
        assert path.read_bytes() == bytes_of("g") * 3
    with pytest.raises(ZeroDivisionError), one.growing() as file:
        file.write(b"x")
        raise ZeroDivisionError
    assert [path.name for path in files(tmp_path) if path.name.startswith(".")] == []
    one.forget("grown.tar")
    assert not path.exists()


@pytest.mark.parametrize("text", ["0", "-1", "much", "nan", "inf"])
def test_a_bound_is_a_number(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("CLIPMILL_SCRATCH_GB", text)
    with pytest.raises(ClipmillError, match="CLIPMILL_SCRATCH_GB"):
        scratch.bound()


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLIPMILL_SCRATCH", str(tmp_path / "own"))
    assert scratch.folder() == tmp_path / "own"
    monkeypatch.delenv("CLIPMILL_SCRATCH")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert scratch.folder() == tmp_path / "clipmill" / "scratch"
    monkeypatch.setenv("CLIPMILL_SCRATCH_GB", "0.5")
    assert scratch.bound() == 500_000_000
