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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from manifests.progress import LineProgress, Progress, bar
from manifests.progress import clock as clock

if TYPE_CHECKING:
    from rich.console import Console

FILE_WIDTH = 160  # columns where the output is no terminal


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
        self, total: int, title: str, closing: bool = True, **counting: Any
    ) -> Iterator[Progress]:
        """Show how far a long verb is; without `closing` its caller says how it ended.

        `counting` is what `Progress` takes: `most` a second, what was done `before`, the `unit`.
        """
        if not self.speaks or self.quiet:
            yield Progress(total, title, **counting)
        elif self._console("stderr").is_terminal:
            with bar(self._console("stderr"), total, title, closing, **counting) as shown:
                yield shown
        else:
            line = LineProgress(self.note, total, title, **counting)
            yield line
            if total and closing:
                self.note(line.line())


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
