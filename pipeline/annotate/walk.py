"""Looking for videos in a folder, to any depth, without reading one.

One directory read per folder and no stat per file: half a million files take some seconds and
about 150 MB. Folders behind symlinks are entered once, after all real ones, so a loop ends and a
file is found by its real path where it has one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.annotate.text import shown

NAMED = 3  # how many of the things left aside a note names
_VIDEO = (
    "avi mp4 m4v mov qt mkv webm mpg mpeg mpe m1v m2v mpv vob wmv asf flv f4v 3gp 3g2 gif ts mts "
    "m2ts ogv ogm rm rmvb divx dv mxf mjpeg mjpg y4m h264 264 h265 hevc 265 ivf nut wtv"
)
# Audio files stay in the list: each one gets a row that says it has no video stream.
_AUDIO = "ogg oga mp3 wav m4a flac aac wma opus aif aiff ac3 mka"
MEDIA = frozenset(f"{_VIDEO} {_AUDIO}".split())


@dataclass(slots=True)
class Walk:
    """What lies in a folder: media files by relative POSIX path, sorted, and the rest by count."""

    files: list[str] = field(default_factory=list)
    top_folders: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    hidden: int = 0
    repeated: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def notes(self) -> list[str]:
        """Return what was left aside, a sentence for each kind."""
        kinds = (
            ("without a known media extension", self.others),
            ("that lead to a folder found already (symlinks)", self.repeated),
        )
        notes = [
            f"left aside {count(len(names), what)}: {some(names)}" for what, names in kinds if names
        ]
        if self.hidden:
            notes.append(f"left aside {count(self.hidden, 'hidden by a leading dot')}")
        return notes


def is_media(name: str) -> bool:
    """Return whether a file name has the extension of a video or of sound."""
    _, dot, extension = name.rpartition(".")
    return bool(dot) and extension.lower() in MEDIA


def some(names: list[str]) -> str:
    """Return the first few names, printable, and how many more there are."""
    first = ", ".join(repr(shown(name)) for name in sorted(names)[:NAMED])
    return first + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")


def count(number: int, what: str) -> str:
    """Return "1 file what" or "N files what"."""
    return f"{number:,} {'file' if number == 1 else 'files'} {what}"


def walk(root: Path) -> Walk:
    """Return the media files below `root`; hidden files and folders are left aside."""
    found = Walk()
    top = os.path.realpath(root)
    seen: set[str] = set()
    folders, links = [("", top)], list[str]()
    while folders or links:
        if folders:
            relative, real = folders.pop()
        else:
            links.sort(reverse=True)
            relative = links.pop()
            real = os.path.realpath(os.path.join(top, relative))  # noqa: PTH118 - bytes-safe, fast
        if real in seen:
            found.repeated.append(relative)
            continue
        seen.add(real)
        _read_folder(found, relative, real, folders, links)
    found.files.sort()
    found.top_folders.sort()
    return found


def _read_folder(
    found: Walk, relative: str, real: str, folders: list[tuple[str, str]], links: list[str]
) -> None:
    """Sort the entries of one folder into files, folders to read, and things left aside."""
    try:
        entries = list(os.scandir(real))
    except OSError:
        found.unreadable.append(relative)
        return
    for entry in entries:
        path = f"{relative}/{entry.name}" if relative else entry.name
        if entry.name.startswith("."):
            found.hidden += 1
        elif _is_folder(entry):
            if not relative:
                found.top_folders.append(entry.name)
            if entry.is_symlink():
                links.append(path)
            else:
                folders.append((path, f"{real}/{entry.name}"))
        elif is_media(entry.name):
            found.files.append(path)
        else:
            found.others.append(path)


def walk_names(names: Iterable[str]) -> Walk:
    """Return what an archive's member names say lies in it, as `walk` does of a folder.

    Hidden names are left aside, and so is what a Mac adds beside them (`__MACOSX/`).
    """
    found = Walk()
    tops: set[str] = set()
    for name in dict.fromkeys(names):
        parts = name.split("/")
        if any(part.startswith(".") for part in parts) or parts[0] == "__MACOSX":
            found.hidden += 1
            continue
        tops.update(parts[:-1][:1])
        (found.files if is_media(name) else found.others).append(name)
    found.files.sort()
    found.top_folders = sorted(tops)
    return found


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a symlink to itself
        return False
