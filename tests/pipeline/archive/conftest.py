"""Archives made by hand: RAR 4 and 5 of stored files, which no free program writes.

Block layouts are those of RARLAB's public descriptions. What a header tells may be a lie.
"""

import struct
import zlib
from collections.abc import Iterable
from typing import Any

import pytest

REGULAR, SYMLINK, FOLDER = 0o100644, 0o120777, 0o040755


class Rar4:
    """Version 4: a checksum of 16 bits, type, flags, length, then the type's own fields."""

    mark = b"Rar!\x1a\x07\x00"

    @staticmethod
    def block(kind: int, flags: int, body: bytes) -> bytes:
        rest = struct.pack("<BHH", kind, flags, 7 + len(body)) + body
        return struct.pack("<H", zlib.crc32(rest) & 0xFFFF) + rest

    @classmethod
    def file(cls, name: bytes, data: bytes, mode: int = REGULAR, flags: int = 0, **lie: Any):
        size, packed = lie.get("size", len(data)), lie.get("packed", len(data))
        crc = lie.get("crc", zlib.crc32(data))
        high = struct.pack("<II", packed >> 32, size >> 32) if flags & 256 else b""
        fields = (packed & 0xFFFFFFFF, size & 0xFFFFFFFF, 3, crc, 0x52210000, 20, 0x30, len(name))
        body = struct.pack("<IIBIIBBHI", *fields, mode) + high + name
        return cls.block(0x74, 0x8000 | flags, body) + data

    @classmethod
    def archive(cls, files: Iterable[bytes], flags: int = 0, end: int = 0) -> bytes:
        return cls.mark + cls.block(0x73, flags, bytes(6)) + b"".join(files) + cls.end(end)

    @classmethod
    def end(cls, flags: int = 0) -> bytes:
        return cls.block(0x7B, 0x4000 | flags, b"")


class Rar5:
    """Version 5: a checksum of 32 bits, then numbers of seven bits a byte."""

    mark = b"Rar!\x1a\x07\x01\x00"

    @staticmethod
    def number(value: int) -> bytes:
        out = bytearray()
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        return bytes([*out, value])

    @classmethod
    def block(cls, *numbers: int, tail: bytes = b"") -> bytes:
        body = b"".join(map(cls.number, numbers)) + tail
        rest = cls.number(len(body)) + body
        return struct.pack("<I", zlib.crc32(rest)) + rest

    @classmethod
    def file(cls, name: bytes, data: bytes, mode: int = REGULAR, extra: bytes = b"", **lie: Any):
        crc = struct.pack("<I", lie.get("crc", zlib.crc32(data)))
        number = cls.number
        fields = number(4) + number(lie.get("size", len(data))) + number(mode) + crc
        fields += number(0) + number(1) + number(len(name)) + name + extra
        head = [2, 2 | bool(extra) | lie.get("flags", 0), *([len(extra)] if extra else [])]
        return cls.block(*head, lie.get("packed", len(data)), tail=fields) + data

    @classmethod
    def record(cls, kind: int, body: bytes) -> bytes:
        body = cls.number(kind) + body
        return cls.number(len(body)) + body

    @classmethod
    def archive(cls, files: Iterable[bytes], flags: int = 0, end: int = 0) -> bytes:
        return cls.mark + cls.block(1, 0, flags) + b"".join(files) + cls.block(5, 0, end)


@pytest.fixture(scope="session", params=["4", "5"])
def rar(request: pytest.FixtureRequest) -> Any:
    """A writer of RAR archives, of one version and the other."""
    return Rar4 if request.param == "4" else Rar5


@pytest.fixture(scope="session")
def rar4() -> type[Rar4]:
    """A writer of RAR 4."""
    return Rar4


@pytest.fixture(scope="session")
def rar5() -> type[Rar5]:
    """A writer of RAR 5."""
    return Rar5
