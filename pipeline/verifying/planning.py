"""What `--fix` will do about the problems that were found, and what it leaves and why.

Nothing is changed here; whole shards without rows are read once. Nothing that is sound goes: a
damaged shard stays until each of its clips can be made again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests import leftovers, tables
from manifests.dataset import Dataset
from pipeline.acquiring.locate import InRoot, Places
from pipeline.verifying.problem import Kind, Problem
from pipeline.verifying.rescue import Unsound, members, rows_of
from pipeline.verifying.verify import Checked
from shards.write import shard_path

_TABLES = "see to the damaged tables first: they say what can be made again"
Rows = Mapping[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: to what, in words, and the rows that a rescued shard gets."""

    kind: Kind
    name: str
    words: str
    rows: Rows = field(default_factory=dict)


@dataclass
class Plan:
    """The steps, and the problems that stay, with why."""

    steps: list[Step] = field(default_factory=list)
    left: list[tuple[Problem, str]] = field(default_factory=list)


def plan(checked: Checked, dataset: Dataset) -> Plan:
    """Return what to do; each thing once."""
    planner = Planner(checked, dataset)
    made = Plan()
    decided: dict[tuple[str, str], Step | str] = {}
    retired = {one.mend.name for one in checked.problems if one.mend and one.mend.kind == "shard"}
    for problem in checked.problems:
        if problem.mend is None:
            made.left.append((problem, problem.cure))
            continue
        kind, name = problem.mend
        if kind == "file" and planner.named(name):
            kind, name = "rows", name.rpartition("/")[2]
        if kind == "rows" and name in retired:
            kind = "shard"
        if (kind, name) not in decided:
            decided[kind, name] = planner.decide(kind, name)
        if isinstance(words := decided[kind, name], str):
            made.left.append((problem, words))
    made.steps = [step for step in decided.values() if isinstance(step, Step)]
    return made


class Planner:
    """Decides about one thing at a time: a step, or words why there is none."""

    def __init__(self, checked: Checked, dataset: Dataset) -> None:
        self._checked, self._dataset = checked, dataset
        self._tables, self._there = checked.tables, checked.there
        self._bad = {
            one.mend.name
            for one in checked.problems
            if one.mend and one.mend.kind in ("tensor", "video")
        }

    def named(self, path: str) -> bool:
        """Whether a file without a row is a shard that samples or outcomes lie in."""
        folder, _, name = path.rpartition("/")
        return folder == "shards" and name in self._named and name not in self._retired

    def decide(self, kind: Kind, name: str) -> Step | str:
        """Return the step for a thing, or why it is left."""
        return {
            "shard": self._shard,
            "rows": self._rescue,
            "tensor": self._tensor,
            "video": self._video,
            "file": self._file,
        }[kind](name)

    def _shard(self, name: str) -> Step | str:
        """A shard is retired once all its clips can be made again, or nothing is left of it."""
        if not self._tables.whole("clips", "download", "decode", "pack", "retired"):
            return _TABLES
        clips = self._clips_of(name)
        words = (
            f"retire it and remove its file; `clipmill pack` makes its {len(clips):,} clips again"
        )
        lost = [clip for clip in clips if clip not in self._possible]
        if lost and shard_path(name) in self._there:
            return (
                f"{len(lost):,} of its {len(clips):,} clips could not be made again: their videos "
                f"are not here ({lost[0]}, for example). Bring those (`clipmill download`), or put "
                "the shard back from a copy"
            )
        return Step("shard", name, words)

    def _rescue(self, name: str) -> Step | str:
        """Rows of a whole shard are made again from it; what is not whole is retired."""
        if not self._tables.whole("shards", "samples", "clips", "pack", "retired", "plans"):
            return _TABLES
        if shard_path(name) not in self._there:
            return self._shard(name)
        try:
            rows = rows_of(self._dataset, self._tables, name)
        except Unsound as error:
            step = self._shard(name)
            return step if isinstance(step, Step) else f"{error}; {step}"
        words = f"make its rows again from it ({len(rows['samples']):,} samples)"
        return Step("rows", name, words, rows)

    def _tensor(self, path: str) -> Step | str:
        if not self._tables.whole("decode"):
            return _TABLES
        return Step("tensor", path, "remove it; `clipmill pack` decodes the clip from its video")

    def _video(self, path: str) -> Step | str:
        if not self._tables.whole("download"):
            return _TABLES
        return Step("video", path, "remove it; `clipmill download` brings it again")

    def _file(self, path: str) -> Step | str:
        """A file that no table knows goes, unless it is whole and holds what is nowhere else."""
        folder, _, name = path.rpartition("/")
        if leftovers.TEMPORARY.fullmatch(name):
            return Step("file", path, "remove it: its process is dead")
        if folder == "shards" and name in self._retired:
            return Step("file", path, "remove it: it was retired")
        spec = self._dataset.spec
        if folder == "shards":
            clips = members(self._dataset.storage, path, spec)
            nowhere = [clip for clip in clips if clip in self._asked and clip not in self._packed]
        else:
            clips = members(self._dataset.storage, path, spec, stored=True)
            nowhere = [clip for clip in clips if clip in self._asked and clip not in self._decoded]
        if nowhere:
            stage = "pack" if folder == "shards" else "decode"
            return (
                f"it is whole and holds {len(nowhere):,} clips that no table has: "
                f"`clipmill {stage}` takes it over if it is of its plan; else look at it, then "
                "remove it"
            )
        return Step("file", path, "remove it: no table knows it, and nothing is in it alone")

    def _clips_of(self, name: str) -> list[str]:
        """The clips of a shard that are asked for, by its samples and by what pack recorded."""
        mine = pc.field("shard") == name
        rows = self._tables.rows
        clips = {*rows["samples"].filter(mine)["clip_id"].to_pylist()}
        clips |= {*tables.finished(rows["pack"]).filter(mine)["clip_id"].to_pylist()}
        return sorted(clips & self._asked)

    @cached_property
    def _named(self) -> set[str]:
        rows = self._tables.rows
        packed = tables.finished(rows["pack"])["shard"].unique().to_pylist()
        return {*rows["samples"]["shard"].unique().to_pylist(), *packed}

    @cached_property
    def _retired(self) -> set[str]:
        return set(self._tables.rows["retired"]["shard"].to_pylist())

    @cached_property
    def _asked(self) -> set[str]:
        gone = set(self._tables.gone.to_pylist())
        return set(self._tables.rows["clips"]["clip_id"].to_pylist()) - gone

    @cached_property
    def _packed(self) -> set[str]:
        rows = self._tables.rows["samples"]
        recorded = self._tables.rows["shards"]["shard"].combine_chunks()
        return set(rows.filter(pc.field("shard").isin(recorded))["clip_id"].to_pylist())

    @cached_property
    def _decoded(self) -> set[str]:
        return set(self._tables.rows["decode"]["clip_id"].to_pylist())

    @cached_property
    def _possible(self) -> set[str]:
        """Clips that can be made again: a sound tensor is here, or a video of the same length."""
        tensors = tables.finished(self._tables.rows["decode"]).select(["clip_id", "path", "bytes"])
        found = {
            row["clip_id"]
            for row in tensors.to_pylist()
            if row["path"] not in self._bad and self._there.get(row["path"]) == row["bytes"]
        }
        acquired = tables.finished(self._tables.rows["download"])
        # `pack` goes by these rows, so a clip without one is not packed, tensor or not.
        found &= set(acquired["clip_id"].to_pylist())
        return found | self._with_video(acquired.select(["clip_id", "path", "bytes"]))

    def _with_video(self, acquired: pa.Table) -> set[str]:
        clips = self._tables.rows["clips"]
        sources = dict(zip(clips["clip_id"].to_pylist(), clips["source"].to_pylist(), strict=True))
        places, lengths = Places.of(self._dataset), {}
        found = set()
        for row in acquired.to_pylist():
            source, path = sources.get(row["clip_id"], ""), row["path"]
            if not path or path in self._bad:
                continue
            if path not in lengths:
                file = places.acquired(source, path)
                try:
                    own = isinstance(file, InRoot)
                    lengths[path] = self._there.get(path) if own else file.stat().st_size
                except OSError:
                    lengths[path] = None
            if lengths[path] is not None and lengths[path] == row["bytes"]:
                found.add(row["clip_id"])
        return found
