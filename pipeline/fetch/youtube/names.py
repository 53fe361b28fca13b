"""Names of our own for YouTube's videos and pieces of them, and what lies there already.

    videos/ab/ID-DIGEST.mp4                          the whole video
    videos/ab/ID_from_16683333_to_31000000-DIGEST.mp4   a piece; microseconds of the video
    videos/ab/ID-DIGEST.fetch-134.mp4[.part]         format 134, unfinished

The name of a piece says where in the video its first picture stands, so that a file whose row was
lost with the process is known again. Another format has another part: yt-dlp goes on with any
part that has the name, whatever is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from manifests.storage import Storage
from pipeline.acquiring.locate import own_stem
from pipeline.annotate.sources import YOUTUBE
from pipeline.annotate.walk import is_media
from pipeline.fetch.litter import FETCHING, is_unfinished
from pipeline.fetch.source import Arrived, Want

_PIECE = re.compile(r"_from_(\d+)_to_(\d+)-[0-9a-f]+\.\w+")
MICRO = 1_000_000


def whole_stem(source: str) -> str:
    """Return the name of a whole video, without its extension: that under which it is found."""
    return own_stem(source, source.removeprefix(YOUTUBE))


def piece_name(source: str, start_s: float, end_s: float, extension: str) -> str:
    """Return the name of a piece whose first picture stands at `start_s` of the video."""
    span = f"from_{round(start_s * MICRO)}_to_{round(end_s * MICRO)}"
    return f"{own_stem(source, f'{source.removeprefix(YOUTUBE)}_{span}')}.{extension}"


def unfinished_name(source: str, format_id: str, extension: str) -> str:
    """Return the name under which a download grows; yt-dlp adds `.part` and more."""
    kept = re.sub(r"[^A-Za-z0-9_-]+", "_", format_id)[:40]
    return f"{whole_stem(source)}{FETCHING}{kept}.{extension}"


def extension_of(info_extension: str | None) -> str:
    """Return an extension under which a video is found again; what is not one becomes mp4."""
    plain = (info_extension or "").lower()
    return plain if plain.isalnum() and is_media(f"x.{plain}") else "mp4"


def here(wants: Sequence[Want], storage: Storage) -> Iterator[Arrived]:
    """Yield the files that came for these clips of one video, and whose rows were lost."""
    left = list(wants)
    for name in _of_source(wants[0].source, storage):
        if is_unfinished(name):
            continue
        if name.startswith(whole_stem(wants[0].source) + "."):
            yield Arrived(left, name)
            return
        if not (match := _PIECE.search(name)):
            continue
        start, end = int(match[1]) / MICRO, int(match[2]) / MICRO
        held = [want for want in left if _holds(want, start, end)]
        if held:
            left = [want for want in left if want not in held]
            yield Arrived(held, name, start)
        if not left:
            return


def sweep_unfinished(source: str, storage: Storage) -> None:
    """Remove what a video's downloads left; for when it is here."""
    delete(filter(is_unfinished, _of_source(source, storage)), storage)


def delete(names: Iterable[str], storage: Storage) -> None:
    """Remove files."""
    for name in list(names):
        storage.delete(name)


def _of_source(source: str, storage: Storage) -> list[str]:
    """Return the names of all files of a source, whole videos first."""
    stem = whole_stem(source)
    folder, _, readable = stem.rpartition("/")
    digest = readable.rpartition("-")[2]
    names = [
        f"{folder}/{name}"
        for name in storage.list(folder)
        if name.partition(".")[0].endswith(f"-{digest}")
    ]
    return sorted(names, key=lambda name: not name.startswith(stem + "."))


def _holds(want: Want, start_s: float, end_s: float) -> bool:
    return (
        want.start_s is not None
        and want.end_s is not None
        and start_s <= want.start_s + 1e-5  # a start is told a little late, see cut.py
        and want.end_s <= end_s
    )
