"""Clips by their row: mapped shards, what is known to be damaged in them, a clip's pixels.

Each shard is looked through when it is first opened on this machine (shards/verified.py); a clip's
header is held against its row when it is first read, and again when the file was written to since;
its digest whenever it is read, where that is asked for (a third of a copy).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import xxhash
from numpy.typing import NDArray

from manifests.content import Content
from manifests.errors import ClipmillError
from manifests.local import stopping
from manifests.spec import ClipSpec
from manifests.whole import is_sealed
from shards.header import DIGEST, require_header
from shards.samples import Samples
from shards.shelf import Looks, Mapped, Shelf
from shards.strip import decode_strip
from shards.verified import SHARD, Facts, Row, Rows, damage

OPEN_SHARDS = 256
FETCHED_SHARDS = 16  # of copies, whose room others may want

Paths = Mapping[int, Path] | None


class Damaged(Exception):
    """A sample is not what its row says; the message names it and says how."""


@dataclass(frozen=True)
class Source:
    """What is read: a list of samples, how they are stored, and where.

    `contents` are those of the shards in `samples.shards`. Without a `folder`, whoever reads says
    where each shard lies.
    """

    samples: Samples
    spec: ClipSpec
    contents: list[Content]
    folder: Path | None


class Clips:
    """Reads clips of one source; `verify` hashes each one whenever it is read.

    Where damaged clips are skipped, damage to what is never read is no error.
    """

    def __init__(self, source: Source, *, verify: bool, skipping: bool) -> None:
        self._source, self._verify, self._skipping = source, verify, skipping
        self._shelf = Shelf(OPEN_SHARDS if source.folder else FETCHED_SHARDS)
        self._lost: dict[int, dict[int, str]] = {}
        spec = source.spec
        self._frame = spec.nbytes // spec.frames if spec.codec == "raw" else 0
        self._strip = np.empty(0 if self._frame else spec.nbytes, np.uint8)
        self._looks = Looks()

    def ahead(self, row: int, first: int, frames: int, paths: Paths) -> None:
        """Have the disk bring some frames of a clip while this process does something else."""
        if not self._looks.due():
            return
        samples = self._source.samples
        start, length = int(samples.offsets[row]), int(samples.nbytes[row])
        if self._frame:
            start, length = start + first * self._frame, frames * self._frame
        try:
            mapped = self._mapped(int(samples.shard_of[row]), row, paths)
        except Damaged:
            return  # told when it is read
        if 0 <= start < start + length <= len(mapped.bytes):
            self._looks.saw(mapped.ahead(start, start + length))

    def clip(self, row: int, paths: Paths, until: int | None = None) -> NDArray[np.uint8]:
        """Return a stored clip, uint8 (T, H, W, C): a view of its shard, or of a reused buffer.

        Frames from `until` on are left out where they would have to be decoded.

        Raises:
            Damaged: it, or its shard, is not what the tables say.
        """
        source = self._source
        samples, number = source.samples, int(source.samples.shard_of[row])
        mapped = self._mapped(number, row, paths)
        if mapped.changed:
            self._shelf.remove(number)
            mapped = self._mapped(number, row, paths)
        if row in self._lost[number]:
            raise self._damaged(row, self._lost[number][row])
        offset, length = int(samples.offsets[row]), int(samples.nbytes[row])
        payload = mapped.bytes[offset : offset + length]
        try:
            if row not in mapped.known:
                key = samples.keys[row].as_py()
                require_header(mapped.bytes.data, offset, length, key, source.spec)
                mapped.known.add(row)
            if self._verify and digest_of(payload) != samples.xxh3[row]:
                raise ValueError(DIGEST)
            if self._frame:
                return payload.reshape(source.spec.shape)
            frames = source.spec.frames if until is None else until
            return decode_strip(payload.data, source.spec, frames, self._strip)
        except ValueError as error:
            raise self._damaged(row, str(error)) from error

    def _mapped(self, number: int, row: int, paths: Paths) -> Mapped:
        found = self._shelf.find(number)
        if found is None:
            path = paths[number] if paths else self._path(number)
            with stopping(str(path), "the folder of shards"):
                try:
                    found = Mapped(path)
                except (FileNotFoundError, ValueError) as error:
                    raise self._damaged(row, f"missing or empty ({in_short(error)})") from error
            self._look_through(number, path, found)
            self._shelf.put(number, found)
        return found

    def _path(self, number: int) -> Path:
        return cast(Path, self._source.folder) / self._source.samples.shards[number]

    def _look_through(self, number: int, path: Path, mapped: Mapped) -> None:
        """Find out, once on this machine, what of a shard is damaged."""
        samples = self._source.samples
        content = self._source.contents[number]
        if self._source.folder is None and is_sealed(mapped.status, content):
            self._lost[number] = {}
            mapped.only_what_is_read()
            return
        digest = content.digest if content.kind == "xxh3" else None
        facts = Facts(samples.shards[number], content.size, digest)
        lost = damage(path, mapped.bytes.data, facts, lambda: self._rows(number), mapped.status)
        if SHARD in lost and not self._skipping:
            raise ClipmillError(told(facts.name, None, lost[SHARD]))
        self._lost[number] = lost
        mapped.only_what_is_read()

    def _rows(self, number: int) -> Rows:
        samples = self._source.samples
        rows = np.flatnonzero(samples.shard_of == number).tolist()
        return Rows(
            self._source.spec,
            (
                Row(
                    row,
                    samples.keys[row].as_py(),
                    int(samples.offsets[row]),
                    int(samples.nbytes[row]),
                    samples.xxh3[row].decode(),
                )
                for row in rows
            ),
        )

    def _damaged(self, row: int, what: str) -> Damaged:
        samples = self._source.samples
        return Damaged(told(samples.shards[samples.shard_of[row]], samples.ids[row].as_py(), what))


def in_short(error: Exception) -> str:
    """Return why a file cannot be mapped, without its path: a copy's name tells nobody anything."""
    return str(getattr(error, "strerror", None) or error)


def told(shard: str, clip: str | None, what: str) -> str:
    """Return the words for damage: where it is (None: all clips), what it is, and what to do."""
    where = "all its clips" if clip is None else f"clip {clip}"
    return (
        f"shard {shard}, {where}: {what}. Run `clipmill verify --root DIR` to see all damage; "
        "put the shard back from a copy or pack into a new folder."
    )


def digest_of(payload: NDArray[np.uint8]) -> bytes:
    """Return the xxh3 of bytes as the table of samples has it."""
    return xxhash.xxh3_64_hexdigest(payload.data).encode()
