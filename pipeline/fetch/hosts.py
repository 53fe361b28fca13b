"""What is known of each host: its budget of requests, and until when it is closed and why.

Kept in a small file of the machine, which the processes share. Reading it takes under 1 ms.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

BUCKET = 10.0  # requests that may go at once after a rest
LONGEST_PAUSE_S = 7200.0


@dataclass
class Host:
    """What is known of one host; all times are seconds of the wall clock."""

    tokens: float = BUCKET
    filled_at: float = 0.0
    closed_until: float = 0.0
    blocks: float = 0
    why: str = ""

    def fill(self, now: float, per_hour: float) -> None:
        """Add what has come in since; a clock that went back adds nothing, forward one bucket."""
        elapsed = max(0.0, now - self.filled_at)
        self.tokens = min(BUCKET, self.tokens + elapsed * per_hour / 3600)
        self.filled_at = now

    def closed(self, now: float) -> float:
        """Return the seconds for which the host is closed still, 0 for an open one."""
        # A clock that was set back must not close a host for ever.
        self.closed_until = min(self.closed_until, now + LONGEST_PAUSE_S)
        return max(0.0, self.closed_until - now)

    def wait(self, now: float, per_hour: float | None) -> float:
        """Return the seconds until a request may go; 0 takes one from the bucket."""
        if (closed := self.closed(now)) > 0:
            return closed
        if per_hour is None:
            return 0.0
        self.fill(now, per_hour)
        if self.tokens < 1:
            return (1 - self.tokens) * 3600 / per_hour
        self.tokens -= 1
        return 0.0


def read_hosts(file: Path) -> dict[str, Host]:
    """Read the budgets; a file that is not there, or no longer readable, is begun anew."""
    try:
        values = json.loads(file.read_text())
        return {host: _host(list(one.values())) for host, one in values.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def write_hosts(file: Path, hosts: dict[str, Host]) -> None:
    """Write the budgets down, all or nothing.

    Raises:
        OSError: the file cannot be written.
    """
    beside = file.with_name(f"{file.name}.new")
    beside.write_text(json.dumps({name: asdict(host) for name, host in hosts.items()}))
    beside.replace(file)


def _host(values: list[object]) -> Host:
    why = "".join(str(value) for value in values[4:5])
    return Host(*(float(value) for value in values[:4]), why=why)  # type: ignore[arg-type]
