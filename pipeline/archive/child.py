"""A program that reads an archive and gives bytes: no shell, no names, limits, killed if it sticks.

It gets the archive as an open descriptor, and writes to a pipe: there is no file that it could
make, for its files may have no byte (but for the messages, 64 KB).
"""

from __future__ import annotations

import os
import resource
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from pipeline.archive.limits import Meter

MEMORY = 2 << 30
MESSAGES = 64 << 10
CHUNK = 1 << 18  # bytes at once
BYTES_A_SECOND = 1 << 20  # of archive, at the very least, in CPU time
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "HOME": "/nonexistent", "PATH": "/usr/bin:/bin"}


class ReaderError(Exception):
    """The program failed; the text is what it said."""


class Child:
    """A running program. `read` gives its output; `finish` asks whether it came to its end."""

    def __init__(self, process: subprocess.Popen[bytes], said: BinaryIO, meter: Meter) -> None:
        assert process.stdout is not None
        self._process, self._said, self._meter = process, said, meter
        self._stall = meter.limits.stall_seconds
        self._out = process.stdout.fileno()
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes, fewer at the end; ReaderError when it gives nothing."""
        pieces, left = [], min(size, CHUNK)
        while left:
            if not self._poll.poll(self._stall * 1000):
                raise ReaderError(f"it gave nothing for {self._stall:g} s")
            piece = os.read(self._out, left)
            if not piece:
                break
            self._meter.count_bytes(len(piece))
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def skip(self, size: int, /) -> bool:
        """Pass over bytes; False when the output ended before."""
        while size:
            got = len(self.read(size))
            if not got:
                return False
            size -= got
        return True

    def finish(self) -> None:
        """Wait for its end; ReaderError when it failed."""
        try:
            code = self._process.wait(self._stall)
        except subprocess.TimeoutExpired as error:
            raise ReaderError(f"it did not end within {self._stall:g} s") from error
        if code:
            raise ReaderError(self.said() or f"exit code {code}")

    def said(self) -> str:
        """Return the first of its last messages."""
        size = os.fstat(self._said.fileno()).st_size
        text = os.pread(self._said.fileno(), 2_000, max(0, size - 2_000)).decode("utf-8", "replace")
        lines = [line for line in text.splitlines() if line.isprintable() and line.strip()]
        return lines[0][:300] if lines else ""


@contextmanager
def started(command: list[str], file: BinaryIO, size: int, meter: Meter) -> Iterator[Child]:
    """Start a program on an archive of `size` bytes, which is its standard input.

    `{file}` in the command becomes a path that opens the same file anew.
    """
    descriptor = file.fileno()
    opens_anew = "{file}" in command
    command = [word.replace("{file}", f"/dev/fd/{descriptor}") for word in command]
    file.seek(0)
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command,
            stdin=descriptor,
            stdout=subprocess.PIPE,
            stderr=said,
            pass_fds=[descriptor],
            env=_ENVIRONMENT,
            bufsize=0,
        ) as process,
    ):
        try:
            _confine(process.pid, 60 + size // BYTES_A_SECOND)
            if opens_anew and sys.platform.startswith("linux"):
                file.seek(size)  # it reads at a place of its own: count all of it as read
            yield Child(process, said, meter)
        finally:
            process.kill()


def _confine(pid: int, cpu_seconds: int) -> None:
    """Bound the program's memory, files and CPU time, where the system can do so from outside."""
    limits = {
        resource.RLIMIT_AS: MEMORY,
        resource.RLIMIT_FSIZE: MESSAGES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: cpu_seconds,
    }
    for kind, bound in limits.items():
        if hasattr(resource, "prlimit"):
            _, hard = resource.prlimit(pid, kind)
            bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
            resource.prlimit(pid, kind, (bound, bound))
