"""The tables that grow: what makes a row one, and whose rows count.

A shard that `verify --fix` took out is retired: its rows and those of its samples stay in their
parts and are left out here, the one place that does.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from manifests import tables
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
    rows = rows if columns is None else rows.select(columns)
    return tables.unique(rows, ONCE.get(name, KEYS[name]))


def live_rows(storage: Storage, name: str) -> pa.Table:
    """Return the rows that count, some of them twice: those of retired shards do not."""
    rows = tables.read_parts(storage, f"manifests/{name}", name)
    if name not in ("shards", "samples"):
        return rows
    retired = tables.read_parts(storage, "manifests/retired", "retired")["shard"].unique()
    return rows.filter(~pc.field("shard").isin(retired)) if len(retired) else rows
