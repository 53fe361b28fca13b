"""One file of the data against its rows: a shard, a tensor that `decode` kept, a video.

Done in worker processes. Each file is read once: its digests and its members come of one pass
(about 1 GB/s a core; jpeg strips are decoded too, about 300 clips/s). One clip at a time is in
memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from manifests.spec import ClipSpec
from manifests.storage import Storage, open_storage
from pipeline.clip import digest_of, stored_spec
from pipeline.verifying.problem import (
    DOWNLOAD_ANEW,
    FROM_VIDEO,
    PACK_ANEW,
    ROWS,
    Kind,
    Mend,
    Problem,
)
from shards.hashed import HashedFile
from shards.read import file_sha256, scan_file

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class File:
    """A file to read: what it is, its path, its row, and of a shard the rows of its samples.

    `samples` is None where they are not known.
    """

    kind: Kind
    path: str
    row: Row
    samples: list[Row] | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """What came of a file."""

    kind: Kind
    path: str
    bytes: int
    samples: int
    problems: tuple[Problem, ...]


CURES: dict[Kind, str] = {"shard": PACK_ANEW, "tensor": FROM_VIDEO, "video": DOWNLOAD_ANEW}


def wrong_size(file: File, length: int | None) -> Problem | None:
    """What a file's length tells (None: it is not there), without reading it."""
    expected = file.row["bytes"]
    if length == expected:
        return None
    what = "is missing" if length is None else f"has {length} bytes, not {expected}"
    return Problem(file.path, what, CURES[file.kind], mend_of(file))


def mend_of(file: File) -> Mend:
    """Return what `--fix` does about a damaged file."""
    return Mend(file.kind, file.row["shard"] if file.kind == "shard" else file.path)


@dataclass(frozen=True, slots=True)
class ReadFile:
    """Reads files, in a worker process. Without `spec` shards are hashed only."""

    root: str
    spec: ClipSpec | None

    def __call__(self, file: File) -> Read:
        """Return what is wrong with a file."""
        storage = open_storage(self.root)
        whats = {"shard": self._shard, "tensor": self._tensor, "video": self._video}[file.kind]
        try:
            problems = tuple(whats(storage, file))
        except OSError as error:
            problems = (_problem(file, f"cannot be read ({error.strerror})"),)
        samples = len(file.samples or ()) if file.kind == "shard" else 0
        return Read(file.kind, file.path, file.row["bytes"] or 0, samples, problems)

    def _shard(self, storage: Storage, file: File) -> Iterator[Problem]:
        """Compare a shard with its row, and its members with their samples' rows."""
        spec = self.spec if self.spec and self.spec.digest == file.row["spec"] else None
        found: list[Problem] = []
        fetched = storage.fetched(file.path, anew=True)
        with fetched as path, HashedFile(path) as opened:
            if spec is not None:
                found = [*_members(opened, file, spec)]
            yield from _digests(opened, file)
        yield from found

    def _tensor(self, storage: Storage, file: File) -> Iterator[Problem]:
        """A tensor is whole, of its clip, with the digests of its row."""
        stored: list[tuple[Any, Row]] = []
        fetched = storage.fetched(file.path, anew=True)
        with fetched as path, HashedFile(path) as opened:
            try:
                if self.spec is not None:
                    stored = [*scan_file(opened, file.path, stored_spec(self.spec))]
            except ValueError as error:
                yield _problem(file, str(error))
                return
            whole = opened.digests().sha256 == file.row["sha256"]
        keys = [sample.key for sample, _ in stored]
        if self.spec is not None and {one.clip_id for one, _ in stored} != {file.row["clip_id"]}:
            yield _problem(file, f"holds {', '.join(keys[:9]) or 'nothing'}")
        elif stored and digest_of([row for _, row in stored]) != file.row["xxh3"]:
            yield _problem(file, "differs from its row in ['xxh3']")
        elif not whole:
            yield _problem(file, "its sha256 is not that of its row")

    def _video(self, storage: Storage, file: File) -> Iterator[Problem]:
        """A video has the digest of its row."""
        with storage.fetched(file.path, anew=True) as path:
            same = file_sha256(path) == file.row["sha256"]
        if not same:
            yield _problem(file, "its sha256 is not that of its row")


def _problem(file: File, what: str, clip: str = "") -> Problem:
    where = f"{file.path}#{clip}" if clip else file.path
    return Problem(where, what, CURES[file.kind], mend_of(file))


def _digests(opened: HashedFile, file: File) -> Iterator[Problem]:
    """Compare a shard's bytes with what its row names them by; older rows have no xxh3."""
    there = opened.digests()
    if there.sha256 != file.row["sha256"]:
        yield _problem(file, "its sha256 is not that of its row")
    elif file.row["xxh3"] not in (None, there.xxh3):
        yield _problem(file, "its xxh3 is not that of its row")


def _members(opened: HashedFile, file: File, spec: ClipSpec) -> Iterator[Problem]:
    expected = {row["key"]: row for row in file.samples or ()}
    try:
        for _, row in scan_file(opened, file.row["shard"], spec):
            wanted = expected.pop(row["key"], None)
            if wanted is None and file.samples is not None:
                where = f"{file.path}#{row['clip_id']}"
                yield Problem(where, "in no table", ROWS, Mend("rows", file.row["shard"]))
            elif wanted is not None and (wrong := [key for key in row if row[key] != wanted[key]]):
                yield _problem(file, f"differs from its row in {wrong}", row["clip_id"])
    except ValueError as error:
        yield _problem(file, str(error))
    for row in expected.values():
        yield _problem(file, "is not in the shard", row["clip_id"])
