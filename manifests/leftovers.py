"""Names of files that are being written, and whether whoever writes them is still alive.

A temporary name tells machine and process, so that what a dead process left can be removed and what
a live one writes is left alone. Asking costs a system call or two.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

TEMPORARY = re.compile(r"\.tmp-(?P<host>[A-Za-z0-9_]+)-(?P<pid>\d+)-[0-9a-f]{8}")
_writing: set[str] = set()  # names of the temporary files that this process has open


@contextlib.contextmanager
def temporary_name() -> Iterator[str]:
    """Give a name for a file that is written inside the block."""
    name = f".tmp-{host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    _writing.add(name)
    try:
        yield name
    finally:
        _writing.discard(name)


def abandoned(name: str) -> bool:
    """Whether a file is a temporary one of this machine that nobody writes any more."""
    match = TEMPORARY.fullmatch(name)
    return bool(match and match["host"] == host() and not _at_work(name, int(match["pid"])))


def host() -> str:
    """Return this machine's name in letters, digits and underscores."""
    return re.sub(r"[^A-Za-z0-9_]", "_", socket.gethostname()) or "_"


def _at_work(name: str, pid: int) -> bool:
    """Whether a process still writes a temporary file; a restarted container reuses process ids."""
    if pid == os.getpid():
        return name in _writing
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether a process is dead and nobody has asked yet: for ever so in many containers."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state in ("Z", "X")
