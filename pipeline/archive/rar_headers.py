"""What a RAR archive says of itself, version 4 (from 1.5 on) or 5: its entries, with checksums.

Readers of RAR differ in what they tell: bsdtar 3.6 gives the bytes of encrypted members as if they
were their contents, and checks no checksum of stored ones. So headers are read here, as the formats
are publicly described, and readers only decompress. 20 microseconds and 300 bytes a member.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from pipeline.archive.limits import Meter
from pipeline.archive.rar4 import read_file4
from pipeline.archive.rar5 import FieldError, Fields, read_file5
from pipeline.archive.rar_entry import Packed

MARK4, MARK5 = b"Rar!\x1a\x07\x00", b"Rar!\x1a\x07\x01\x00"
_HEAD4 = struct.Struct("<HBHH")
_MAIN4, _FILE4, _END4 = 0x73, 0x74, 0x7B
_MAIN5, _FILE5, _SERVICE5, _CRYPT5, _END5 = 1, 2, 3, 4, 5
_LONGEST5 = 2 << 20  # bytes of a header, by the format


def read_headers(file: BinaryIO, size: int, meter: Meter) -> list[Packed]:
    """Return the entries in order.

    Raises:
        ClipmillError: damaged, cut off, encrypted, one volume of several, or too many headers.
    """
    file.seek(0)
    five = file.read(len(MARK5)) == MARK5
    walk = _walk5(file, size, meter) if five else _walk4(file, size, meter)
    before, entries = meter.members, []
    try:
        for entry in walk:
            meter.count_member()
            if entry.encrypted:
                raise _encrypted(meter)
            if entry.split:
                raise _volume(meter)
            entries.append(entry)
    except (struct.error, IndexError, FieldError) as error:
        raise meter.damaged("a header is shorter than what it holds") from error
    meter.members = before
    return entries


def _encrypted(meter: Meter) -> Exception:
    return meter.error("is encrypted", "unpack it with its password and give the folder.")


def _volume(meter: Meter) -> Exception:
    return meter.error("is one volume of several", "unpack them together and give the folder.")


def _walk4(file: BinaryIO, size: int, meter: Meter) -> Iterator[Packed]:
    at = len(MARK4)
    while at < size:  # archives of version 2 have no end block
        file.seek(at)
        head = file.read(_HEAD4.size)
        checksum, kind, flags, length = _HEAD4.unpack(head)
        if length < _HEAD4.size:
            raise meter.damaged(f"a header at {at:,} has {length} bytes")
        meter.count_header(length)
        body = file.read(length - _HEAD4.size)
        if zlib.crc32(head[2:] + body) & 0xFFFF != checksum or len(body) < length - _HEAD4.size:
            raise meter.damaged(f"the header at {at:,} has a wrong checksum")
        packed = struct.unpack_from("<I", body)[0] if flags & 0x8000 else 0
        if kind == _MAIN4:
            if flags & 0x80:
                raise _encrypted(meter)
            if flags & 0x01:
                raise _volume(meter)
        elif kind == _FILE4:
            entry, packed = read_file4(body, flags)
            yield entry
        elif kind == _END4:
            if flags & 0x01:
                raise _volume(meter)
            return
        at += length + packed
    if at > size:
        raise meter.damaged("it is cut off")


def _walk5(file: BinaryIO, size: int, meter: Meter) -> Iterator[Packed]:
    at = len(MARK5)
    while at < size:
        file.seek(at)
        head = file.read(7)
        fields = Fields(head[4:])
        length = fields.number()
        start = 4 + fields.at
        if length > _LONGEST5:
            raise meter.damaged(f"the header at {at:,} would have {length:,} bytes")
        meter.count_header(start + length)
        file.seek(at + start)
        body = file.read(length)
        if zlib.crc32(head[4:start] + body) != struct.unpack_from("<I", head)[0]:
            raise meter.damaged(f"the header at {at:,} has a wrong checksum")
        fields = Fields(body)
        kind, flags = fields.number(), fields.number()
        extra = fields.number() if flags & 1 else 0
        packed = fields.number() if flags & 2 else 0
        if kind == _CRYPT5:
            raise _encrypted(meter)
        if kind in (_MAIN5, _END5) and fields.number() & 1:
            raise _volume(meter)
        if kind == _FILE5:
            yield read_file5(fields, flags, extra)
        if kind == _END5:
            return
        at += start + length + packed
    raise meter.damaged("it is cut off")
