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

from manifests.addresses import host_of
from manifests.errors import UnreachableError
from manifests.routes import Routes
from pipeline.fetch.errors import FetchError
from pipeline.fetch.pace import Pace

BLOCK = 1 << 18
# So many new bytes make up for the failures before: a flaky line may drop as often as it likes,
# but one that gives a byte a connection, or crawls, is given up.
PROGRESS = 1_000_000
MOST_BYTES = 10**12  # more than any video or archive has, and than most disks hold
_PROXY_REFUSES = re.compile(r"^status 407\b|Tunnel connection failed: 407\b")
_NUMBER = re.compile(r"[0-9]{1,18}")
_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)")


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
    """Return the connections that the threads of a process share.

    Raises:
        ClipmillError: a proxy that is none, given or of the environment.
    """
    return Routes(proxy, hosts)


@dataclass
class Body:
    """One address read from a position on; iterating yields its bytes in blocks.

    `total` is the content's length in bytes, once the server has said it, and `mark` its ETag or
    date: with those of an earlier run, `start` goes on where that run ended. Content-Encoding is
    not asked for, so bytes are the file's own.

    Raises (from the iteration):
        FetchError: what the server says or does in the end, after all retries that make sense.
        UnreachableError: the proxy does not let us pass.
        StoppedError: the file of budgets cannot be written.
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
        at = firm = self.start
        failures = 0
        while True:
            try:
                for block in self._connection(at):
                    at += len(block)
                    yield block
                if self.total is None or at >= self.total:
                    return
                raise FetchError(f"{at} bytes read, {self.total - at} more expected")
            except (HTTPError, OSError, FetchError) as error:
                failure = error if isinstance(error, FetchError) else FetchError(str(error))
            if _PROXY_REFUSES.search(failure.message):
                raise UnreachableError(
                    "The proxy refuses name and password, or asks for them (status 407). Give "
                    "--proxy http://USER:PASSWORD@HOST:PORT; then run the same command again."
                )
            if at - firm >= PROGRESS:
                firm, failures = at, 0
            failures += 1
            if failures > self.patience.retries or not failure.passing:
                raise failure
            self._pause(failures)

    def _pause(self, failures: int) -> None:
        """Wait before the next connection, ever longer; what the server asked for, `pace` knows."""
        growing = min(self.patience.pause * 2 ** (failures - 1), self.patience.longest_pause)
        if self.stop.wait(growing):
            raise FetchError("interrupted")

    def _connection(self, at: int) -> Iterator[bytes]:
        """Yield blocks from `at` until the connection ends."""
        asked = dict(self.headers) | {"Accept-Encoding": "identity"}
        if at:
            asked["Range"] = f"bytes={at}-"
            if self.mark:
                asked["If-Range"] = self.mark
        self.pace.ask(host_of(self.url), self.stop)
        if self.stop.is_set():
            raise FetchError("interrupted")
        timeout = urllib3.Timeout(connect=self.patience.connect, read=self.patience.stall)
        try:
            response = self.pool.request(
                "GET", self.url, headers=asked, preload_content=False, timeout=timeout
            )
        except HTTPError:
            raise  # some are ValueErrors
        except ValueError as error:  # an address, here or in a Location, that cannot be taken apart
            raise FetchError(f"no address that can be asked: {error}", lasting=True) from error
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
        skip, total = at, _length(heads.get("Content-Length"))
        if status == 206:
            match = _RANGE.fullmatch(heads.get("Content-Range", ""))
            if not match or int(match[1]) > at:
                found = heads.get("Content-Range", "")[:80]
                raise FetchError(f"Content-Range {found!r} for byte {at}")
            skip = at - int(match[1])
            total = None if match[2] == "*" else int(match[2])
        if total is not None and total > MOST_BYTES:
            raise FetchError(f"a length of {total} bytes, which no video has", lasting=True)
        mark = heads.get("ETag") or heads.get("Last-Modified")
        if mark and mark.startswith("W/"):
            mark = heads.get("Last-Modified")  # a weak tag promises nothing about bytes
        if self.mark not in (None, mark) or (self.total not in (None, total) and at):
            raise FetchError("the content has changed since the first bytes", changed=True)
        self.mark, self.total = mark, total
        return skip


def _length(text: str | None) -> int | None:
    """Return a Content-Length, which may stand there twice; None where there is none.

    Raises:
        FetchError: it is no number.
    """
    if not text:
        return None
    said = {one.strip() for one in text.split(",")}
    if len(said) > 1 or not _NUMBER.fullmatch(found := said.pop()):
        raise FetchError(f"Content-Length {text[:80]!r}", lasting=True)
    return int(found)
