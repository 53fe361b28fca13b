"""What the child is given: an open file that is really one, and memory for the pixels.

Costs a few system calls. Only descriptors travel, so a name can never be anything but a name.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from manifests.reasons import Reason
from pipeline.video.errors import VideoError


@contextlib.contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[int]:
    """Open a regular file for reading; symbolic links are followed, people link their data."""
    # O_NONBLOCK: a FIFO would otherwise keep us waiting for a writer.
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a NUL
        raise VideoError(Reason.MISSING, str(error)) from error
    except OSError as error:
        denied = error.errno in (errno.EACCES, errno.EPERM, errno.ENXIO, errno.ELOOP)
        reason = Reason.FORBIDDEN if denied else Reason.UNREADABLE
        raise VideoError(reason, str(error)) from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise VideoError(Reason.FORBIDDEN, f"{Path(path)} is no regular file")
        if status.st_size == 0:
            raise VideoError(Reason.EMPTY, f"{Path(path)} has 0 bytes")
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def shared_memory(size: int) -> Iterator[int]:
    """Memory that another process can be given, of a size that neither can change."""
    fd = os.memfd_create("clipmill", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, size)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        # Sealed: a child that shrank it would have this process die of SIGBUS.
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        yield fd
    finally:
        os.close(fd)
