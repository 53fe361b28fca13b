"""The exact clips that are packed now, as one parquet file with a digest to cite.

The digest is the sha256 of the rows in the order of clip_id, written as JSON lines after a line
with the ClipSpec: it says nothing of shards, order or jobs, so the same data packed anywhere has
the same one. 500,000 clips take some 5 s.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests import schema, tables
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.local import LocalStorage
from manifests.spec import ClipSpec
from pipeline.clip import digest_of

TABLE = "frozen"
FORMAT = "clipmill-frozen-1"
ENDING = ".parquet"
_CLIP_COLUMNS = ("clip_id", "label", "label_id", "video_id", "source", "start_s", "end_s")


def frozen_rows(dataset: Dataset, split_set: str | None) -> pa.Table:
    """Return the packed clips that are not dropped, sorted: one row for each split of a clip.

    A clip that the split set leaves aside has one row without a split.
    """
    samples = _one_a_clip(dataset.parts("samples").select(["clip_id", "view", "xxh3"]))
    chosen = pc.field("split_set") == dataset.split_set(split_set)
    splits = dataset.splits.filter(chosen).select(["clip_id", "split"])
    clips = dataset.clips.select([*_CLIP_COLUMNS])
    rows = samples.join(clips, "clip_id", join_type="inner")
    rows = rows.join(splits, "clip_id", join_type="left outer")
    rows = rows.select(schema.TABLES[TABLE].names).cast(schema.TABLES[TABLE])
    return rows.sort_by([("clip_id", "ascending"), ("split", "ascending")])


def _one_a_clip(samples: pa.Table) -> pa.Table:
    """Return (clip_id, xxh3): of a clip with several views one digest over theirs, in order."""
    several = samples.filter(pc.field("view") > 0)["clip_id"].unique()
    plain = samples.select(["clip_id", "xxh3"])
    if not len(several):
        return plain
    views: dict[str, list[dict[str, str]]] = {}
    for row in plain.filter(pc.field("clip_id").isin(several)).to_pylist():
        views.setdefault(row["clip_id"], []).append(row)
    joint = {"clip_id": [*views], "xxh3": [digest_of(rows) for rows in views.values()]}
    rest = plain.filter(~pc.field("clip_id").isin(several))
    return pa.concat_tables([rest, pa.table(joint, schema=plain.schema)])


def lines(rows: pa.Table) -> Iterator[tuple[str, bytes]]:
    """Yield each row's clip_id and its canonical line."""
    for batch in rows.to_batches(max_chunksize=4096):
        for row in batch.to_pylist():
            text = json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
            yield row["clip_id"], text.encode() + b"\n"


def digest(rows: pa.Table, spec: ClipSpec) -> str:
    """Return the sha256 that names these clips, stored with this ClipSpec."""
    header = {"format": FORMAT, "spec": spec.as_dict()}
    state = hashlib.sha256(json.dumps(header, sort_keys=True, separators=(",", ":")).encode())
    state.update(b"\n")
    for _, line in lines(rows):
        state.update(line)
    return state.hexdigest()


def freeze(dataset: Dataset, out: Path, split_set: str | None) -> dict[str, Any]:
    """Write what is there now to `out` and return its numbers and its digest.

    Raises:
        ClipmillError: nothing is packed, or `out` is not called .parquet.
    """
    if out.suffix != ENDING:
        raise ClipmillError(f"--out {out}; expected a file that ends in {ENDING}.")
    dataset.require_own_shards()
    rows = frozen_rows(dataset, split_set)
    if not len(rows):
        raise ClipmillError(
            f"{dataset.storage.root} holds no packed clip. `clipmill status --root DIR` says why."
        )
    name = digest(rows, dataset.spec)
    metadata = {
        "clipmill.digest": name,
        "clipmill.name": dataset.name,
        "clipmill.spec": json.dumps(dataset.spec.as_dict(), sort_keys=True),
        "clipmill.split_set": dataset.split_set(split_set),
    }
    place = out.absolute()
    tables.write_single(LocalStorage(place.parent), place.name, TABLE, rows, metadata)
    counts = rows.group_by("split").aggregate([([], "count_all")]).to_pylist()
    return {
        "file": str(out),
        "sha256": name,
        "split_set": metadata["clipmill.split_set"],
        "clips": pc.count_distinct(rows["clip_id"]).as_py(),  # type: ignore[attr-defined]
        "splits": {row["split"] or "unsplit": row["count_all"] for row in counts},
    }


def show(report: dict[str, Any], ui: Ui) -> None:
    """Say what was frozen, and under which name to cite it."""
    splits = sorted(report["splits"].items())
    rows = [("clips", report["clips"]), *splits]
    ui.table(f"{report['file']} ({report['split_set']})", ("what", "clips"), rows)
    ui.note(f"To cite: sha256:{report['sha256']}")
