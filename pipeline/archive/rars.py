"""Entries of a RAR archive: its headers read here, its bytes from bsdtar or else unar.

No free library decompresses RAR in Python. Both programs write contents to their standard output,
bsdtar as a tar, unar one after the other; the headers tell where each one ends, and its checksum.
No file is made. (`bsdtar -xO` 3.6 writes without end where a RAR 5 holds an empty member.) 30 MB/s
and more.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import BinaryIO, TypeVar

from manifests.errors import ClipmillError
from pipeline.archive import tars
from pipeline.archive.child import Child, ReaderError, started
from pipeline.archive.entries import REGULAR, Entry
from pipeline.archive.limits import DamagedMember, Meter
from pipeline.archive.rar_entry import Packed
from pipeline.archive.rar_headers import read_headers

Result = TypeVar("Result")
COMMANDS = {
    "bsdtar": ["-cf", "-", "--format=pax", "@-"],
    "unar": ["-quiet", "-no-recursion", "-output-directory", "-", "{file}"],
}


class UnreadableRar(ClipmillError):
    """One reader could not do it; another may."""


class UnreadableMember(DamagedMember):
    """One reader gave other bytes than those that the archive tells of; another may not."""


def readers() -> list[str]:
    """Return the programs that are there, the faster one first."""
    return [name for name in COMMANDS if shutil.which(name)]


def with_each_reader(work: Callable[[str | None], Result]) -> Result:
    """Return what `work` gives with the first reader that can do it; UnreadableRar if none can.

    `work` is told a reader's name, None where none is installed.
    """
    *doubtful, last = readers() or [None]
    for reader in doubtful:
        with suppress(UnreadableRar):
            return work(reader)
    return work(last)


def walk(file: BinaryIO, size: int, meter: Meter, reader: str | None = None) -> Iterator[Entry]:
    """Yield the entries in order.

    Raises:
        ClipmillError: no reader is installed; damaged, encrypted, or one volume of several.
        UnreadableRar: what `reader` gave is not what the archive says of its contents.
        UnreadableMember: while reading: one member has another checksum. Others follow it.
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

    def unreadable(said: str) -> UnreadableRar:
        found = f"cannot be read by {reader} ({said})"
        return UnreadableRar(str(meter.error(found, "fetch it again, or unpack it.")))

    damaged: list[str] = []

    def check(name: str, crc: int, is_crc: int) -> None:
        if is_crc != crc:
            damaged.append(name)
            found = f"cannot be read by {reader} ({name[:200]!r} has another checksum)"
            raise UnreadableMember(str(meter.error(found, "fetch it again, or unpack it.")))

    with started([program, *COMMANDS[reader]], file, size, meter) as child:
        contents = (_tarred if reader == "bsdtar" else _joined)(packed, child, meter)
        try:
            for entry in packed:
                yield _entry(entry, next(contents), check, unreadable)
            next(contents, None)
            if not damaged:  # else it may say so by failing
                child.finish()
        except ReaderError as error:
            raise unreadable(str(error)) from error


def _entry(
    entry: Packed,
    give: Callable[[int], bytes],
    check: Callable[[str, int, int], None],
    unreadable: Callable[[str], UnreadableRar],
) -> Entry:
    """Return one entry, whose checksum is compared where it has one."""

    def read(wanted: int) -> bytes:
        try:
            return give(wanted)
        except ReaderError as error:
            raise unreadable(str(error)) from error

    compare = None if entry.crc is None else partial(check, entry.name, entry.crc)
    return Entry(entry.name, entry.kind, entry.given, read, compare)


def _joined(packed: list[Packed], child: Child, _: Meter) -> Iterator[Callable[[int], bytes]]:
    """Yield what reads each entry's bytes from an output that holds nothing else."""
    for entry in packed:
        left = entry.given

        def give(wanted: int) -> bytes:
            nonlocal left
            data = child.read(min(wanted, left))
            if not data:
                raise ReaderError(child.said() or "it gave too little")
            left -= len(data)
            return data

        yield give
        while left:
            give(left)
    if child.read(1):
        raise ReaderError("it gave more than the members' bytes")


def _tarred(packed: list[Packed], child: Child, meter: Meter) -> Iterator[Callable[[int], bytes]]:
    """Yield what reads each entry's bytes from an output that is a tar of all entries."""
    given = tars.walk(child, meter)
    for entry in packed:
        got = _next(given, child)
        if got is None or (entry.kind == REGULAR and (got.kind, got.size) != ("", entry.given)):
            raise ReaderError(child.said() or f"its {entry.name[:200]!r} is another one")

        def give(wanted: int, got: Entry = got) -> bytes:
            data = got.read(wanted)
            if not data:
                raise ReaderError(child.said() or "it gave too little")
            return data

        yield give
    if _next(given, child) is not None:
        raise ReaderError("it gave more than the archive's entries")


def _next(given: Iterator[Entry], child: Child) -> Entry | None:
    """Return the next entry of a reader's tar; ReaderError when the tar is broken."""
    try:
        return next(given, None)
    except ClipmillError as error:
        raise ReaderError(child.said() or "its output breaks off") from error
