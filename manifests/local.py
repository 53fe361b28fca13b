"""The file system as storage. Every change goes through manifests/disk.py.

A file is written beside its place under a temporary name, synced, renamed, and its folder synced:
two waits for the disk, about 4 ms for a small file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from manifests import disk
from manifests.content import Content
from manifests.errors import ClipmillError, StoppedError
from manifests.leftovers import TEMPORARY, abandoned, temporary_name
from manifests.storage import Writer, inside

_STOPPING = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the quota is used up; free some space",
    errno.EIO: "the disk reports an input/output error; check it",
    errno.EROFS: "the file system is read-only; mount it writable",
    errno.EACCES: "permission denied; make the folder writable",
    errno.EPERM: "not permitted; make the folder writable",
    errno.EMFILE: "too many open files; raise `ulimit -n`",
    errno.ENFILE: "too many open files on this machine; close some programs",
    errno.EFBIG: "the file system does not take files so large; use smaller shards",
    errno.ESTALE: "the network file system lost the file; mount it again",
    errno.ETIMEDOUT: "the network file system does not answer; wait until it does",
}
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
# Nothing that running the same command again could mend.
_WRONG = {
    errno.ENOTDIR: "a file stands where a folder should be; move it away, or give another folder",
    errno.EISDIR: "a folder stands where a file should be; move it away, or give another folder",
    errno.EEXIST: "a file stands where a folder should be; move it away, or give another folder",
    errno.ENAMETOOLONG: "the path is too long; give a shorter one",
    errno.ELOOP: "a symbolic link leads back to itself; remove it, or give another folder",
}


@contextlib.contextmanager
def stopping(path: str, where: str) -> Iterator[None]:
    """Turn an error of the environment into the one that ends a command with exit code 3."""
    try:
        yield
    except OSError as error:
        if error.errno in _WRONG:
            raise ClipmillError(
                f"{path} in {where}: {_WRONG[error.errno]}. ({error.strerror})"
            ) from error
        if error.errno not in _STOPPING:
            raise
        raise StoppedError(
            f"{path}: {_STOPPING[error.errno]}, then run the same command again; "
            f"what was finished is kept. ({error.strerror})"
        ) from error


class LocalStorage:
    """The file system. Every change goes through manifests/disk.py."""

    room: int | None = None

    def __init__(self, root: Path) -> None:
        self._root = root.expanduser().absolute()
        self.root = str(self._root)
        self._kept: set[Path] = set()  # folders whose names are known to be on the disk

    def _path(self, path: str) -> Path:
        return self._root.joinpath(*inside(path, self.root))

    def _stopping(self, path: str) -> contextlib.AbstractContextManager[None]:
        return stopping(path, f"the folder {self.root}")

    def read(self, path: str) -> bytes:
        """Return a file's bytes; FileNotFoundError when it is not there."""
        with self._stopping(path):
            return self._path(path).read_bytes()

    def write(self, path: str, data: bytes) -> None:
        """Put a whole file in place, replacing what was there."""
        with self.writer(path) as out:
            out.write(data)

    def create(self, path: str, data: bytes) -> bool:
        """Put a whole file in place only if the name is free; False when it was taken."""
        final = self._path(path)
        with self._stopping(path), self._beside(final) as (fd, temporary):
            disk.write(fd, data)
            disk.sync(fd)
            try:
                disk.link(temporary, final)
            except FileExistsError:
                return False
            disk.unlink(temporary)
            disk.sync_folder(final.parent)
        return True

    @contextlib.contextmanager
    def writer(self, path: str) -> Iterator[Writer]:
        """Write a large file in pieces; it appears when the block ends without an exception."""
        final = self._path(path)
        with self._stopping(path), self._beside(final) as (fd, temporary):
            yield _Descriptor(fd)
            disk.sync(fd)
            disk.rename(temporary, final)
            disk.sync_folder(final.parent)

    @contextlib.contextmanager
    def part(self, path: str, size: int) -> Iterator[Writer]:
        """Go on writing a file after its first `size` bytes; what was written is synced and stays
        whatever ends the block.
        """
        final = self._path(path)
        with self._stopping(path):
            self._make_folders(final.parent)
            fd = disk.extend(final, size)
            try:
                try:
                    yield _Descriptor(fd)
                finally:
                    disk.sync(fd)
            finally:
                os.close(fd)

    def publish(self, part: str, path: str) -> None:
        """Give a file that `part` wrote its final name, replacing what had it."""
        final = self._path(path)
        with self._stopping(path):
            self._make_folders(final.parent)
            disk.rename(self._path(part), final)
            disk.sync_folder(final.parent)

    def link(self, path: str, name: str) -> None:
        """Give a file a second name, replacing what had it; a copy where there are no links.

        It is no file of its own: what is written into one is in the other.
        """
        old, new = self._path(path), self._path(name)
        with self._stopping(name):
            self._make_folders(new.parent)
            with temporary_name() as beside:
                temporary = new.parent / beside
                try:
                    disk.link(old, temporary)
                    disk.rename(temporary, new)
                except OSError as error:
                    if error.errno not in _NO_LINKS:
                        raise
                    with self.writer(name) as out, old.open("rb") as file:
                        while piece := file.read(1 << 24):
                            out.write(piece)
                finally:  # rename leaves it where both names were of this very file
                    with contextlib.suppress(OSError):
                        os.unlink(temporary)  # noqa: PTH108
            disk.sync_folder(new.parent)

    @contextlib.contextmanager
    def _beside(self, final: Path) -> Iterator[tuple[int, Path]]:
        """Open a temporary file beside `final`; nothing of it stays when an exception passes."""
        self._make_folders(final.parent)
        with temporary_name() as name:
            temporary = final.parent / name
            fd = disk.create(temporary)
            try:
                yield fd, temporary
            finally:
                os.close(fd)
                # On success the name is gone; on failure the first error is the one to report.
                with contextlib.suppress(OSError):
                    os.unlink(temporary)  # noqa: PTH108

    def _make_folders(self, folder: Path) -> None:
        """Make a folder. One that stands is synced too: its maker may have died before that."""
        if folder in self._kept:
            return
        there = folder.is_dir()
        if not there or self._root in folder.parents:
            self._make_folders(folder.parent)
        if not there:
            with contextlib.suppress(FileExistsError):
                disk.mkdir(folder)
        # What is above the root may be closed to us, and was then not made by us.
        with contextlib.suppress(PermissionError):
            disk.sync_folder(folder.parent)
        self._kept.add(folder)

    def list(self, folder: str) -> dict[str, int]:
        """Return names and sizes of a folder's files, temporary ones left out, sorted by name."""
        return {name: size for name, size in self._scan(folder) if not name.startswith(".")}

    def leftovers(self, folder: str) -> list[str]:
        """Return the temporary files in a folder."""
        return [name for name, _ in self._scan(folder) if TEMPORARY.fullmatch(name)]

    def _scan(self, folder: str) -> list[tuple[str, int]]:
        found = []
        with self._stopping(folder):
            try:
                entries = [*os.scandir(self._path(folder))]
            except FileNotFoundError:
                return []
            for entry in entries:
                # A file may vanish between listing and asking: compaction removes parts.
                with contextlib.suppress(FileNotFoundError):
                    if entry.is_file():
                        found.append((entry.name, entry.stat().st_size))
        return sorted(found)

    def size(self, path: str) -> int | None:
        """Return a file's size in bytes, or None when it is not there."""
        with self._stopping(path):
            try:
                return self._path(path).stat().st_size
            except (FileNotFoundError, NotADirectoryError):
                return None

    def delete(self, path: str) -> None:
        """Remove a file if it is there."""
        final = self._path(path)
        with self._stopping(path), contextlib.suppress(FileNotFoundError):
            disk.unlink(final)
            disk.sync_folder(final.parent)

    def clean(self, folder: str) -> list[str]:
        """Remove what dead processes of this machine left in a folder, and sync its names.

        A dead process may have shown a file and not lived to sync its name: whoever goes on from
        that file must know that it stays.
        """
        path = self._path(folder)
        with self._stopping(folder):
            if not path.is_dir():
                return []
            disk.sync_folder(path)
        removed = []
        for name in self.leftovers(folder):
            if abandoned(name):
                self.delete(f"{folder}/{name}")
                removed.append(name)
        return removed

    def holds(self, folder: str) -> bool:
        """Whether any file lies in a folder or below it."""
        return any(names for _, _, names in os.walk(self._path(folder)))

    @contextlib.contextmanager
    def fetched(
        self, path: str, *, anew: bool = False, content: Content | None = None
    ) -> Iterator[Path]:
        """Give the file itself."""
        yield self._path(path)

    def free(self) -> int:
        """Return how many bytes are free on the root's disk, also where the root is yet to come."""
        there = (place for place in (self._root, *self._root.parents) if place.is_dir())
        return shutil.disk_usage(next(there)).free

    def place(self, path: str) -> Path:
        """Return the file's own path."""
        return self._path(path)


class _Descriptor:
    """A file descriptor as something with `write`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, data: bytes | memoryview, /) -> int:
        disk.write(self._fd, data)
        return memoryview(data).nbytes
