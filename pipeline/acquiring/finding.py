"""The file that serves each clip of a plan, found by names alone.

A `file:` source names its file. A clip of a YouTube video is served by a file of any folder called
`ID_SSSSSS_EEEEEE.EXT` (trimmed to these seconds) or else `ID.EXT` (the whole video). Costs one walk
through the folder (some seconds for half a million files) and one listing of the videos that
`download` took out of an archive.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from manifests.storage import Storage
from pipeline.acquiring.locate import OWN, YOUTUBE, InRoot, Places, Where, own_stem
from pipeline.annotate.sources import SCHEME, source_of
from pipeline.annotate.walk import walk


class Span(NamedTuple):
    """A part of a video, in seconds; None is its beginning, and its end."""

    source: str
    start_s: float | None
    end_s: float | None

    @classmethod
    def of(cls, row: dict[str, Any]) -> Span:
        """Return the span of a clip's row."""
        return cls(row["source"], row["start_s"], row["end_s"])


@dataclass(frozen=True, slots=True)
class File:
    """A video file: its name in rows, where it is now, and where in the source it begins."""

    name: str
    path: Where
    start_s: float = 0.0


def stems(span: Span) -> list[tuple[str, float]]:
    """Return the names (without extension) that serve a YouTube clip, best first, and their start.

    youtube:ID 10.0 20.0 -> ID_000010_000020, which begins at 10 s, and ID, which begins at 0 s
    """
    video, start, end = span.source.removeprefix(YOUTUBE), span.start_s, span.end_s
    whole = (video, 0.0)
    if start is None or end is None:
        return [whole]
    return [(f"{video}_{int(start):06d}_{int(end):06d}", float(int(start))), whole]


def find(places: Places, spans: Iterable[Span], storage: Storage) -> dict[Span, File]:
    """Return the file of each span that has one; a `file:` source always has, be it there or not.

    What lies in the folder of videos goes before what was taken out of an archive.
    """
    own = _own_files(storage)
    files: dict[Span, File] = {}
    others: list[Span] = []
    for span in spans:
        if places.waits(span.source):
            continue
        if not span.source.startswith(SCHEME):
            others.append(span)
        elif span not in files and (file := _named(places, span, own)):
            files[span] = file
    there = _by_stem(places.videos) if others and places.videos else {}
    if not there and not own:
        return files
    for span in others:
        for stem, start in stems(span):
            if path := there.get(stem):
                name = source_of(path).removeprefix(SCHEME)
            else:
                name = own.get(own_stem(span.source, stem), "") if own else ""
            if name:
                files[span] = File(name, places.acquired(span.source, name), start)
                break
    return files


def _named(places: Places, span: Span, own: dict[str, str]) -> File | None:
    """Return the file of a `file:` source."""
    taken = own.get(own_stem(span.source)) if own else None
    path = places.named(span.source)
    if taken and not (isinstance(path, Path) and path.is_file()):
        return File(taken, InRoot(taken))
    if places.archive:
        return None
    return File(span.source.removeprefix(SCHEME), path)


def _own_files(storage: Storage) -> dict[str, str]:
    """Return stem -> name of the videos that `download` put under the root."""
    if not storage.holds(OWN):
        return {}
    names = (
        f"{folder}/{name}" for folder in own_folders() for name in reversed(storage.list(folder))
    )
    return {posixpath.splitext(name)[0]: name for name in names}


def own_folders() -> tuple[str, ...]:
    """Return the folders in which names of our own lie."""
    return tuple(f"{OWN}/{number:02x}" for number in range(256))


def _by_stem(folder: Path) -> dict[str, str]:
    """Return stem -> path of the videos in a folder, the first by path where several are."""
    found: dict[str, str] = {}
    if folder.is_dir():
        for path in walk(folder).files:
            found.setdefault(posixpath.splitext(posixpath.basename(path))[0], path)
    return found
