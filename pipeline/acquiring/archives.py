"""The archives that hold the videos: the one that was named, or those in a folder without videos.

HMDB51 is an archive of archives, one a class: unpacked once, it is a folder of them. A folder in
which any video lies is taken as it is. Costs a walk up to the first video.
"""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.acquiring.locate import Places
from pipeline.annotate.walk import is_media

_ENDINGS = (".zip", ".rar", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


def archives(places: Places) -> list[Path]:
    """Return the archives to take videos out of, sorted by name."""
    if places.archive:
        return [places.archive]
    if not places.videos or not places.videos.is_dir():
        return []
    found = [
        path
        for path in places.videos.iterdir()
        if path.name.lower().endswith(_ENDINGS) and not path.name.startswith(".") and path.is_file()
    ]
    return [] if not found or _any_video(places.videos) else sorted(found)


def _any_video(folder: Path) -> bool:
    return any(
        is_media(name) and not name.startswith(".")
        for _, _, names in os.walk(folder)
        for name in names
    )
