"""The dataset folder: dataset.toml and the tables beside it, opened, checked and added to.

Opening reads dataset.toml alone; each table is read when it is asked for (about 0.3 s for
500,000 clips).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests import tables
from manifests.errors import ClipmillError, unknown
from manifests.growing import KEYS, counting_rows
from manifests.header import FILE, Header
from manifests.spec import ClipSpec
from manifests.storage import Storage, open_storage


@dataclass(frozen=True)
class Dataset:
    """An annotated dataset folder.

    Every table that it gives lacks the clips that `drop` took out (up to `until`, where it is set):
    this is the one place that leaves them out.
    """

    storage: Storage
    header: Header
    until: datetime | None = None

    @classmethod
    def open(cls, root: str) -> Dataset:
        """Open a root that `clipmill annotate` made.

        Raises:
            ClipmillError: not annotated, damaged, of another version, or an unknown ClipSpec.
        """
        storage = open_storage(root)
        try:
            text = storage.read(FILE)
        except FileNotFoundError:
            raise ClipmillError(
                f"{storage.root} holds no {FILE}; expected a dataset folder. "
                "Make one with `clipmill annotate folder --videos DIR --root DIR`."
            ) from None
        return cls(storage, Header.read(text, f"{storage.root}/{FILE}"))

    @property
    def name(self) -> str:
        """The data set's name."""
        return self.header.name

    @property
    def seed(self) -> int:
        """What the order of clips is drawn from."""
        return self.header.seed

    @property
    def spec(self) -> ClipSpec:
        """How its clips are stored."""
        return self.header.spec

    @property
    def split_sets(self) -> tuple[str, ...]:
        """Names of its split sets, the default one first."""
        return self.header.split_sets

    @property
    def videos(self) -> str:
        """Where `file:` sources lie."""
        return self.header.videos

    @property
    def annotation(self) -> str:
        """The digest that its tables of clips, labels and splits carry."""
        return self.header.annotation

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
        return self.single("clips")

    @cached_property
    def clips(self) -> pa.Table:
        """Table of the clips asked for and not dropped."""
        return self._kept(self.asked)

    @cached_property
    def tombstones(self) -> pa.Table:
        """Table of the ids that were dropped, of clips or of videos, with reason and moment."""
        rows = counting_rows(self.storage, "dropped")
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
        rows = self.single("labels").sort_by("label_id")
        if rows["label_id"].to_pylist() != list(range(len(rows))):
            raise ClipmillError(
                f"{self.storage.root}/manifests/labels.parquet: label_id is not 0, 1, 2, …; "
                "run `clipmill annotate` again."
            )
        return rows["label"].to_pylist()

    @cached_property
    def splits(self) -> pa.Table:
        """Table of (split_set, clip_id, split)."""
        return self._kept(self.single("splits"))

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

    def clips_of(self, split: str, split_set: str | None) -> pa.Array:
        """Return the ids of a split's clips in one split set."""
        chosen = (pc.field("split_set") == self.split_set(split_set)) & (pc.field("split") == split)
        # Not kept: a trainer has no other use for 36 bytes of each clip.
        kept = "splits" in self.__dict__
        rows = self.splits if kept else self._kept(self.single("splits"))
        return rows.filter(chosen)["clip_id"].combine_chunks()

    def single(self, name: str) -> pa.Table:
        """Return clips, labels or splits as annotate wrote them.

        Raises:
            ClipmillError: missing, or of another annotation than dataset.toml.
        """
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
        rows = counting_rows(self.storage, name, columns)
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
