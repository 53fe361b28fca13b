"""Parsing Kinetics lists: every line checked, all bad lines counted, the first one told.

Byte order marks, any line ending, quoting, `val` or `validate`, `243`, `0.0` or `243.5`. About 5
microseconds and 250 bytes a row.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from manifests.errors import ClipmillError
from pipeline.annotate.kinetics_files import ListFile
from pipeline.annotate.kinetics_layout import (
    MAX_SPAN_S,
    SECONDS,
    YOUTUBE_ID,
    Columns,
    columns_of,
)
from pipeline.annotate.layout import split_of
from pipeline.annotate.text import bad_line, did_you_mean, is_unicode, open_text, shown

SAMPLE = 50  # records from which columns without a name are told


class Row(NamedTuple):
    """One line of a list; `label` is None where the list has none."""

    youtube_id: str
    start_s: float
    end_s: float
    label: str | None
    split: str
    line: int


class BadLines:
    """Counts what is wrong in all lists and keeps the first of it."""

    def __init__(self) -> None:
        self._first: ClipmillError | None = None
        self._count = 0

    def add(self, path: Path, line: int, fault: Fault) -> None:
        """Take note of one bad line."""
        self._count += 1
        if self._first is None:
            self._first = bad_line(path, line, fault.found, fault.expected, fault.cure())

    def raise_any(self) -> None:
        """Raise the first bad line, with their number, if there was one."""
        if self._first is not None:
            total = f" {self._count:,} lines are bad in all." if self._count > 1 else ""
            raise ClipmillError(f"{self._first}{total}")


class Fault(NamedTuple):
    """What is wrong with a line; `cure` is asked for only once, for looking about can be slow."""

    found: str
    expected: str
    cure: Callable[[], str] = str


def read_rows(file: ListFile, classes: Collection[str] | None, bad: BadLines) -> list[Row]:
    """Return a list's rows in its order; what is wrong with lines goes to `bad`.

    Raises:
        ClipmillError: the file cannot be read as a list at all.
    """
    rows: list[Row] = []
    with open_text(file.path, newline="") as handle:
        records = _records(file.path, csv.reader(handle, strict=True))
        sample = [*islice(records, SAMPLE)]
        if not sample:
            raise ClipmillError(f"{shown(file.path)} is empty; expected a list of Kinetics.")
        columns = columns_of(file.path, [cells for _, cells in sample])
        parse = _parser(columns, file.split, classes)
        for line, cells in islice(chain(sample, records), int(columns.header), None):
            found = parse(line, cells)
            if isinstance(found, Row):
                rows.append(found)
            else:
                bad.add(file.path, line, found)
    if not rows:
        bad.raise_any()
        raise ClipmillError(f"{shown(file.path)} lists no clip; expected a row for each clip.")
    return rows


def _records(path: Path, reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of every record that is not blank."""
    try:
        for cells in reader:
            if cells and any(map(str.strip, cells)):
                yield reader.line_num, cells  # type: ignore[attr-defined]
    except csv.Error as error:
        line = reader.line_num  # type: ignore[attr-defined]
        cure = 'Write a quote inside quotes twice (""), and close every quote.'
        raise bad_line(path, line, f"broken quoting ({error})", "a CSV row", cure) from error


def _parser(
    columns: Columns, split: str | None, classes: Collection[str] | None
) -> Callable[[int, list[str]], Row | Fault]:
    """Return the function that reads one row; `split` is that of rows which say none."""
    allowed = None if classes is None else {name: name for name in classes}
    labels: dict[str, str] = {}  # those seen and found good: each string is kept once
    splits = {"": split} if split else {}

    def parse(line: int, cells: list[str]) -> Row | Fault:
        if len(cells) != columns.width and (fault := _fit(cells, columns)):
            return fault
        youtube_id = cells[columns.id].strip()
        if not YOUTUBE_ID.fullmatch(youtube_id):
            return Fault(f"youtube_id {youtube_id!r}", "11 of the characters A-Z a-z 0-9 _ -")
        start, end = cells[columns.start].strip(), cells[columns.end].strip()
        for name, text in (("time_start", start), ("time_end", end)):
            if not SECONDS.fullmatch(text):
                return Fault(f"{name} {text!r}", "seconds from 0 on, such as 243 or 243.5")
        start_s, end_s = float(start), float(end)
        if not 0 < end_s - start_s <= MAX_SPAN_S:
            most = f"an end after the start, {MAX_SPAN_S:.0f} seconds at most"
            return Fault(f"time_start {start} and time_end {end}", most)
        word = "" if columns.split is None else cells[columns.split].strip()
        if word not in splits:
            known = split_of(word)
            if known is None:
                expected = "train, val (or validate) or test"
                return Fault(f"split {word!r}", expected, lambda: _split_cure(word))
            splits[word] = known
        label = "" if columns.label is None else cells[columns.label].strip()
        if label not in labels:
            if fault := _label_fault(label, splits[word], columns, allowed):
                return fault
            if label:
                labels[label] = label
        return Row(youtube_id, start_s, end_s, labels.get(label), splits[word], line)

    return parse


def _fit(cells: list[str], columns: Columns) -> Fault | None:
    """Make a row as wide as the list where only empty cells are too many or too few."""
    while len(cells) > columns.width and not cells[-1].strip():
        cells.pop()
    needed = 1 + max(columns.id, columns.start, columns.end, columns.label or 0)
    if needed <= len(cells) < columns.width:
        cells += [""] * (columns.width - len(cells))
    if len(cells) == columns.width:
        return None
    expected = f"{columns.width} ({', '.join(columns.names)})"
    return Fault(f"{len(cells)} columns in {shown(','.join(cells))!r}", expected)


def _split_cure(word: str) -> str:
    if word:
        return ""
    return "Give the list a column called split, or a name such as train.csv or kinetics_val.csv."


def _label_fault(
    label: str, split: str, columns: Columns, allowed: Collection[str] | None
) -> Fault | None:
    if not label:
        # Held-out tests have no labels; a list that has them must not lose one.
        if columns.label is None or split == "test":
            return None
        return Fault("an empty label", "a class")
    if not is_unicode(label) or "\0" in label:
        return Fault(f"label {label!r}", "UTF-8", lambda: "Save the file as UTF-8.")
    if allowed is not None and label not in allowed:
        expected = f"one of the {len(allowed)} in the class list"
        return Fault(f"label {label!r}", expected, lambda: did_you_mean(label, allowed))
    return None
