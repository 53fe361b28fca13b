"""The tables held against one another. No file is read; a second for 500,000 clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from manifests import tables
from pipeline.verifying.problem import PACK_ANEW, ROWS, Mend, Problem
from pipeline.verifying.reading import Tables
from shards.write import shard_path


def against_each_other(found: Tables) -> Iterator[Problem]:
    """Yield what contradicts; what a damaged table would tell is left out."""
    if found.whole("shards", "samples"):
        yield from _samples_and_shards(found)
    if found.whole("clips"):
        yield from _samples_and_clips(found)
    if found.whole("samples"):
        yield from _outcomes(found)
        yield from _twice(found.rows["samples"])
    if found.whole("pack", "dropped", "clips"):
        yield from _unrecorded(found)


def _samples_and_shards(found: Tables) -> Iterator[Problem]:
    """Every sample lies in a shard that has a row, and inside it; each shard has all of its."""
    shards = {row["shard"]: row for row in found.rows["shards"].to_pylist()}
    samples = found.rows["samples"]
    lost = samples.filter(~pc.field("shard").isin(pa.array([*shards], pa.string())))
    for row in lost.select(["clip_id", "shard"]).to_pylist():
        what = f"its shard {row['shard']} has no row"
        yield Problem(row["clip_id"], what, ROWS, Mend("rows", row["shard"]))
    counts = Counter(samples["shard"].to_pylist())
    for name, row in sorted(shards.items()):
        if counts[name] != row["samples"]:
            what = f"has {counts[name]} rows in samples; its row says {row['samples']}"
            yield Problem(shard_path(name), what, ROWS, Mend("rows", name))


def _samples_and_clips(found: Tables) -> Iterator[Problem]:
    """Every sample is a clip that was asked for, with the label it was asked for."""
    clips, samples = found.rows["clips"], found.rows["samples"]
    labels = dict(zip(clips["clip_id"].to_pylist(), clips["label_id"].to_pylist(), strict=True))
    packed = zip(samples["clip_id"].to_pylist(), samples["label_id"].to_pylist(), strict=True)
    for clip, label_id in packed:
        if clip not in labels:
            yield Problem(clip, "packed but not in clips", "annotate as it was packed")
        elif labels[clip] != label_id:
            what = f"packed as label {label_id}, clips say {labels[clip]}"
            yield Problem(clip, what, "annotate as it was packed")


def _outcomes(found: Tables) -> Iterator[Problem]:
    """Every clip that was packed has its sample."""
    retired = found.rows["retired"]["shard"].unique()
    done = tables.finished(found.rows["pack"]).select(["clip_id", "shard"])
    done = done.filter(~pc.field("shard").isin(retired))
    there = pa.array(found.rows["samples"]["clip_id"].to_pylist(), pa.string())
    for row in done.filter(~pc.field("clip_id").isin(there)).to_pylist():
        what = f"packed into {row['shard']}, but has no row in samples"
        yield Problem(row["clip_id"], what, ROWS, Mend("rows", row["shard"]))


def _twice(samples: pa.Table) -> Iterator[Problem]:
    """No clip lies in two shards."""
    pairs = samples.group_by(["clip_id"]).aggregate([("shard", "count_distinct")])
    for row in pairs.filter(pc.field("shard_count_distinct") > 1).to_pylist():
        what = f"lies in {row['shard_count_distinct']} shards"
        yield Problem(row["clip_id"], what, PACK_ANEW)


def _unrecorded(found: Tables) -> Iterator[Problem]:
    """Every sample of a clip that is asked for was recorded by `pack`."""
    samples, pack = found.rows["samples"], found.rows["pack"]
    asked = found.rows["clips"]["clip_id"].filter(
        pc.invert(pc.is_in(found.rows["clips"]["clip_id"], value_set=found.gone))  # type: ignore[attr-defined]
    )
    known = pack["clip_id"].unique()
    lost = samples.filter(
        pc.field("clip_id").isin(asked.combine_chunks()) & ~pc.field("clip_id").isin(known)
    )
    for row in lost.select(["clip_id", "shard"]).to_pylist():
        what = f"lies in {row['shard']}, but pack has no outcome of it"
        yield Problem(row["clip_id"], what, "`clipmill pack` takes over its whole shard")
