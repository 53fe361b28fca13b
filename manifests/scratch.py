"""Copies of a store's files on this machine: one bounded folder for all roots and processes.

Whole files have names that are hashes of their content where it is known, so that a shard of two
roots is one copy; else of root, path and version, so that a changed object is another file. A file
that is being made is empty space of its final size under a name with a dot, locked by its maker,
and gets its name once it is whole. One of known content is then not synced but sealed as whole
(manifests/whole.py): without a seal, as after a power cut, it is hashed before it is given, and
fetched anew where it is not whole; any other is synced first. What is read is locked too (flock,
which ends with the process and is not a forked child's); what nobody holds may be removed, the
least recently used first. Only where all that is left is held does the folder grow beyond its
bound. Costs two locks a file fetched, some microseconds one that is there; removing lists the
folder (10,000: 30 ms).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from manifests.content import Content, checked
from manifests.errors import ClipmillError
from manifests.held import Held
from manifests.local import stopping
from manifests.room import Growing, Room
from manifests.whole import is_whole, same_file, seal

FOLDER, BOUND = "CLIPMILL_SCRATCH", "CLIPMILL_SCRATCH_GB"
DEFAULT_GB = 20.0


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

    def copy(
        self, key: str, version: str, size: int, fetch: Callable[[int], None]
    ) -> contextlib.AbstractContextManager[Path]:
        """Give the copy of a version of a file, which stays for the block.

        `fetch` writes the bytes to a descriptor where there is none yet; while one process
        fetches, others that want the same file wait for it.
        """
        return self._copy(self._path(key, version), size, fetch)

    def copy_of(
        self, content: Content, key: str, fetch: Callable[[int], None]
    ) -> contextlib.AbstractContextManager[Path]:
        """Give a copy of known content, wherever it came from; it stays for the block.

        As `copy`. What `fetch` wrote is held against the digest before it gets its name, and
        fetched once more if it is another; a copy of a version of `key` that has it is taken.

        Raises (from the block's beginning):
            ClipmillError: twice the bytes were others; names `key`.
        """
        path = self._of_content(content, key)
        if not path.exists():
            self._adopt(content, key, path)
        return self._copy(path, content.size, checked(fetch, content, key), content)

    @contextlib.contextmanager
    def _copy(
        self,
        path: Path,
        size: int,
        fetch: Callable[[int], None],
        content: Content | None = None,
    ) -> Iterator[Path]:
        absent: list[OSError] = []

        def noting(fd: int) -> None:
            try:
                fetch(fd)
            except FileNotFoundError as error:  # the store's word; any other is of this folder
                absent.append(error)
                raise

        with stopping(str(path), f"the scratch folder {self.place} ({FOLDER})"):
            try:
                held = self._hold_whole(path, content)
                while held is None:
                    self._make(path, size, noting, content)
                    held = self._hold_whole(path, content, fresh=True)
            except FileNotFoundError as error:
                if absent:
                    raise
                raise self._no_folder() from error
        try:
            yield path
        finally:
            held.close()

    def _no_folder(self) -> ClipmillError:
        return ClipmillError(
            f"the scratch folder {self.place} ({FOLDER}) cannot be made, or was removed meanwhile. "
            f"Set {FOLDER} to a folder that stays, then run the same command again."
        )

    def _path(self, key: str, version: str) -> Path:
        return self._files / f"{named(key)}-{named(version)[:12]}{PurePosixPath(key).suffix}"

    def _of_content(self, content: Content, key: str) -> Path:
        # The digest alone is no name: xxh3 is quick to forge, and roots are not to meet here.
        return self._files / f"{named(f'{key} {content.name}')}{PurePosixPath(key).suffix}"

    def _adopt(self, content: Content, key: str, path: Path) -> None:
        """Give a copy of a version of a file the name of its content, where that is the same."""
        for old in self._files.glob(f"{named(key)}-*"):
            held = self._hold(old)
            if held is None:
                continue
            try:
                if content.difference(held.fd) is None:
                    with contextlib.suppress(FileNotFoundError):
                        old.rename(path)
                    return
            finally:
                held.close()

    def _hold(self, path: Path, *, fresh: bool = False) -> Held | None:
        """Lock a copy against removal and return what holds it; None where there is none.

        Its use is noted but for a `fresh` one, whose time tells already.
        """
        try:
            held = Held(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        fcntl.flock(held.fd, fcntl.LOCK_SH)
        now = os.fstat(held.fd)
        if not now.st_nlink:  # removed between the two
            held.close()
            return None
        if not fresh:
            with contextlib.suppress(OSError):
                os.utime(held.fd, ns=(time.time_ns(), now.st_mtime_ns))  # its last use
        return held

    def _hold_whole(
        self, path: Path, content: Content | None, *, fresh: bool = False
    ) -> Held | None:
        """As `_hold`; a copy that is not the content that it should be is removed."""
        held = self._hold(path, fresh=fresh)
        if held is None or content is None or is_whole(self.place, path, held.fd, content):
            return held
        held.close()
        return None

    def _make(
        self,
        path: Path,
        size: int,
        fetch: Callable[[int], None],
        content: Content | None,
    ) -> None:
        """Fetch a file, unless another process is about to: then wait until it has ended.

        What it makes may be read by then, for long, so nobody waits for the file to be free.
        """
        self._files.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        file = Held(part, os.O_RDWR | os.O_CREAT)
        try:
            try:
                fcntl.flock(file.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                fcntl.flock(file.fd, fcntl.LOCK_SH)
                return
            mine = os.fstat(file.fd).st_nlink and same_file(file.fd, part)
            if not mine or path.exists():
                if mine:
                    part.unlink(missing_ok=True)
                return
            if os.fstat(file.fd).st_size:
                # Left by a killed process. Of a new file ext4 would send all to the disk at once
                # when it is closed, as of one that is cut and written again.
                os.ftruncate(file.fd, 0)
            try:
                self._room.take(file.fd, size)
                fetch(file.fd)
                if content is None:
                    os.fsync(file.fd)
                else:
                    seal(file.fd, content)
                part.rename(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        finally:
            file.close()

    @contextlib.contextmanager
    def growing(self) -> Iterator[Growing]:
        """Give a file that takes room as it grows; it is gone after the block unless kept."""
        with stopping("a file that is to be stored", f"the scratch folder {self.place} ({FOLDER})"):
            self._files.mkdir(parents=True, exist_ok=True)
            path = self._files / f".{uuid.uuid4().hex}.tmp"
            with self._room.counting():  # under which nothing is removed that is not locked yet
                file = Held(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
                fcntl.flock(file.fd, fcntl.LOCK_EX)
            try:
                yield Growing(self._room, path, file)
            finally:
                if file.fd >= 0:  # not in a child that was forked meanwhile
                    path.unlink(missing_ok=True)
                file.close()

    def keep(self, file: Path, key: str, version: str) -> None:
        """Make a whole file of this folder's disk the copy of what was stored under `key`."""
        self._files.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):  # then it is fetched when it is wanted
            kept = Held(file, os.O_RDONLY)
            try:
                if file.parent != self._files:
                    self._room.take(kept.fd, os.fstat(kept.fd).st_size, grow=False)
                os.fsync(kept.fd)
                file.rename(self._path(key, version))
            finally:
                kept.close()

    def forget(self, key: str, content: Content | None = None) -> None:
        """Remove all copies of a file; who reads one goes on with it."""
        for path in self._files.glob(f"{named(key)}-*"):
            path.unlink(missing_ok=True)
        if content is not None:
            self._of_content(content, key).unlink(missing_ok=True)


def named(text: str) -> str:
    """Return the name of a root or a file in the scratch folder."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]
