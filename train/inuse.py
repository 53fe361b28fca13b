"""One training job a run folder: a second one is refused at once, and told who holds it.

The lock is flock's on RUN/.lock: it ends with the process that holds it, also after SIGKILL, and is
not shared with forked readers. Only the first process of a job takes it. Costs three system calls.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from manifests.errors import StoppedError
from manifests.held import Held
from manifests.local import stopping

NAME = ".lock"
RESTARTS = "TORCHELASTIC_RESTART_COUNT"  # torchrun's; the job of before may be about to end
PATIENCE_S = 30.0
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}


def require_free(folder: Path) -> None:
    """Raise unless nobody trains in a folder, which need not be there.

    Raises:
        StoppedError: another process does; the message names it.
    """
    if (folder / NAME).exists():
        with holding(folder):
            pass


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Hold a run folder for the block; it is made where it is not there.

    Raises:
        StoppedError: another process trains in it; the message names it.
    """
    path = folder / NAME
    with stopping(NAME, f"the folder {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        held = Held(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(held.fd, folder)
        yield
    finally:
        held.close()


def _take(fd: int, folder: Path) -> None:
    restarted = os.environ.get(RESTARTS, "0") != "0"
    until = time.monotonic() + (PATIENCE_S if restarted else 0)
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() < until:
                time.sleep(0.1)
                continue
            holder = os.pread(fd, 1000, 0).decode(errors="replace").strip() or "another process"
            raise StoppedError(
                f"{folder} is in use: {holder} trains there. Wait until it ends, or end it, then "
                "run the same command with --resume; or give another --run folder."
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return  # a file system without locks
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    with contextlib.suppress(OSError):  # a full disk: then nobody is named
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"process {os.getpid()} on {socket.gethostname()}, since {now},".encode(), 0)
