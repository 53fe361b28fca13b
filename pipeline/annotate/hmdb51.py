"""HMDB51's three official splits, or anybody's in their layout.

Each split leaves a quarter of the clips unused: the seed took them as val. A fraction cuts val from
train instead, by whole source videos, for clips of one video show the same scene. Like the official
splits it keeps videos apart within a class; a film's scenes of two classes may fall on both sides.
Reading all three splits takes a third of a second.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from manifests import rows
from manifests.errors import ClipmillError
from pipeline.annotate.cut import check_fractions, cut
from pipeline.annotate.hmdb51_lists import Row, find_splits, read_split
from pipeline.annotate.text import bad_line, shown

OFFICIAL = {"train": 3570, "test": 1530, "unused": 1666}
OFFICIAL_CLASSES = 51
OFFICIAL_CLIPS = 6766


def read_hmdb51(lists: Path, *, val: float | Literal["unused"], seed: int) -> rows.Annotation:
    """Read the split files in `lists` (or its testTrainMulti_7030_splits).

    `val="unused"` takes the clips a split leaves unused; a fraction is cut from train, and unused
    clips are then in no part of that split. Every listed clip is a clip of the annotation.

    Raises:
        ClipmillError: a file that is missing, a line that is wrong, a clip of two classes.
    """
    if isinstance(val, str) and val != "unused":
        raise ClipmillError(f"val {val!r}; expected a fraction such as 0.1, or 'unused'.")
    if not isinstance(val, str):
        check_fractions(val=val)
    splits = find_splits(lists)
    names = sorted(next(iter(splits.values())))
    labels = [rows.Label(i, name, rows.slug(name)) for i, name in enumerate(names)]
    found = rows.Annotation("hmdb51", [], labels, [], [])
    clips: dict[str, rows.Clip] = {}
    shared: dict[str, int] = {}
    for number, files in splits.items():
        name = f"split{number}"
        listed: list[Row] = []
        for label in labels:
            path = files[label.label]
            for row in read_split(path, label.label, label.label_id).values():
                _add(clips, row, path)
                listed.append(row)
        found.split_sets.append(name)
        found.splits.extend(_split(name, listed, val, seed))
        shared[name] = _report(found, name, listed, val)
    found.clips.extend(sorted(clips.values(), key=lambda clip: (clip.label_id, clip.source)))
    total = f"{len(clips):,} clips of {len(labels)} classes"
    if len(labels) == OFFICIAL_CLASSES:
        same = "as" if len(clips) == OFFICIAL_CLIPS else f"but {OFFICIAL_CLIPS:,}"
        total += f", {same} in the official lists"
    found.notes.append(total)
    if val == "unused" and any(shared.values()):
        found.notes.append(_unused(shared))
    return found


def _add(clips: dict[str, rows.Clip], row: Row, path: Path) -> None:
    """Keep a clip that may stand in several sets, under its file's name: unique over classes."""
    file = row.clip.source.rpartition("/")[2]
    known = clips.setdefault(file, row.clip)
    if known.label != row.clip.label:
        found = f"{shown(file)!r}, which class {known.label!r} lists too"
        raise bad_line(path, row.line, found, "every clip in one class")


def _split(
    name: str, listed: list[Row], val: float | Literal["unused"], seed: int
) -> list[rows.SplitRow]:
    """Return one split set's rows, sorted, so that the order of the lists does not matter."""
    parts: dict[str, set[str]] = {"train": set(), "val": set(), "test": set()}
    for row in listed:
        part = {"unused": "val"}.get(row.part, row.part)
        if row.part != "unused" or val == "unused":
            parts[part].add(row.clip.clip_id)
    if not isinstance(val, str):
        # A clip without a group is a group of its own; ids hold no slash, groups always do.
        train = [row.clip for row in listed if row.part == "train"]
        unit = {clip.clip_id: clip.group or clip.clip_id for clip in train}
        members = [(str(clip.label), unit[clip.clip_id]) for clip in train]
        part_of = cut(members, {"val": val}, seed=seed, salt=name)
        parts["val"] = {clip for clip, group in unit.items() if part_of[group] == "val"}
        parts["train"] -= parts["val"]
    return [rows.SplitRow(name, x, split) for split, ids in parts.items() for x in sorted(ids)]


def _report(
    found: rows.Annotation, name: str, listed: list[Row], val: float | Literal["unused"]
) -> int:
    """Add the counts, and what deserves a second look, to the notes and warnings.

    Returns the number of videos that have unused clips and others.
    """
    counts = Counter(row.part for row in listed)
    text = f"{name}: {_counted(counts)} clips"
    if len(found.labels) == OFFICIAL_CLASSES:
        same = "as" if counts == OFFICIAL else f"but {_counted(OFFICIAL)}"
        text += f", {same} in the official lists"
    found.notes.append(text)
    groups: dict[str, set[str]] = defaultdict(set)
    for row in listed:
        if row.clip.group is not None:
            groups[row.part].add(row.clip.group)
    if shared := groups["train"] & groups["test"]:
        found.warnings.append(
            f"{name}: {len(shared)} videos have clips in train and in test, {min(shared)} among "
            "them; the test figures will come out too good."
        )
    for part, there in (("train", counts["train"]), ("test", counts["test"])):
        if not there:
            found.warnings.append(f"{name}: no clip is in {part}.")
    if val and not any(row.split == "val" for row in found.splits if row.split_set == name):
        found.warnings.append(f"{name}: val is empty.")
    return len(groups["unused"] & (groups["train"] | groups["test"]))


def _unused(shared: Mapping[str, int]) -> str:
    """Return what is to be known of val where it is the unused clips, by the videos it shares."""
    counts = ", ".join(f"{number} ({name})" for name, number in shared.items())
    return (
        f"val is the clips that a split leaves unused; of their videos {counts} have clips in "
        "train or test too, so val figures come out too good. --val 0.1 cuts val from train by "
        "whole videos."
    )


def _counted(counts: Counter[str] | dict[str, int]) -> str:
    return f"{counts['train']:,} train, {counts['test']:,} test and {counts['unused']:,} unused"
