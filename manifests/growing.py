"""The tables that grow: what makes a row one, and whose rows count.

A shard that `verify --fix` took out is retired: its rows and those of its samples stay in their
parts and are left out here, the one place that does.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from manifests import tables
from manifests.errors import ClipmillError
from manifests.storage import Storage

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
ONCE: dict[str, tuple[str, ...]] = {"samples": ("clip_id", "view")}
"""What a reader sees once; after a shard was retired, its clips lie in another one."""


def counting_rows(storage: Storage, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the rows of a growing table that count, each key once."""
    rows = live_rows(storage, name)
    if name == "shards":
        for shard in contradicted(rows)[:1]:
            raise ClipmillError(
                f"shard {shard} has two rows in {storage.root}/manifests/shards that differ; "
                f"expected one. {APART}"
            )
    rows = rows if columns is None else rows.select(columns)
    return tables.unique(rows, ONCE.get(name, KEYS[name]))


APART = "Take out the parts that came from another data set's folder."
_SAME = ("split", "samples", "bytes", "sha256", "spec")


def contradicted(shards: pa.Table) -> list[str]:
    """Return the shards of which two rows say that they are different files."""
    if len(shards) == len(shards["shard"].unique()):
        return []
    counted = shards.group_by("shard").aggregate([(name, "count_distinct") for name in _SAME])
    several = [pc.field(f"{name}_count_distinct") > 1 for name in _SAME]
    return sorted(counted.filter(functools.reduce(operator.or_, several))["shard"].to_pylist())


def live_rows(storage: Storage, name: str) -> pa.Table:
    """Return the rows that count, some of them twice: those of retired shards do not."""
    rows = tables.read_parts(storage, f"manifests/{name}", name)
    if name not in ("shards", "samples"):
        return rows
    retired = tables.read_parts(storage, "manifests/retired", "retired")["shard"].unique()
    return rows.filter(~pc.field("shard").isin(retired)) if len(retired) else rows
