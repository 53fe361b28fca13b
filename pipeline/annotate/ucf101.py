"""UCF101's official lists, or anybody's in the same layout: classInd, trainlist0k, testlist0k.

Val is cut from train by whole groups, because clips of one group show the same person and scene.
Reading all three splits takes a third of a second.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from manifests import rows
from manifests.errors import ClipmillError
from pipeline.annotate.cut import check_fractions, cut, rank
from pipeline.annotate.text import bad_line
from pipeline.annotate.ucf101_lists import Row, find_lists, read_classes, read_list

OFFICIAL = {"split1": (9537, 3783), "split2": (9586, 3734), "split3": (9624, 3696)}
OFFICIAL_CLASSES = 101
SEED_VAL = 0.2
LEAKS = (
    "val 'seed' takes 20% of the TEST list as val, as the seed project did, and test stays whole: "
    "choosing a checkpoint or a learning rate by val then looks at test clips, so the test figures "
    "come out too good. Use it only to compare with the seed's own figures."
)


def read_ucf101(lists: Path, *, val: float | Literal["seed"], seed: int) -> rows.Annotation:
    """Read the lists in `lists` (or its ucfTrainTestlist); `val` is a fraction of train.

    `val="seed"` is the seed project's protocol, where val is a part of test; its clips then have
    two split rows each.
    """
    if isinstance(val, str) and val != "seed":
        raise ClipmillError(f"val {val!r}; expected a fraction such as 0.1, or 'seed'.")
    if not isinstance(val, str):
        check_fractions(val=val)
    folder, numbers = find_lists(lists)
    classes = read_classes(folder / "classInd.txt")
    labels = [rows.Label(i, name, rows.slug(name)) for name, i in classes.items()]
    found = rows.Annotation("ucf101", [], sorted(labels, key=lambda x: x.label_id), [], [])
    clips: dict[str, rows.Clip] = {}
    for number in numbers:
        name = f"split{number}"
        train = read_list(folder / f"trainlist0{number}.txt", classes, numbered=True)
        test = read_list(folder / f"testlist0{number}.txt", classes, numbered=False)
        _check_apart(folder, number, train, test)
        for row in (*train.values(), *test.values()):
            _add(clips, row.clip)
        found.split_sets.append(name)
        split = _split(name, train, test, val, seed)
        found.splits.extend(split)
        _report(found, name, train, test)
        if val and not any(row.split == "val" for row in split):
            found.warnings.append(
                f"{name}: val is empty: every group is larger than {val} asks for."
            )
    found.clips.extend(sorted(clips.values(), key=lambda clip: (clip.label_id, clip.source)))
    if val == "seed":
        found.warnings.append(LEAKS)
    return found


def _add(clips: dict[str, rows.Clip], clip: rows.Clip) -> None:
    """Keep a clip that may stand in several split sets; ids decide file names, so they are one."""
    known = clips.setdefault(clip.clip_id, clip)
    if known.source != clip.source:
        raise ClipmillError(
            f"{known.source!r} and {clip.source!r} have the same clip id {clip.clip_id!r}; "
            "expected file names that differ between classes. Rename one of the files, or use "
            "`clipmill annotate folder`."
        )


def _check_apart(folder: Path, number: int, train: dict[str, Row], test: dict[str, Row]) -> None:
    both = min(train.keys() & test.keys(), default=None)
    if both is not None:
        there = f"trainlist0{number}.txt:{train[both].line}"
        found = f"{both!r}, which {there} has too"
        path = folder / f"testlist0{number}.txt"
        raise bad_line(path, test[both].line, found, "a clip in train or in test, not in both")


def _split(
    name: str,
    train: dict[str, Row],
    test: dict[str, Row],
    val: float | Literal["seed"],
    seed: int,
) -> list[rows.SplitRow]:
    """Return one split set's rows, sorted, so that the order of the lists does not matter."""
    held: set[str] = set()
    if val == "seed":
        order = sorted((row.clip.clip_id for row in test.values()), key=lambda x: rank(seed, x))
        held = set(order[: math.floor(SEED_VAL * len(order))])
        parts = {"train": _ids(train.values()), "val": held, "test": _ids(test.values())}
    else:
        # A clip without a group is a group of its own; ids hold no slash, groups always do.
        unit = {row.clip.clip_id: row.clip.group or row.clip.clip_id for row in train.values()}
        members = [(str(row.clip.label), unit[row.clip.clip_id]) for row in train.values()]
        part = cut(members, {"val": val}, seed=seed, salt=name)
        held = {clip_id for clip_id in unit if part[unit[clip_id]] == "val"}
        parts = {"train": unit.keys() - held, "val": held, "test": _ids(test.values())}
    return [rows.SplitRow(name, x, split) for split, ids in parts.items() for x in sorted(ids)]


def _ids(found: Iterable[Row]) -> set[str]:
    return {row.clip.clip_id for row in found}


def _report(found: rows.Annotation, name: str, train: dict[str, Row], test: dict[str, Row]) -> None:
    """Add the counts, and what deserves a second look, to the notes and warnings."""
    counts = (len(train), len(test))
    text = f"{name}: {counts[0]:,} train (before the val cut) and {counts[1]:,} test clips"
    if len(found.labels) == OFFICIAL_CLASSES:
        official = OFFICIAL[name]
        same = "as in" if counts == official else f"but {official[0]:,} and {official[1]:,} in"
        text += f", {same} the official lists"
    found.notes.append(text)
    groups = [{row.clip.group for row in part.values()} - {None} for part in (train, test)]
    if shared := groups[0] & groups[1]:
        found.warnings.append(
            f"{name}: {len(shared)} groups have clips in train and in test, "
            f"{min(map(str, shared))} among them; the test figures will come out too good."
        )
    for part, there in (("train", train), ("test", test)):
        if not there:
            found.warnings.append(f"{name}: the {part} list is empty.")
