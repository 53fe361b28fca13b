"""The nine operations with which storage changes a disk, and nothing else.

They stand alone so that the fault tests can count, fail, kill at and log every one of them
(tests/manifests/faults.py replaces the functions of this module). Each is one system call, but
for `write`, which repeats until all bytes are taken, and `extend`.
"""

from __future__ import annotations

import os
from pathlib import Path


def create(path: Path) -> int:
    """Create a file that must not exist and return its descriptor, open for writing."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)


def extend(path: Path, size: int) -> int:
    """Open a file to go on after its first `size` bytes, cut off there, and return its descriptor.

    Made if it is not there.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        os.ftruncate(fd, size)
        os.lseek(fd, size, os.SEEK_SET)
    except OSError:
        os.close(fd)
        raise
    return fd


def write(fd: int, data: bytes | memoryview) -> None:
    """Write all of `data`; a full disk may have taken a part of it when OSError comes."""
    view = memoryview(data).cast("B")
    while len(view):
        view = view[os.write(fd, view) :]


def sync(fd: int) -> None:
    """Wait until the file's bytes are on the disk."""
    os.fsync(fd)


def rename(old: Path, new: Path) -> None:
    """Give a file its final name, replacing what had it."""
    os.replace(old, new)  # noqa: PTH105 - one system call, named as what it is


def link(old: Path, new: Path) -> None:
    """Give a file a second name; FileExistsError when that name is taken."""
    os.link(old, new)


def unlink(path: Path) -> None:
    """Remove a name."""
    os.unlink(path)  # noqa: PTH108 - one system call, named as what it is


def mkdir(path: Path) -> None:
    """Create one folder; FileExistsError when it is there."""
    os.mkdir(path)  # noqa: PTH102 - one system call, named as what it is


def sync_folder(path: Path) -> None:
    """Wait until the folder's names are on the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
