"""Videos that are no longer those that were acquired: found when `annotate` is run again.

Sizes are compared, which costs a look at each file; where the place of the videos is another one
than before, contents too (1.5 GB/s).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests import tables
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.growing import live_rows
from manifests.header import FILE
from manifests.reasons import Reason
from manifests.rows import Clip
from manifests.storage import Storage
from pipeline import outcome
from pipeline.acquiring.finding import File, Span, find
from pipeline.acquiring.locate import InRoot, Places, Where, at_hand, is_own
from shards.read import file_sha256


def changed_videos(storage: Storage, clips: Iterable[Clip], videos: Path | None) -> dict[str, int]:
    """Return clip_id → last attempt, for acquired clips whose file is not the one acquired.

    What was taken out of an archive is held against its folder if one is named now; against an
    archive only by dates: of another archive, or a newer one, all that is not packed counts as
    changed.

    Raises:
        ClipmillError: such a clip is packed: its shard holds the old video.
    """
    rows = tables.finished(tables.read_parts(storage, "manifests/download", "download"))
    if not len(rows) or videos is None:
        return {}
    rows = rows.select(["clip_id", "attempt", "bytes", "sha256", "path", "finished_at"])
    # The video of a dropped clip may be whatever it is.
    dropped = set(tables.read_parts(storage, "manifests/dropped", "dropped")["id"].to_pylist())
    known = {row["clip_id"]: row for row in rows.to_pylist() if row["clip_id"] not in dropped}
    samples = live_rows(storage, "samples")
    packed = set(samples["clip_id"].to_pylist())
    moved = videos_before(storage) != videos
    places = Places(videos)
    spans = {
        clip.clip_id: Span(clip.source, clip.start_s, clip.end_s)
        for clip in clips
        if clip.clip_id in known and not places.waits(clip.source)
    }
    if places.archive:
        renewed = places.archive.stat().st_mtime
        return {
            clip: known[clip]["attempt"]
            for clip, span in spans.items()
            if clip not in packed
            and (
                moved
                or not is_own(span.source, known[clip]["path"])
                or known[clip]["finished_at"].timestamp() < renewed
            )
        }
    files = find(places, spans.values(), storage)
    same: dict[tuple[Where, str], bool | None] = {}
    found: dict[str, int] = {}
    for clip, span in spans.items():
        row, file = known[clip], files.get(span)
        is_same = _is_same(span, row, file, moved, same, storage)
        if is_same:
            continue
        if clip not in packed:
            found[clip] = row["attempt"]
        elif is_same is False:  # a video that was removed after packing harms nothing
            assert file is not None
            raise ClipmillError(
                f"clip {clip} is packed in {storage.root}, and {file.path} is no longer the "
                f"video it was made of ({row['bytes']:,} bytes then). Put that video back, or "
                "annotate into a new folder and pack there."
            )
    return found


def videos_before(storage: Storage) -> Path | None:
    """The place of videos that the last annotate named, if it is known."""
    if storage.size(FILE) is None:
        return None
    before = Dataset.open(storage.root).videos
    return Path(before) if before else None


def _is_same(
    span: Span,
    row: dict[str, Any],
    file: File | None,
    moved: bool,
    known: dict[tuple[Where, str], bool | None],
    storage: Storage,
) -> bool | None:
    """Whether a clip's file is the one that was acquired; None where there is none to look at."""
    if file is None:
        return None
    if not span.source.startswith("file:") and _stem(file.name) != _stem(row["path"] or ""):
        return None  # the whole video where there was a trimmed one, or the other way round
    hashed = moved or row["path"] != file.name
    key = file.path, row["sha256"]
    if key not in known:
        sha256 = row["sha256"] if hashed else None
        known[key] = _is_file(storage, file.path, row["bytes"], sha256)
    return known[key]


def _stem(name: str) -> str:
    return posixpath.splitext(posixpath.basename(name))[0]


def _is_file(storage: Storage, where: Where, size: int, sha256: str | None) -> bool | None:
    """Whether a file has this size and digest; None where there is none to look at."""
    try:
        length = _size(storage, where)
        if length is None or length != size or sha256 is None:
            return None if length is None else length == size
        with at_hand(storage, where) as path:
            return sha256 == file_sha256(path)
    except OSError:
        return None


def _size(storage: Storage, where: Where) -> int | None:
    if isinstance(where, InRoot):
        return storage.size(where)
    return where.stat().st_size if where.is_file() else None


def forget_tensors(dataset: Dataset, changed: Iterable[str]) -> None:
    """Remove what was taken out of archives for changed videos, and record that tensors which
    `decode` kept of them are of no use any more.
    """
    names = pa.array([*changed], pa.string())
    mine = pc.field("clip_id").isin(names)
    sources = dict(
        zip(dataset.clips["clip_id"].to_pylist(), dataset.clips["source"].to_pylist(), strict=True)
    )
    for row in tables.finished(dataset.parts("download")).filter(mine).to_pylist():
        if is_own(sources.get(row["clip_id"], ""), row["path"]):
            dataset.storage.delete(row["path"])
    kept = tables.finished(dataset.parts("decode")).filter(mine)
    dataset.append(
        "decode",
        [
            outcome.failed(
                row["clip_id"],
                row["attempt"] + 1,
                0.0,
                {},
                Reason.CHANGED,
                "decoded from a video that was exchanged since; `--retry failed` decodes it anew",
            )
            for row in kept.select(["clip_id", "attempt"]).to_pylist()
        ],
    )
