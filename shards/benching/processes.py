"""What a session of processes uses, read from Linux's /proc: processor time, bytes, memory.

A contestant of a benchmark is a session of its own, so that its workers and whatever they start
count with it. Reading costs about 20 microseconds a process of the machine.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")
_SESSION, _CHILDREN_USER, _CHILDREN_SYSTEM = 3, 13, 14  # in /proc/PID/stat, behind the name
_PROCESS_CLOCK = 2  # of clock ids made of a process id, as clock_getcpuclockid(3) makes them


def members(session: int) -> list[int]:
    """Return the ids of a session's processes, dead ones among them that nobody waited for."""
    found = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if int(_stat(int(entry.name))[_SESSION]) == session:
                    found.append(int(entry.name))
    return found


def alive(session: int) -> list[int]:
    """Return the ids of a session's processes that have not ended."""
    found = []
    for process in members(session):
        with contextlib.suppress(OSError):
            if _stat(process)[0] not in "ZX":
                found.append(process)
    return found


def cpu_seconds(processes: Iterable[int]) -> float:
    """Return the processor time of these processes and of their children that have ended."""
    seconds, ticks = 0.0, 0
    for process in processes:
        with contextlib.suppress(OSError):
            stat = _stat(process)
            ticks += int(stat[_CHILDREN_USER]) + int(stat[_CHILDREN_SYSTEM])
            seconds += time.clock_gettime((~process << 3) | _PROCESS_CLOCK)
    return seconds + ticks / os.sysconf("SC_CLK_TCK")


def read_bytes(processes: Iterable[int]) -> int:
    """Return the bytes that the disk read for these processes and their children that ended."""
    return sum(_field(process, "io", "read_bytes:") for process in processes)


def own_memory(processes: Iterable[int]) -> int:
    """Return bytes of memory that is no file's: private, and shared memory counted once."""
    kilobytes = 0
    for process in processes:
        kilobytes += _field(process, "smaps_rollup", "Pss_Anon:")
        kilobytes += _field(process, "smaps_rollup", "Pss_Shmem:")
    return kilobytes * 1024


def _stat(process: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name, which may hold anything: state, parent, ..."""
    text = (PROC / str(process) / "stat").read_text(errors="replace")
    return text.rpartition(")")[2].split()


def _field(process: int, file: str, name: str) -> int:
    with contextlib.suppress(OSError):
        for line in (PROC / str(process) / file).read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1])
    return 0
