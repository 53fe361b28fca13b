"""Mapped shards: opened once, the least recently used closed first; a clip is a view of the map.

A map stays valid when its file is replaced or removed. Opening costs a size check, and, the first
time on this machine, one reading of the shard (shards/verified.py).
"""

from __future__ import annotations

import mmap
import os
from collections import OrderedDict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

AHEAD = 128 << 10  # as much of a file as the kernel reads for one advice
STEADY, SPARSE = 256, 8


class Mapped:
    """One shard file: `bytes` uint8 (size,) and ways to read ahead exactly what is wanted.

    `known` is for whoever checks samples: those that were found right since it was opened.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.map = mmap.mmap(self._fd, 0, access=mmap.ACCESS_READ)
        except BaseException:
            os.close(self._fd)
            raise
        self.bytes: NDArray[np.uint8] = np.frombuffer(self.map, np.uint8)
        self.status, self._probe = os.fstat(self._fd), bytearray(1)
        self.known: set[int] = set()

    @property
    def changed(self) -> bool:
        """Whether the file was written to since it was opened: what it lost may not be touched."""
        now = os.fstat(self._fd)
        return (now.st_size, now.st_mtime_ns) != (self.status.st_size, self.status.st_mtime_ns)

    def only_what_is_read(self) -> None:
        """Tell the kernel to read no more than is touched: half a clip is half the bytes."""
        self.map.madvise(mmap.MADV_RANDOM)
        os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_RANDOM)

    def ahead(self, start: int, stop: int) -> bool:
        """Have bytes read from the disk meanwhile; return whether they are in memory already.

        Looking takes two calls of the system, some 20 microseconds.
        """
        if self._there(start) and self._there(stop - 1):
            return True
        first = start // mmap.PAGESIZE * mmap.PAGESIZE
        for place in range(first, stop, AHEAD):
            self.map.madvise(mmap.MADV_WILLNEED, place, min(AHEAD, stop - place))
        return False

    def _there(self, place: int) -> bool:
        """Whether a byte is in memory."""
        try:
            os.preadv(self._fd, [self._probe], place, os.RWF_NOWAIT)
        except BlockingIOError:
            return False
        except OSError:  # a file system that cannot tell
            return True
        return True

    def close(self) -> None:
        """Let go of the file; views of its map go on."""
        os.close(self._fd)


class Looks:
    """Says of which clips to look whether they are in memory: that costs a fifth of copying them.

    After STEADY clips that all were, one in SPARSE is looked at, until one is not.
    """

    def __init__(self) -> None:
        self._asked = self._hits = 0

    def due(self) -> bool:
        """Whether to look at the next clip."""
        self._asked += 1
        return self._hits < STEADY or self._asked % SPARSE == 0

    def saw(self, there: bool) -> None:
        """Know whether the clip that was looked at is in memory."""
        self._hits = self._hits + 1 if there else 0


class Shelf:
    """Mapped shards by number, at most so many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: OrderedDict[int, Mapped] = OrderedDict()

    def find(self, number: int) -> Mapped | None:
        """Return a shard that is open, or None."""
        found = self._open.get(number)
        if found is not None:
            self._open.move_to_end(number)
        return found

    def remove(self, number: int) -> None:
        """Close a shard if it is open."""
        found = self._open.pop(number, None)
        if found is not None:
            found.close()

    def put(self, number: int, mapped: Mapped) -> None:
        """Keep a shard open; the one that was used longest ago makes room."""
        while len(self._open) >= self._most:
            self._open.popitem(last=False)[1].close()
        self._open[number] = mapped
