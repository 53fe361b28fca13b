"""Limits of a process that reads a video, set before it opens anything. Microseconds.

What the operating system does not know (prctl off Linux) is left out: the deadline of the parent
still holds.
"""

from __future__ import annotations

import contextlib
import ctypes
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38


def die_with_parent() -> None:
    """Ask the kernel for a SIGKILL when the parent is gone, and never to gain privileges."""
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def confine(memory_bytes: int, file_bytes: int = 0, cpu_seconds: int | None = None) -> None:
    """Bound the address space, the files it writes (none) and its CPU time; no core dumps."""
    die_with_parent()
    _lower(resource.RLIMIT_AS, memory_bytes)
    _lower(resource.RLIMIT_FSIZE, file_bytes)
    _lower(resource.RLIMIT_CORE, 0)
    if cpu_seconds is not None:
        _lower(resource.RLIMIT_CPU, cpu_seconds)


def renew_cpu(seconds: float) -> None:
    """Allow this much more CPU time from now on; past it the kernel sends SIGXCPU."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard < 0 else min(soft, hard), hard))


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
    with contextlib.suppress(OSError, ValueError):  # macOS refuses RLIMIT_AS
        resource.setrlimit(kind, (bound, bound))
