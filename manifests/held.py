"""Descriptors that hold locks (flock), and are never shared with a forked child.

A child inherits its parent's descriptors, and with them its locks, which would then outlive the
parent's use of them. So they are closed in the child the moment it begins; whoever has one there
finds it closed, and closing it again closes nothing else. Costs a lock a descriptor.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

# While it is held nobody forks: what was opened is known before a child can have it.
# Whoever holds it may come again: the collector may end a block that holds a file, anywhere.
_changing = threading.RLock()
_open: set[Held] = set()


class Held:
    """An open file of this process; `fd` is -1 once it is closed."""

    def __init__(self, path: Path, flags: int, mode: int = 0o600) -> None:
        with _changing:
            self.fd = os.open(path, flags | os.O_CLOEXEC, mode)
            _open.add(self)

    def close(self) -> None:
        """Let go of it, unless that was done."""
        with _changing:
            if self.fd >= 0:
                os.close(self.fd)
                self.fd = -1
            _open.discard(self)


def _forget() -> None:
    """Close all that a forked child got from its parent."""
    for one in _open:
        os.close(one.fd)
        one.fd = -1
    _open.clear()
    _changing.release()


os.register_at_fork(
    before=_changing.acquire, after_in_parent=_changing.release, after_in_child=_forget
)
