"""A file's header in RAR 4: fixed fields, a name in one of three encodings. Microseconds."""

from __future__ import annotations

import struct

from pipeline.archive.entries import FOLDER, REGULAR
from pipeline.archive.rar_entry import Packed
from pipeline.archive.unixmode import kind_of_mode

_FIELDS = struct.Struct("<IIBIIBBHI")
_SPLIT, _ENCRYPTED, _LARGE, _UNICODE, _FOLDER = 0x03, 0x04, 0x100, 0x200, 0xE0
_UNIX = 3


def read_file4(body: bytes, flags: int) -> tuple[Packed, int]:
    """Return the entry that a header (without its first 7 bytes) describes, and its packed size.

    Raises:
        struct.error: the header is too short.
    """
    packed, size, system, crc, _, _, _, length, mode = _FIELDS.unpack_from(body)
    at = _FIELDS.size
    if flags & _LARGE:
        high_packed, high_size = struct.unpack_from("<II", body, at)
        packed, size, at = packed | high_packed << 32, size | high_size << 32, at + 8
    kind = kind_of_mode(mode) if system == _UNIX else REGULAR
    if flags & _FOLDER == _FOLDER:
        kind, size = FOLDER, 0
    name = _name(body[at : at + length], bool(flags & _UNICODE))
    entry = Packed(name, kind, size, crc, bool(flags & _ENCRYPTED), bool(flags & _SPLIT))
    return entry, packed


def _name(raw: bytes, unicode: bool) -> str:
    plain, mark, coded = raw.partition(b"\0")
    if unicode and mark and coded:
        return _decoded(plain, coded)
    return plain.decode("utf-8", "surrogateescape")


def _decoded(plain: bytes, coded: bytes) -> str:
    """Return a name written as changes of its plain form, two bits a step.

    00 a Latin-1 character   01 a character of the page that the first byte names
    10 a UTF-16 unit         11 a run of the plain name, moved by a number if its top bit is set
    """
    page, at, steps, units = coded[0] << 8, 1, [0] * 0, bytearray()
    while at < len(coded):
        if not steps:
            steps = [coded[at] >> shift & 3 for shift in (0, 2, 4, 6)]
            at += 1
            continue
        step = steps.pop()
        here = coded[at : at + 3]
        if step < 2:
            units += struct.pack("<H", here[0] | page * step)
            at += 1
        elif step == 2:
            units += here[:2]
            at += 2
        else:
            start, count = len(units) // 2, (here[0] & 0x7F) + 2
            moved = here[0] & 0x80
            for char in plain[start : start + count]:
                unit = (char + here[1] & 0xFF) | page if moved else char
                units += struct.pack("<H", unit)
            at += 2 if moved else 1
    return units.decode("utf-16-le", "surrogatepass")
