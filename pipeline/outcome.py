"""Outcome rows: what one attempt of one stage at one clip came to."""

from __future__ import annotations

import datetime
import json
from typing import Any

from manifests.reasons import Reason


def done(clip_id: str, attempt: int, seconds: float, versions: dict[str, str]) -> dict[str, Any]:
    """Return the row of a clip that came out well; the stage adds its own columns."""
    return _row(clip_id, attempt, "done", seconds, versions)


def failed(
    clip_id: str,
    attempt: int,
    seconds: float,
    versions: dict[str, str],
    reason: Reason,
    message: str,
) -> dict[str, Any]:
    """Return the row of a clip that failed, with the reason and the raw message."""
    row = _row(clip_id, attempt, "failed", seconds, versions)
    # File names may hold bytes that are no UTF-8; a table cannot.
    text = message.encode("utf-8", "backslashreplace").decode()
    return row | {"reason": str(reason), "message": text}


def _row(
    clip_id: str, attempt: int, status: str, seconds: float, versions: dict[str, str]
) -> dict[str, Any]:
    return {
        "clip_id": clip_id,
        "attempt": attempt,
        "status": status,
        "seconds": seconds,
        "finished_at": datetime.datetime.now(datetime.UTC),
        "versions": json.dumps(versions, sort_keys=True),
    }
