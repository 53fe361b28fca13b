"""What a file is by its first 512 bytes, whatever its name says."""

from __future__ import annotations

from typing import Literal

from pipeline.archive import tars

Kind = Literal["zip", "rar", "tar", "gzip", "bzip2", "xz", "zstd"]

HEAD = tars.BLOCK
COMPRESSED = ("gzip", "bzip2", "xz", "zstd")
_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),  # without a member
    (b"Rar!\x1a\x07\x00", "rar"),
    (b"Rar!\x1a\x07\x01\x00", "rar"),
    (b"\x1f\x8b\x08", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)


def kind_of(head: bytes) -> Kind | None:
    """Return the kind of archive or compression that `head` begins, None for anything else."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    return "tar" if tars.is_tar(head) else None
