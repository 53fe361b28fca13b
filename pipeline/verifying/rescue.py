"""The rows of a shard, made again from the shard itself where its own were lost.

It must be whole, hold what the tables that are left say, and only clips that are asked for, as
they are asked for. Where the lost row was its sha256, its tar and its samples' digests vouch for
it, as far as their rows are left. One read of the shard.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pyarrow.compute as pc

from manifests import tables
from manifests.dataset import Dataset
from manifests.shardnames import split_and_number
from manifests.spec import ClipSpec
from manifests.storage import Storage
from pipeline import plans
from pipeline.clip import stored_spec
from pipeline.packing.numbering import REPACK
from pipeline.verifying.reading import Tables
from shards.format import Sample
from shards.hashed import HashedFile
from shards.read import scan, scan_file
from shards.write import shard_path, shard_row


class Unsound(Exception):
    """A shard whose rows cannot be made again from it; the text says why."""


def members(storage: Storage, path: str, spec: ClipSpec, stored: bool = False) -> list[str]:
    """Return the clips in a whole shard, or in a tensor that `decode` kept; none if it is not."""
    try:
        with storage.fetched(path, anew=True) as here:
            found = scan(here, path, stored_spec(spec) if stored else spec)
            return [sample.clip_id for sample, _ in found]
    except ValueError:
        return []


def rows_of(dataset: Dataset, found: Tables, name: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of `shards` and `samples` that a shard should have.

    Raises:
        Unsound: it is damaged, or holds other than the tables say.
    """
    scanned: list[tuple[Sample, dict[str, Any]]] = []
    try:
        fetched = dataset.storage.fetched(shard_path(name), anew=True)
        with fetched as path, HashedFile(path) as file:
            for sample, row in scan_file(file, name, dataset.spec):
                scanned.append((_light(sample), row))
            digests = file.digests()
    except (ValueError, OSError) as error:
        raise Unsound(f"it is damaged ({error})") from error
    mine = pc.field("shard") == name
    rows = [row for _, row in scanned]
    for old in found.rows["shards"].filter(mine).to_pylist():
        now = (digests.bytes, digests.sha256, old["xxh3"] and digests.xxh3, len(rows))
        if (old["bytes"], old["sha256"], old["xxh3"], old["samples"]) != now:
            raise Unsound("its row says otherwise")
        _require_same(found, name, rows)
        return {"shards": [], "samples": rows}
    _require_same(found, name, rows)
    _require_asked(found, name, scanned)
    split, generation = _planned(dataset, name)
    versions = _versions(found, name)
    row = shard_row(name, split, len(rows), digests, dataset.spec, generation, versions)
    return {"shards": [row], "samples": rows}


def _light(sample: Sample) -> Sample:
    """The sample without its pixels: a whole shard of them would not fit."""
    return dataclasses.replace(sample, pixels=sample.pixels[:0, :0, :0, :0].copy())


def _require_same(found: Tables, name: str, rows: list[dict[str, Any]]) -> None:
    """What is left of the samples' rows, and pack's outcomes, say the same."""
    known = {row["key"]: row for row in rows}
    mine = pc.field("shard") == name
    for old in found.rows["samples"].filter(mine).to_pylist():
        if known.get(old["key"]) != old:
            raise Unsound(f"sample {old['key']} has another row")
    clips = {row["clip_id"] for row in rows}
    done = tables.finished(found.rows["pack"]).filter(mine)["clip_id"].to_pylist()
    if lost := set(done) - clips:
        raise Unsound(f"it lacks clip {min(lost)}")
    elsewhere = found.rows["samples"].filter(pc.field("shard") != name)["clip_id"].to_pylist()
    if twice := clips & set(elsewhere):
        raise Unsound(f"clip {min(twice)} lies in another shard, too")


def _require_asked(found: Tables, name: str, scanned: list[tuple[Sample, dict[str, Any]]]) -> None:
    """Its clips were packed into it, and are still asked for as they stand in it."""
    rows = tables.finished(found.rows["pack"]).filter(pc.field("shard") == name)
    packed = set(rows["clip_id"].to_pylist()) | set(found.gone.to_pylist())
    names = ("label_id", "label", "video_id", "start_s", "end_s")
    ids = [sample.clip_id for sample, _ in scanned]
    clips = {
        row["clip_id"]: row
        for row in found.rows["clips"].filter(pc.field("clip_id").isin(ids)).to_pylist()
    }
    for sample, _ in scanned:
        if sample.clip_id not in packed:
            raise Unsound(f"pack did not put clip {sample.clip_id} into it")
        row = clips.get(sample.clip_id)
        if row is None or any(getattr(sample, key) != row[key] for key in names):
            raise Unsound(f"clip {sample.clip_id} is asked for otherwise")


def _planned(dataset: Dataset, name: str) -> tuple[str, int]:
    """The split and the generation that the plan gave a shard."""
    for kind in ("pack", REPACK):
        for number in reversed(plans.numbers(dataset, kind)):
            rows = plans.read(dataset, kind, number).filter(pc.field("shard") == name)
            for row in rows.slice(0, 1).to_pylist():
                return row["split"], row["generation"]
    return split_and_number(name)[0], 0


def _versions(found: Tables, name: str) -> dict[str, str]:
    """The versions it was decoded with: those of a clip whose outcome names no other decoder."""
    mine = tables.finished(found.rows["pack"]).filter(pc.field("shard") == name)["versions"]
    told = [json.loads(text) for text in mine.to_pylist() if text]
    told.sort(key=lambda versions: "decoder" in versions)
    return {key: value for key, value in told[0].items() if key != "decoder"} if told else {}
