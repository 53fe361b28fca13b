"""All tables of a root, part by part: a damaged one is a problem, and the others are still read.

Each part's seal is checked (manifests/sealed.py). About three seconds for 500,000 clips.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from manifests import schema, sealed, tables
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.growing import APART, KEYS, contradicted
from manifests.header import FILE
from manifests.storage import Storage
from pipeline import plans
from pipeline.verifying.problem import FIX, Problem

SINGLE = ("clips", "labels", "splits")
GROWING = (
    "download", "decode", "pack", "shards", "samples", "retired", "dropped", "archives",
)  # fmt: skip
_ROUNDS = 10
_BACK = "Put it back from a copy"
_ROWS = f"{_BACK}, or remove it and run {FIX}: it makes the rows of whole shards again from them"
_CURES = {
    "download": f"{_BACK}, or remove it and run `clipmill download`, which looks at files again",
    "decode": f"{_BACK}, or remove it and run `clipmill decode`, which takes over whole tensors",
    "pack": f"{_BACK}, or remove it and run `clipmill pack`, which takes over whole shards",
    "shards": _ROWS,
    "samples": _ROWS,
    "retired": f"{_BACK}, or remove it and run {FIX} again",
    "dropped": f"{_BACK}; without one remove it and drop the same ids again before anything else",
    "archives": f"{_BACK}, or remove it: the archives are then read again when they are needed",
}
_ANNOTATE = "Put it back from a copy, or run the same `clipmill annotate` again"
_PLAN = (
    "Put it back from a copy, or remove it: the stage's next run makes a new plan of what is "
    "still to be done"
)


@dataclass
class Tables:
    """What could be read: `rows` by table, each key once; `damaged` are those that lack some.

    `gone` are the ids of dropped clips.
    """

    rows: dict[str, pa.Table] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    gone: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))

    def whole(self, *names: str) -> bool:
        """Whether nothing of these tables is lost."""
        return not self.damaged & set(names)


def read_tables(storage: Storage, dataset: Dataset | None) -> Tables:
    """Read everything; without a dataset.toml that can be read, all but what depends on it."""
    found = Tables()
    if dataset is not None and not sealed.text_intact(storage.read(FILE)):
        found.problems.append(
            Problem(FILE, "is not as `annotate` wrote it (its last line tells)", _ANNOTATE + ".")
        )
    for name in SINGLE:
        _read_single(storage, dataset, name, found)
    for name in GROWING:
        _read_growing(storage, name, found)
    _read_plans(storage, found)
    _leave_out(found)
    return found


def _read(storage: Storage, path: str, name: str, cure: str) -> tuple[pa.Table, dict[str, str]]:
    """Read one file; ClipmillError when it is damaged or carries no seal."""
    data = storage.read(path)
    rows, metadata = tables.decode(name, data, path)
    if sealed.intact(data) is None:
        raise ClipmillError("carries no seal: damaged, or written by an early clipmill")
    return rows, metadata


def _problem(path: str, error: ClipmillError, cure: str) -> Problem:
    text = str(error).removeprefix(f"{path} ").partition("; expected")[0]
    return Problem(path, text, cure + ("" if cure.endswith(".") else "."))


def _read_single(storage: Storage, dataset: Dataset | None, name: str, found: Tables) -> None:
    path = f"manifests/{name}.parquet"
    found.rows[name] = schema.TABLES[name].empty_table()
    try:
        rows, metadata = _read(storage, path, name, _ANNOTATE)
        if dataset and metadata.get("clipmill.annotation") != dataset.annotation:
            raise ClipmillError(f"belongs to another annotation than {FILE}")
        found.rows[name] = rows
    except FileNotFoundError:
        found.damaged.add(name)
        found.problems.append(Problem(path, "is missing", _ANNOTATE + "."))
    except ClipmillError as error:
        found.damaged.add(name)
        found.problems.append(_problem(path, error, _ANNOTATE))


def _read_growing(storage: Storage, name: str, found: Tables) -> None:
    """Read the parts that no other one replaces; listed again while compaction moves them."""
    folder = f"manifests/{name}"
    parts: dict[str, pa.Table] = {}
    dead: set[str] = set()
    wrong: dict[str, Problem] = {}
    for _ in range(_ROUNDS):
        listed = [part for part in storage.list(folder) if part.endswith(".parquet")]
        new = [part for part in listed if part not in parts and part not in wrong]
        moved = False
        for part in new:
            path = f"{folder}/{part}"
            try:
                rows, metadata = _read(storage, path, name, _CURES[name])
                dead.update(schema.replaced(metadata, path))
                parts[part] = rows
            except FileNotFoundError:
                moved = True
            except ClipmillError as error:
                wrong[part] = _problem(path, error, _CURES[name])
        if not moved:
            break
    if wrong:
        found.damaged.add(name)
        found.problems += wrong.values()
    live = [rows for part, rows in parts.items() if part not in dead]
    rows = pa.concat_tables([schema.TABLES[name].empty_table(), *live])
    if name == "shards" and (several := contradicted(rows)):
        found.damaged.add(name)
        what = "has two rows that differ"
        found.problems += [Problem(f"shards/{shard}", what, APART) for shard in several]
        rows = rows.filter(~pc.field("shard").isin(pa.array(several)))  # either may be the file's
    found.rows[name] = tables.unique(rows, KEYS[name])


def _read_plans(storage: Storage, found: Tables) -> None:
    for name in storage.list(plans.FOLDER):
        table, path = plans.table_of(name.rpartition("-")[0]), f"{plans.FOLDER}/{name}"
        if table not in schema.TABLES:
            continue
        try:
            _read(storage, path, table, _PLAN)
        except FileNotFoundError:
            continue
        except ClipmillError as error:
            found.damaged.add("plans")
            found.problems.append(_problem(path, error, _PLAN))


def _leave_out(found: Tables) -> None:
    """Take out the rows of retired shards, and of outcomes those of dropped clips.

    Samples of dropped clips stay: they are in their shards.
    """
    retired = found.rows["retired"]["shard"].unique()
    for name in ("shards", "samples"):
        rows = found.rows[name]
        found.rows[name] = rows.filter(~pc.field("shard").isin(retired))
    ids, clips = found.rows["dropped"]["id"].unique(), found.rows["clips"]
    if len(ids):
        with_video = clips.filter(pc.field("video_id").isin(ids))["clip_id"]
        found.gone = ids = pa.chunked_array([ids, *with_video.chunks]).unique()
        for name in ("download", "decode", "pack"):
            found.rows[name] = found.rows[name].filter(~pc.field("clip_id").isin(ids))
