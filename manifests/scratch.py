"""Copies of a store's files on this machine: one bounded folder for all roots and processes.

Whole files have names that are hashes of root, path and version, so a changed object is another
file. A file that is being made is empty space of its final size under a name with a dot, locked by
its maker, and gets its name once it is synced. What is read is locked too (flock, which ends with
the process); what nobody holds may be removed, the least recently used first. Only where all that
is left is held does the folder grow beyond its bound. Costs two locks and a sync a file fetched,
some microseconds one that is there; removing lists the folder (10,000 files: 30 ms).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from manifests.errors import ClipmillError
from manifests.local import stopping
from manifests.room import Room

FOLDER, BOUND = "CLIPMILL_SCRATCH", "CLIPMILL_SCRATCH_GB"
DEFAULT_GB = 20.0
STEP = 8 << 20  # by which a file of unknown size takes room


def folder() -> Path:
    """Return the scratch folder: CLIPMILL_SCRATCH, or one in the user's cache folder."""
    if named := os.environ.get(FOLDER):
        return Path(named).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "clipmill" / "scratch"


def bound() -> int:
    """Return how many bytes of copies the folder may hold, CLIPMILL_SCRATCH_GB.

    Raises:
        ClipmillError: that is no number above 0.
    """
    text = os.environ.get(BOUND) or str(DEFAULT_GB)
    try:
        most = float(text)
    except ValueError:
        most = 0.0
    if not 0 < most < 1e9:
        raise ClipmillError(f"{BOUND} is {text!r}; expected a number of gigabytes above 0.")
    return max(1, int(most * 1e9))


class Scratch:
    """The copies in one folder, of at most so many bytes. Processes and threads may share it."""

    def __init__(self, place: Path, most: int) -> None:
        self.place, self.most = place, most
        self._room = Room(place, most)
        self._files = self._room.files

    @contextlib.contextmanager
    def copy(
        self, key: str, version: str, size: int, fetch: Callable[[int], None]
    ) -> Iterator[Path]:
        """Give the copy of a file, which stays for the block.

        `fetch` writes the bytes to a descriptor where there is none yet; while one process
        fetches, others that want the same file wait for it.
        """
        path = self._path(key, version)
        with stopping(str(path), f"the scratch folder {self.place} ({FOLDER})"):
            held = self._hold(path)
            while held is None:
                self._make(path, size, fetch)
                held = self._hold(path)
        try:
            yield path
        finally:
            os.close(held)

    def _path(self, key: str, version: str) -> Path:
        return self._files / f"{named(key)}-{named(version)[:12]}{PurePosixPath(key).suffix}"

    def _hold(self, path: Path) -> int | None:
        """Lock a copy against removal and return what holds it; None where there is none."""
        try:
            held = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        fcntl.flock(held, fcntl.LOCK_SH)
        if not os.fstat(held).st_nlink:  # removed between the two
            os.close(held)
            return None
        with contextlib.suppress(OSError):
            os.utime(held)  # its last use
        return held

    def _make(self, path: Path, size: int, fetch: Callable[[int], None]) -> None:
        """Fetch a file, unless another process has done so while this one waited for it."""
        self._files.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            mine = os.fstat(fd).st_nlink and _same(fd, part)
            if not mine or path.exists():
                if mine:
                    part.unlink(missing_ok=True)
                return
            os.ftruncate(fd, 0)
            try:
                self._room.take(fd, size)
                fetch(fd)
                os.fsync(fd)
                part.rename(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def growing(self) -> Iterator[Growing]:
        """Give a file that takes room as it grows; it is gone after the block unless kept."""
        with stopping("a file that is to be stored", f"the scratch folder {self.place} ({FOLDER})"):
            self._files.mkdir(parents=True, exist_ok=True)
            path = self._files / f".{uuid.uuid4().hex}.tmp"
            with self._room.counting():  # under which nothing is removed that is not locked yet
                fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                fcntl.flock(fd, fcntl.LOCK_EX)
            try:
                yield Growing(self._room, path, fd)
            finally:
                path.unlink(missing_ok=True)
                os.close(fd)

    def keep(self, file: Path, key: str, version: str) -> None:
        """Make a whole file of this folder's disk the copy of what was stored under `key`."""
        self._files.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):  # then it is fetched when it is wanted
            fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if file.parent != self._files:
                    self._room.take(fd, os.fstat(fd).st_size, grow=False)
                os.fsync(fd)
                file.rename(self._path(key, version))
            finally:
                os.close(fd)

    def forget(self, key: str) -> None:
        """Remove all copies of a file; who reads one goes on with it."""
        for path in self._files.glob(f"{named(key)}-*"):
            path.unlink(missing_ok=True)


class Growing:
    """A file of the scratch folder that is being written."""

    def __init__(self, room: Room, path: Path, fd: int) -> None:
        self.path = path
        self._given, self._fd, self._size, self._room = room, fd, 0, 0

    def write(self, data: bytes | memoryview, /) -> int:
        """Append `data` and return its length."""
        view, whole = memoryview(data).cast("B"), memoryview(data).nbytes
        end = self._size + whole
        if end > self._room:
            self._room = end + min(STEP, self._given.most // 16)
            self._given.take(self._fd, self._room)
        while len(view):
            view = view[os.pwrite(self._fd, view, end - len(view)) :]
        self._size = end
        return whole

    def finish(self) -> int:
        """Cut the file to what was written and return how much that is."""
        self._given.take(self._fd, self._size)
        return self._size


def _same(fd: int, path: Path) -> bool:
    """Whether a descriptor is of the file that has this name now."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def named(text: str) -> str:
    """Return the name of a root or a file in the scratch folder."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]
