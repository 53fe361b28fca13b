"""A lock per stage and root that spares double work. Nothing's correctness depends on it.

It is advisory and of this machine's file system; whoever holds it is named in the lock file.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

import filelock

from manifests.errors import StoppedError
from manifests.storage import Storage


@contextlib.contextmanager
def holding(storage: Storage, stage: str) -> Iterator[None]:
    """Hold the stage's lock.

    Raises:
        StoppedError: another process works on this stage here; the message says which.
    """
    path = storage.local(f"manifests/.{stage}.lock")
    lock = filelock.FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        holder = path.read_text(errors="replace").strip() or "another process"
        raise StoppedError(
            f"{stage} is already running on {storage.root} ({holder}). "
            "Wait until it ends, or end it, and run the command again."
        ) from None
    except NotImplementedError:
        pass  # a file system without locks: the work may be done twice, never wrongly
    except OSError as error:
        raise StoppedError(
            f"{path} cannot be written ({error.strerror}). Make the folder writable and run the "
            "same command again."
        ) from error
    try:
        with contextlib.suppress(OSError):  # a full disk: then nobody is named
            path.write_text(f"process {os.getpid()} on {socket.gethostname()}\n")
        yield
    finally:
        lock.release()
