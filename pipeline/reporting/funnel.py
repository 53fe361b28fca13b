"""How many clips of each split and class came how far, with the reasons of those that did not."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute

from manifests.rows import SPLITS
from pipeline.reporting.states import States

pc: Any = pyarrow.compute  # its functions are made when it is imported

# `held` clips have a video or are packed; each clip is packed, pending, failed or gone.
COLUMNS = ("asked", "acquired", "held", "packed", "pending", "failed", "gone")
Counts = dict[str, Any]


def by_split(states: States) -> dict[str, Counts]:
    """Return the counts of each split, train, val and test first; a clip may be in two."""
    places = pc.index_in(states.splits["clip_id"], value_set=states.clips["clip_id"])
    splits = states.splits.filter(pc.is_valid(places))
    rows = states.clips.take(places.drop_null())
    rank = {name: index for index, name in enumerate(SPLITS)}
    found = _counted(rows.append_column("name", splits["split"]))
    return {name: found[name] for name in sorted(found, key=lambda x: (rank.get(x, 9), x))}


def by_class(states: States) -> dict[str, Counts]:
    """Return the counts of each class, the worst covered first: packed, then acquired."""
    found = _counted(states.clips.append_column("name", states.clips["label"]))

    def coverage(name: str) -> tuple[float, float, str]:
        counts = found[name]
        return counts["packed"] / counts["asked"], counts["held"] / counts["asked"], name

    return {name: found[name] for name in sorted(found, key=coverage)}


def total(states: States) -> Counts:
    """Return the counts of all clips, each once; `waiting` are pending ones that are acquired."""
    everything = pa.repeat(pa.scalar("all"), len(states.clips))
    found = _counted(states.clips.append_column("name", everything))
    counts = found.get("all") or _nothing()
    ready = pc.and_(states.clips["acquired"], pc.equal(states.clips["verdict"], "pending"))
    return counts | {"waiting": pc.sum(ready).as_py() or 0}


def _nothing() -> Counts:
    return dict.fromkeys(COLUMNS, 0) | {"reasons": {"failed": {}, "gone": {}}}


def _counted(rows: pa.Table) -> dict[str, Counts]:
    """Count the rows of each name."""
    keys = ["name", "acquired", "held", "verdict", "reason"]
    grouped = rows.group_by(keys).aggregate([([], "count_all")])
    found: dict[str, Counts] = {}
    for row in grouped.to_pylist():
        counts, clips, verdict = found.setdefault(row["name"], _nothing()), row["count_all"], ""
        verdict = row["verdict"]
        counts["asked"] += clips
        counts[verdict] += clips
        for name in ("acquired", "held"):
            counts[name] += clips if row[name] else 0
        if verdict in counts["reasons"]:
            reasons = counts["reasons"][verdict]
            reasons[row["reason"] or ""] = reasons.get(row["reason"] or "", 0) + clips
    for counts in found.values():
        for verdict, reasons in counts["reasons"].items():
            ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
            counts["reasons"][verdict] = dict(ordered)
    return found
