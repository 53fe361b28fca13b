"""What to say where the videos cannot be: no such place, an address, or a place that lacks all.

Costs one look at the place.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.rows import Clip
from pipeline.acquiring.finding import Span, stems
from pipeline.acquiring.locate import YOUTUBE, Places
from pipeline.annotate.sources import SCHEME
from pipeline.annotate.text import shown
from pipeline.annotate.walk import some
from pipeline.retrying import STATE

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)", re.DOTALL)
WANTED = "--videos and the folder or archive (zip, tar, rar) that holds the videos"


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


def tell_waiting(dataset: Dataset, serve: Sequence[Callable[[str], bool]], ui: Ui) -> None:
    """Say how many clips have had no attempt yet and can have none from the sources asked."""
    known = set(dataset.parts("download", STATE)["clip_id"].to_pylist())
    columns = (dataset.clips[name].to_pylist() for name in ("clip_id", "source"))
    waiting = Counter(source for clip, source in zip(*columns, strict=True) if clip not in known)
    lacking = {x: n for x, n in waiting.items() if not any(serves(x) for serves in serve)}
    if count := sum(n for source, n in lacking.items() if source.startswith(YOUTUBE)):
        ui.note(
            f"{count:,} clips wait for their videos, which are on YouTube. Name youtube in "
            f"--source, or annotate again with {WANTED}."
        )
    if count := sum(n for source, n in lacking.items() if source.startswith(SCHEME)):
        ui.note(
            f"{count:,} clips wait for their videos: they have no web address. Annotate again with "
            f"{WANTED}."
        )


def nothing_found(dataset: Dataset, clips: Sequence[Clip], missing: int) -> str | None:
    """Return a warning where a look at all these clips' videos found not one: which was looked
    for, where, and what lies there. `missing` is how many it did not find.
    """
    places = Places.of(dataset)
    wanted = [clip for clip in clips if not places.waits(clip.source)]
    if not missing or not places.videos or missing < len(wanted) - len(dataset.dropped):
        return None
    first = Span(wanted[0].source, wanted[0].start_s, wanted[0].end_s)
    return (
        f"not one of {missing:,} videos is in {shown(str(places.videos))}: looked for "
        f"{_example(first, places)}, for example; {_lies_there(places.videos)}."
    )


def _example(span: Span, places: Places) -> str:
    if span.source.startswith(YOUTUBE):
        return " or ".join(f"{stem}.mp4" for stem, _ in stems(span))
    path = places.named(span.source)
    if places.archive and places.videos and isinstance(path, Path):
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
