"""The clips that are not here, in groups that call for the same command."""

from __future__ import annotations

from typing import Any, NamedTuple

import pyarrow.compute

from pipeline.reporting.acquired import LOCAL
from pipeline.reporting.states import States

pc: Any = pyarrow.compute  # its functions are made when it is imported


class Lacking(NamedTuple):
    """Clips without a video: their kind of source, the last answer, and who was asked.

    `status` is pending, failed or gone; `via` and `reason` are of the last attempt, where there
    was one. `asked` are all sources that had an attempt.
    """

    clips: int
    kind: str
    status: str
    reason: str
    via: str
    asked: frozenset[str]


def lacking(states: States) -> list[Lacking]:
    """Return the groups, the largest first; what only decode or pack could not do is in none."""
    rows = states.clips.filter(pc.invert(states.clips["held"]))
    tried = states.downloads.select(["clip_id", "via"])
    tried = tried.set_column(1, "via", pc.fill_null(tried["via"], LOCAL))
    sources = sorted(tried["via"].unique().to_pylist())
    for name in sources:
        ids = tried.filter(pc.equal(tried["via"], name))["clip_id"]
        rows = rows.append_column(_tried(name), pc.is_in(rows["clip_id"], value_set=ids))
    keys = ["kind", "verdict", "reason", "via", *map(_tried, sources)]
    grouped = rows.group_by(keys).aggregate([([], "count_all")]).to_pylist()
    return [
        Lacking(
            row["count_all"],
            row["kind"],
            row["verdict"],
            row["reason"] or "",
            (row["via"] or LOCAL) if row["verdict"] != "pending" else "",
            frozenset(name for name in sources if row[_tried(name)]),
        )
        for row in sorted(grouped, key=lambda row: -row["count_all"])
    ]


def _tried(source: str) -> str:
    return f"tried {source}"
