"""What the data set's releases are known to hold, against what is asked for and what is here.

Costs nothing: a table of known counts, and sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from manifests.rows import SPLITS
from pipeline.annotate import hmdb51, ucf101
from pipeline.annotate.kinetics_counts import KNOWN, VERSIONS
from pipeline.packplan import UNSPLIT

FIRST = "the first release"
LISTS = "the official lists"
# Val was cut from train by groups.
_CUT = (("train", "val"), ("test",))


@dataclass(frozen=True, slots=True)
class Official:
    """Releases of a data set: name -> split -> clips. `reference` is the one to compare with.

    `parts` are the splits that are counted together, because one was cut from the other.
    """

    data_set: str
    reference: str
    releases: Mapping[str, Mapping[str, int]]
    parts: tuple[tuple[str, ...], ...] = (("train",), ("val",), ("test",))


def known(name: str, split_set: str, classes: int, asked: Mapping[str, int]) -> Official | None:
    """Return what is known of a data set by its name, None where nothing is.

    `asked` are the clips of each split: of Kinetics the first release is the reference, or else
    the known one that is nearest to them. Lists of one's own in the layout of UCF101 or HMDB51
    are told by their number of classes.
    """
    if name == "ucf101" and classes == ucf101.OFFICIAL_CLASSES and split_set in ucf101.OFFICIAL:
        train, test = ucf101.OFFICIAL[split_set]
        return Official(name, LISTS, {LISTS: {"train": train, "test": test}}, _CUT)
    if name == "hmdb51" and classes == hmdb51.OFFICIAL_CLASSES:
        counts = {"train": hmdb51.OFFICIAL["train"], "test": hmdb51.OFFICIAL["test"]}
        if UNSPLIT in asked:  # val was cut from train, and the unused clips are in no split
            return Official(name, LISTS, {LISTS: counts}, _CUT)
        return Official(name, LISTS, {LISTS: counts | {"val": hmdb51.OFFICIAL["unused"]}})
    version = name.removeprefix("kinetics")
    if not name.startswith("kinetics") or version not in VERSIONS:
        return None
    releases: dict[str, Mapping[str, int]] = {
        release: {split: sizes[place] for place, split in enumerate(SPLITS)}
        for release, sizes in KNOWN[version].items()
    }

    def distance(release: str) -> int:
        return sum(abs(releases[release][x] - asked[x]) for x in SPLITS if x in asked)

    reference = FIRST if FIRST in releases else min(releases, key=distance)
    return Official(name, reference, releases)


def coverage(official: Official, splits: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what each split asks for, holds, and should hold by the reference."""
    reference = official.releases[official.reference]
    rows = []
    for part in _parts(official, splits):
        asked, held, packed = (
            sum(splits[name][column] for name in part if name in splits)
            for column in ("asked", "held", "packed")
        )
        count = sum(reference.get(name, 0) for name in part)
        rows.append(
            {
                "splits": list(part),
                "official": count,
                "asked": asked,
                "held": held,
                "packed": packed,
                "held_of_asked": held / asked if asked else None,
                "held_of_official": held / count if count else None,
            }
        )
    return {
        "data_set": official.data_set,
        "reference": official.reference,
        "releases": {name: dict(counts) for name, counts in official.releases.items()},
        "splits": rows,
    }


def _parts(
    official: Official, splits: Mapping[str, Mapping[str, Any]]
) -> tuple[tuple[str, ...], ...]:
    """Return the splits to count together; the seed's val is a part of test, and train is whole."""
    reference = official.releases[official.reference]
    whole = splits.get("train", {}).get("asked", 0) == reference.get("train")
    if official.parts is _CUT and whole and "val" in splits:
        return (("train",), ("test",))
    return official.parts
