"""One member's bytes as a file: exactly as many as the archive says, with the right checksum."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from pipeline.archive.entries import Entry
from pipeline.archive.limits import DamagedMember, Meter

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class MemberFile(io.RawIOBase):
    """Reads an entry to its end; DamagedMember where it ends early or is not what it was.

    Once damaged, every further read says so. With `lenient` set all bytes are given first, and
    `damage` tells in the end whether the checksum was another one.
    """

    def __init__(self, entry: Entry, meter: Meter, damage: DamagedMember | None = None) -> None:
        self._entry, self._meter = entry, meter
        self.damage, self.lenient = damage, False
        self._left, self._crc = entry.size, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill `buffer` as far as the member goes; return the number of bytes."""
        if self.damage and not self.lenient:
            raise self.damage
        try:
            return self._read(buffer)
        except DamagedMember as error:
            self.damage = error
            raise

    def _read(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), self._left)
        if not wanted:
            return 0
        data = self._entry.read(wanted)
        if not data:
            found = f"ends {self._left:,} bytes before its end"
            raise self._meter.damaged_member(self._entry.name, found)
        view[: len(data)] = data
        self._left -= len(data)
        if self._entry.check is not None:
            self._crc = zlib.crc32(data, self._crc)
            if not self._left:
                self._check(self._entry.check)
        return len(data)

    def _check(self, check: Callable[[int], None]) -> None:
        try:
            check(self._crc)
        except DamagedMember as error:
            if not self.lenient:
                raise
            self.damage = error
