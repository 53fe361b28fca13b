"""Entries of a tar stream, with bounds on the headers that stand before a member.

The standard library parses the 512-byte headers. It does not walk: its walk takes long names and
PAX records of any length into memory, and recurses for each. 20 microseconds a member.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator

from pipeline.archive.entries import (
    DEVICE,
    FOLDER,
    HARD_LINK,
    OTHER,
    PIPE,
    REGULAR,
    SPARSE,
    SYMLINK,
    Entry,
)
from pipeline.archive.limits import Meter
from pipeline.archive.streams import Stream

BLOCK = tarfile.BLOCKSIZE
HEADERS_IN_A_ROW = 8  # long name, long link, PAX, global PAX, and room
RECORDS = 1_000  # PAX records in one header
_KINDS = {
    tarfile.REGTYPE: REGULAR,
    tarfile.AREGTYPE: REGULAR,
    tarfile.CONTTYPE: REGULAR,
    tarfile.LNKTYPE: HARD_LINK,
    tarfile.SYMTYPE: SYMLINK,
    tarfile.CHRTYPE: DEVICE,
    tarfile.BLKTYPE: DEVICE,
    tarfile.DIRTYPE: FOLDER,
    tarfile.FIFOTYPE: PIPE,
    tarfile.GNUTYPE_SPARSE: SPARSE,
}
_WITHOUT_DATA = frozenset({HARD_LINK, SYMLINK, DEVICE, FOLDER, PIPE})
_PAX = tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE


def is_tar(head: bytes) -> bool:
    """Return whether a file's first 512 bytes are a tar header: its checksum fits."""
    try:
        tarfile.TarInfo.frombuf(head[:BLOCK], "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return False
    return True


def walk(stream: Stream, meter: Meter) -> Iterator[Entry]:
    """Yield the entries in order; ClipmillError where the archive is damaged or hostile."""
    name: str | None = None
    told: dict[bytes, bytes] = {}
    headers = 0
    while True:
        block = stream.read(BLOCK)
        info = _header(block, meter)
        if info is None:
            return
        headers += 1
        if headers > HEADERS_IN_A_ROW:
            raise meter.hostile(f"holds {headers} headers before one member")
        if info.type == tarfile.GNUTYPE_LONGNAME:
            raw = _extension(stream, info.size, meter)
            name = raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")
        elif info.type in _PAX:
            told |= _records(_extension(stream, info.size, meter), meter)
        elif info.type in (tarfile.GNUTYPE_LONGLINK, tarfile.XGLTYPE):
            _extension(stream, info.size, meter)
        else:
            yield from _member(stream, info, block, name, told, meter)
            name, told, headers = None, {}, 0


def _header(block: bytes, meter: Meter) -> tarfile.TarInfo | None:
    """Parse one header; None at the mark that ends an archive."""
    if len(block) < BLOCK:
        raise meter.damaged("it is cut off, its end mark is missing")
    if not block.strip(b"\0"):
        return None
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError) as error:
        raise meter.damaged(f"a header is none ({error})") from error
    if info.size < 0:
        raise meter.hostile(f"holds a member of {info.size} bytes")
    return info


def _extension(stream: Stream, size: int, meter: Meter) -> bytes:
    """Read what a header of a header holds."""
    if size > meter.limits.header_bytes:
        raise meter.hostile(f"holds a header of {size:,} bytes")
    data = stream.read(size)
    if len(data) < size or not stream.skip(-size % BLOCK):
        raise meter.damaged("it ends inside a header")
    return data


def _records(data: bytes, meter: Meter) -> dict[bytes, bytes]:
    """Return the PAX records `length key=value`, each ended by a line feed."""
    records: dict[bytes, bytes] = {}
    at = 0
    for _ in range(RECORDS):
        if at >= len(data) or data[at] == 0:
            return records
        digits, blank, _ = data[at : at + 12].partition(b" ")
        length = int(digits) if digits.isdigit() and blank else 0
        record = data[at + len(digits) + 1 : at + length]
        if not record.endswith(b"\n") or at + length > len(data):
            raise meter.damaged("a PAX record has no end")
        key, _, value = record[:-1].partition(b"=")
        records[key] = value
        at += length
    raise meter.hostile(f"holds a header of more than {RECORDS:,} records")


def _member(
    stream: Stream,
    info: tarfile.TarInfo,
    block: bytes,
    long_name: str | None,
    told: dict[bytes, bytes],
    meter: Meter,
) -> Iterator[Entry]:
    """Yield one member, then pass over what of it was not read."""
    name = info.name if long_name is None else long_name
    size = info.size
    if b"path" in told:
        name = told[b"path"].decode("utf-8", "surrogateescape")
    if (text := told.get(b"size")) is not None:
        if not text.isdigit() or len(text) > 19:
            raise meter.damaged(f"a member's size is {text[:20]!r}")
        size = int(text)
    kind = _KINDS.get(info.type, OTHER)
    if any(key.startswith(b"GNU.sparse.") for key in told):
        kind = SPARSE
    if info.type == tarfile.GNUTYPE_SPARSE:
        _pass_sparse_headers(stream, block, meter)
    if kind in _WITHOUT_DATA:
        size = 0
    left = size

    def read(wanted: int) -> bytes:
        nonlocal left
        data = stream.read(min(wanted, left))
        left -= len(data)
        return data

    yield Entry(name, kind, size, read)
    if not stream.skip(left + -size % BLOCK):
        raise meter.damaged(f"it ends inside {name[:200]!r}, which should have {size:,} bytes")


def _pass_sparse_headers(stream: Stream, block: bytes, meter: Meter) -> None:
    """Pass over the further headers of an old sparse file; one byte tells whether more come."""
    more = block[482]
    while more:
        block = stream.read(BLOCK)
        if len(block) < BLOCK:
            raise meter.damaged("it ends inside a header")
        more = block[504]
