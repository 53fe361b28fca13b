"""Writing what `annotate` found: clips, labels and splits, and dataset.toml last of all.

So a folder is annotated whole or not at all. What is packed must stay true: its labels and its
ClipSpec are held against the new ones first. About 2 s for 500,000 clips.
"""

from __future__ import annotations

import hashlib

import pyarrow as pa

from manifests import tables
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.growing import counting_rows
from manifests.header import FILE, Header
from manifests.rows import Annotation
from manifests.spec import ClipSpec
from manifests.storage import Storage, open_storage

_SINGLE = ("clips", "labels", "splits")


def annotate(root: str, annotation: Annotation, spec: ClipSpec, seed: int, videos: str) -> Dataset:
    """Write clips, labels, splits, then dataset.toml, and return the dataset.

    Annotating again is welcome while nothing is packed; afterwards labels and ClipSpec must stay.

    Raises:
        ClipmillError: the root holds shards made with other labels or another ClipSpec, whether
            or not its dataset.toml is still there.
    """
    storage = open_storage(root)
    _require_compatible(storage, annotation, spec)
    contents = {
        name: tables.from_records(name, rows)
        for name, rows in (
            ("clips", annotation.clips),
            ("labels", annotation.labels),
            ("splits", annotation.splits),
        )
    }
    digest = hashlib.sha256()
    for name in _SINGLE:
        digest.update(tables.encode(name, contents[name]))
    mark = digest.hexdigest()[:16]
    header = Header(annotation.name, seed, spec, tuple(annotation.split_sets), videos, mark)
    text = header.text()  # before anything is written: a name may be none that can stand there
    for name in _SINGLE:
        path = f"manifests/{name}.parquet"
        tables.write_single(storage, path, name, contents[name], {"clipmill.annotation": mark})
    storage.write(FILE, text.encode())
    return Dataset(storage, header)


def copy_annotation(source: Dataset, target: Dataset) -> None:
    """Write the tables of an annotation into another root, dataset.toml last.

    `target` says what stands in dataset.toml: another ClipSpec, say.
    """
    for name in _SINGLE:
        path = f"manifests/{name}.parquet"
        table = source.single(name)
        mark = {"clipmill.annotation": source.annotation}
        tables.write_single(target.storage, path, name, table, mark)
    target.storage.write(FILE, target.header.text().encode())


def _require_compatible(storage: Storage, annotation: Annotation, spec: ClipSpec) -> None:
    """What is packed must stay true: its ClipSpec, the classes, and each clip's label.

    The tables of shards and samples are asked, so that a lost or edited dataset.toml changes
    nothing.
    """
    samples = counting_rows(storage, "samples")
    specs = set(counting_rows(storage, "shards")["spec"].to_pylist())
    old = Dataset.open(storage.root).spec if storage.size(FILE) is not None else None
    if not len(samples) and not specs:
        return
    if old is not None and specs <= {old.digest}:
        old.require(spec, f"the shards in {storage.root}", "this annotate")
    if others := sorted(specs - {spec.digest}):
        raise ClipmillError(
            f"{storage.root} holds shards of ClipSpec {others[0]}; this annotate asks for "
            f"{spec.digest}. Annotate with the options they were packed with, or into a new folder."
        )
    names = [label.label for label in annotation.labels]
    old_names = _labels_or_none(storage)
    if old_names not in (None, names):
        raise ClipmillError(
            f"{storage.root} holds shards of {len(old_names or ())} classes that differ from the "
            f"{len(names)} classes found now. Annotate into a new folder."
        )
    _require_labels(storage, annotation, samples, names)


def _require_labels(
    storage: Storage, annotation: Annotation, samples: pa.Table, names: list[str]
) -> None:
    """Each packed clip that is asked for again keeps the label that its shard holds."""
    wanted = {clip.clip_id: clip.label_id for clip in annotation.clips}
    packed = zip(samples["clip_id"].to_pylist(), samples["label_id"].to_pylist(), strict=True)
    wrong = [
        (clip, label_id, wanted[clip])
        for clip, label_id in packed
        if clip in wanted and wanted[clip] != label_id
    ]
    if wrong:
        clip, before, now = wrong[0]
        raise ClipmillError(
            f"clip {clip} is packed in {storage.root} with the label {_named(before, names)}; the "
            f"list now says {_named(now, names)} ({len(wrong):,} clips differ). Shards keep their "
            "labels: annotate into a new folder and pack there."
        )


def _named(label_id: int | None, names: list[str]) -> str:
    if label_id is None:
        return "(no label)"
    return repr(names[label_id]) if 0 <= label_id < len(names) else f"number {label_id}"


def _labels_or_none(storage: Storage) -> list[str] | None:
    """Labels of a root with shards, or None where they are lost: whatever dataset.toml says."""
    try:
        table, _ = tables.read_single(storage, "manifests/labels.parquet", "labels")
    except (ClipmillError, FileNotFoundError):
        return None
    return table.sort_by("label_id")["label"].to_pylist()
