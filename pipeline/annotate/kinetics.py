"""Kinetics-400, 600, 700 and 700-2020 from their official lists: clips of YouTube videos.

A clip is an id with a span: one video can give several clips, of one class or of two. Half a
million rows take some five seconds and 500 MB.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from pathlib import Path

from manifests import rows
from manifests.collector import without_collector
from pipeline.annotate.kinetics_counts import (
    CLASSES,
    checked,
    compare,
    guess,
    with_classes,
)
from pipeline.annotate.kinetics_files import ListFile, find_lists
from pipeline.annotate.kinetics_lists import BadLines, Row, read_rows
from pipeline.annotate.sources import YOUTUBE
from pipeline.annotate.text import read_names, shown
from pipeline.annotate.walk import some

SPLIT_SET = "official"


@without_collector()
def read_kinetics(
    lists: Path,
    *,
    version: str | None = None,
    classes: Path | None = None,
    typed: str | None = None,
) -> rows.Annotation:
    """Read one CSV or a folder that has one for each split, to two folder levels.

    `classes` is a file with one class on each line, which fixes the labels and their order; else
    they are those found, sorted. A clip that is listed with two labels keeps the first one. `typed`
    is the archive or web address that the lists came from; its name may tell the version.

    Raises:
        ClipmillError: it is not clear which files are meant, a line is wrong, or there is no such
            version.
    """
    checked(version)
    names = None if classes is None else read_names(classes, "class")
    files, notes = find_lists(lists, version, typed)
    listed, others = _read(files, names)
    if names is None:
        names = sorted(
            {row.label for _, of_file in listed for row in of_file if row.label is not None}
        )
    known = version or guess((file.version for file in files), len(names))
    labels = [rows.Label(index, name, rows.slug(name)) for index, name in enumerate(names)]
    found = rows.Annotation(f"kinetics{known or ''}", [], labels, [], [SPLIT_SET], notes, [])
    parts = _merge(listed, found)
    found.notes[:0] = compare(known, {split: len(ids) for split, ids in parts.items()})
    found.notes.extend(others)
    _check_classes(found, known, classes is not None)
    found.splits.extend(
        rows.SplitRow(SPLIT_SET, clip, split)
        for split in rows.SPLITS
        for clip in parts.get(split, ())
    )
    return found


def _read(
    files: list[ListFile], names: list[str] | None
) -> tuple[list[tuple[ListFile, list[Row]]], list[str]]:
    """Return each file's rows, and notes; raise once all lines were looked at."""
    bad, listed, notes = BadLines(), [], []
    allowed = None if names is None else frozenset(names)
    for file in files:
        found = read_rows(file, allowed, bad)
        listed.append((file, found))
        if other := sum(row.split != file.split for row in found if file.split):
            notes.append(
                f"{shown(file.path.name)}: {other:,} rows say another split than the file's name; "
                "what the rows say counts"
            )
    bad.raise_any()
    return listed, notes


def clip_id(row: Row) -> str:
    """Return `ID_SSSSSS_EEEEEE`, as trimmed files are called, or a hashed id for broken seconds."""
    if row.start_s.is_integer() and row.end_s.is_integer():
        return f"{row.youtube_id}_{int(row.start_s):06d}_{int(row.end_s):06d}"
    readable = f"{row.youtube_id}_{row.start_s}_{row.end_s}"
    return rows.clip_id(readable, YOUTUBE + row.youtube_id, row.start_s, row.end_s)


def _merge(
    listed: list[tuple[ListFile, list[Row]]], found: rows.Annotation
) -> dict[str, dict[str, None]]:
    """Fill in the clips, each once, in the order of the lists; return each split's ids likewise."""
    numbers = {label.label: label.label_id for label in found.labels}
    first: dict[str, Row] = {}
    parts: dict[str, dict[str, None]] = defaultdict(dict)
    twice, conflicts = 0, []
    for file, row in ((file, row) for file, of_file in listed for row in of_file):
        key = clip_id(row)
        kept = first.setdefault(key, row)
        if kept.label is None:  # a held-out test may list what another split has with its label
            kept = first[key] = kept._replace(label=row.label)
        if row.label not in (None, kept.label):
            conflicts.append(f"{shown(file.path.name)}:{row.line} {key}")
        elif key in parts[row.split]:
            twice += 1
        parts[row.split][key] = None
    if twice:
        found.notes.append(f"{twice:,} rows say again what another row says; each counts once")
    if conflicts:
        found.warnings.append(
            f"{len(conflicts):,} rows give a clip another label than an earlier row, which is "
            f"kept: {some(conflicts)}."
        )
    _report_videos(first, parts, found)
    for key, row in first.items():
        video, start_s, end_s, label = row[:4]
        number = None if label is None else numbers[label]
        found.clips.append(
            rows.Clip(key, found.name, label, number, video, YOUTUBE + video, start_s, end_s)
        )
    return parts


def _report_videos(
    first: dict[str, Row], parts: dict[str, dict[str, None]], found: rows.Annotation
) -> None:
    """Tell of videos with several labels, and of what stands in several splits."""
    label_of: dict[str, str] = {}
    several = set()
    for row in first.values():
        if row.label and label_of.setdefault(row.youtube_id, row.label) != row.label:
            several.add(row.youtube_id)
    if several:
        found.notes.append(
            f"{len(several):,} videos have clips of several classes: {some([*several])}"
        )
    videos = {split: {first[key].youtube_id for key in ids} for split, ids in parts.items()}
    for one, two in combinations([split for split in rows.SPLITS if split in parts], 2):
        if same := parts[one].keys() & parts[two].keys():
            found.warnings.append(
                f"{len(same):,} clips are in {one} and in {two}, {some([*same])}; figures on {two} "
                "will come out too good."
            )
        if shared := videos[one] & videos[two]:
            found.notes.append(
                f"{len(shared):,} videos have clips in {one} and in {two}: {some([*shared])}"
            )


def _check_classes(found: rows.Annotation, version: str | None, fixed: bool) -> None:
    """Say what the classes are, and warn where their numbers may not be the whole set's."""
    number, unlabelled = len(found.labels), sum(clip.label is None for clip in found.clips)
    found.notes.append(f"{number:,} classes; {unlabelled:,} clips without a label")
    if not number:
        found.warnings.append(
            "no list has labels: nothing can be trained or scored on. Add the lists of train or "
            "val, or give --classes."
        )
    elif version and number != CLASSES[version]:
        cure = "" if fixed else " Give --classes a file with all of them, one on each line."
        found.warnings.append(
            f"Kinetics-{version} has {CLASSES[version]} classes and this has {number}: the "
            f"classes' numbers are not those of networks trained on the whole set.{cure}"
        )
    elif not version and (fitting := with_classes(number)):
        found.warnings.append(
            f"{number} classes, and no name says whether they are Kinetics-"
            f"{' or '.join(fitting)}; tell which with --version."
        )
    elif not version:
        found.notes.append("the version is not known; tell it with --version to compare counts")
