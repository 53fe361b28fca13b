"""How every verb speaks: notes and progress on stderr, one table or one JSON object on stdout.

A bar with rate and remaining time where stderr is a terminal, a plain line a minute where it is
not. Updating costs microseconds; rich is imported when the first thing is printed.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

LINE_EVERY_S = 60.0
FILE_WIDTH = 160  # columns where the output is no terminal


class Progress:
    """Counts what is done. `advance` may carry words that stand behind the count.

    `most` is the most a second that can be done, where something bounds it from outside.
    """

    def __init__(self, total: int, title: str, most: float | None = None) -> None:
        self.total, self.title, self.done, self.words, self.most = total, title, 0, "", most
        self.started = time.monotonic()

    def advance(self, count: int = 1, words: str = "") -> None:
        """Add to the count."""
        self.done += count
        self.words = words or self.words

    @property
    def rate(self) -> float:
        """Things done a second."""
        return self.done / max(time.monotonic() - self.started, 1e-9)

    @property
    def left(self) -> str:
        """How long it still takes, in words; nothing before the first is done and at the end."""
        if not 0 < self.done < self.total:
            return ""
        return clock((self.total - self.done) / min(self.rate, self.most or math.inf))

    def line(self) -> str:
        """One plain line: what, how many, how fast, how long still."""
        remaining = f", {self.left} left" if self.left else ""
        words = f", {self.words}" if self.words else ""
        return f"{self.title}: {self.done:,}/{self.total:,}, {speed(self.rate)}{remaining}{words}"


class _LineProgress(Progress):
    """Progress without a terminal: one line a minute."""

    def __init__(self, total: int, title: str, most: float | None, ui: Ui) -> None:
        super().__init__(total, title, most)
        self._ui, self._last = ui, self.started

    def advance(self, count: int = 1, words: str = "") -> None:
        super().advance(count, words)
        if time.monotonic() - self._last >= LINE_EVERY_S:
            self._last = time.monotonic()
            self._ui.note(self.line())


@dataclass
class Ui:
    """What a verb prints through. `result` is what `--json` shows at the end."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    speaks: bool = True  # false on ranks other than 0
    exit_code: int = 0
    result: dict[str, Any] = field(default_factory=dict)
    _consoles: dict[str, Console] = field(default_factory=dict)

    def _console(self, stream: str) -> Console:
        if stream not in self._consoles:
            from rich.console import Console

            if stream == "stdout" and isinstance(sys.stdout, io.TextIOWrapper):
                sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may be no text
            console = Console(stderr=stream == "stderr", highlight=False, markup=False, emoji=False)
            if not console.is_terminal:
                console.width = FILE_WIDTH
            self._consoles[stream] = console
        return self._consoles[stream]

    def note(self, text: str) -> None:
        """Say something on stderr, unless quiet."""
        if self.speaks and not self.quiet:
            self._console("stderr").print(text, soft_wrap=True)

    def detail(self, text: str) -> None:
        """Say something on stderr only with -v."""
        if self.verbose:
            self.note(text)

    def warn(self, text: str) -> None:
        """Say something on stderr even when quiet."""
        if self.speaks:
            self._console("stderr").print(f"warning: {text}", style="yellow", soft_wrap=True)

    def error(self, text: str) -> None:
        """Say on stderr why the command ends."""
        self._console("stderr").print(f"error: {text}", style="bold red", soft_wrap=True)

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Print a table on stdout; numbers stand right. Nothing with --json or -q."""
        if not self.speaks or self.json or self.quiet:
            return
        from rich.table import Table

        rows = [list(row) for row in rows]
        table = Table()
        for index, column in enumerate(columns):
            numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
            table.add_column(column, justify="right" if numeric else "left", overflow="fold")
        for row in rows:
            table.add_row(*(_cell(value) for value in row))
        out = self._console("stdout")
        out.print(title, style="bold", soft_wrap=True)
        out.print(table)

    def finish(self, values: Mapping[str, Any]) -> None:
        """Hand over the verb's result; with --json it is printed when the verb ends."""
        self.result.update(values)

    def flush(self) -> None:
        """Print the JSON object, once, where --json was asked for."""
        if self.json and self.speaks:
            values = _finite(self.result)
            text = json.dumps(values, ensure_ascii=False, default=str)
            try:
                text.encode(sys.stdout.encoding or "utf-8")
            except UnicodeEncodeError:  # another encoding, or a file's name that is no text
                text = json.dumps(values, default=str)
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    @contextlib.contextmanager
    def progress(
        self, total: int, title: str, closing: bool = True, most: float | None = None
    ) -> Iterator[Progress]:
        """Show how far a long verb is; without `closing` its caller says how it ended.

        `most` a second can be done, where a budget bounds it.
        """
        if not self.speaks or self.quiet:
            yield Progress(total, title, most)
        elif self._console("stderr").is_terminal:
            with _bar(self._console("stderr"), total, title, most) as bar:
                yield bar
        else:
            line = _LineProgress(total, title, most, self)
            yield line
            if total and closing:
                self.note(line.line())


@contextlib.contextmanager
def _bar(console: Console, total: int, title: str, most: float | None) -> Iterator[Progress]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as RichProgress

    bar = RichProgress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[words]}"),
        console=console,
    )
    task = bar.add_task(title, total=total, rate="", left="", words="")

    class Bar(Progress):
        """Progress that moves the bar."""

        def advance(self, count: int = 1, words: str = "") -> None:
            super().advance(count, words)
            left = f"{self.left} left" if self.left else ""
            rate = speed(self.rate)
            bar.update(task, completed=self.done, rate=rate, left=left, words=self.words)

    with bar:
        yield Bar(total, title, most)


def speed(per_s: float) -> str:
    """Return a rate as people read it: 12.3/s, or 280/h where it is slow."""
    return f"{per_s:.1f}/s" if per_s >= 0.5 or not per_s else f"{per_s * 3600:.0f}/h"


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


def size(count: float) -> str:
    """Return bytes as people read them: 512 B, 1.5 MB, 648.0 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        digits = 0 if unit == "B" else 1
        if abs(round(count, digits)) < 1000:
            return f"{count:.{digits}f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _finite(value: Any) -> Any:
    """The same nest of values with null for what JSON has no number for."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
