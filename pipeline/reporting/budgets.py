"""The budgets of this machine's hosts, as fetch/pace.py keeps them: who is closed, until when."""

from __future__ import annotations

import datetime
import math
from pathlib import Path
from typing import Any

from pipeline.fetch.hosts import LONGEST_PAUSE_S, read_hosts


def budgets(file: Path, now: float) -> list[dict[str, Any]]:
    """Return what is known of each host at `now` (seconds of the wall clock), closed ones first.

    `requests` may go at once; `closed_s` seconds none may, for the host blocks this address or
    asked to be left alone; `blocks` came in a row.
    """
    found = []
    for name, host in read_hosts(file).items():
        # Longer than this no host is closed: then the clock was set back.
        closed = min(max(0.0, host.closed_until - now), LONGEST_PAUSE_S)
        until = datetime.datetime.fromtimestamp(now + closed, datetime.UTC) if closed else None
        found.append(
            {
                "host": name,
                "requests": _whole(host.tokens),
                "closed_s": round(closed),
                "closed_until": until and until.isoformat(timespec="seconds"),
                "blocks": _whole(host.blocks),
            }
        )
    return sorted(found, key=lambda one: (-one["closed_s"], one["host"]))


def _whole(value: float) -> int:
    """Return a number of the file as it is shown; the file may hold anything."""
    return int(value) if math.isfinite(value) else 0
