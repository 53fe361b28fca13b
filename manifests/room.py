"""The bytes of the scratch folder: given to files before they come, taken from those nobody holds.

What is held is locked (flock). The sum is kept in a file and never too small: it is added to
before a file grows, and found anew by listing the folder when it reaches the bound, and after the
machine was started. That file is written in place: one that is cut and written again is sent to the
disk when it is closed, which takes up to 40 ms.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from manifests.held import Held
from manifests.records import started

TOTAL = "total"
STEP = 8 << 20  # by which a file of unknown size takes room
_LOW = 0.9  # of the bound: how far the folder is emptied when it is full


class Room:
    """The bytes that the files of `place`/files may have; names with a dot are being made."""

    def __init__(self, place: Path, most: int) -> None:
        self.place, self.most = place, most
        self.files = place / "files"

    def take(self, fd: int, size: int, *, grow: bool = True) -> None:
        """Make room for a file to become `size` bytes long, and let it take them."""
        with self.counting():
            more = size - (os.fstat(fd).st_size if grow else 0)
            total = self._total() + more
            if total > self.most:
                total = self._removed_to(max(0, int(self.most * _LOW) - more)) + more
            if grow:
                os.ftruncate(fd, size)
            self._keep(total)

    @contextlib.contextmanager
    def counting(self) -> Iterator[None]:
        """Hold the lock under which room is given."""
        lock = Held(self.place / "lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(lock.fd, fcntl.LOCK_EX)
            yield
        finally:
            lock.close()

    def _total(self) -> int:
        """Return the bytes given so far: never too few, for they are counted before they come."""
        with contextlib.suppress(OSError, ValueError):
            total, start = (self.place / TOTAL).read_text().split()
            if start == started():
                return int(total)
        return sum(size for _, size, _ in self._list())

    def _keep(self, total: int) -> None:
        fd = os.open(self.place / TOTAL, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            os.pwrite(fd, f"{max(0, total):020} {started()}\n".encode(), 0)
        finally:
            os.close(fd)

    def _list(self) -> list[tuple[float, int, Path]]:
        """Return last use, bytes and path of all files, what is being made or was left first."""
        found = []
        with os.scandir(self.files) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    now = entry.stat()
                    used = 0.0 if entry.name.startswith(".") else now.st_atime
                    found.append((used, now.st_size, Path(entry.path)))
        return sorted(found)

    def _removed_to(self, least: int) -> int:
        """Remove what nobody holds until `least` bytes are left; return how many are."""
        files = self._list()
        total = sum(size for _, size, _ in files)
        for _, size, path in files:
            if total <= least and not path.name.startswith("."):
                break
            if _removed(path):
                total -= size
        return total


class Growing:
    """A file of the scratch folder that is being written."""

    def __init__(self, room: Room, path: Path, file: Held) -> None:
        self.path = path
        self._given, self._file, self._size, self._room = room, file, 0, 0

    def write(self, data: bytes | memoryview, /) -> int:
        """Append `data` and return its length."""
        view, whole = memoryview(data).cast("B"), memoryview(data).nbytes
        end = self._size + whole
        if end > self._room:
            self._room = end + min(STEP, self._given.most // 16)
            self._given.take(self._file.fd, self._room)
        while len(view):
            view = view[os.pwrite(self._file.fd, view, end - len(view)) :]
        self._size = end
        return whole

    def finish(self) -> int:
        """Cut the file to what was written and return how much that is."""
        self._given.take(self._file.fd, self._size)
        return self._size


def _removed(path: Path) -> bool:
    """Remove a file unless somebody holds it; whether it is gone."""
    try:
        file = Held(path, os.O_RDONLY)
    except OSError:
        return not path.exists()
    try:
        fcntl.flock(file.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except OSError:
        return False
    finally:
        file.close()
    return True
