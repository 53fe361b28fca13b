"""An answer's bytes, moved into a file by the kernel: no copy of them comes into this process.

Over plain connections; a third less of the processor's time than reading and writing them. What is
encrypted or sent in chunks, or what a file system does not take so, is left to whoever asks.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import select
from collections.abc import Iterator

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from manifests.content import write_at

_MOST = 1 << 20  # bytes that are moved at a time: what a pipe of any user may hold


def moved(response: urllib3.BaseHTTPResponse, fd: int, at: int, silence_s: float) -> Iterator[int]:
    """Move an answer's body to place `at` of a file, all but its last byte; yield how many came.

    What is left is read as ever, so that the connection can be used again: all of it where the
    kernel cannot move it. To be called when `read1` has given all that had come with the heads.

    Raises:
        TimeoutError, ConnectionError: the server fell silent, or broke off.
        OSError: of the file's disk.
    """
    body = _plain(response)
    if body is None or body.length is None:
        return
    left = body.length - 1
    with _pipe() as (out, into):
        line = select.poll()
        line.register(body.fileno(), select.POLLIN)
        while left > 0:
            count = _taken(body.fileno(), into, min(_MOST, left))
            if count is None and not line.poll(silence_s * 1000):
                raise TimeoutError(f"no byte in {silence_s:g} s")
            if count == 0:
                return  # it ends early, or cannot be moved: reading tells
            if count:
                _put(out, fd, count, at)
                at, left = at + count, left - count
                body.length = response.length_remaining = left + 1
                yield count


def _plain(response: urllib3.BaseHTTPResponse) -> http.client.HTTPResponse | None:
    """Return what an answer is read from, where its bytes lie on the line as they are."""
    body, by = getattr(response, "_fp", None), response.connection
    if not hasattr(os, "splice") or not isinstance(body, http.client.HTTPResponse):
        return None
    plain = isinstance(by, HTTPConnection) and not isinstance(by, HTTPSConnection)
    known = body.length is not None and body.length == response.length_remaining
    return body if plain and known and not body.isclosed() else None


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    out, into = os.pipe()
    try:
        with contextlib.suppress(OSError):  # of a user who has many: it holds less
            fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, _MOST)
        yield out, into
    finally:
        os.close(out)
        os.close(into)


def _taken(line: int, into: int, most: int) -> int | None:
    """Take what has come; None where nothing has, 0 at the end or where it cannot be taken so."""
    try:
        return os.splice(line, into, most)
    except BlockingIOError:
        return None
    except (ConnectionError, TimeoutError):
        raise
    except OSError:
        return 0


def _put(out: int, fd: int, count: int, at: int) -> None:
    """Write what a pipe holds."""
    while count:
        try:
            done = os.splice(out, fd, count, offset_dst=at)
        except OSError:
            done = 0
        if not done:  # as it comes: then the disk says what is wrong, or takes it
            data = os.read(out, count)
            write_at(fd, data, at)
            done = len(data)
        count, at = count - done, at + done
