"""Take clips out for good, as their video's owner may ask: tombstones that every table heeds.

A tombstone is a row that is only ever added; Dataset leaves the clip out from then on: it is not
planned, packed, trained on, scored, counted or frozen. Shards never change, so a packed clip's
pixels stay in its tar. Costs a look at the list of clips (about a second for 500,000).
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests import tables
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from pipeline.acquiring.locate import is_own
from pipeline.decode import tensor_path
from pipeline.publishing.drop_ids import nearest, read_ids

TABLE = "dropped"


def drop(
    dataset: Dataset,
    given: Sequence[str],
    *,
    reason: str | None = None,
    missing_ok: bool = False,
    delete_videos: bool = False,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Drop clips by their ids or their videos' ids, or files of ids; return what came of it.

    Ids that nothing has yet are kept too with `missing_ok`: clips annotated later heed them. May be
    interrupted and done again: what is dropped stays so, what was left of its files is removed.

    Raises:
        ClipmillError: an id that no clip and no video has, unless `missing_ok`.
    """
    known = _known(dataset)
    ids = read_ids(given, known)
    unknown = [name for name in ids if name not in known]
    if unknown and not missing_ok:
        raise _unknown(dataset, unknown, known)
    found = _found(dataset, ids)
    chosen = set(found["clip_id"].to_pylist()) | (set(ids) & _packed(dataset))
    before = set(dataset.dropped.to_pylist())
    old = set(dataset.tombstones["id"].to_pylist())
    new = sorted((chosen | set(ids)) - old)
    report = {
        "root": dataset.storage.root,
        "ids": len(ids),
        "clips": len(chosen),
        "dropped": len(chosen - before),
        "videos": len(set(found["video_id"].to_pylist())),
        "already": len(chosen & before),
        "unknown": unknown,
        "packed": len(chosen & _packed(dataset)),
        "dry_run": dry_run,
    }
    if dry_run:
        return report
    dataset.storage.clean(f"manifests/{TABLE}")
    moment = datetime.datetime.now(datetime.UTC)
    dataset.append(TABLE, [{"id": name, "reason": reason, "dropped_at": moment} for name in new])
    dataset.compact(TABLE)
    dataset = dataclasses.replace(dataset)  # its tables were read before
    return report | _remove_files(dataset, chosen, delete_videos)


def _known(dataset: Dataset) -> set[str]:
    """Every id that a clip or a video has or had."""
    asked = dataset.asked.select(["clip_id", "video_id"])
    known = {*asked["clip_id"].to_pylist(), *asked["video_id"].to_pylist()}
    return known | _packed(dataset) | set(dataset.tombstones["id"].to_pylist())


def _packed(dataset: Dataset) -> set[str]:
    return set(dataset.parts("samples", dropped=True)["clip_id"].to_pylist())


def _found(dataset: Dataset, ids: Iterable[str]) -> pa.Table:
    """The clips asked for that these ids mean."""
    names = pa.array([*ids], pa.string())
    return dataset.asked.filter(pc.field("clip_id").isin(names) | pc.field("video_id").isin(names))


def _unknown(dataset: Dataset, unknown: list[str], known: set[str]) -> ClipmillError:
    near = nearest(unknown[0], known)
    guess = f" Did you mean {near!r}?" if near else ""
    more = f" ({len(unknown):,} such ids)" if len(unknown) > 1 else ""
    return ClipmillError(
        f"{unknown[0]!r}{more} is neither a clip nor a video of {dataset.storage.root}, nor a file "
        f"of ids; nothing was dropped.{guess} With --missing-ok it is kept for clips that are "
        "annotated later."
    )


def _remove_files(dataset: Dataset, chosen: set[str], delete_videos: bool) -> dict[str, int]:
    """Remove what `decode` kept of these clips and, if asked, videos of ours for nobody else."""
    tensors = 0
    for clip in sorted(chosen):
        if dataset.storage.size(tensor_path(clip)) is not None:
            dataset.storage.delete(tensor_path(clip))
            tensors += 1
    videos = _own_videos(dataset, chosen)
    for path in videos if delete_videos else ():
        dataset.storage.delete(path)
    removed = len(videos) if delete_videos else 0
    return {
        "tensors_removed": tensors,
        "videos_removed": removed,
        "videos_left": len(videos) - removed,
    }


def _own_videos(dataset: Dataset, chosen: set[str]) -> list[str]:
    """Videos that `download` put under the root and that only these clips use."""
    rows = tables.latest(dataset.parts("download", dropped=True)).select(["clip_id", "path"])
    paths = {row["clip_id"]: row["path"] for row in rows.to_pylist() if row["path"]}
    asked = dataset.asked
    sources = dict(zip(asked["clip_id"].to_pylist(), asked["source"].to_pylist(), strict=True))
    ours = {
        path: sources[clip]
        for clip, path in paths.items()
        if clip in chosen and clip in sources and is_own(sources[clip], path)
    }
    kept = set(dataset.clips["clip_id"].to_pylist())
    used = {path for clip, path in paths.items() if clip in kept}
    waiting = {sources[clip] for clip in kept if clip not in paths}
    return sorted(
        path
        for path, source in ours.items()
        if path not in used and source not in waiting and dataset.storage.size(path) is not None
    )


def show(report: dict[str, Any], ui: Ui) -> None:
    """Say what was dropped and what stays behind."""
    would = "would be dropped" if report["dry_run"] else "dropped"
    rows = [
        (f"clips {would}", report["dropped"]),
        ("their videos", report["videos"]),
        ("clips dropped before", report["already"]),
        ("ids that nothing here has", len(report["unknown"])),
        ("of these clips packed", report["packed"]),
    ]
    if not report["dry_run"]:
        rows.append(("decoded tensors removed", report["tensors_removed"]))
        rows.append(("videos removed", report["videos_removed"]))
    ui.table(f"dropped from {report['root']}", ("what", "number"), rows)
    if report["packed"]:
        ui.note(
            f"{report['packed']:,} of these clips are packed: shards never change, so their pixels "
            "stay in the tars. clipmill passes them over; other readers of the tars do not. "
            "A training that runs now still reads them: end it."
        )
    if report.get("videos_left"):
        ui.note(
            f"{report['videos_left']:,} of their videos lie under {report['root']}/videos for "
            "nobody else; the same command with --delete-videos removes them."
        )
