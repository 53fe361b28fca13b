"""What the acquired videos are: from which source, how many files, how many bytes."""

from __future__ import annotations

from typing import Any

import pyarrow.compute

from pipeline.reporting.states import States

pc: Any = pyarrow.compute  # its functions are made when it is imported

LOCAL = "local"


def acquired(states: States) -> dict[str, Any]:
    """Return clips, files and bytes, of all sources and by source, the largest first.

    A file that serves several clips counts once. Bytes are those of the rows: nothing is looked
    at on the disk. `mean_bytes` is a file's, None where there is none.
    """
    rows = states.newest.filter(pc.field("status") == "done").select(["path", "bytes", "via"])
    rows = rows.set_column(2, "via", pc.fill_null(rows["via"], LOCAL))
    # Of a repacked folder's clips the videos may lie under no root that it knows.
    named = pc.if_else(pc.is_valid(rows["path"]), rows["bytes"], None)
    rows = rows.set_column(1, "bytes", named)
    files = rows.group_by(["via", "path"]).aggregate([([], "count_all"), ("bytes", "max")])
    by_source = files.group_by("via").aggregate(
        [("count_all", "sum"), ("path", "count"), ("bytes_max", "sum")]
    )
    via = {
        row["via"]: {
            "clips": row["count_all_sum"],
            "files": row["path_count"],
            "bytes": row["bytes_max_sum"] or 0,
        }
        for row in sorted(
            by_source.to_pylist(), key=lambda row: (-row["count_all_sum"], row["via"])
        )
    }
    totals = {name: sum(one[name] for one in via.values()) for name in ("clips", "files", "bytes")}
    mean = totals["bytes"] / totals["files"] if totals["files"] else None
    return {**totals, "mean_bytes": mean, "via": via}
