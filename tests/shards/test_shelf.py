"""Mapped shards: what is in memory, what changed, which one is closed."""

import os
from pathlib import Path

from shards.shelf import SPARSE, STEADY, Looks, Mapped, Shelf


def written(path: Path, size: int = 1 << 20) -> Path:
    path.write_bytes(os.urandom(size))
    return path


def test_reading_ahead_says_what_is_in_memory(tmp_path):
    path = written(tmp_path / "a.tar")
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    mapped = Mapped(path)
    mapped.only_what_is_read()
    mapped.ahead(0, 1 << 20)
    assert mapped.bytes.tobytes() == path.read_bytes()
    assert mapped.ahead(0, 1 << 20)
    mapped.close()


def test_a_change_is_seen_and_nothing_else(tmp_path):
    path = written(tmp_path / "a.tar")
    mapped = Mapped(path)
    path.read_bytes()
    path.rename(tmp_path / "b.tar")
    written(path)
    assert not mapped.changed  # another file: the mapped one is as it was
    os.truncate(tmp_path / "b.tar", 100)
    assert mapped.changed
    mapped.close()


def test_the_one_used_longest_ago_makes_room(tmp_path):
    shelf = Shelf(2)
    maps = [Mapped(written(tmp_path / f"{number}.tar", 100)) for number in range(3)]
    shelf.put(0, maps[0])
    shelf.put(1, maps[1])
    assert shelf.find(0) is maps[0]
    shelf.put(2, maps[2])
    assert shelf.find(1) is None and shelf.find(0) is maps[0] and shelf.find(2) is maps[2]
    shelf.remove(0)
    assert shelf.find(0) is None


def test_looks_become_rare_where_all_is_in_memory_until_something_is_not():
    looks = Looks()

    def looked(clips: int, there: bool) -> int:
        count = 0
        for _ in range(clips):
            if looks.due():
                looks.saw(there)
                count += 1
        return count

    assert looked(STEADY - 1, True) == STEADY - 1
    assert looked(1, False) == 1
    assert looked(STEADY, True) == STEADY
    assert looked(10 * SPARSE, True) == 10
    assert looked(SPARSE, False) >= 1
    assert looked(100, False) == 100
