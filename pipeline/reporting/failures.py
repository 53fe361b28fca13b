"""Failed and gone clips by stage and reason, each with what it means and one example."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute

from manifests.reasons import MEANING, Reason
from pipeline.reporting.states import States

pc: Any = pyarrow.compute  # its functions are made when it is imported


def failures(states: States) -> list[dict[str, Any]]:
    """Return the reasons, the most frequent first; a clip counts once, where it failed first."""
    ended = pc.is_in(states.clips["verdict"], value_set=pa.array(["failed", "gone"]))
    rows = states.clips.filter(ended)
    rows = rows.append_column("row", pa.array(range(len(rows)), pa.int64()))
    keys = ["stage", "reason", "verdict"]
    grouped = rows.group_by(keys).aggregate([([], "count_all"), ("row", "min")])
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for group in grouped.to_pylist():
        stage, reason = group["stage"], group["reason"] or ""
        clips, verdict = group["count_all"], group["verdict"]
        entry = found.setdefault((stage, reason), _entry(stage, reason))
        entry["clips"] += clips
        entry[verdict] += clips
        if not entry["example"]:
            first = rows.slice(group["row_min"], 1).to_pylist()[0]
            entry |= {"example": first["clip_id"], "message": first["message"] or ""}
            found[stage, reason] = entry
    return sorted(found.values(), key=lambda x: (-x["clips"], x["stage"], x["reason"]))


def _entry(stage: str, reason: str) -> dict[str, Any]:
    meaning = MEANING.get(Reason(reason), "") if reason in set(Reason) else ""
    return {
        "stage": stage,
        "reason": reason,
        "meaning": meaning,
        "clips": 0,
        "failed": 0,
        "gone": 0,
        "example": "",
        "message": "",
    }
