"""A new dataset folder beside an old one: the same tables, another codec, no shard yet.

What is carried over is what later commands ask for: clips, labels, splits, drops, what became of
downloads, and the clips that could not be packed. Doing it again adds what has come since.
"""

from __future__ import annotations

import dataclasses

import pyarrow as pa
import pyarrow.compute as pc

from manifests import tables
from manifests.annotations import copy_annotation
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.growing import KEYS
from manifests.header import FILE
from manifests.spec import ClipSpec
from manifests.storage import open_storage
from pipeline.acquiring.locate import is_own


def spec_for(spec: ClipSpec, codec: str | None) -> ClipSpec:
    """Return the ClipSpec of the new folder.

    Raises:
        ClipmillError: pixels that jpeg has changed would be passed off as exact.
    """
    if spec.codec == "jpeg" and codec == "raw":
        raise ClipmillError(
            "these shards hold jpeg strips; raw says that pixels are exact, and the strips have "
            "lost what was exact. Annotate into a new folder with --codec raw and pack from the "
            "videos."
        )
    return dataclasses.replace(spec, codec=codec or spec.codec)


def destination(source: Dataset, out: str, codec: str | None) -> Dataset:
    """Return the folder that is to be made or gone on with; nothing is written.

    Raises:
        ClipmillError: `out` is the source itself, or holds another data set.
    """
    spec, storage = spec_for(source.spec, codec), open_storage(out)
    if storage.root == source.storage.root:
        raise ClipmillError(
            f"--out {out} is the folder to repack; expected another one. Shards never change."
        )
    target = Dataset(storage, dataclasses.replace(source.header, spec=spec))
    if storage.size(FILE) is not None:
        _require_same(target, Dataset.open(out))
    else:
        _require_empty(target)
    return target


def carry(source: Dataset, out: str, codec: str | None) -> Dataset:
    """Make the folder, or go on with it, and return it.

    Raises:
        ClipmillError: as `destination` does.
    """
    target = destination(source, out, codec)
    storage = target.storage
    if storage.size(FILE) is None:
        copy_annotation(source, target)
    for name in ("download", "dropped", "pack"):
        there = target.parts(name, dropped=True)
        new = _without(_wanted(source, name), there, KEYS[name])
        if name == "pack":  # what is packed there stays so, whatever became of it in the source
            new = _without(new, tables.finished(there), ("clip_id",))
        if len(new):
            tables.append(storage, f"manifests/{name}", name, new)
    return Dataset.open(out)


def _require_same(wanted: Dataset, found: Dataset) -> None:
    found.spec.require(wanted.spec, found.storage.root, "this repack")
    if (found.annotation, found.name, found.seed) != (wanted.annotation, wanted.name, wanted.seed):
        raise ClipmillError(
            f"{found.storage.root} holds the data set {found.name!r} of annotation "
            f"{found.annotation}; expected {wanted.name!r} of {wanted.annotation}. Give a new "
            "folder by --out."
        )


def _require_empty(target: Dataset) -> None:
    if target.storage.list("shards"):
        raise ClipmillError(
            f"{target.storage.root} holds shards and no {FILE}; expected a new folder. "
            "Give another one by --out."
        )


def _wanted(source: Dataset, name: str) -> pa.Table:
    """Return the rows of a table that the new folder needs."""
    rows = source.parts(name, dropped=name == "dropped")
    if name == "pack":
        last = tables.latest(rows)
        return last.filter(pc.field("status") != "done")
    if name != "download":
        return rows
    # A video under the old root is not under the new one: a clip that is still to be packed there
    # has none, and the row of another names no file.
    packed = set(source.parts("samples", ("clip_id", "view"))["clip_id"].to_pylist())
    sources = dict(
        zip(source.asked["clip_id"].to_pylist(), source.asked["source"].to_pylist(), strict=True)
    )
    clips, paths = rows["clip_id"].to_pylist(), rows["path"].to_pylist()
    here = [is_own(sources.get(clip, ""), path) for clip, path in zip(clips, paths, strict=True)]
    kept = [None if own else path for own, path in zip(here, paths, strict=True)]
    place = rows.schema.get_field_index("path")
    rows = rows.set_column(place, rows.schema.field(place), pa.array(kept, pa.string()))
    return tables.keep(
        rows, (clip in packed or not own for clip, own in zip(clips, here, strict=True))
    )


def _without(rows: pa.Table, there: pa.Table, keys: tuple[str, ...]) -> pa.Table:
    known = set(zip(*(there[key].to_pylist() for key in keys), strict=True))
    mine = zip(*(rows[key].to_pylist() for key in keys), strict=True)
    return tables.keep(rows, (key not in known for key in mine))
