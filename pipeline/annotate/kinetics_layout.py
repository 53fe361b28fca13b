"""Telling what the columns of a Kinetics list are: by their names, or by their content.

Official lists come with `label,youtube_id,time_start,time_end,split`, with `is_cc` behind, without
`label` (held-out tests), or without any header. Looks at the first records only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from pipeline.annotate.layout import ROLES as COMMON
from pipeline.annotate.layout import role_of, split_of
from pipeline.annotate.text import bad_line, did_you_mean, shown

OFFICIAL = "label,youtube_id,time_start,time_end,split"
YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
SECONDS = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+")
MAX_SPAN_S = 60.0
ROLES = {
    "id": ("youtube_id", "youtubeid", "yt_id", "ytid", "video_id", "videoid", "id"),
    **{role: COMMON[role] for role in ("label", "start", "end", "split")},
}
_FLAG = re.compile(r"[01]|true|false|", re.IGNORECASE)  # what is_cc holds


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a list's cells are: index by role; `label` and `split` are None where it has none."""

    header: bool
    names: tuple[str, ...]
    id: int
    start: int
    end: int
    label: int | None = None
    split: int | None = None

    @property
    def width(self) -> int:
        """The number of cells that a whole row has."""
        return len(self.names)


def columns_of(path: Path, sample: list[list[str]]) -> Columns:
    """Return the layout of a list from its first records, at least one.

    Raises:
        ClipmillError: a column is missing, stands twice, or cannot be told.
    """
    roles = [role_of(cell, ROLES) for cell in sample[0]]
    if "id" in roles or len(set(roles) - {None}) > 1:
        return _by_name(path, sample[0])
    return _by_content(path, sample)


def _by_name(path: Path, first: list[str]) -> Columns:
    names = [cell.strip() for cell in first]
    while not names[-1]:
        names.pop()
    places: dict[str, int] = {}
    for index, name in enumerate(names):
        role = role_of(name, ROLES)
        if role in places:
            found = f"columns {names[places[role]]!r} and {name!r}, which both can be the {role}"
            raise bad_line(path, 1, found, f"one {role}", "Rename or remove one of them.")
        if role:
            places[role] = index
    for role, name in (("id", "youtube_id"), ("start", "time_start"), ("end", "time_end")):
        if role not in places:
            found = f"the columns {', '.join(repr(shown(name)) for name in names)}"
            guesses = (did_you_mean(other, [name]) for other in names if not role_of(other, ROLES))
            raise bad_line(path, 1, found, f"one called {name}", next(filter(None, guesses), ""))
    return Columns(True, tuple(names), **places)


def _by_content(path: Path, sample: list[list[str]]) -> Columns:
    """Tell the columns of a list without a header; a bad line here and there does not matter."""
    width = Counter(map(len, sample)).most_common(1)[0][0]
    rows = [[cell.strip() for cell in row] for row in sample if len(row) == width]

    def mostly(column: int, test: Callable[[str], object]) -> bool:
        return 2 * sum(bool(test(row[column])) for row in rows) > len(rows)

    cure = f"Put a header above: {OFFICIAL}."
    span = _span(rows, width)
    ids = [c for c in range(width) if c not in (span or ()) and mostly(c, YOUTUBE_ID.fullmatch)]
    if span is None or not ids:
        what = "start and end in seconds" if ids else "YouTube ids"
        found = f"no column of {what} in {shown(','.join(sample[0]))!r}"
        raise bad_line(path, 1, found, OFFICIAL, cure)
    # A class may have eleven letters ('headbanging'); ids differ from row to row.
    youtube = max(ids, key=lambda c: (len({row[c] for row in rows}), c == span[0] - 1))
    left = [c for c in range(width) if c not in (*span, youtube)]
    split = next((c for c in left if mostly(c, split_of)), None)
    texts = [
        c
        for c in left
        if c != split and not mostly(c, _FLAG.fullmatch) and not mostly(c, SECONDS.fullmatch)
    ]
    if len(texts) > 1:
        found = f"columns {', '.join(str(c + 1) for c in texts)}, which all can be the label"
        raise bad_line(path, 1, found, "one label", cure)
    label = texts[0] if texts else None
    places = {youtube: "id", span[0]: "start", span[1]: "end", label: "label", split: "split"}
    names = tuple(places.get(c, "?") for c in range(width))
    return Columns(False, names, youtube, *span, label, split)


def _span(rows: list[list[str]], width: int) -> tuple[int, int] | None:
    """Return the two columns that most often are start and end of a clip, best of ten seconds."""
    times = [
        [float(cell) if len(cell) < 11 and SECONDS.fullmatch(cell) else None for cell in column]
        for column in zip(*rows, strict=True)
    ]
    scores: dict[tuple[int, int], tuple[int, int, bool]] = {}
    for one, two in permutations(range(width), 2):
        spans = [
            end - start
            for start, end in zip(times[one], times[two], strict=True)
            if start is not None and end is not None
        ]
        likely = sum(0 < span <= MAX_SPAN_S for span in spans)
        if 2 * likely > len(rows):
            scores[one, two] = (likely, spans.count(10.0), two == one + 1)
    return max(scores, key=lambda pair: scores[pair]) if scores else None
