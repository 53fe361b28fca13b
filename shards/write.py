"""Write one shard: a plain WebDataset tar, the same bytes for the same samples every time.

Samples come from an iterator, so one clip is in memory at a time. The tar appears under its name
when it is whole. webdataset is imported when the first shard is written, for it imports torch.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import xxhash

from manifests.shardnames import require_name
from manifests.spec import ClipSpec
from manifests.storage import Storage, Writer
from shards.format import BLOCK, EXTENSION, NPY_HEADER, Sample, members, padded
from shards.hashed import Digests, Hashing

FOLDER = "shards"
_CHUNK = 1 << 20
_PIECE = 1 << 18


def shard_path(shard: str) -> str:
    """Return where a shard lies under the root; ClipmillError if that is no shard's name."""
    return f"{FOLDER}/{require_name(shard)}"


@dataclass(frozen=True, slots=True)
class Written:
    """What a shard turned out to be: one row of `shards` and the rows of `samples`."""

    shard: dict[str, Any]
    samples: list[dict[str, Any]]


class _Digesting:
    """Gathers the tar writer's small writes into large ones and hashes them.

    Large ones pass through without a copy.
    """

    def __init__(self) -> None:
        self.out: Writer | None = None
        self.hashing = Hashing()
        self._waiting = bytearray()

    def write(self, data: bytes) -> int:
        if len(data) >= _PIECE:
            self.flush()
            self._pass(data)
            return len(data)
        self._waiting += data
        if len(self._waiting) >= _CHUNK:
            self.flush()
        return len(data)

    def flush(self) -> None:
        if self._waiting:
            self._pass(bytes(self._waiting))
            self._waiting.clear()

    def _pass(self, data: bytes) -> None:
        self.hashing.update(data)
        assert self.out is not None
        self.out.write(data)


class _NothingToWrite(Exception):
    """No sample came: leaves the writer's block so that no file appears."""


def write_shard(
    storage: Storage,
    shard: str,
    split: str,
    generation: int,
    samples: Iterable[Sample],
    spec: ClipSpec,
    versions: dict[str, str],
    folder: str = FOLDER,
) -> Written | None:
    """Write `samples` in order as `FOLDER/SHARD` and return its rows; None when there was none."""
    import webdataset as wds

    rows: list[dict[str, Any]] = []
    sink = _Digesting()
    with contextlib.suppress(_NothingToWrite), storage.writer(f"{folder}/{shard}") as out:
        sink.out = out
        tar = wds.TarWriter(sink, encoder=False, mtime=0)  # type: ignore[arg-type]
        _widen(tar.tarstream)
        for sample in samples:
            values = members(sample, spec)
            start = tar.tarstream.offset
            tar.write(values)
            rows.append(_row(sample, values, shard, len(rows), start, spec))
        if not rows:
            raise _NothingToWrite
        tar.close()
        sink.flush()
    if not rows:
        return None
    digests = sink.hashing.digests()
    row = shard_row(shard, split, len(rows), digests, spec, generation, versions)
    return Written(row, rows)


def _widen(tar: Any) -> None:
    """Let tarfile pass large pieces on: its usual 10 and 16 KB cost a millisecond a clip."""
    tar.copybufsize = tar.fileobj.bufsize = _PIECE


def shard_row(
    shard: str,
    split: str,
    samples: int,
    digests: Digests,
    spec: ClipSpec,
    generation: int,
    versions: dict[str, str],
) -> dict[str, Any]:
    """Return one row of the table `shards`."""
    return {
        "shard": shard,
        "split": split,
        "samples": samples,
        "bytes": digests.bytes,
        "sha256": digests.sha256,
        "spec": spec.digest,
        "generation": generation,
        "versions": json.dumps(versions | own_versions(), sort_keys=True),
        "xxh3": digests.xxh3,
    }


@functools.cache
def own_versions() -> dict[str, str]:
    """Return the versions of what turns pixels into tar bytes; asked once (4 ms)."""
    names = ("webdataset", "simplejpeg", "numpy")
    return {name: importlib.metadata.version(name) for name in names}


def _row(
    sample: Sample, values: dict[str, Any], shard: str, index: int, start: int, spec: ClipSpec
) -> dict[str, Any]:
    """Find the payload: members stand in sorted order, each a header block, then padded bytes.

    |hdr|cls...|hdr|json.......|hdr|npy header 128|pixels...|   (jpg comes between cls and json)
    start                                         ^offset
    """
    extension = EXTENSION[spec.codec]
    payload = values[extension]
    offset = start + BLOCK
    for name in sorted(set(values) - {"__key__"}):
        if name == extension:
            break
        offset += padded(len(values[name])) + BLOCK
    skip = NPY_HEADER if spec.codec == "raw" else 0
    return sample_row(sample, shard, index, offset + skip, payload[skip:], spec)


def sample_row(
    sample: Sample, shard: str, index: int, offset: int, payload: bytes | memoryview, spec: ClipSpec
) -> dict[str, Any]:
    """Return one row of the table `samples`; `payload` is what lies at `offset`."""
    return {
        "clip_id": sample.clip_id,
        "key": sample.key,
        "view": sample.view,
        "shard": shard,
        "index": index,
        "label_id": sample.label_id,
        "offset": offset,
        "nbytes": len(payload),
        "frames": spec.frames,
        "height": spec.height,
        "width": spec.width,
        "codec": spec.codec,
        "indices": list(sample.indices),
        "stride": sample.stride,
        "mirrored": sample.mirrored,
        "xxh3": xxhash.xxh3_64_hexdigest(payload),
    }
