"""A file of a web server, read in one request; one that breaks off is taken up by Range.

Only while the server says that the content is the same (If-Range); one without ranges is read again
from its start, and what is known is thrown away.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import urllib3

from manifests.content import ChangedError
from manifests.errors import StoppedError
from manifests.webbody import moved
from manifests.webrequests import (
    BusyError,
    Found,
    ask,
    length_of,
    mark_of,
    require,
    silence,
    until_done,
)

BLOCK = 1 << 20
CHANGES = 5  # of a file while it is read, before that is given up
_RANGE = re.compile(r"bytes (?:([0-9]{1,18})-[0-9]{1,18}|\*)/([0-9]{1,18}|\*)")
Write = Callable[[int, bytes], object]  # where a block begins, and its bytes


@dataclass
class Pull:
    """A file that is being read, in the order of its bytes; `write` gets them, none twice.

    `size` and `mark` are what it must have, where they are known. Into `fd`, an open file, bytes
    may be put at their place without `write`.
    """

    url: str
    write: Write
    size: int | None = None
    mark: str | None = None
    fd: int | None = None
    at: int = 0
    moved: float | None = None  # when the last byte came

    def run(self) -> Found:
        """Read the whole file.

        Raises:
            FileNotFoundError: the server has no such file.
            ChangedError: it is another one than expected, or than at the beginning.
            ClipmillError: the server refuses.
            StoppedError: it failed for too long; names the file.
        """
        until_done(self.url, self._go_on, lambda: self.moved)
        return Found(self.at, self.mark)

    def _go_on(self) -> str:
        """Read from where it broke off; return what is lacking, nothing at the end."""
        asked = {}
        if self.at:
            asked["Range"] = f"bytes={self.at}-"
            if self.mark:
                asked["If-Range"] = self.mark
        with closing(ask("GET", self.url, asked)) as response:
            if response.status == 416:
                found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
                raise ChangedError(f"{found[2] if found else 'fewer'} bytes; expected more")
            require(response, self.url)
            known, total = self._accept(response)
            while block := response.read1(BLOCK, decode_content=False):
                skipped, known = min(known, len(block)), max(0, known - len(block))
                if len(block) > skipped:
                    self._take(block[skipped:] if skipped else block)
                if self.fd is not None and not known:
                    for count in moved(response, self.fd, self.at, silence()):
                        self._came(count)
        if total is not None and self.at < total:
            return f"{self.at:,} of {total:,} bytes came"
        if self.size not in (None, self.at):
            raise ChangedError(f"{self.at} bytes; expected {self.size}")
        return ""

    def _take(self, block: bytes) -> None:
        if self.size is not None and self.at + len(block) > self.size:
            raise ChangedError(f"more than {self.size} bytes")
        self.write(self.at, block)
        self._came(len(block))

    def _came(self, count: int) -> None:
        self.at, self.moved = self.at + count, time.monotonic()

    def _accept(self, response: urllib3.BaseHTTPResponse) -> tuple[int, int | None]:
        """Hold an answer against what is known; return how many of its first bytes are known, and
        the file's length where the server says it.
        """
        known, total = self.at, length_of(response.headers)
        if response.status == 206:
            found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if not found or not found[1] or int(found[1]) > self.at:
                raise BusyError("an answer of other bytes than were asked for", None)
            known = self.at - int(found[1])
            total = None if found[2] == "*" else int(found[2])
        mark = mark_of(response.headers)
        if self.mark is not None and mark != self.mark:
            raise ChangedError("it changed while it was fetched")
        if total is not None and self.size not in (None, total):
            raise ChangedError(f"{total} bytes; expected {self.size}")
        if total is not None and total < self.at:
            raise ChangedError("it became shorter while it was fetched")
        self.mark = mark
        return known, total


def read(url: str) -> tuple[bytes, Found]:
    """Return a small file's bytes; the exceptions are those of `Pull.run`, but for changes."""
    for _ in range(CHANGES):
        data = bytearray()
        try:
            found = Pull(url, lambda at, block, data=data: data.extend(block)).run()
        except ChangedError:
            continue
        return bytes(data), found
    raise unsteady(url)


def unsteady(url: str) -> StoppedError:
    """Return the error for a file that is another one each time."""
    return StoppedError(
        f"{url} changes faster than it can be read. Wait until it is whole, then run the same "
        "command again; what was finished is kept."
    )
