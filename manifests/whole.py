"""Is a copy in the scratch folder what it should be? Sealed when it comes, else looked at once.

No copy of known content is synced. Its seal is its time of change: a moment long past that is drawn
from the file, its content and the machine's start. So a copy that was written to has none, and what
a power cut has left has none after it; without a seal it is hashed, by one process while the others
wait. Looking for a seal costs a call of the system, hashing 0.1 s a gigabyte (xxh3) and what the
disk takes. It is no file of its own: making one may wait for the file system's journal.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import xxhash

from manifests.content import Content
from manifests.records import Record, started

_SPAN_NS = 1 << 59  # from 1970 on: 18 years


def is_sealed(status: os.stat_result, content: Content) -> bool:
    """Return whether a file was found to be its content, since when nobody has written to it."""
    return status.st_mtime_ns == _moment(status, content)


def seal(fd: int, content: Content) -> None:
    """Seal a file that was found whole; it counts as used now."""
    os.utime(fd, ns=(time.time_ns(), _moment(os.fstat(fd), content)))


def is_whole(scratch: Path, path: Path, fd: int, content: Content) -> bool:
    """Return whether a copy, open as `fd`, is its content; a name of one that is not is removed."""
    before = os.fstat(fd)
    if is_sealed(before, content):
        return True
    record = Record(scratch, path, before, content.digest)
    with record.held():
        if is_sealed(os.fstat(fd), content):
            return True  # by who was here before
        record.let_clock_tick()
        what = content.difference(fd)
        if what is None and os.fstat(fd).st_mtime_ns == before.st_mtime_ns:
            seal(fd, content)
            return True
        if same_file(fd, path):
            path.unlink(missing_ok=True)
    return False


def same_file(fd: int, path: Path) -> bool:
    """Whether a descriptor is of the file that has this name now."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def _moment(status: os.stat_result, content: Content) -> int:
    facts = (started(), status.st_dev, status.st_ino, status.st_size, content.kind, content.digest)
    return xxhash.xxh3_64_intdigest(" ".join(map(str, facts)).encode()) % _SPAN_NS
