"""Videos in folders that tell their class: `<class>/<file>` or `<split>/<class>/<file>`.

The folders are those of a disk or those in an archive, where one that holds all others is looked
through (`UCF-101/<class>/<file>`). Looks at names only; the walk is the cost.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from manifests import rows
from manifests.errors import ClipmillError
from pipeline.annotate.layout import split_of
from pipeline.annotate.listing import Listed
from pipeline.annotate.text import is_unicode, shown
from pipeline.annotate.walk import Walk, count, some, walk, walk_names


def read_class_folders(videos: Path, found: rows.Annotation) -> list[Listed]:
    """Return the videos in a folder or archive, each with the class (and split) that its folders
    name.
    """
    if videos.is_dir():
        seen = walk(videos)
    elif videos.is_file():
        seen = _inside(videos, found)
    else:
        raise ClipmillError(
            f"{shown(videos)} is not there; expected a folder of class folders, or an archive."
        )
    found.notes.extend(seen.notes())
    if seen.unreadable:
        folders = some(seen.unreadable)
        found.warnings.append(f"no permission to look into: {folders}; what is there is left out.")
    tops = {path.partition("/")[0] for path in seen.files if "/" in path}
    by_split = bool(tops) and all(split_of(top) for top in tops)
    depth = 2 if by_split else 1
    listed: list[Listed] = []
    loose: list[str] = []
    for path in seen.files:
        parts = path.split("/")
        if len(parts) <= depth:
            loose.append(path)
        else:
            split = split_of(parts[0]) if by_split else None
            listed.append(Listed(path, parts[depth - 1], split))
    if not listed:
        raise _nothing(videos, seen, loose)
    if loose:
        found.warnings.append(
            f"left aside {count(len(loose), 'in no class folder')}: {some(loose)}"
        )
    if not by_split:
        _warn_of_folders(seen, tops, found)
    return _printable(listed, found)


def _inside(archive: Path, found: rows.Annotation) -> Walk:
    """Return what an archive holds, below the folder that holds everything if there is one."""
    from pipeline.archive.listing import names

    seen, through = walk_names(names(archive)), ""
    while top := _common_top(seen.files):
        through += top
        seen.files = [path.removeprefix(top) for path in seen.files]
        seen.top_folders = sorted({path.partition("/")[0] for path in seen.files if "/" in path})
    if through:
        found.notes.append(f"{shown(archive.name)}: all videos lie in {through!r}, looked through")
    return seen


def _common_top(files: list[str]) -> str:
    """Return the folder (`name/`) that holds all class folders, or nothing.

    A split's folder is none, nor is one that holds videos itself: that is the only class.
    """
    top, slash, _ = files[0].partition("/") if files else ("", "", "")
    if not slash or split_of(top):
        return ""
    prefix = top + slash
    inside = all(path.startswith(prefix) and "/" in path[len(prefix) :] for path in files)
    return prefix if inside else ""


def _warn_of_folders(seen: Walk, tops: set[str], found: rows.Annotation) -> None:
    if empty := [top for top in seen.top_folders if top not in tops]:
        found.notes.append(f"folders without a video, no class: {some(empty)}")
    if odd := [top for top in sorted(tops) if split_of(top)]:
        found.warnings.append(
            f"{some(odd)} beside other folders is taken for a class, not for a split; if it is a "
            "split, move the other folders away or give a CSV."
        )


def _nothing(videos: Path, seen: Walk, loose: list[str]) -> ClipmillError:
    """Return the error for a folder without one clip of a known class."""
    expected = "expected <class>/<file> or <train|val|test>/<class>/<file>"
    cure = "Move the videos into folders named after their classes, or give a CSV (path,label)."
    if loose:
        what = f"has {count(len(loose), 'but none in a class folder')} ({some(loose)})"
    elif seen.others:
        what = f"holds no video ({some(seen.others)} have no known extension)"
    else:
        what = "holds no video"
    return ClipmillError(f"{shown(videos)} {what}; {expected}. {cure}")


def _printable(listed: list[Listed], found: rows.Annotation) -> list[Listed]:
    """Spell undecodable bytes of folder names as `\\xNN` in labels: tables hold UTF-8 only."""
    labels = {row.label for row in listed}
    odd = {label: shown(label) for label in labels if not is_unicode(label)}
    if not odd:
        return listed
    names = some(list(odd))
    if labels & set(odd.values()):
        raise ClipmillError(f"two folders would both be the class {names}; rename one of them.")
    found.warnings.append(f"folder names that are no UTF-8; their classes are called {names}")
    return [replace(row, label=odd.get(row.label, row.label)) for row in listed]
