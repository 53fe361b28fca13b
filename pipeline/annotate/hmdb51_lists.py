"""Parsing HMDB51's split files, official or anybody's in their layout: every line checked.

A class has a file for each split, `<class>_test_split<1|2|3>.txt`, with lines `name.avi flag`. The
class is taken from the FILE's name: hundreds of clips have another class in theirs, and class names
begin with each other (climb, climb_stairs). About 5 microseconds a line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from manifests import rows
from manifests.errors import ClipmillError
from pipeline.annotate.sources import SCHEME, source_of
from pipeline.annotate.text import bad_line, is_unicode, read_lines, shown

SUBFOLDER = "testTrainMulti_7030_splits"
FLAGS = {"0": "unused", "1": "train", "2": "test"}
# What begins with a dot is no class: macOS puts `._` files beside unpacked ones.
_FILE = re.compile(r"(?P<label>[^.].*)_test_split(?P<number>[123])\.txt", re.DOTALL)
_ROW = re.compile(r"(?P<file>[^/]+\.[A-Za-z0-9]+)[ \t]+(?P<flag>[^ \t]+)")
# After the class: body part, camera, people, direction, quality, number of the clip in its video.
_ABOUT = r"_[a-z]+_[a-z]+_np[0-9]+_[a-z]+_[a-z]+_[0-9]+"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a split file: its clip, train, test or unused, and where it stands."""

    clip: rows.Clip
    part: str
    line: int


def find_splits(lists: Path) -> dict[int, dict[str, Path]]:
    """Return split number → class → file, of `lists` or its testTrainMulti_7030_splits.

    Raises:
        ClipmillError: no such file, or a class that lacks the file of a split others have.
    """
    for folder in (lists, lists / SUBFOLDER):
        names = sorted(os.listdir(folder)) if folder.is_dir() else []
        found: dict[int, dict[str, Path]] = {}
        for match in filter(None, map(_FILE.fullmatch, names)):
            found.setdefault(int(match["number"]), {})[match["label"]] = folder / match[0]
        if found:
            _require_whole(found, folder)
            return {number: dict(sorted(found[number].items())) for number in sorted(found)}
    raise ClipmillError(
        f"no <class>_test_split1.txt in {shown(lists)} or its {SUBFOLDER}; expected the 153 files "
        "of test_train_splits.rar. Give that archive, or the folder unpacked from it, as --lists."
    )


def _require_whole(found: Mapping[int, Mapping[str, Path]], folder: Path) -> None:
    labels = {label: number for number, files in found.items() for label in files}
    for label in sorted(labels):
        if not is_unicode(label):
            raise ClipmillError(
                f"{shown(folder)}: class {shown(label)!r} is no UTF-8; rename its split files."
            )
        for number, files in sorted(found.items()):
            if label not in files:
                raise ClipmillError(
                    f"{shown(folder)} has {label}_test_split{labels[label]}.txt without "
                    f"{label}_test_split{number}.txt, which other classes have; expected a file "
                    "of each class for each split. Give the whole archive of the lists as --lists."
                )


def read_split(path: Path, label: str, label_id: int) -> dict[str, Row]:
    """Return source → row of one class's split file, every line checked."""
    found: dict[str, Row] = {}
    for line, text in read_lines(path):
        match = _ROW.fullmatch(text)
        if not match:
            raise bad_line(path, line, repr(text), "'<name>.avi <flag>'")
        if match["flag"] not in FLAGS:
            raise bad_line(path, line, f"flag {match['flag']!r}", "1 train, 2 test or 0 unused")
        row = Row(_clip(label, match["file"], label_id), FLAGS[match["flag"]], line)
        earlier = found.setdefault(row.clip.source, row)
        if earlier is not row:
            again = f"{match['file']!r} again as {row.part} (line {earlier.line}: {earlier.part})"
            raise bad_line(path, line, again, "every clip once, in train, in test or unused")
    return found


def _clip(label: str, file: str, label_id: int) -> rows.Clip:
    source = source_of(f"{label}/{file}")
    stem = file.rpartition(".")[0]
    video = re.fullmatch(f"(.+)_{re.escape(label)}{_ABOUT}", stem, re.DOTALL)
    return rows.Clip(
        clip_id=rows.clip_id(stem, source, None, None),
        dataset="hmdb51",
        label=label,
        label_id=label_id,
        video_id=source.removeprefix(SCHEME),
        source=source,
        group=source_of(f"{label}/{video[1]}").removeprefix(SCHEME) if video else None,
    )
