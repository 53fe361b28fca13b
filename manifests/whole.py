"""Is a copy in the scratch folder what it should be? Recorded when it comes, else looked at once.

No copy of known content is synced. Its record (manifests/records.py) does not outlive the machine's
start, nor a write to the copy; without one it is hashed, by one process while the others wait. A
record costs some 60 µs, hashing 0.1 s a gigabyte (xxh3) and what the disk takes.
"""

from __future__ import annotations

import os
from pathlib import Path

from manifests.content import Content
from manifests.records import Record

_EARLIER_NS = 1_000_000_000


def is_whole(scratch: Path, path: Path, fd: int, content: Content) -> bool:
    """Return whether a copy, open as `fd`, is its content; a name of one that is not is removed."""
    record = Record(scratch, path, os.fstat(fd), content.digest)
    if record.found():
        return True
    with record.held() as held:
        if held is not None and record.found():
            return True
        record.let_clock_tick()
        if content.difference(fd) is None:
            if held is not None:
                record.keep(held)
            return True
        if same_file(fd, path):
            path.unlink(missing_ok=True)
    return False


def record_coming(scratch: Path, path: Path, fd: int, content: Content) -> None:
    """Record a file that was found whole, and is about to be named `path`."""
    now = os.fstat(fd)
    # Earlier than any clock: what is written into it from now on shows.
    os.utime(fd, ns=(now.st_atime_ns, now.st_mtime_ns - _EARLIER_NS))
    Record(scratch, path, os.fstat(fd), content.digest).keep_coming()


def same_file(fd: int, path: Path) -> bool:
    """Whether a descriptor is of the file that has this name now."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False
