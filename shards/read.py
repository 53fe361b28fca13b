"""Read shards by offset, without the tar: a memory map a shard, a view a clip.

Opening a shard costs a size check. A clip's bytes are hashed the first time this process reads
it (xxh3, about a third of a copy's time) and its header compared with its row every time.
`scan` reads a tar as a tar, member by member, and gives back its samples and rows: adoption
and verify use it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import tarfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import xxhash
from numpy.typing import NDArray

from manifests.content import Content
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.spec import ClipSpec
from manifests.storage import Storage
from shards.about import read_about
from shards.clips import in_short, told
from shards.contents import contents
from shards.format import (
    BLOCK,
    EXTENSION,
    NPY_HEADER,
    UNLABELLED,
    Sample,
    decode_pixels,
    npy_header,
    padded,
)
from shards.header import DIGEST, require_header
from shards.write import sample_row, shard_path

OPEN_SHARDS = 256


class ShardReader:
    """Memory-mapped shards of one storage, the least recently used closed first.

    Of an object store a shard is fetched whole when it is opened, and no more are held open than
    the storage has room for.
    """

    def __init__(
        self,
        storage: Storage,
        spec: ClipSpec,
        sizes: dict[str, int],
        contents: dict[str, Content] | None = None,
    ) -> None:
        self._storage, self._spec, self._sizes = storage, spec, sizes
        self._contents = contents or {}
        self._maps: OrderedDict[str, _Open] = OrderedDict()
        self._checked: set[tuple[str, int]] = set()

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Return a reader of all shards of a dataset; reads their table."""
        known = contents(dataset.parts("shards"))
        sizes = {shard: content.size for shard, content in known.items()}
        return cls(dataset.storage, dataset.spec, sizes, known)

    def pixels(self, shard: str, offset: int, nbytes: int, xxh3: str, key: str) -> NDArray:
        """Return a clip as uint8 (T, H, W, C); raw clips are read-only views of the map.

        Raises:
            ClipmillError: missing shard, wrong size, header or digest; names shard and clip.
        """
        payload = self.payload(shard, offset, nbytes, xxh3, key)
        try:
            return decode_pixels(payload, self._spec.codec, self._spec)
        except ValueError as error:
            raise _damaged(shard, key, str(error)) from error

    def payload(self, shard: str, offset: int, nbytes: int, xxh3: str, key: str) -> memoryview:
        """Return a clip's bytes as they are stored: raw pixels, or a jpeg strip.

        Raises:
            ClipmillError: as `pixels`, but a strip is not decoded.
        """
        view = memoryview(self._map(shard))
        try:
            require_header(view, offset, nbytes, key, self._spec)
        except ValueError as error:
            raise _damaged(shard, key, str(error)) from error
        payload = view[offset : offset + nbytes]
        if (shard, offset) not in self._checked:
            if xxhash.xxh3_64_hexdigest(payload) != xxh3:
                raise _damaged(shard, key, DIGEST)
            self._checked.add((shard, offset))
        return payload

    def about(self, shard: str, offset: int, nbytes: int, key: str) -> dict[str, Any]:
        """Return what the JSON beside a clip's pixels says of it.

        Raises:
            ClipmillError: missing shard, wrong size, or no such JSON; names shard and clip.
        """
        view = memoryview(self._map(shard))
        try:
            return read_about(view, key, offset, nbytes, self._spec.codec)
        except ValueError as error:
            raise _damaged(shard, key, str(error)) from error

    def _map(self, shard: str) -> mmap.mmap:
        found = self._maps.get(shard)
        if found is not None:
            self._maps.move_to_end(shard)
            return found.map
        expected = self._sizes.get(shard)
        self._make_room(expected or 0)
        with contextlib.ExitStack() as stack:
            content = self._contents.get(shard)
            path = stack.enter_context(self._storage.fetched(shard_path(shard), content=content))
            try:
                with path.open("rb") as file:
                    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except (OSError, ValueError) as error:
                what = f"missing or empty ({in_short(error)})"
                raise _damaged(shard, None, what) from error
            if len(mapped) != expected:
                what = f"{len(mapped)} bytes; its row says {expected}"
                raise _damaged(shard, None, what)
            self._maps[shard] = _Open(mapped, stack.pop_all())
        return mapped

    def _make_room(self, coming: int) -> None:
        """Close shards until one more of so many bytes may be open."""
        room = self._storage.room
        while self._maps and (
            len(self._maps) >= OPEN_SHARDS or (room is not None and coming + self._bytes() > room)
        ):
            # Not closed by hand: views of it may live; the map goes with the last of them.
            self._maps.popitem(last=False)[1].copy.close()

    def _bytes(self) -> int:
        return sum(len(one.map) for one in self._maps.values())


class _Open(NamedTuple):
    """A mapped shard, and what keeps its copy on this machine."""

    map: mmap.mmap
    copy: contextlib.ExitStack


def _damaged(shard: str, clip: str | None, what: str) -> ClipmillError:
    return ClipmillError(told(shard, clip, what))


def scan(path: Path, shard: str, spec: ClipSpec) -> Iterator[tuple[Sample, dict[str, Any]]]:
    """Read a tar member by member and yield each sample with the row it should have.

    Raises:
        ValueError: not a whole shard of this spec; the message says where it breaks.
    """
    try:
        with path.open("rb") as file:
            yield from scan_file(file, shard, spec)
    except OSError as error:
        raise ValueError(f"not a whole tar ({error})") from error


def scan_file(file: Any, shard: str, spec: ClipSpec) -> Iterator[tuple[Sample, dict[str, Any]]]:
    """As `scan`, of a file that is open for reading, at its start."""
    extension = EXTENSION[spec.codec]
    skip = NPY_HEADER if spec.codec == "raw" else 0
    index = 0
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            group: dict[str, tuple[int, bytes]] = {}
            key, end = "", 0
            for member in tar:
                stem, _, ending = member.name.partition(".")
                foreign = ending not in (extension, "cls", "json") or not member.isreg()
                if foreign or (group and stem != key) or ending in group:
                    raise ValueError(f"member {member.name!r} does not belong there")
                content = tar.extractfile(member)
                data = content.read() if content else b""
                if len(data) != member.size:
                    raise ValueError(f"member {member.name!r} is cut short")
                key, group[ending] = stem, (member.offset_data, data)
                end = member.offset_data + padded(member.size)
                if set(group) == {extension, "cls", "json"}:
                    sample = _sample(key, group, extension, skip, spec)
                    offset, payload = group[extension]
                    rest = memoryview(payload)[skip:]
                    yield sample, sample_row(sample, shard, index, offset + skip, rest, spec)
                    group, index = {}, index + 1
            if group:
                raise ValueError(f"sample {key!r} lacks members")
            _require_end(file, end)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ValueError(f"not a whole tar ({error})") from error


def _require_end(file: Any, end: int) -> None:
    """A tar ends with zeros up to a whole record; tarfile ends in silence at any bad header."""
    size, record = file.seek(0, os.SEEK_END), tarfile.RECORDSIZE
    whole = size == -(-(end + 2 * BLOCK) // record) * record
    file.seek(end)
    if not whole or file.read().strip(b"\0"):
        raise ValueError("the tar has no end mark: it is cut, or a header is damaged")


def _sample(
    key: str, group: dict[str, tuple[int, bytes]], extension: str, skip: int, spec: ClipSpec
) -> Sample:
    payload = group[extension][1]
    if skip and payload[:skip] != npy_header(spec.shape):
        raise ValueError(f"{key}.{extension} is no clip of shape {spec.shape}")
    pixels = decode_pixels(memoryview(payload)[skip:], spec.codec, spec)
    try:
        about = json.loads(group["json"][1])
        label_id = int(group["cls"][1])
        if about["spec"] != spec.digest:
            raise ValueError(f"stored with ClipSpec {about['spec']}, not {spec.digest}")
        sample = Sample(
            clip_id=about["clip_id"],
            label_id=None if label_id == UNLABELLED else label_id,
            label=about["label"],
            video_id=about["video_id"],
            start_s=about["start_s"],
            end_s=about["end_s"],
            pixels=pixels,
            indices=tuple(about["indices"]),
            stride=about["stride"],
            mirrored=about["mirrored"],
            fps=about["fps"],
            counts=dict(about["counts"]),
            view=about["view"],
            several=key != about["clip_id"],
        )
        if sample.key != key:
            raise ValueError(f"it is of the sample {sample.key!r}")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{key}.json or {key}.cls is not what pack writes ({error})") from error
    return sample


def file_sha256(path: Path) -> str:
    """Return a file's sha256 in hexadecimal, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
