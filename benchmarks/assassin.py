"""Kills each decoder child that has a certain file open: what a video that crashes libav does."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self


class Assassin:
    """While its block runs, no decoder child outlives the opening of `victim`, in any process.

    With `mercy`, only so many are killed. `killed` are their process ids, in order.
    """

    def __init__(self, victim: Path, mercy: int | None = None) -> None:
        status = victim.stat()
        self._file = status.st_dev, status.st_ino
        self._mercy, self._stop = mercy, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.killed: list[int] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        ended: set[str] = set()
        while not self._stop.is_set():
            for pid in filter(str.isdigit, os.listdir("/proc")):
                if pid not in ended and self._is_child(pid) and self._holds(pid):
                    self._kill(int(pid))
                    ended.add(pid)
            time.sleep(0.001)

    def _kill(self, pid: int) -> None:
        if self._mercy is None or len(self.killed) < self._mercy:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.killed.append(pid)

    def _is_child(self, pid: str) -> bool:
        try:
            return b"pipeline.video.child" in Path("/proc", pid, "cmdline").read_bytes()
        except OSError:
            return False

    def _holds(self, pid: str) -> bool:
        folder = f"/proc/{pid}/fd"
        with contextlib.suppress(OSError):
            for entry in os.listdir(folder):
                with contextlib.suppress(OSError):
                    status = Path(folder, entry).stat()
                    if (status.st_dev, status.st_ino) == self._file:
                        return True
        return False
