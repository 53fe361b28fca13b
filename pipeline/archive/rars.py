"""Entries of a RAR archive: its headers read here, its bytes from bsdtar or else unar.

No free library writes or decompresses RAR in Python. Both programs can write the contents of all
entries to their standard output, one after the other; the headers tell where each one ends, and
its checksum. No file is made. 30 MB/s and more.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import BinaryIO

from manifests.errors import ClipmillError
from pipeline.archive.child import Child, ReaderError, started
from pipeline.archive.entries import Entry
from pipeline.archive.limits import Meter
from pipeline.archive.rar_entry import Packed
from pipeline.archive.rar_headers import read_headers

COMMANDS = {
    "bsdtar": ["-xOf", "-"],
    "unar": ["-quiet", "-no-recursion", "-output-directory", "-", "{file}"],
}
_PIECE = 1 << 18


class UnreadableRar(ClipmillError):
    """One reader could not do it; another may."""


def readers() -> list[str]:
    """Return the programs that are there, the faster one first."""
    return [name for name in COMMANDS if shutil.which(name)]


def walk(file: BinaryIO, size: int, meter: Meter, reader: str | None = None) -> Iterator[Entry]:
    """Yield the entries in order.

    Raises:
        ClipmillError: no reader is installed; damaged, encrypted, or one volume of several.
        UnreadableRar: what `reader` gave is not what the archive says of its contents.
    """
    packed = read_headers(file, size, meter)
    reader = reader or next(iter(readers()), None)
    program = shutil.which(reader) if reader else None
    if reader is None or program is None:
        raise meter.error(
            "is a RAR archive, and neither bsdtar nor unar is on the PATH",
            "install one: `apt install libarchive-tools` or `apt install unar` (macOS: "
            "`brew install libarchive` or `brew install unar`).",
        )
    with started([program, *COMMANDS[reader]], file, size, meter.limits.stall_seconds) as child:
        try:
            for entry in packed:
                yield from _entry(entry, child, reader, meter)
            if child.read(1):
                raise ReaderError("it gave more than the archive's members have")
            child.finish()
        except ReaderError as error:
            raise _unreadable(meter, reader, str(error)) from error


def _entry(entry: Packed, child: Child, reader: str, meter: Meter) -> Iterator[Entry]:
    left = entry.given

    def read(wanted: int) -> bytes:
        nonlocal left
        try:
            data = child.read(min(wanted, left))
        except ReaderError as error:
            raise _unreadable(meter, reader, str(error)) from error
        if not data:
            raise _unreadable(meter, reader, child.said() or f"{entry.name[:200]!r} ends too early")
        meter.count_bytes(len(data))
        left -= len(data)
        return data

    def check(crc: int) -> None:
        if entry.crc is not None and crc != entry.crc:
            raise _unreadable(meter, reader, f"{entry.name[:200]!r} has another checksum")

    yield Entry(entry.name, entry.kind, entry.given, read, check)
    while left:
        read(_PIECE)


def _unreadable(meter: Meter, reader: str, said: str) -> UnreadableRar:
    return UnreadableRar(
        str(meter.error(f"cannot be read by {reader} ({said})", "fetch it again, or unpack it."))
    )
