"""Records that a file was found whole, for all processes of this machine; in the scratch folder.

A record is named by the file's path, inode, length and times and by what it was held against, so
that a file written in place, or another in its place, has none. That of a copy in the scratch
folder, which is not synced, is also named by the machine's start: what a power cut has left of it
is looked at again. Reading one costs 50 µs. An empty record is of a look under way, or of one that
was killed; whoever looks holds its lock (flock).
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import xxhash

from manifests.held import Held

FOLDER = "verified"
MOST = 20_000  # records that are kept: more shards than a data set of 5 TB has
STARTED = Path("/proc/sys/kernel/random/boot_id")
_TICK_NS = 20_000_000  # the coarsest clock of a local file system, twice


class Record:
    """The record of one file in one state, held against `told`; in the scratch folder `scratch`."""

    def __init__(self, scratch: Path, path: Path, status: os.stat_result, told: str) -> None:
        self._file, self._status, self._told = path.absolute(), status, told
        self._copied = scratch in self._file.parents
        self._place = scratch / FOLDER / self._name(status)

    def _name(self, status: os.stat_result) -> str:
        # Uses of a copy in the scratch folder are noted in its atime, which moves its ctime.
        since = started() if self._copied else status.st_ctime_ns
        state = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, since)
        facts = (*state, self._told, self._file)
        text = " ".join(map(str, facts))
        return xxhash.xxh3_128_hexdigest(text.encode("utf-8", "surrogateescape"))

    def found(self) -> bool:
        """Whether the file is known to be whole."""
        try:
            if self._place.read_bytes() != self._place.name.encode():
                return False
            with contextlib.suppress(OSError):
                os.utime(self._place)  # its last use
        except OSError:
            return False
        return True

    @contextlib.contextmanager
    def held(self) -> Iterator[Held | None]:
        """Keep others waiting while this process looks; None where no record can be kept."""
        try:
            held = self._locked()
        except OSError:
            held = None
        try:
            yield held
        finally:
            if held is not None:
                with contextlib.suppress(OSError):
                    if not os.fstat(held.fd).st_size:
                        self._place.unlink()
                held.close()

    def _locked(self) -> Held:
        self._place.parent.mkdir(parents=True, exist_ok=True)
        while True:
            held = Held(self._place, os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(held.fd, fcntl.LOCK_EX)
                if os.fstat(held.fd).st_nlink:
                    return held
            except OSError:
                held.close()
                raise
            held.close()  # whoever had it found damage, and removed it

    def keep(self, held: Held) -> None:
        """Record that the file is whole, unless it has changed since."""
        with contextlib.suppress(OSError):
            if self._name(self._file.stat()) == self._place.name:
                os.pwrite(held.fd, self._place.name.encode(), 0)
                _bound(self._place)

    def let_clock_tick(self) -> None:
        """Wait until a further change of the file would show in its times."""
        changed = self._status.st_mtime_ns if self._copied else self._status.st_ctime_ns
        age = time.time_ns() - changed
        if 0 <= age < _TICK_NS:
            time.sleep((_TICK_NS - age) / 1e9)


def started() -> str:
    """Return what names the time since the machine was started; of an unknown one, this process."""
    try:
        return STARTED.read_text().strip()
    except OSError:
        return _unknown_start()


@functools.cache
def _unknown_start() -> str:
    return uuid.uuid4().hex


def _bound(record: Path) -> None:
    """Remove the records used longest ago; one new one in 256 looks (20,000 cost 60 ms)."""
    if not record.name.startswith("00"):
        return
    used: list[tuple[float, str]] = []
    with os.scandir(record.parent) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                used.append((entry.stat().st_mtime, entry.path))
    for _, path in sorted(used)[: max(0, len(used) - MOST)]:
        with contextlib.suppress(OSError):
            Path(path).unlink()
