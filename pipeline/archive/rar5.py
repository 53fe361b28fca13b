"""A file's header in RAR 5: numbers of variable length, extra records at its end. Microseconds."""

from __future__ import annotations

from pipeline.archive.entries import FOLDER, HARD_LINK, OTHER, REGULAR, SYMLINK
from pipeline.archive.rar_entry import Packed
from pipeline.archive.unixmode import kind_of_mode

_SPLIT = 0x18
_FOLDER, _TIME, _CRC, _UNKNOWN_SIZE = 1, 2, 4, 8
_ENCRYPTION, _REDIRECTION = 1, 5
_LINKS = {1: SYMLINK, 2: SYMLINK, 3: SYMLINK, 4: HARD_LINK, 5: HARD_LINK}
_UNIX = 1


class FieldError(Exception):
    """A field lies beyond its header's end."""


class Fields:
    """Fields of a header, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def number(self) -> int:
        """Return a number: seven bits a byte, the lowest first, the top bit says that more come."""
        value = 0
        for shift in range(0, 70, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return value
        raise FieldError

    def take(self, count: int) -> bytes:
        """Return the next bytes; FieldError when there are fewer."""
        data = self._data[self.at : self.at + count]
        if len(data) < count:
            raise FieldError
        self.at += count
        return data

    def left(self) -> int:
        """Return how many bytes are left."""
        return len(self._data) - self.at


def read_file5(fields: Fields, flags: int, extra: int) -> Packed:
    """Return the entry whose own fields begin here, `extra` bytes of records at their end."""
    own = fields.number()
    size, mode = fields.number(), fields.number()
    fields.take(4 if own & _TIME else 0)
    crc = int.from_bytes(fields.take(4), "little") if own & _CRC else None
    fields.number()  # how it is compressed
    system = fields.number()
    name = fields.take(fields.number()).decode("utf-8", "surrogateescape")
    records = _records(fields, extra)
    kind = kind_of_mode(mode) if system == _UNIX else REGULAR
    if own & _FOLDER:
        kind = FOLDER
    if _REDIRECTION in records:
        kind = _LINKS.get(records[_REDIRECTION].number(), OTHER)
    if own & _UNKNOWN_SIZE:
        raise FieldError
    given = size if kind == REGULAR else 0
    return Packed(name, kind, given, crc, _ENCRYPTION in records, bool(flags & _SPLIT))


def _records(fields: Fields, extra: int) -> dict[int, Fields]:
    """Return the extra records by type, each as the fields after it."""
    fields.take(max(0, fields.left() - extra))
    records: dict[int, Fields] = {}
    while fields.left():
        record = Fields(fields.take(fields.number()))
        records[record.number()] = record
    return records
