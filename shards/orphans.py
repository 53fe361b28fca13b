"""A worker process ends with the one that started it, however that one ended.

DataLoader's workers look for their parent every five seconds, and one whose parent was killed while
it was starting (seconds, where it is not forked) would wait for ever. Costs a thread that sleeps.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.connection import wait
from typing import Any


def end_with_parent() -> None:
    """Have this process, a worker of multiprocessing, end as soon as its parent has ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: Any) -> None:
    """Wait for the end of a process, and end this one."""
    try:
        handle = os.pidfd_open(parent.pid)
    except ProcessLookupError:
        os._exit(1)
    except OSError:
        # A kernel, or a sandbox, without it: the pipe to the parent, which its other forked
        # children keep open for as long as they live.
        handle = parent.sentinel
    wait([handle])
    os._exit(1)
