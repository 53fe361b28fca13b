"""Members of an archive into storage, under names of our own. Disk speed, one sync a member.

A file appears whole or not at all, so one that is there in the member's size is not written again.
A RAR archive that the first reader cannot do is tried with the other one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from manifests.storage import Storage
from pipeline.archive import rars
from pipeline.archive.limits import Limits
from pipeline.archive.members import Archive, Member

CHUNK = 1 << 20
SECOND = "second member for one file"


@dataclass(slots=True)
class Unpacked:
    """What became of an archive: files written, files that were there, what was passed over."""

    written: int = 0
    skipped: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)


def unpack(
    archive: Path,
    name_for: Callable[[str], str | None],
    storage: Storage,
    progress: Callable[[int], None] = lambda _: None,
    limits: Limits | None = None,
) -> Unpacked:
    """Write the members for which `name_for` gives a path below the storage's root.

    Args:
        archive: a zip, tar or rar.
        name_for: takes a member's name (POSIX, relative; for matching only), returns a path of
            our own, or None to pass over it.
        storage: where the files go; each appears whole or not at all.
        progress: is told bytes of the archive as they are got through; they add up to its size.
        limits: bounds for hostile archives.

    Raises:
        ClipmillError: as `pipeline.archive.members.Archive`.
        StoppedError: the disk is full or broken.
    """
    told = 0
    ours: set[str] = set()

    def tell(position: int) -> None:
        nonlocal told
        progress(max(0, position - told))
        told = max(told, position)

    def go_through(reader: str | None) -> Unpacked:
        done = _go_through(Archive(archive, limits, reader), name_for, storage, tell, ours)
        tell(archive.stat().st_size)
        return done

    *doubtful, last = rars.readers() or [None]
    for reader in doubtful:
        with suppress(rars.UnreadableRar):
            return go_through(reader)
    return go_through(last)


def _go_through(
    reading: Archive,
    name_for: Callable[[str], str | None],
    storage: Storage,
    tell: Callable[[int], None],
    ours: set[str],
) -> Unpacked:
    """Read the archive once; `ours` are the files written, also with a reader that gave up."""
    done = Unpacked(passed_over=reading.passed_over)
    taken: set[str] = set()
    for member in reading:
        path = name_for(member.name)
        if path in taken:
            done.passed_over[SECOND] += 1
        elif path is not None:
            taken.add(path)
            if storage.size(path) != member.size:
                _write(member, storage, path)
                ours.add(path)
            elif path not in ours:
                done.skipped += 1
        tell(reading.position())
    done.written = len(ours)
    return done


def _write(member: Member, storage: Storage, path: str) -> None:
    with storage.writer(path) as out:
        while data := member.file.read(CHUNK):
            out.write(data)
