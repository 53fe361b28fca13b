"""Parsing a CSV that lists videos: `path,label[,split][,start,end][,group]`.

Comma, semicolon or tab, with or without a header. Streams; half a million rows take some five
seconds and about 200 MB. Everything that is wrong with a row is one error with its line.
"""

from __future__ import annotations

import csv
import math
import os
import posixpath
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from manifests.errors import ClipmillError
from pipeline.annotate.layout import Layout, sniff, split_of
from pipeline.annotate.sources import is_address
from pipeline.annotate.text import bad_line, is_unicode, open_text, shown

SAMPLE = 50  # lines from which the delimiter and the header are told
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


@dataclass(frozen=True, slots=True)
class Listed:
    """One row of a list: a video below the videos folder, and what is said about it."""

    path: str
    label: str
    split: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    group: str | None = None
    line: int = 0


def read_listing(path: Path, videos: Path) -> tuple[list[Listed], list[str]]:
    """Return the rows of a CSV and notes about it; `videos` only settles odd spellings."""
    with open_text(path, newline="") as handle:
        sample = list(islice(handle, SAMPLE))
        if any("\0" in line for line in sample):
            raise ClipmillError(f"{shown(path)} holds NUL bytes; expected a CSV, which is text.")
        layout = sniff(path, sample, complete=len(sample) < SAMPLE)
        reader = csv.reader(chain(sample, handle), delimiter=layout.delimiter, strict=True)
        found = [
            _row(path, line, row, layout, videos) for line, row in _records(path, reader, layout)
        ]
    if not found:
        raise ClipmillError(f"{shown(path)} lists no video; expected a row for each clip.")
    _check_splits(path, found)
    return found, layout.notes()


def _records(
    path: Path, reader: Iterator[list[str]], layout: Layout
) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of every record that is not blank, the header aside, widths checked."""
    header = layout.header
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            line = reader.line_num  # type: ignore[attr-defined]
            cure = 'Write a quote inside quotes twice (""), and close every quote.'
            raise bad_line(path, line, f"broken quoting ({error})", "a CSV row", cure) from error
        if not any(cell.strip() for cell in row):
            continue
        if header:
            header = False
            continue
        line = reader.line_num  # type: ignore[attr-defined]
        while len(row) > layout.width and not row[-1].strip():
            row.pop()  # spreadsheets write empty cells behind the last column
        if layout.least <= len(row) < layout.width:
            row += [""] * (layout.width - len(row))  # and leave them out at the end of a row
        if len(row) != layout.width:
            found = f"{len(row)} columns in {layout.delimiter.join(row)!r}"
            expected = f"{layout.width} ({', '.join(layout.names)})"
            raise bad_line(path, line, found, expected, layout.cure(len(row)))
        yield line, row


def _row(path: Path, line: int, row: list[str], layout: Layout, videos: Path) -> Listed:
    cells = {role: row[index] for role, index in layout.columns.items()}
    label, group = cells["label"].strip(), cells.get("group", "").strip()
    if not label:
        raise bad_line(path, line, "an empty label", "a class")
    for what, text in (("label", label), ("group", group)):
        if not is_unicode(text):
            raise bad_line(path, line, f"{what} {text!r}", "UTF-8", "Save the file as UTF-8.")
    split = None
    if word := cells.get("split", "").strip():
        split = split_of(word)
        if split is None:
            raise bad_line(path, line, f"split {word!r}", "train, val or test")
    start = _seconds(path, line, "start", cells.get("start", ""))
    end = _seconds(path, line, "end", cells.get("end", ""))
    if end is not None and end <= (start or 0.0):
        raise bad_line(path, line, f"start {start or 0.0} and end {end}", "an end after the start")
    return Listed(
        _relative(path, line, cells["path"], videos),
        sys.intern(label),
        split,
        start,
        end,
        sys.intern(group) if group else None,
        line,
    )


def _seconds(path: Path, line: int, what: str, cell: str) -> float | None:
    text = cell.strip()
    if not text:
        return None
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not (math.isfinite(value) and value >= 0):
        raise bad_line(path, line, f"{what} {text!r}", "seconds from 0 on, such as 12.5")
    return value


def _relative(path: Path, line: int, cell: str, videos: Path) -> str:
    """Return the path of a row, normalised, never outside the videos folder."""
    if is_address(cell.strip()):
        return cell.strip()
    text = cell
    # Blanks and backslashes can belong to a name; they are mended only where no such file is.
    if text != (mended := text.strip().replace("\\", "/")) and not _is_there(videos, text):
        text = mended
    if not text or "\0" in text:
        raise bad_line(path, line, f"path {cell!r}", "the path of a video")
    if "://" in text:
        cure = "Download the videos first, and list the files."
        raise bad_line(path, line, f"the URL {cell!r}", "a path below the videos folder", cure)
    normal = posixpath.normpath(text)
    outside = text.startswith("/") or _DRIVE.match(cell.strip()) or normal.split("/")[0] == ".."
    if outside or normal == ".":
        cure = "Give paths relative to --videos."
        raise bad_line(path, line, f"path {cell!r}", "a path below the videos folder", cure)
    return normal


def _is_there(videos: Path, relative: str) -> bool:
    return "\0" not in relative and os.path.lexists(videos / relative)


def _check_splits(path: Path, found: list[Listed]) -> None:
    """A split for some rows only would leave it to chance what the others are."""
    if any(row.split for row in found):
        for row in found:
            if row.split is None:
                expected = "train, val or test, as in the other rows"
                raise bad_line(path, row.line, "an empty split", expected)
