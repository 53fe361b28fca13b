"""Is a shard whole? Found out once on each machine, whoever maps it first; the others wait.

Hashing costs 0.1 s a gigabyte that is in memory (xxh3), else what its disk takes; a shard whose row
has no xxh3 is hashed clip by clip, at the same rate. A record (manifests/records.py) then says of
this very file that it is whole. Where no record can be kept, each process looks for itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import xxhash

from manifests import scratch
from manifests.records import Record
from manifests.spec import ClipSpec
from shards.header import DIGEST, require_header

SHARD = -1  # the number under which damage stands that is in none of the clips


class Facts(NamedTuple):
    """What the table of shards says of one; `xxh3` is null where it was packed before there was."""

    name: str
    bytes: int
    xxh3: str | None


class Row(NamedTuple):
    """A sample that lies in a shard; `number` is how the caller calls it."""

    number: int
    key: str
    offset: int
    nbytes: int
    xxh3: str


class Rows(NamedTuple):
    """Samples of one shard, and how they are stored."""

    spec: ClipSpec
    samples: Iterable[Row]


def damage(
    path: Path,
    view: memoryview,
    shard: Facts,
    rows: Callable[[], Rows],
    mapped: os.stat_result | None = None,
) -> dict[int, str]:
    """Return what is wrong with a mapped shard: number of a sample -> words; nothing if whole.

    Where each sample is right and the shard is not (a header, a JSON, its length), that stands
    under SHARD. `rows` is called for what the digest of the shard does not tell. `mapped` is the
    state of the file that was mapped: without it the one of the path now, which may be another.
    """
    told = shard.xxh3 or _digest(rows())
    record = Record(scratch.folder(), path, mapped or path.stat(), told)
    if record.found():
        return {}
    with record.held() as held:
        if held is not None and record.found():
            return {}
        record.let_clock_tick()
        found = _look(view, shard, rows)
        if held is not None and not found:
            record.keep(held)
    return found


def changed(shards: Iterable[tuple[str, Path, int]]) -> list[str]:
    """Return which of some shards (name, where, length by its row) have another length now.

    For whoever lost a process to a shard that was cut under its hands (SIGBUS): each text names
    a shard, and what was found of it.
    """
    found = []
    for name, path, expected in shards:
        try:
            length = path.stat().st_size
        except OSError as error:
            found.append(f"{name}: missing ({error.strerror})")
            continue
        if length != expected:
            found.append(f"{name}: {_length(length, expected)}")
    return found


def _look(view: memoryview, shard: Facts, rows: Callable[[], Rows]) -> dict[int, str]:
    """Hash the shard, and clip by clip where that says that something is wrong, or nothing."""
    whole = len(view) == shard.bytes
    if whole and shard.xxh3 is not None and xxhash.xxh3_64_hexdigest(view) == shard.xxh3:
        return {}
    found = dict(_bad(view, rows()))
    if found or (whole and shard.xxh3 is None):
        return found
    return {SHARD: _length(len(view), shard.bytes) if not whole else _ELSEWHERE}


_ELSEWHERE = (
    "it does not have the digest of its row, though each of its clips that is read here does: "
    "one of its headers, labels or JSONs was changed, or another clip"
)


def _length(found: int, expected: int) -> str:
    return f"{found} bytes; its row says {expected}"


def _bad(view: memoryview, rows: Rows) -> Iterator[tuple[int, str]]:
    for row in rows.samples:
        try:
            require_header(view, row.offset, row.nbytes, row.key, rows.spec)
            payload = view[row.offset : row.offset + row.nbytes]
            if xxhash.xxh3_64_hexdigest(payload) != row.xxh3:
                raise ValueError(DIGEST)
        except ValueError as error:
            yield row.number, str(error)


def _digest(rows: Rows) -> str:
    """Name what a shard without a digest of its own is held against."""
    state = xxhash.xxh3_64(rows.spec.digest.encode())
    for row in rows.samples:
        state.update(f"{row.key} {row.offset} {row.nbytes} {row.xxh3}\n".encode())
    return state.hexdigest()
