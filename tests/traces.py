"""What programs that tests start leave behind: processes, told by a word in their environment."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path


def processes_with(mark: str) -> dict[int, str]:
    """Every process that inherited a mark in its environment, and its command."""
    found = {}
    for place in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            # A zombie's environment is empty: it holds nothing any more.
            if place.name.isdigit() and mark.encode() in (place / "environ").read_bytes():
                found[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ")[:200]
    found.pop(os.getpid(), None)
    return {pid: str(command) for pid, command in found.items()}


def shared_names(pids: dict[int, str]) -> set[str]:
    """Names in /dev/shm that these processes have open or mapped, and that still exist."""
    names = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
                if "/dev/shm/" in line and not line.endswith("(deleted)"):
                    names.add(line[line.index("/dev/shm/") :])
            for link in Path(f"/proc/{pid}/fd").iterdir():
                target = str(link.readlink())
                if target.startswith("/dev/shm/") and not target.endswith("(deleted)"):
                    names.add(target)
    return names


def gone(mark: str, seconds: float = 20) -> None:
    """Wait until no process has the mark."""
    until = time.monotonic() + seconds
    while left := processes_with(mark):
        assert time.monotonic() < until, left
        time.sleep(0.05)
