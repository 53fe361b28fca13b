"""A lock per stage and root that spares double work. Nothing's correctness depends on it.

It is advisory and of the root's file system; whoever holds it is named in the lock file. Machines
that share a root may hold different shares of one stage (`download --part 2/8`), of one division.
An object store has no locks: there it lies in this machine's scratch folder and says nothing of
other machines.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import filelock

from manifests.errors import StoppedError
from manifests.storage import Storage

LOOKING_S = 2.0


@contextlib.contextmanager
def holding(storage: Storage, stage: str, share: tuple[int, int] = (1, 1)) -> Iterator[None]:
    """Hold the lock of a stage, or of the i-th of n shares of it.

    Raises:
        StoppedError: another process works on this here; the message says which.
    """
    index, count = share
    ending = "" if count == 1 else f"-{index}-of-{count}"
    path = storage.place(f"manifests/.{stage}{ending}.lock")
    lock = filelock.FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _take(lock, path, stage, storage)
        try:
            _require_no_other_division(path, stage, count, storage)
        except BaseException:
            lock.release()
            raise
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


def _take(
    lock: filelock.BaseFileLock, path: Path, stage: str, storage: Storage, timeout: float = 0
) -> None:
    try:
        lock.acquire(timeout=timeout)
    except filelock.Timeout:
        holder = path.read_text(errors="replace").strip() or "another process"
        raise StoppedError(
            f"{stage} is already running on {storage.root} ({holder}). "
            "Wait until it ends, or end it, and run the command again."
        ) from None


def _require_no_other_division(path: Path, stage: str, count: int, storage: Storage) -> None:
    """Look at the locks of shares that may hold the same clips: those of other divisions."""
    for other in path.parent.glob(f".{stage}*.lock"):
        if other == path or (count > 1 and other.name.endswith(f"-of-{count}.lock")):
            continue
        lock = filelock.FileLock(other)
        # Who only looks, as we do here, is gone in a moment.
        _take(lock, other, stage, storage, timeout=LOOKING_S)
        lock.release()
