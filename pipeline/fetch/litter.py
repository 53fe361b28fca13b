"""Unfinished downloads that nobody goes on with: their clips are here, gone or not asked for."""

from __future__ import annotations

from manifests import tables
from manifests.dataset import Dataset
from manifests.storage import Storage
from pipeline.acquiring.finding import own_folders
from pipeline.acquiring.locate import own_stem
from pipeline.fetch.partfile import NOTE, PART
from pipeline.fetch.selection import EVERYTHING, Selection

# yt-dlp's download to a name with FETCHING in it, and what it keeps beside that.
FETCHING = ".fetch-"
_ENDS = (PART, NOTE, ".ytdl")
_INSIDE = (FETCHING, ".part-Frag", ".temp.")


def is_unfinished(name: str) -> bool:
    """Whether a file in our folders is a part of a download, not a video."""
    return name.endswith(_ENDS) or any(mark in name for mark in _INSIDE)


def forget(storage: Storage, source: str) -> None:
    """Remove the parts of one video's downloads."""
    stem = own_stem(source)
    folder = stem.rpartition("/")[0]
    for name in storage.list(folder):
        if is_unfinished(name) and _digest(name) == _digest(stem):
            storage.delete(f"{folder}/{name}")


def sweep(dataset: Dataset, storage: Storage, selection: Selection = EVERYTHING) -> list[str]:
    """Remove the parts of downloads that no pending clip needs; return what was removed.

    Of a share of many machines only those of its own videos: others may be at work on theirs.
    """
    found = [
        f"{folder}/{name}"
        for folder in own_folders()
        for name in storage.list(folder)
        if is_unfinished(name)
    ]
    if not found:
        return []
    rows = tables.latest(dataset.parts("download"))
    ended = {
        clip
        for clip, status in zip(
            rows["clip_id"].to_pylist(), rows["status"].to_pylist(), strict=True
        )
        if status in ("done", "gone")
    }
    clips = dataset.clips
    digests: dict[str, str] = {}
    wanted: set[str] = set()
    for clip, source in zip(clips["clip_id"].to_pylist(), clips["source"].to_pylist(), strict=True):
        digests[source] = digests.get(source) or _digest(own_stem(source))
        if clip not in ended:
            wanted.add(digests[source])
    # What is nobody's, of clips that were dropped, say, is left to a run of all shares.
    theirs = {digest for source, digest in digests.items() if not selection.takes_video(source)}
    mine = set(digests.values()) - theirs
    removed = [
        name
        for name in found
        if (digest := _digest(name)) not in wanted
        and (digest in mine or (not selection.shared and digest not in theirs))
    ]
    for name in removed:
        storage.delete(name)
    return removed


def _digest(name: str) -> str:
    """Return the digest of its source that a name of ours carries."""
    return name.rpartition("/")[2].partition(".")[0].rpartition("-")[2]
