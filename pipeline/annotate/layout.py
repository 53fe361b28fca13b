"""Telling what the columns of a CSV are: delimiter, header, roles. Looks at some 50 lines only."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from manifests.errors import ClipmillError
from pipeline.annotate.text import bad_line, did_you_mean, shown
from pipeline.annotate.walk import is_media

DELIMITERS = {"\t": "tab", ",": "comma", ";": "semicolon"}
ROLES = {
    "path": (
        "path",
        "file",
        "filename",
        "file_name",
        "filepath",
        "file_path",
        "video",
        "video_path",
    ),
    "label": ("label", "class", "category", "class_name", "label_name", "action"),
    "split": ("split", "subset"),
    "start": ("start", "start_s", "time_start", "start_time", "start_sec"),
    "end": ("end", "end_s", "time_end", "end_time", "end_sec"),
    "group": ("group", "group_id"),
}
PLAIN: tuple[str, ...] = ("path", "label", "split")  # the columns of a list without a header
SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """How a CSV is to be read: `columns` maps a role to the index of its column."""

    delimiter: str
    header: bool
    names: list[str]
    columns: dict[str, int]
    ignored: list[str] = field(default_factory=list)

    @property
    def width(self) -> int:
        """The number of cells that a whole row has."""
        return len(self.names)

    @property
    def least(self) -> int:
        """The number of cells that a row must have: what may be empty may be missing at its end."""
        if not self.header:
            return self.width
        return 1 + max(self.columns["path"], self.columns["label"])

    def cure(self, cells: int) -> str:
        """What to do about a row with so many cells."""
        if cells < self.width:
            return "Write the missing cells; what may be empty needs its delimiter only."
        return f"Quote cells that hold a {DELIMITERS[self.delimiter]}."

    def notes(self) -> list[str]:
        """Return what the user should know of how the file was understood."""
        if not self.ignored:
            return []
        return [f"columns ignored: {', '.join(repr(shown(name)) for name in self.ignored)}"]


def split_of(word: str) -> str | None:
    """Return train, val or test for one of the usual words, in any case."""
    return SPLIT_WORDS.get(word.lower())


def sniff(path: Path, sample: list[str], *, complete: bool) -> Layout:
    """Return the layout of a CSV from its first lines (`complete`: all of its lines)."""
    tables = {delimiter: _parse(sample, delimiter, complete) for delimiter in DELIMITERS}
    if not any(tables.values()):
        raise ClipmillError(f"{shown(path)} is empty; expected a CSV with the columns path,label.")
    known = {delimiter: _known(table) for delimiter, table in tables.items()}
    best = max(DELIMITERS, key=lambda delimiter: known[delimiter])
    if known[best]:
        return _from_header(path, best, tables[best][0])
    return _without_header(path, tables)


def _parse(sample: list[str], delimiter: str, complete: bool) -> list[list[str]]:
    """Return the sample's records that are not blank; the last may be cut off, and goes."""
    rows: list[list[str]] = []
    with suppress(csv.Error):  # told with its line when the rows are read
        rows.extend(csv.reader(sample, delimiter=delimiter))
    if not complete and len(rows) > 1:
        rows.pop()
    return [row for row in rows if any(cell.strip() for cell in row)]


def role_of(cell: str, roles: Mapping[str, Collection[str]] = ROLES) -> str | None:
    """Return the role that a header's cell names in any case, `File Name` or `file_name`."""
    name = cell.strip().lower().replace(" ", "_")
    return next((role for role, names in roles.items() if name in names), None)


def _known(table: list[list[str]]) -> int:
    """Return how many columns a header names; 0 when the first row is no header."""
    first = table[0] if table else []
    roles = [role_of(cell) for cell in first]
    if any(is_media(cell.strip()) for cell in first) or not {"path", "label"} & set(roles):
        return 0
    return sum(role is not None for role in roles)


def _from_header(path: Path, delimiter: str, first: list[str]) -> Layout:
    names = [cell.strip() for cell in first]
    while names and not names[-1]:
        names.pop()
    columns: dict[str, int] = {}
    for index, name in enumerate(names):
        role = role_of(name)
        if role in columns:
            found = f"columns {names[columns[role]]!r} and {name!r}, which both can be the {role}"
            raise bad_line(path, 1, found, f"one {role}", "Rename or remove one of them.")
        if role:
            columns[role] = index
    for role in ("path", "label"):
        if role not in columns:
            found = f"the columns {', '.join(map(repr, names))}"
            expected = f"one called {', '.join(ROLES[role])}"
            raise bad_line(path, 1, found, expected, _cure(names, role))
    ignored = [name for name in names if role_of(name) is None]
    return Layout(delimiter, True, names, columns, ignored)


def _cure(names: list[str], role: str) -> str:
    """Point at the column that may be meant: 'lable' is near 'label'."""
    for name in names:
        near = did_you_mean(name, ROLES[role]) if role_of(name) is None else ""
        if near:
            return f"{near.removesuffix('?')} by {name!r}? Rename that column."
    return f"Name the column of the {role}."


def _without_header(path: Path, tables: dict[str, list[list[str]]]) -> Layout:
    """Choose the delimiter that gives every row two or three cells, the first one a file name."""
    scores: dict[str, tuple[bool, bool, int]] = {}
    for delimiter, table in tables.items():
        widths = [len(row) for row in table]
        if widths and widths[0] >= 2:
            even = len(set(widths)) == 1 and widths[0] <= len(PLAIN)
            files = sum(is_media(row[0].strip()) for row in table)
            scores[delimiter] = (even, files * 2 > len(table), files)
    if not scores:
        found = f"one column in {next(iter(tables.values()))[0][0]!r}"
        raise bad_line(path, 1, found, "path,label[,split], by comma, semicolon or tab")
    best = max(scores, key=lambda delimiter: scores[delimiter])
    table = tables[best]
    if not is_media(table[0][0].strip()) and any(is_media(cell.strip()) for cell in table[-1]):
        found = f"the columns {', '.join(map(repr, table[0]))}"
        raise bad_line(path, 1, found, "a header with path and label, or none", "Rename them.")
    width = len(table[0])
    if width > len(PLAIN):
        found = f"{width} columns without a header"
        cure = "Put a header above: path,label[,split][,start,end][,group]."
        raise bad_line(path, 1, found, "2 or 3 (path,label[,split])", cure)
    names = list(PLAIN[:width])
    return Layout(best, False, names, {name: index for index, name in enumerate(names)})
