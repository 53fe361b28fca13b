"""How far a long verb is: a count with its rate and remaining time, as a bar or as lines.

Updating costs microseconds; a terminal is drawn ten times a second by a thread of rich.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

LINE_EVERY_S = 60.0
NARROW = 120  # columns below which the words of a bar stand under it


class Progress:
    """Counts what is done. `advance` may carry words that stand behind the count.

    `most` is the most a second that can be done, where something bounds it from outside; `before`
    was done when this began, and does not count in the rate; `unit` is what is counted.
    """

    def __init__(
        self, total: int, title: str, most: float | None = None, before: int = 0, unit: str = ""
    ) -> None:
        self.total, self.title, self.most, self.unit = total, title, most, unit
        self.before, self.done, self.words = before, before, ""
        self.started = time.monotonic()

    def advance(self, count: int = 1, words: str = "") -> None:
        """Add to the count."""
        self.done += count
        self.words = words or self.words

    @property
    def rate(self) -> float:
        """Things done a second."""
        return (self.done - self.before) / max(time.monotonic() - self.started, 1e-9)

    @property
    def left(self) -> str:
        """How long it still takes, in words; nothing before the first is done and at the end."""
        if not self.before < self.done < self.total:
            return ""
        return clock((self.total - self.done) / min(self.rate, self.most or math.inf))

    @property
    def speed(self) -> str:
        """The rate as people read it, with its unit."""
        return speed(self.rate, self.unit)

    def line(self) -> str:
        """One plain line: what, how many, how fast, how long still."""
        remaining = f", {self.left} left" if self.left else ""
        words = f", {self.words}" if self.words else ""
        return f"{self.title}: {self.done:,}/{self.total:,}, {self.speed}{remaining}{words}"


class LineProgress(Progress):
    """Progress without a terminal: one line a minute."""

    def __init__(self, say: Callable[[str], None], total: int, title: str, **counting: Any) -> None:
        super().__init__(total, title, **counting)
        self._say, self._last = say, self.started

    def advance(self, count: int = 1, words: str = "") -> None:
        """Add to the count, and say a line when a minute is over."""
        super().advance(count, words)
        if time.monotonic() - self._last >= LINE_EVERY_S:
            self._last = time.monotonic()
            self._say(self.line())


@contextlib.contextmanager
def bar(
    console: Console, total: int, title: str, closing: bool = True, **counting: Any
) -> Iterator[Progress]:
    """Show a bar on a terminal while the block runs; without `closing` nothing is left of it."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as RichProgress
    from rich.text import Text

    narrow = console.width < NARROW

    class Shown(RichProgress):
        """A bar with its words, or on a narrow terminal with its words under it."""

        def get_renderables(self) -> Iterator[Any]:
            yield self.make_tasks_table(self.tasks)
            words = self.tasks[0].fields["words"] if self.tasks else ""
            if narrow and words:
                yield Text(f"  {words}", overflow="ellipsis", no_wrap=True)

    columns = [
        TextColumn("{task.description}"),
        BarColumn(bar_width=None if narrow else 40),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    ]
    if not narrow:
        columns.append(TextColumn("{task.fields[words]}"))
    shown = Shown(*columns, console=console, expand=narrow, transient=not closing)
    done = counting.get("before", 0)
    task = shown.add_task(title, total=total, completed=done, rate="", left="", words="")

    class Bar(Progress):
        """Progress that moves the bar."""

        def advance(self, count: int = 1, words: str = "") -> None:
            super().advance(count, words)
            left = f"{self.left} left" if self.left else ""
            shown.update(task, completed=self.done, rate=self.speed, left=left, words=self.words)

    with shown:
        yield Bar(total, title, **counting)


def speed(per_s: float, unit: str = "") -> str:
    """Return a rate as people read it: 12.3/s, or 280/h where it is slow; 12.3 clips/s."""
    unit = f" {unit}" if unit else ""
    return f"{per_s:.1f}{unit}/s" if per_s >= 0.5 or not per_s else f"{per_s * 3600:.0f}{unit}/h"


def clock(seconds: float) -> str:
    """Return a duration as people read it: 42s, 3m10s, 5h07m, 3d04h."""
    whole = round(seconds)
    for size, small, unit, sub in (
        (86400, 3600, "d", "h"),
        (3600, 60, "h", "m"),
        (60, 1, "m", "s"),
    ):
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // small:02d}{sub}"
    return f"{whole}s"
