"""One's own videos: folders named after their classes, or a CSV that lists them.

`<class>/<file>`, `<train|val|test>/<class>/<file>`, or `path,label[,split][,start,end][,group]`.
Looks at names only and opens no video. About 1 KB of memory a clip.
"""

from __future__ import annotations

import posixpath
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from manifests import rows
from manifests.errors import ClipmillError
from pipeline.annotate.class_folders import read_class_folders
from pipeline.annotate.cut import check_fractions, cut
from pipeline.annotate.listing import Listed, read_listing
from pipeline.annotate.sources import SCHEME, is_address, source_of
from pipeline.annotate.text import did_you_mean, read_names, shown
from pipeline.annotate.walk import some

SPLIT_SET = "default"


def read_folder(
    videos: Path,
    *,
    csv: Path | None,
    val: float,
    test: float,
    seed: int,
    name: str,
    classes: Path | Sequence[str] | None = None,
) -> rows.Annotation:
    """Read a folder or archive of videos, or the CSV that lists some of its videos.

    Without splits of its own, each class is cut by the fractions `val` and `test`; with splits but
    no val, `val` is that fraction of train. `classes` fixes the labels and their order.
    """
    check_fractions(val=val, test=test)
    found = rows.Annotation(name, [], [], [], [SPLIT_SET])
    if csv is None:
        listed = read_class_folders(videos, found)
    else:
        listed, notes = read_listing(csv, videos)
        found.notes.extend(notes)
        if not videos.exists():
            found.warnings.append(f"{shown(videos)} is not there: nor is a video of the list.")
    found.labels.extend(_labels(listed, classes, csv))
    clips = _clips(listed, name, found, csv)
    _split(clips, found, val, test, seed)
    _check(clips, found)
    return found


def _labels(
    listed: list[Listed], classes: Path | Sequence[str] | None, csv: Path | None
) -> list[rows.Label]:
    """Return the classes: those of the class list in its order, else those found, by name."""
    if classes is None:
        names = sorted({row.label for row in listed})
    else:
        names = read_names(classes, "class") if isinstance(classes, Path) else list(classes)
        allowed = set(names)
        if len(allowed) < len(names):
            again = next(name for name in names if names.count(name) > 1)
            raise ClipmillError(
                f"class {again!r} stands twice in the class list; expected it once."
            )
        for row in listed:
            if row.label not in allowed:
                where = f"{shown(csv)}:{row.line}" if csv else repr(row.path)
                raise ClipmillError(
                    f"{where}: unknown class {row.label!r}; expected one of the {len(names)} in "
                    f"the class list. {did_you_mean(row.label, names)}".rstrip()
                )
    return [rows.Label(index, label, rows.slug(label)) for index, label in enumerate(names)]


def _clips(
    listed: list[Listed], name: str, found: rows.Annotation, csv: Path | None
) -> dict[str, tuple[rows.Clip, Listed]]:
    """Return the clips by id, sorted by source and span; a row said twice counts once."""
    ids = {label.label: label.label_id for label in found.labels}
    clips: dict[str, tuple[rows.Clip, Listed]] = {}
    twice = 0
    for row in sorted(listed, key=lambda row: (row.path, row.start_s or 0.0, row.end_s or 0.0)):
        source = row.path if is_address(row.path) else source_of(row.path)
        stem = posixpath.splitext(posixpath.basename(row.path))[0]
        key = rows.clip_id(stem, source, row.start_s, row.end_s)
        video = source.removeprefix(SCHEME)
        clip = rows.Clip(
            key, name, row.label, ids[row.label], video, source, row.start_s, row.end_s, row.group
        )
        if key not in clips:
            clips[key] = (clip, row)
            found.clips.append(clip)
        elif clips[key][0] == clip and clips[key][1].split == row.split:
            twice += 1
        else:
            raise _contradiction(csv, clips[key][1], row)
    if twice:
        found.warnings.append(f"{twice:,} rows say again what another row says; each counts once.")
    return clips


def _contradiction(csv: Path | None, first: Listed, second: Listed) -> ClipmillError:
    one, two = sorted((first, second), key=lambda row: row.line)

    def said(row: Listed) -> str:
        split = f", split {row.split}" if row.split else ""
        return f"{row.path!r} as {row.label!r}{split}"

    return ClipmillError(
        f"{shown(csv or '')}:{two.line}: {said(two)}, but line {one.line} has {said(one)} for the "
        "same clip; expected one label, split and group for each clip. Remove one of the rows."
    )


def _split(
    clips: dict[str, tuple[rows.Clip, Listed]],
    found: rows.Annotation,
    val: float,
    test: float,
    seed: int,
) -> None:
    """Fill the one split set: the splits that were given, and a cut of what they leave open."""
    split = {key: row.split for key, (_, row) in clips.items()}
    given = {part for part in split.values() if part}
    fractions = {"val": val, "test": test} if not given else {}
    if given and "val" not in given and val > 0:
        fractions = {"val": val}
    pool = [clip for clip in found.clips if split[clip.clip_id] in (None, "train")]
    if fractions:
        # Spans of one video must not be parted either, so a clip without a group has its video.
        unit = {clip.clip_id: f"g:{clip.group}" if clip.group else clip.source for clip in pool}
        members = [(str(clip.label), unit[clip.clip_id]) for clip in pool]
        part = cut(members, fractions, seed=seed, represent=True)
        split.update({key: part[group] for key, group in unit.items()})
    for part in rows.SPLITS:
        ids = sorted(key for key, of in split.items() if of == part)
        found.splits.extend(rows.SplitRow(SPLIT_SET, key, part) for key in ids)
    counts = Counter(split.values())
    origin = (
        "as given" if not fractions else "cut by the seed" if not given else "val cut from train"
    )
    numbers = ", ".join(f"{counts[part]:,} {part}" for part in rows.SPLITS)
    found.notes.append(f"{len(found.labels):,} classes; {numbers} clips ({origin})")
    for part, fraction in fractions.items():
        if fraction > 0 and not counts[part]:
            found.warnings.append(f"{part} is empty: no class has groups enough to spare one.")


def _check(clips: dict[str, tuple[rows.Clip, Listed]], found: rows.Annotation) -> None:
    """Warn of what makes test figures wrong: groups in several parts, classes never trained."""
    part_of: dict[str, str] = {}
    crossing: set[str] = set()
    classes: dict[str, set[str]] = defaultdict(set)
    for row in found.splits:
        clip = clips[row.clip_id][0]
        unit = clip.group or clip.source
        if part_of.setdefault(unit, row.split) != row.split:
            crossing.add(unit)
        classes[row.split].add(str(clip.label))
    if crossing:
        found.warnings.append(
            f"{len(crossing):,} groups or videos have clips in several splits, "
            f"{some(list(crossing))}; figures on val and test will come out too good."
        )
    if untrained := (classes["val"] | classes["test"]) - classes["train"]:
        found.warnings.append(f"classes without a clip in train: {some(list(untrained))}")
