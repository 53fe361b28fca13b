"""The regular members of a zip, tar (plain, gzip, bzip2, xz, zstd) or rar, one after the other.

The type is told by content. Archives inside are opened, one level deep, through a temporary copy
that has no name. Names are text to be matched, never names of files. Memory does not grow, but for
a digest of each name and the directory of a zip or rar. Disk speed for zip and tar; what the RAR
reader gives (30 MB/s and more) for rar. Tars are also read as they come in, from a network say.
"""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

from manifests.errors import ClipmillError
from pipeline.annotate.text import shown
from pipeline.archive import copies, formats, kinds, naming, rars
from pipeline.archive.entries import FOLDER, REGULAR, Entry
from pipeline.archive.incoming import Incoming
from pipeline.archive.limits import DamagedArchive, DamagedMember, Limits, Meter
from pipeline.archive.memberfile import MemberFile

Reader: TypeAlias = "io.BufferedReader[MemberFile]"
REPEATED = "name that came before"
DAMAGED = "damaged archive inside"


@dataclass(frozen=True, slots=True)
class Member:
    """A regular member: its name (POSIX, relative), its size, and its bytes until the next."""

    name: str
    size: int
    file: BinaryIO


class Archive:
    """An archive that is read once, from front to back. Iterating yields its members.

    `passed_over` counts what was no regular member, by kind; folders are not counted. A member of a
    zip or rar that is damaged raises DamagedMember while it is read; the next can be asked for.
    Archives inside are members like others unless they are to be `nested`.

    Raises:
        ClipmillError: while iterating: no archive, damaged, encrypted, one volume of several,
            hostile, without a regular member, or no reader for RAR.
        StoppedError: no room for the temporary copy of an archive inside the archive.
    """

    def __init__(
        self,
        source: Path | Incoming,
        limits: Limits | None = None,
        reader: str | None = None,
        nested: bool = True,
    ) -> None:
        self._source, self._limits = source, limits or Limits()
        self._reader, self._nested = reader, nested
        self.passed_over: Counter[str] = Counter()
        self._meter: Meter | None = None

    def position(self) -> int:
        """Return how many bytes of the archive were read so far."""
        return self._meter.position() if self._meter else 0

    def __iter__(self) -> Iterator[Member]:
        source = self._source
        name = source.name if isinstance(source, Incoming) else source
        with nullcontext(source) if isinstance(source, Incoming) else opened(source) as file:
            self._meter = meter = Meter(name, self._limits, _place(file), self.passed_over)
            entries = formats.entries(file, meter, self._reader)
            if entries is None:
                raise ClipmillError(
                    f"{shown(name)} is no zip, tar or rar archive; expected one of these, "
                    "plain or compressed (gzip, bzip2, xz, zstd). Unpack it and give the folder."
                )
            found = False
            for member in self._members(entries, "", set(), meter):
                found = True
                yield member
            if not found:
                raise meter.error(
                    f"holds no regular file{_counted(self.passed_over)}", "give another archive."
                )

    def _members(
        self,
        entries: Iterator[Entry],
        prefix: str,
        seen: set[bytes],
        meter: Meter,
        doubt: DamagedMember | None = None,
    ) -> Iterator[Member]:
        """Yield members; of an archive inside (with a prefix) that is in doubt, what is proven."""
        for entry in entries:
            meter.count_member()
            if entry.kind != REGULAR:
                if entry.kind != FOLDER:
                    self.passed_over[entry.kind] += 1
                continue
            name = prefix + naming.normalised(entry.name, meter)
            key = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()
            if key in seen:
                self.passed_over[REPEATED] += 1
                continue
            seen.add(key)
            raw = MemberFile(entry, meter, None if entry.check else doubt)
            with io.BufferedReader(raw) as file:
                kind = None if prefix or not self._nested else _kind(file)
                raw.lenient = kind == "rar"  # whose members prove themselves
                if kind is None:
                    yield Member(name, entry.size, file)
                    continue
                try:
                    yield from self._inner(file, name, entry.size, seen, meter)
                except DamagedMember:
                    self.passed_over[DAMAGED] += 1
                except (DamagedArchive, rars.UnreadableRar):
                    if raw.damage is None:
                        raise
                    self.passed_over[DAMAGED] += 1

    def _inner(
        self, file: Reader, name: str, size: int, seen: set[bytes], meter: Meter
    ) -> Iterator[Member]:
        """Yield the members of an archive inside, or the file itself if it is none after all."""
        with copies.copied(file, name) as copy:
            try:
                entries = formats.entries(copy, meter, self._reader)
            except ClipmillError:  # begins like a compressed file by chance
                entries = None
            if entries is None:
                copy.seek(0)
                yield Member(name, size, copy)
            else:
                meter.count_archive()
                prefix = naming.stem(name) + "/"
                yield from self._members(entries, prefix, seen, meter, file.raw.damage)


def _kind(file: Reader) -> kinds.Kind | None:
    """Return what kind of archive a member is; one that is damaged says so when it is read."""
    try:
        return kinds.kind_of(file.peek(kinds.HEAD))
    except DamagedMember:
        return None


def members(path: Path, limits: Limits | None = None) -> Iterator[Member]:
    """Yield the regular members in the archive's order, those of archives inside in their place.

    A member's file can be read until the next member is asked for. Errors as in `Archive`.
    """
    return iter(Archive(path, limits))


def _place(file: BinaryIO | Incoming) -> Callable[[], int]:
    """Return what tells how many bytes were read."""
    if isinstance(file, Incoming):
        return file.tell
    descriptor = file.fileno()  # whose place is the one that children share
    return lambda: os.lseek(descriptor, 0, os.SEEK_CUR)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open an archive, which must be a regular file: a pipe would keep us waiting.

    Unbuffered, so that the descriptor's own place, which children share, is the one that counts.
    """
    if not path.is_file():
        what = "is no regular file" if path.exists() else "does not exist"
        raise ClipmillError(f"{shown(path)} {what}; expected an archive. Check the path.")
    try:
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise ClipmillError(f"cannot read {shown(path)}: {error.strerror}.") from error
    with file:
        yield cast(BinaryIO, file)


def _counted(passed_over: Counter[str]) -> str:
    kinds_found = ", ".join(
        f"{number:,} x {kind}" for kind, number in passed_over.items() if number
    )
    return f" (passed over: {kinds_found})" if kinds_found else ""
