"""The dataset folder: dataset.toml and the tables beside it, opened, checked and written.

Opening reads dataset.toml alone; each table is read when it is asked for (about 0.3 s for
500,000 clips). `annotate` replaces clips, labels and splits and writes dataset.toml last, so a
folder is annotated whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests import schema, sealed, tables
from manifests.errors import ClipmillError, unknown
from manifests.rows import Annotation
from manifests.spec import ClipSpec
from manifests.storage import Storage, open_storage

FILE = "dataset.toml"
_SINGLE = ("clips", "labels", "splits")
KEYS: dict[str, tuple[str, ...]] = {
    "download": ("clip_id", "attempt"),
    "decode": ("clip_id", "attempt"),
    "pack": ("clip_id", "attempt"),
    "shards": ("shard",),
    "samples": ("clip_id", "view", "shard"),
    "dropped": ("id",),
    "retired": ("shard",),
    "archives": ("url", "reading"),
}
"""What makes a row of a growing table one: kept when parts are merged."""
_ONCE: dict[str, tuple[str, ...]] = {"samples": ("clip_id", "view")}
"""What a reader sees once; after a shard was retired, its clips lie in another one."""


@dataclass(frozen=True)
class Dataset:
    """An annotated dataset folder. `videos` is where `file:` sources lie.

    Every table that it gives lacks the clips that `drop` took out (up to `until`, where it is set):
    this is the one place that leaves them out.
    """

    storage: Storage
    name: str
    seed: int
    spec: ClipSpec
    split_sets: tuple[str, ...]
    videos: str
    annotation: str
    until: datetime | None = None

    @classmethod
    def open(cls, root: str) -> Dataset:
        """Open a root that `clipmill annotate` made.

        Raises:
            ClipmillError: not annotated, damaged, of another version, or an unknown ClipSpec.
        """
        storage = open_storage(root)
        where = f"{storage.root}/{FILE}"
        try:
            values = tomllib.loads(storage.read(FILE).decode())
        except FileNotFoundError:
            raise ClipmillError(
                f"{storage.root} holds no {FILE}; expected a dataset folder. "
                "Make one with `clipmill annotate folder --videos DIR --root DIR`."
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ClipmillError(
                f"{where} is no valid TOML ({error}). Mend it, or remove it and run "
                "`clipmill annotate` again."
            ) from error
        return cls._from_values(storage, values, where)

    @classmethod
    def _from_values(cls, storage: Storage, values: dict[str, Any], where: str) -> Dataset:
        version = values.get("schema")
        if version != schema.VERSION:
            raise ClipmillError(
                f"{where} has schema version {version}; this clipmill reads {schema.VERSION}. "
                "Use the clipmill that wrote it, or annotate into a new folder."
            )
        kinds = {"name": str, "seed": int, "split_sets": list, "videos": str, "annotation": str}
        for key, kind in (kinds | {"spec": dict}).items():
            if not isinstance(values.get(key), kind):
                raise ClipmillError(
                    f"{where}: {key} is {values.get(key)!r}; expected a {kind.__name__}. "
                    "Mend it, or remove it and run `clipmill annotate` again."
                )
        for key in values:
            if key not in kinds and key not in ("schema", "spec"):
                raise unknown(f"key in {where}", key, [*kinds, "schema", "spec"])
        sets = values["split_sets"]
        if not sets or not all(isinstance(name, str) for name in sets):
            raise ClipmillError(f"{where}: split_sets is {sets!r}; expected a list of names.")
        return cls(
            storage,
            values["name"],
            values["seed"],
            ClipSpec.from_dict(values["spec"], where),
            tuple(sets),
            values["videos"],
            values["annotation"],
        )

    def split_set(self, name: str | None) -> str:
        """Return a split set's name, the default one for None."""
        if name is None:
            return self.split_sets[0]
        if name not in self.split_sets:
            raise unknown("split set", name, self.split_sets)
        return name

    @cached_property
    def asked(self) -> pa.Table:
        """Table of the clips asked for, dropped ones among them."""
        return self._single("clips")

    @cached_property
    def clips(self) -> pa.Table:
        """Table of the clips asked for and not dropped."""
        return self._kept(self.asked)

    @cached_property
    def tombstones(self) -> pa.Table:
        """Table of the ids that were dropped, of clips or of videos, with reason and moment."""
        rows = _parts(self.storage, "dropped")
        return rows if self.until is None else rows.filter(pc.field("dropped_at") <= self.until)

    @cached_property
    def dropped(self) -> pa.Array:
        """Ids of the clips that were dropped, by themselves or with their video."""
        ids = self.tombstones["id"].unique()
        if not len(ids):
            return ids
        with_video = self.asked.filter(pc.field("video_id").isin(ids))["clip_id"]
        return pa.concat_arrays([ids, *with_video.chunks]).unique()

    def _kept(self, rows: pa.Table) -> pa.Table:
        """Return the rows of clips that were not dropped."""
        if not len(self.dropped):
            return rows
        return rows.filter(~pc.field("clip_id").isin(self.dropped))

    @cached_property
    def labels(self) -> list[str]:
        """Class names, verbatim, in the order of their label_id."""
        rows = self._single("labels").sort_by("label_id")
        if rows["label_id"].to_pylist() != list(range(len(rows))):
            raise ClipmillError(
                f"{self.storage.root}/manifests/labels.parquet: label_id is not 0, 1, 2, …; "
                "run `clipmill annotate` again."
            )
        return rows["label"].to_pylist()

    @cached_property
    def splits(self) -> pa.Table:
        """Table of (split_set, clip_id, split)."""
        return self._kept(self._single("splits"))

    @cached_property
    def _in_test(self) -> frozenset[str]:
        """Ids of the clips that are in `test` in any split set; none where views are not asked."""
        if self.spec.views == 1:
            return frozenset()
        return frozenset(self.splits.filter(pc.field("split") == "test")["clip_id"].to_pylist())

    def views(self, clip_id: str) -> int:
        """Return how many samples a clip is packed as."""
        return self.spec.views if clip_id in self._in_test else 1

    def splits_of(self, split_set: str | None) -> dict[str, list[str]]:
        """Return clip_id → its splits in one split set: one, but for protocols that leak."""
        rows = self.splits.filter(pc.field("split_set") == self.split_set(split_set))
        found: dict[str, list[str]] = {}
        alone = {split: [split] for split in rows["split"].unique().to_pylist()}  # shared: cheap
        for clip, split in zip(rows["clip_id"].to_pylist(), rows["split"].to_pylist(), strict=True):
            before = found.get(clip)
            found[clip] = alone[split] if before is None else [*before, split]
        return found

    def _single(self, name: str) -> pa.Table:
        path = f"manifests/{name}.parquet"
        try:
            table, metadata = tables.read_single(self.storage, path, name)
        except FileNotFoundError:
            raise ClipmillError(
                f"{self.storage.root}/{path} is missing; run `clipmill annotate` again."
            ) from None
        if metadata.get("clipmill.annotation") != self.annotation:
            raise ClipmillError(
                f"{self.storage.root}/{path} belongs to another annotation than {FILE}: "
                "`clipmill annotate` was interrupted. Run it again."
            )
        return table

    def parts(
        self, name: str, columns: Sequence[str] | None = None, *, dropped: bool = False
    ) -> pa.Table:
        """Return a growing table (outcomes, shards or samples), each key once.

        Rows of dropped clips are left out, unless they are asked for. Of half a million rows a
        few `columns` take a third of the time; the key's must be among them, and `status` where
        there is one.
        """
        rows = _parts(self.storage, name, columns)
        return rows if dropped or "clip_id" not in rows.column_names else self._kept(rows)

    def require_own_shards(self) -> None:
        """Check that every shard was packed with the ClipSpec of dataset.toml.

        Raises:
            ClipmillError: dataset.toml was edited or exchanged after packing.
        """
        rows = self.parts("shards").filter(pc.field("spec") != self.spec.digest)
        if len(rows):
            raise ClipmillError(
                f"shard {rows['shard'][0].as_py()} was packed with ClipSpec "
                f"{rows['spec'][0].as_py()}; dataset.toml says {self.spec.digest}. Put the "
                "dataset.toml back that it was packed with, or annotate into a new folder."
            )

    def append(self, name: str, rows: list[dict[str, Any]]) -> None:
        """Commit rows of a growing table; when it returns, they stay."""
        if rows:
            tables.append(self.storage, f"manifests/{name}", name, tables.from_rows(name, rows))

    def compact(self, name: str) -> None:
        """Merge a growing table's parts once there are many."""
        tables.compact(self.storage, f"manifests/{name}", name, KEYS[name])


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
    dataset = Dataset(
        storage, annotation.name, seed, spec, tuple(annotation.split_sets), videos, mark
    )
    text = _toml(dataset)
    for name in _SINGLE:
        path = f"manifests/{name}.parquet"
        tables.write_single(storage, path, name, contents[name], {"clipmill.annotation": mark})
    storage.write(FILE, text.encode())
    return dataset


def copy_annotation(source: Dataset, target: Dataset) -> None:
    """Write the tables of an annotation into another root, dataset.toml last.

    `target` says what stands in dataset.toml: another ClipSpec, say.
    """
    for name in _SINGLE:
        path = f"manifests/{name}.parquet"
        table = source._single(name)
        mark = {"clipmill.annotation": source.annotation}
        tables.write_single(target.storage, path, name, table, mark)
    target.storage.write(FILE, _toml(target).encode())


def _parts(storage: Storage, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    rows = live_rows(storage, name)
    rows = rows if columns is None else rows.select(columns)
    return tables.unique(rows, _ONCE.get(name, KEYS[name]))


def live_rows(storage: Storage, name: str) -> pa.Table:
    """Return all rows of a growing table, some of them twice; those of retired shards are left out.

    This is the one place that leaves them out.
    """
    rows = tables.read_parts(storage, f"manifests/{name}", name)
    if name not in ("shards", "samples"):
        return rows
    retired = tables.read_parts(storage, "manifests/retired", "retired")["shard"].unique()
    return rows.filter(~pc.field("shard").isin(retired)) if len(retired) else rows


def _require_compatible(storage: Storage, annotation: Annotation, spec: ClipSpec) -> None:
    """What is packed must stay true: its ClipSpec, the classes, and each clip's label.

    The tables of shards and samples are asked, so that a lost or edited dataset.toml changes
    nothing.
    """
    samples = _parts(storage, "samples")
    specs = set(_parts(storage, "shards")["spec"].to_pylist())
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


def _toml(dataset: Dataset) -> str:
    """Return dataset.toml's text."""
    lines = [
        "# Written by `clipmill annotate`; every stage reads it.",
        f"schema = {schema.VERSION}",
        f"name = {_quoted(dataset.name)}",
        f"seed = {dataset.seed}",
        f"split_sets = [{', '.join(map(_quoted, dataset.split_sets))}]",
        f"videos = {_quoted(dataset.videos)}",
        f"annotation = {_quoted(dataset.annotation)}",
        "",
        "[spec]",
        *(f"{key} = {json.dumps(value)}" for key, value in dataset.spec.as_dict().items()),
    ]
    return sealed.seal_text("\n".join(lines) + "\n")


def _quoted(text: str) -> str:
    """Return a TOML string: JSON's, but letters of every script stay as they are, and DEL not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ClipmillError(
            f"{text!r} is not valid Unicode; expected a name that can stand in {FILE}. "
            "Rename the folder."
        ) from None
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
