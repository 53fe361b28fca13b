"""Copies on this machine: bounded, never half, never removed while they are read."""

import multiprocessing
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from manifests import scratch
from manifests.errors import ClipmillError
from manifests.scratch import Scratch

SIZE = 10_000


def bytes_of(name: str) -> bytes:
    return random.Random(name).randbytes(SIZE)


def fetching(name: str, counted: list[str] | None = None) -> Callable[[int], None]:
    def fetch(fd: int) -> None:
        if counted is not None:
            counted.append(name)
        os.pwrite(fd, bytes_of(name), 0)

    return fetch


def files(place: Path) -> list[Path]:
    return sorted((place / "files").iterdir())


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
