"""Whether lines work at all: where none does, no clip is to blame and none loses an attempt.

A failure that may be the line's is held back until the line gives something, which makes it the
clip's own. Costs nothing.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from manifests.errors import UnreachableError

GIVE_UP = 6  # failures in a row, of several threads together
Row = dict[str, Any]


@dataclass
class Lines:
    """The lines of a run, by name; used by all its threads."""

    give_up: int = GIVE_UP
    _held: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    _failures: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _why: dict[str, str] = field(default_factory=dict)
    _worked: set[str] = field(default_factory=set)
    _dead: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def dead(self, line: str) -> bool:
        """Whether a line was given up."""
        return line in self._dead

    def works(self, line: str) -> list[Row]:
        """Take note that a line gives something; return the rows that were held back."""
        with self._lock:
            self._worked.add(line)
            self._failures[line] = 0
            return self._held.pop(line, [])

    def failed(self, line: str, rows: list[Row]) -> None:
        """Hold back the rows of one failure; give the line up after several in a row."""
        with self._lock:
            self._held[line] += rows
            self._failures[line] += 1
            self._why[line] = str(rows[0]["message"])
            if self._failures[line] >= self.give_up:
                self._dead.add(line)
                del self._held[line]

    def rest(self) -> list[Row]:
        """Return what is still held back of lines that have worked, when all is done."""
        return [row for line, rows in self._held.items() if line in self._worked for row in rows]

    def error(self) -> UnreachableError | None:
        """Return the error for lines that were given up, or gave nothing but failures."""
        bad = sorted(self._dead | (self._held.keys() - self._worked))
        if not bad:
            return None
        others = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        return UnreachableError(
            f"{bad[0]}{others} cannot be reached ({self._why[bad[0]]}). Look at the connection, "
            "then run the same command again; no clip has lost an attempt to it."
        )
