"""The body of a web address as a stream that outlives its connections.

A dropped connection, a stall or a body that is cut short is taken up where it broke, by Range and
only while the server says that the content is the same (If-Range); a server without ranges is
read again from its start and what is known already is thrown away. Costs what the network costs.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import urllib3
from urllib3.exceptions import HTTPError

from pipeline.fetch.errors import FetchError
from pipeline.fetch.pace import Pace, host_of

BLOCK = 1 << 18
REDIRECTS = 5
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server is waited for. Seconds; `slowest` in bytes a second over `window`."""

    connect: float = 10.0
    stall: float = 30.0
    retries: int = 5
    pause: float = 1.0
    longest_pause: float = 60.0
    slowest: int = 1024
    window: float = 60.0


def pool(proxy: str | None = None, hosts: int = 16) -> urllib3.PoolManager:
    """Return the connections that the threads of a process share."""
    # Body does its own retries, from where it stands.
    only = urllib3.Retry(total=None, connect=0, read=0, status=0, other=0, redirect=REDIRECTS)
    if proxy:
        return urllib3.ProxyManager(proxy, num_pools=hosts, maxsize=hosts, retries=only)
    return urllib3.PoolManager(num_pools=hosts, maxsize=hosts, retries=only)


@dataclass
class Body:
    """One address read from a position on; iterating yields its bytes in blocks.

    `total` is the content's length in bytes, once the server has said it, and `mark` its ETag or
    date: with those of an earlier run, `start` goes on where that run ended. Content-Encoding is
    not asked for, so bytes are the file's own.

    Raises (from the iteration):
        FetchError: what the server says or does in the end, after all retries that make sense.
    """

    url: str
    pool: urllib3.PoolManager
    pace: Pace
    patience: Patience = Patience()
    start: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)
    total: int | None = None
    mark: str | None = None

    def __iter__(self) -> Iterator[bytes]:
        at, failures = self.start, 0
        while True:
            before = at
            try:
                for block in self._connection(at):
                    at += len(block)
                    yield block
                if self.total is None or at >= self.total:
                    return
                raise FetchError(f"{at} bytes read, {self.total - at} more expected")
            except (HTTPError, OSError, FetchError) as error:
                failure = error if isinstance(error, FetchError) else FetchError(str(error))
            if at > before:
                failures = 0  # it moves: a flaky line may drop as often as it likes
            failures += 1
            if failures > self.patience.retries or not failure.passing:
                raise failure
            self._pause(failures, failure.after_s)

    def _pause(self, failures: int, asked: float | None) -> None:
        """Wait before the next connection: what the server asks for, or ever longer."""
        growing = min(self.patience.pause * 2 ** (failures - 1), self.patience.longest_pause)
        if self.stop.wait(growing if asked is None else asked):
            raise FetchError("interrupted")

    def _connection(self, at: int) -> Iterator[bytes]:
        """Yield blocks from `at` until the connection ends."""
        asked = dict(self.headers) | {"Accept-Encoding": "identity"}
        if at:
            asked["Range"] = f"bytes={at}-"
            if self.mark:
                asked["If-Range"] = self.mark
        self.pace.ask(host_of(self.url), self.stop)
        timeout = urllib3.Timeout(connect=self.patience.connect, read=self.patience.stall)
        response = self.pool.request(
            "GET", self.url, headers=asked, preload_content=False, timeout=timeout
        )
        try:
            skip = self._accept(response, at)
            if skip is None:
                return
            began, moved = time.monotonic(), 0
            # read1 hands over what has come; `stream` would lose a part of a block to a drop.
            while block := response.read1(BLOCK, decode_content=False):
                if self.stop.is_set():
                    raise FetchError("interrupted")
                moved += len(block)
                now = time.monotonic()
                if now - began >= self.patience.window:
                    if moved < self.patience.slowest * (now - began):
                        raise FetchError(f"timed out: {moved} bytes in {now - began:.0f} s")
                    began, moved = now, 0
                self.pace.moved(len(block), self.stop)
                known = min(skip, len(block))
                skip -= known
                if known < len(block):
                    yield block[known:]
        finally:
            response.close()
            response.release_conn()

    def _accept(self, response: urllib3.BaseHTTPResponse, at: int) -> int | None:
        """Look at the answer's head; return how many of its first bytes are known, None for none.

        Raises:
            FetchError: the server refuses, or the content is not what it was.
        """
        status, heads = response.status, response.headers
        if status == 416 and self.total is not None and at >= self.total:
            return None
        if status == 416:  # what we have is longer than what the server has
            raise FetchError(f"status 416: {at} bytes are known of a shorter file", changed=True)
        if status not in (200, 206):
            after = self.pace.refused(host_of(self.url), status, heads.get("Retry-After"))
            raise FetchError(f"status {status} {response.reason or ''}".strip(), after, status)
        self.pace.answered(host_of(self.url))
        skip, length = at, heads.get("Content-Length")
        total = int(length) if length and length.isdigit() else None
        if status == 206:
            match = _RANGE.fullmatch(heads.get("Content-Range", ""))
            if not match or int(match[1]) > at:
                raise FetchError(f"Content-Range {heads.get('Content-Range')!r} for byte {at}")
            skip = at - int(match[1])
            total = None if match[2] == "*" else int(match[2])
        mark = heads.get("ETag") or heads.get("Last-Modified")
        if mark and mark.startswith("W/"):
            mark = heads.get("Last-Modified")  # a weak tag promises nothing about bytes
        if self.mark not in (None, mark) or (self.total not in (None, total) and at):
            raise FetchError("the content has changed since the first bytes", changed=True)
        self.mark, self.total = mark, total
        return skip
