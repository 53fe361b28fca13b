"""The files of a root: those that its tables name, and those that no table knows.

Folders are listed, one call each; nothing is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

import pyarrow as pa
import pyarrow.compute as pc

from manifests import leftovers, tables
from manifests.shardnames import PATTERN
from manifests.storage import Storage
from pipeline.acquiring.finding import own_folders
from pipeline.acquiring.locate import is_own
from pipeline.plans import FOLDER as PLANS
from pipeline.verifying.data import File
from pipeline.verifying.problem import FIX, Mend, Problem
from pipeline.verifying.reading import GROWING, Tables
from shards.write import FOLDER, shard_path

TENSORS = tuple(f"clips/{number:02x}" for number in range(256))
_OF_TENSORS = ["clip_id", "path", "bytes", "xxh3", "sha256"]
OURS = re.compile(rf"shards/{PATTERN}|clips/[0-9a-f]{{2}}/[A-Za-z0-9_-]+\.tar")


@dataclass
class Files(Sequence[File]):
    """Shards, tensors and videos as the tables name them; a shard's samples are looked up late."""

    samples: pa.Table | None
    shards: list[File] = field(default_factory=list)
    tensors: list[File] = field(default_factory=list)
    videos: list[File] = field(default_factory=list)
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    chosen: list[File] = field(default_factory=list)

    @property
    def every(self) -> list[File]:
        """All of them, shards first."""
        return [*self.shards, *self.tensors, *self.videos]

    def __len__(self) -> int:
        return len(self.chosen)

    @overload
    def __getitem__(self, index: int) -> File: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[File]: ...
    def __getitem__(self, index: int | slice) -> File | Sequence[File]:
        """Return a chosen file, a shard with the rows of its samples."""
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        file = self.chosen[index]
        if file.kind != "shard" or self.samples is None:
            return file
        rows = self.samples.slice(*self.spans.get(file.row["shard"], (0, 0))).to_pylist()
        return File(file.kind, file.path, file.row, rows)


def files_of(found: Tables) -> Files:
    """Return the files that the tables name."""
    samples = found.rows["samples"].sort_by([("shard", "ascending"), ("clip_id", "ascending")])
    files = Files(samples if found.whole("samples") else None)
    for place, name in enumerate(samples["shard"].to_pylist()):
        start, count = files.spans.get(name, (place, 0))
        files.spans[name] = start, count + 1
    rows = found.rows["shards"].sort_by("shard").to_pylist()
    files.shards = [File("shard", shard_path(row["shard"]), row) for row in rows]
    kept = tables.finished(found.rows["decode"]).select(_OF_TENSORS)
    files.tensors = [File("tensor", row["path"], row) for row in kept.to_pylist()]
    files.videos = [*_own_videos(found)] if found.whole("clips") else []
    return files


def _own_videos(found: Tables) -> Iterator[File]:
    """Yield the videos that lie under the root, by names of our own; each once."""
    clips = found.rows["clips"]
    sources = dict(zip(clips["clip_id"].to_pylist(), clips["source"].to_pylist(), strict=True))
    rows = tables.finished(found.rows["download"]).select(["clip_id", "path", "bytes", "sha256"])
    rows = rows.filter(pc.starts_with(rows["path"], pattern="videos/"))  # type: ignore[attr-defined]
    known: set[str] = set()
    for row in rows.to_pylist():
        path = row["path"]
        if path not in known and is_own(sources.get(row["clip_id"], ""), path):
            known.add(path)
            yield File("video", path, row)


def sizes(storage: Storage, files: Files) -> dict[str, int]:
    """Return path -> bytes of all that lies in the folders of shards, tensors and videos."""
    folders = [FOLDER, *TENSORS, *(own_folders() if files.videos else ())]
    return {
        f"{folder}/{name}": length
        for folder in folders
        for name, length in storage.list(folder).items()
    }


def unknown_files(found: Tables, files: Files, there: dict[str, int]) -> Iterator[Problem]:
    """Yield shards and tensors that no table knows."""
    known = {file.path for file in files.every}
    retired = {shard_path(name) for name in found.rows["retired"]["shard"].to_pylist()}
    for path in sorted(there):
        table = {"shards": "shards", "clips": "decode"}.get(path.partition("/")[0], "")
        if path in known or not table or not found.whole(table):
            continue
        mend = Mend("file", path) if OURS.fullmatch(path) else None
        if path in retired:
            yield Problem(path, "of a shard that was retired", f"{FIX} removes it", mend)
        else:
            stage = "pack" if table == "shards" else "decode"
            cure = f"`clipmill {stage}` adopts it, or remove it"
            yield Problem(path, "in no table", cure, mend)


def left_over(storage: Storage) -> Iterator[Problem]:
    """Yield temporary files whose process is dead, or on another machine."""
    folders = [".", "manifests", PLANS, FOLDER, *(f"manifests/{name}" for name in GROWING)]
    for folder in (*folders, *TENSORS, *own_folders()):
        for name in storage.leftovers(folder):
            where = f"{folder}/{name}".removeprefix("./")
            if leftovers.abandoned(name):
                cure = "the stage's next run on the same machine removes it; elsewhere, remove it"
                mend = Mend("file", where)
                yield Problem(where, "left by a process that died", cure, mend)
            elif f"-{leftovers.host()}-" not in name:
                cure = "if no clipmill runs there, remove it"
                yield Problem(where, "a temporary file of another machine", cure)
