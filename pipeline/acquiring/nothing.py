"""What to say where the videos cannot be: no such place, an address, or a place that lacks all.

Costs one look at the place, and one read of the outcomes (half a second for 500,000 clips).
"""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow.compute as pc

from manifests import tables
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.reasons import Reason
from pipeline.acquiring.finding import Span, stems
from pipeline.acquiring.locate import YOUTUBE, Places
from pipeline.annotate.sources import SCHEME
from pipeline.annotate.text import shown
from pipeline.annotate.walk import some

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)", re.DOTALL)
WANTED = "--videos and the folder or archive (zip, tar, rar) that holds the videos"
COLUMNS = ("source", "start_s", "end_s")


def require_place(videos: Path) -> None:
    """Check that videos can lie in a place that a user named.

    Raises:
        ClipmillError: it is a web address, or nothing is there.
    """
    if videos.exists():
        return
    if url := _URL.fullmatch(str(videos)):  # a path has lost one of its slashes
        raise ClipmillError(
            f"--videos {shown('://'.join(url.groups()))!r} is an address; expected a folder or an "
            "archive on this machine. Download it first, and give the path of what came."
        )
    raise ClipmillError(
        f"--videos {shown(str(videos))!r}: nothing is there; expected the folder that holds the "
        "videos, or a zip, tar or rar of them. Mind the spelling, and whether its disk is mounted."
    )


def all_addresses_lack(dataset: Dataset) -> bool:
    """Whether no clip has a web address, so that only `--videos` can bring its video."""
    return all(x.startswith((SCHEME, YOUTUBE)) for x in dataset.clips["source"].to_pylist())


def nothing_found(dataset: Dataset) -> str | None:
    """Return a warning where not one clip's video was found: which, where, and what lies there."""
    places = Places.of(dataset)
    if places.videos is None:
        return None
    rows = dataset.parts("download")
    rows = rows.filter(pc.field("clip_id").isin(dataset.clips["clip_id"]))
    missing = (pc.field("status") == "failed") & (pc.field("reason") == str(Reason.MISSING))
    lacking = tables.latest(rows).filter(missing)["clip_id"]
    # `latest` leaves one row a clip: fewer clips than that are not all missing.
    if not len(lacking) or len(lacking) < len(rows["clip_id"].unique()):
        return None
    first = dataset.clips.filter(pc.field("clip_id") == lacking[0])
    row = first.select(COLUMNS).to_pylist()[0]
    return (
        f"not one of {len(lacking):,} videos is in {shown(str(places.videos))}: looked for "
        f"{_example(Span.of(row), places)}, for example; {_lies_there(places.videos)}."
    )


def _example(span: Span, places: Places) -> str:
    if span.source.startswith(YOUTUBE):
        return " or ".join(f"{stem}.mp4" for stem, _ in stems(span))
    path = places.local(span.source)
    if places.archive and places.videos:
        path = path.relative_to(places.videos)
    return shown(str(path))


def _lies_there(place: Path) -> str:
    if place.is_file():
        return "no member of the archive is called so"
    try:
        names = [path.name + ("/" if path.is_dir() else "") for path in place.iterdir()]
    except OSError:
        return "it cannot be listed"
    return f"there lies {some(names)}" if names else "the folder is empty"
