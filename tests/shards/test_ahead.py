"""Reading ahead: what is needed is here and stays, nothing comes twice, errors reach the reader."""

import contextlib
import multiprocessing
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import xxhash

from manifests.content import Content
from manifests.errors import ClipmillError, StoppedError
from manifests.scratch import Scratch
from shards.ahead import Ahead

SIZE = 4096


def data_of(number: int) -> bytes:
    return bytes([number]) * SIZE


class Store:
    """Shards that are made up where they are asked for, through a real scratch folder."""

    def __init__(self, place: Path, most: int, counts: Path | None = None) -> None:
        self.scratch, self.counts = Scratch(place, most), counts
        self.asked: Counter[int] = Counter()
        self.before: Callable[[int], None] = lambda number: None

    def fetch(self, number: int) -> contextlib.AbstractContextManager[Path]:
        data = data_of(number)
        content = Content("xxh3", xxhash.xxh3_64_hexdigest(data), SIZE)

        def write(fd: int) -> None:
            self.asked[number] += 1
            if self.counts is not None:
                with self.counts.open("ab", buffering=0) as out:
                    out.write(bytes([number]))
            self.before(number)
            os.pwrite(fd, data, 0)

        return self.scratch.copy_of(content, f"{number}.tar", write)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "scratch", 100 * SIZE)


@contextlib.contextmanager
def ahead_of(store: Store, room: int, shards: list[int], **more: int) -> Iterator[Ahead]:
    sizes = np.full(max(shards, default=0) + 1, SIZE)
    one = Ahead(store.fetch, sizes, room * SIZE, **more)
    one.begin(np.array(shards, np.int64))
    try:
        yield one
    finally:
        one.close()


def read(one: Ahead, shards: list[int], step: int) -> int:
    """Read an epoch, one ask ahead; return how many shards' bytes were not theirs."""
    wrong = 0
    for start in range(0, len(shards), step):
        files = one.need(start, start + step)
        assert set(files) == {n for n in shards[start : start + step] if n >= 0}
        one.done(max(0, start - step))
        wrong += sum(path.read_bytes() != data_of(number) for number, path in files.items())
    one.done(len(shards))
    return wrong


def epoch(seed: int, count: int = 24, block: int = 3) -> list[int]:
    draw = np.random.default_rng(seed)
    numbers = draw.permutation(count)
    blocks = [draw.permutation(np.repeat(numbers[at : at + block], 4)) for at in range(0, count, 3)]
    return np.concatenate(blocks).tolist()


@pytest.mark.parametrize("room", [9, 24])
def test_every_shard_is_here_when_it_is_needed(store: Store, room: int) -> None:
    shards = epoch(1)
    with ahead_of(store, room, shards) as one:
        assert read(one, shards, 5) == 0
        assert store.asked == dict.fromkeys(range(24), 1)
        # The next epoch finds them in the scratch folder.
        one.begin(np.array(epoch(2)))
        assert read(one, epoch(2), 5) == 0
    assert store.asked == dict.fromkeys(range(24), 1)


def test_it_reads_ahead_as_far_as_there_is_room(store: Store) -> None:
    five, came = threading.Event(), set()

    def count(number: int) -> None:
        came.add(number)
        if len(came) == 5:
            five.set()

    store.before = count
    with ahead_of(store, 5, [*range(20)], at_once=2) as one:
        assert five.wait(30) and came == {0, 1, 2, 3, 4}
        one.need(0, 1)
        assert came == {0, 1, 2, 3, 4}
        one.done(1)
        one.need(5, 6)
        assert 5 in came


def test_what_was_let_go_may_be_removed_and_what_is_held_not(tmp_path: Path) -> None:
    small = Store(tmp_path, 4 * SIZE)
    with ahead_of(small, 3, [*range(12)]) as one:
        for at in range(12):
            path = one.need(at, at + 1)[at]
            for other in range(3):  # somebody else fills the folder
                with small.fetch(100 + other):
                    assert path.read_bytes() == data_of(at)
            one.done(at + 1)
    files = [*(tmp_path / "files").iterdir()]
    assert len(files) <= 4


def test_padding_needs_no_shard(store: Store) -> None:
    with ahead_of(store, 3, [-1, -1, 2, -1]) as one:
        assert one.need(0, 2) == {}
        assert set(one.need(0, 4)) == {2}
    with ahead_of(store, 3, []) as one:
        assert one.need(0, 9) == {}


def test_an_error_reaches_who_needs_the_shard_and_is_tried_when_asked_again(store: Store) -> None:
    broken = {3: ClipmillError("shard 3: its xxh3 is 1"), 5: StoppedError("shard 5 is away")}

    def fail(number: int) -> None:
        if error := broken.get(number):
            raise error

    store.before = fail
    with ahead_of(store, 8, [*range(8)]) as one:
        assert set(one.need(0, 3)) == {0, 1, 2}
        with pytest.raises(ClipmillError, match="shard 3"):
            one.need(3, 4)
        while not one._reach.is_refused(5):
            time.sleep(0.01)
        del broken[5]  # the store came back before anybody needed the shard
        assert set(one.need(4, 8)) == {4, 5, 6, 7} and store.asked[5] == 2
        with pytest.raises(ClipmillError, match="shard 3"):
            one.need(3, 4)
        del broken[3]
        assert set(one.need(3, 4)) == {3}


def test_too_little_room_says_how_much_is_wanted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIPMILL_SCRATCH_GB", "8")
    with (
        ahead_of(store, 2, [0, 1, 2, 0]) as one,
        pytest.raises(ClipmillError, match="CLIPMILL_SCRATCH_GB to 12 or more"),
    ):
        one.need(0, 4)


def test_closing_lets_go_and_wakes_who_waits(store: Store) -> None:
    hold, said = threading.Event(), []
    store.before = lambda number: hold.wait(30) and None
    with ahead_of(store, 4, [0, 1]) as one:

        def wait() -> None:
            try:
                one.need(0, 1)
            except ValueError as error:
                said.append(str(error))

        waiting = threading.Thread(target=wait)
        waiting.start()
        one.close()
        waiting.join(30)
        hold.set()
    assert said == ["this Ahead is closed"]
    for thread in one._threads:
        thread.join(30)
    with store.scratch.copy("big", "1", 100 * SIZE, lambda fd: None) as path:  # all may be removed
        assert [path] == [*(store.scratch.place / "files").iterdir()]


def test_a_forked_child_can_close_it(store: Store) -> None:
    with ahead_of(store, 4, [0, 1]) as one:
        path = one.need(0, 1)[0]
        child = os.fork()
        if not child:
            one.close()
            os._exit(0 if path.read_bytes() == data_of(0) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert set(one.need(0, 2)) == {0, 1}


def rank(place: str, counts: str, first: int, most: int) -> int:
    """One rank of a node: three epochs, the same order on all."""
    store = Store(Path(place), most, Path(counts))
    wrong = 0
    for seed in range(3):
        shards = epoch(seed)
        with ahead_of(store, 9, shards, first=first) as one:
            wrong += read(one, shards, 4)
    return wrong


def test_ranks_share_the_work_and_nothing_comes_twice(tmp_path: Path) -> None:
    place, counts = tmp_path / "scratch", tmp_path / "counts"
    jobs = [(str(place), str(counts), first, 100 * SIZE) for first in range(4)]
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert pool.starmap(rank, jobs) == [0] * 4
    assert sorted(counts.read_bytes()) == [*range(24)]


def test_ranks_share_a_small_folder(tmp_path: Path) -> None:
    """Each rank holds up to 9 shards of 24, all four 36; the folder is to hold 40."""
    place, counts = tmp_path / "scratch", tmp_path / "counts"
    most = 40 * SIZE
    jobs = [(str(place), str(counts), first, most) for first in range(4)]
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert pool.starmap(rank, jobs) == [0] * 4
    assert sum(path.stat().st_size for path in (place / "files").iterdir()) <= most
