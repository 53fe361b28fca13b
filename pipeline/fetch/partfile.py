"""A download that can stop and go on: `NAME.part`, and a note of how much of it is safe.

The note (`NAME.part.json`) is written after each sync, so that after a power cut no more is taken
for safe than was. Costs a sync when a download stops, and one every 64 MB.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from manifests.storage import Storage

NOTE_EVERY = 64 << 20
PART, NOTE = ".part", ".part.json"


@dataclass(frozen=True, slots=True)
class Note:
    """How far a download came: its address, safe bytes, and what the server said of the whole."""

    url: str
    size: int
    total: int | None = None
    mark: str | None = None


def known(storage: Storage, name: str, url: str) -> Note:
    """Return how far a download of `url` to `name` came; nothing when no note can be believed."""
    with contextlib.suppress(FileNotFoundError, ValueError, TypeError):
        note = Note(**json.loads(storage.read(name + NOTE)))
        there = storage.size(name + PART)
        if note.url == url and there is not None and 0 < note.size <= there:
            return note
    return Note(url, 0)


def note(storage: Storage, name: str, found: Note) -> None:
    """Write down how far a download is safe."""
    storage.write(name + NOTE, json.dumps(asdict(found)).encode())


def append(storage: Storage, name: str, start: int, blocks: Iterable[bytes]) -> Iterator[int]:
    """Append blocks after the first `start` bytes; yield the size whenever it has become safe."""
    blocks, size = iter(blocks), start
    ended = False
    while not ended:
        mark = size
        with storage.part(name + PART, size) as out:
            for block in blocks:
                out.write(block)
                size += len(block)
                if size - mark >= NOTE_EVERY:
                    break
            else:
                ended = True
        yield size


def finish(storage: Storage, name: str) -> None:
    """Give a whole download its name."""
    storage.publish(name + PART, name)
    storage.delete(name + NOTE)


def forget(storage: Storage, name: str) -> None:
    """Remove what an unfinished download left."""
    storage.delete(name + PART)
    storage.delete(name + NOTE)
