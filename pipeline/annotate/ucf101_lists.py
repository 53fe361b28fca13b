"""Parsing UCF101's lists, official or anybody's in their layout: every line checked.

A clip's class is its FOLDER (files of HandstandPushups are called v_HandStandPushups_*). About
5 microseconds a line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from manifests import rows
from manifests.errors import ClipmillError
from pipeline.annotate.sources import SCHEME, source_of
from pipeline.annotate.text import bad_line, did_you_mean, is_unicode, read_lines, shown

SUBFOLDER = "ucfTrainTestlist"
_CLASS = re.compile(r"([0-9]{1,6})[ \t]+(\S.*)")
_ROW = re.compile(
    r"(?P<label>[^/]+)/(?P<file>[^/]+\.[A-Za-z0-9]+)(?:[ \t]+(?P<number>[0-9]{1,6}))?"
)
_GROUP = re.compile(r"_(g[0-9]+)_c[0-9]+$")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a train or test list: its clip, and where the line stands."""

    clip: rows.Clip
    line: int


def find_lists(lists: Path) -> tuple[Path, list[int]]:
    """Return the folder that holds the lists, and the numbers of the splits found there."""
    for folder in (lists, lists / SUBFOLDER):
        pairs = {
            number: [(folder / f"{part}list0{number}.txt").is_file() for part in ("train", "test")]
            for number in (1, 2, 3)
        }
        for number, there in pairs.items():
            if any(there) and not all(there):
                has, lacks = ("train", "test") if there[0] else ("test", "train")
                raise ClipmillError(
                    f"{shown(folder)} has {has}list0{number}.txt without {lacks}list0{number}.txt; "
                    "expected both or neither. Give the whole archive of the lists as --lists."
                )
        if numbers := [number for number, there in pairs.items() if all(there)]:
            return folder, numbers
    raise ClipmillError(
        f"no trainlist01.txt in {shown(lists)} or its {SUBFOLDER}; expected the lists of "
        "UCF101TrainTestSplits-RecognitionTask.zip. Give that archive, or the folder unpacked from "
        "it, as --lists."
    )


def read_classes(path: Path) -> dict[str, int]:
    """Return class → label id (from 0). The list counts from 1 and may leave no number out."""
    classes: dict[str, int] = {}
    lines: dict[int, int] = {}
    for line, text in read_lines(path):
        match = _CLASS.fullmatch(text)
        if not match or not is_unicode(text):
            raise bad_line(path, line, repr(text), "'<number from 1> <class>' in UTF-8")
        number, name = int(match[1]), match[2]
        if number in lines or name in classes:
            earlier = lines.get(number) or lines[classes[name] + 1]
            found = f"{text!r}, whose number or class stands in line {earlier} already"
            raise bad_line(path, line, found, "every number and every class once")
        classes[name] = number - 1
        lines[number] = line
    if sorted(lines) != list(range(1, len(lines) + 1)) or not lines:
        missing = next(number for number in range(1, len(lines) + 2) if number not in lines)
        raise ClipmillError(
            f"{shown(path)} has {len(lines)} classes but none with the number {missing}; "
            "expected the numbers from 1 on, without a gap."
        )
    return classes


def read_list(path: Path, classes: dict[str, int], *, numbered: bool) -> dict[str, Row]:
    """Return source → row of one train or test list, every line checked."""
    expected = "'<Class>/<name>.avi" + (" <number>'" if numbered else "'")
    found: dict[str, Row] = {}
    for line, text in read_lines(path):
        match = _ROW.fullmatch(text)
        if not match or (numbered and match["number"] is None):
            raise bad_line(path, line, repr(text), expected)
        label = match["label"]
        if label not in classes:
            cure = did_you_mean(label, classes)
            raise bad_line(path, line, f"class {label!r}", "a class of classInd.txt", cure)
        number = match["number"]
        if number is not None and int(number) != classes[label] + 1:
            expected = f"{classes[label] + 1}, its number in classInd.txt"
            raise bad_line(path, line, f"number {number} for class {label!r}", expected)
        clip = _clip(label, match["file"], classes[label])
        if clip.source in found:
            again = f"{text!r} again (it stands in line {found[clip.source].line})"
            raise bad_line(path, line, again, "every clip once")
        found[clip.source] = Row(clip, line)
    return found


def _clip(label: str, file: str, label_id: int) -> rows.Clip:
    source = source_of(f"{label}/{file}")
    stem = file.rpartition(".")[0]
    clean = rows.CLIP_ID.fullmatch(stem) and len(stem) <= rows.MAX_CLIP_ID
    match = _GROUP.search(stem)
    return rows.Clip(
        clip_id=stem if clean else rows.clip_id(stem, source, None, None),
        dataset="ucf101",
        label=label,
        label_id=label_id,
        video_id=stem if clean else source.removeprefix(SCHEME),
        source=source,
        group=f"{label}/{match[1]}" if match else None,
    )
