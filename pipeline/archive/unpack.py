"""Members of an archive into storage, under names of our own. Disk speed, one sync a member.

A file appears whole or not at all. One that is there already is held against the member, byte for
byte, and written anew where it differs: it may be of another archive, or of a damaged one. So a
pass that goes on reads again what it had, but writes only what is lacking. A damaged member of a
zip or rar is passed over and told; a damaged tar ends the pass, and what came out of it is removed,
for nothing in a tar vouches for a member. What one reader of RAR cannot do, the other one tries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from manifests.errors import ClipmillError, StoppedError
from manifests.storage import Storage
from pipeline.archive import rars
from pipeline.archive.limits import DamagedMember, Limits
from pipeline.archive.members import Archive, Member

CHUNK = 1 << 20
SECOND = "second member for one file"


@dataclass(slots=True)
class Unpacked:
    """What became of an archive: files written, files that were there, what was passed over.

    `damaged` are the paths of wanted members that are damaged, each with its error.
    """

    written: int = 0
    skipped: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)
    damaged: dict[str, DamagedMember] = field(default_factory=dict)


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
    there: set[str] = set()

    def tell(position: int) -> None:
        nonlocal told
        progress(max(0, position - told))
        told = max(told, position)

    def go_through(reader: str | None) -> Unpacked:
        done = _go_through(Archive(archive, limits, reader), name_for, storage, tell, ours, there)
        tell(archive.stat().st_size)
        return done

    ended: list[Unpacked] = []
    failed: rars.UnreadableRar | None = None
    for reader in rars.readers() or [None]:
        try:
            ended.append(go_through(reader))
        except rars.UnreadableRar as error:
            failed = error
        except StoppedError:
            raise
        except ClipmillError:
            for path in ours | there:
                storage.delete(path)
            raise
        else:
            if not any(isinstance(it, rars.UnreadableMember) for it in ended[-1].damaged.values()):
                break
    if failed and not ended:
        raise failed
    done = ended[-1]
    for one in ended:  # damaged is what no reader could do
        done.damaged = {path: it for path, it in done.damaged.items() if path in one.damaged}
    return done


def _go_through(
    reading: Archive,
    name_for: Callable[[str], str | None],
    storage: Storage,
    tell: Callable[[int], None],
    ours: set[str],
    there: set[str],
) -> Unpacked:
    """Read the archive once; `ours` are the files written, `there` those found to be right.

    Both hold those of a reader that gave up, too.
    """
    done = Unpacked(passed_over=reading.passed_over)
    taken: set[str] = set()
    for member in reading:
        path = name_for(member.name)
        if path in taken:
            done.passed_over[SECOND] += 1
        elif path is not None:
            taken.add(path)
            try:
                (ours if _write(member, storage, path) else there).add(path)
            except DamagedMember as error:
                done.damaged[path] = error
        tell(reading.position())
    done.written, done.skipped = len(ours), len(there - ours)
    return done


def _write(member: Member, storage: Storage, path: str) -> bool:
    """Write a member; False if it is there already."""
    if storage.size(path) != member.size:
        with storage.writer(path) as out:
            while data := member.file.read(CHUNK):
                out.write(data)
        return True
    with _old(storage, path) as old:
        same = 0
        while data := member.file.read(CHUNK):
            if old.read(len(data)) != data:
                break
            same += len(data)
        else:
            return False
        old.seek(0)
        with storage.writer(path) as out:
            while same:
                same -= out.write(old.read(min(same, CHUNK)))
            while data:
                out.write(data)
                data = member.file.read(CHUNK)
    return True


@contextmanager
def _old(storage: Storage, path: str) -> Iterator[BinaryIO]:
    """Open a file that is there; StoppedError when its disk cannot read it."""
    try:
        with storage.fetched(path) as here, here.open("rb") as file:
            yield file
    except OSError as error:
        raise StoppedError(
            f"{storage.root}/{path} cannot be read ({error.strerror}); look at the disk, then run "
            "the same command again."
        ) from error
