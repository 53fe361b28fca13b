"""One member's bytes as a file: exactly as many as the archive says, with the right checksum."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING

from pipeline.archive.entries import Entry
from pipeline.archive.limits import Meter

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class MemberFile(io.RawIOBase):
    """Reads an entry to its end; ClipmillError where it ends early or is not what it was."""

    def __init__(self, entry: Entry, meter: Meter) -> None:
        self._entry, self._meter = entry, meter
        self._left, self._crc = entry.size, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill `buffer` as far as the member goes; return the number of bytes."""
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), self._left)
        if not wanted:
            return 0
        data = self._entry.read(wanted)
        if not data:
            raise self._meter.damaged(
                f"{self._entry.name[:200]!r} ends {self._left:,} bytes before its end"
            )
        view[: len(data)] = data
        self._left -= len(data)
        if self._entry.check is not None:
            self._crc = zlib.crc32(data, self._crc)
            if not self._left:
                self._entry.check(self._crc)
        return len(data)
