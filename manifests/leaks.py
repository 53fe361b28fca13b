"""How many of a data set's videos a checkpoint has seen: in training, or when it was chosen.

Reads the clips and splits alone; a second for 500,000 clips.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from manifests.dataset import Dataset
from manifests.rows import SPLITS
from manifests.seen import Seen, hashes, videos_of

EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Overlap:
    """Of so many videos, how many were in a checkpoint's train and in its val, with a few ids."""

    videos: int
    train: int
    val: int
    train_examples: tuple[str, ...]
    val_examples: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def overlap(seen: Seen, videos: Iterable[str]) -> Overlap:
    """Return how many of these videos (ids) a checkpoint has seen."""
    names = sorted(set(videos))
    keys = hashes(names)
    train, val = (
        [names[place] for place in np.flatnonzero(np.isin(keys, known))]
        for known in (seen.train, seen.val)
    )
    return Overlap(len(names), len(train), len(val), tuple(train[:EXAMPLES]), tuple(val[:EXAMPLES]))


def by_split(seen: Seen, dataset: Dataset, split_set: str | None) -> dict[str, Overlap]:
    """Return the overlap with each split of one split set, train, val and test first."""
    videos = videos_of(dataset)
    members: dict[str, list[str]] = {}
    for clip, splits in dataset.splits_of(split_set).items():
        for split in splits if clip in videos else ():
            members.setdefault(split, []).append(videos[clip])
    order = sorted(members, key=lambda name: (*SPLITS, name).index(name))
    return {split: overlap(seen, members[split]) for split in order}


def warning(seen: Seen, found: Overlap, split: str, where: str) -> str:
    """Return what is wrong with figures of a split of `where`, or nothing.

    Train may have been trained on, and val been looked at to choose; anything else leaks.
    """
    origin = f"(it was trained on {seen.split_set} of {seen.dataset})"
    if split != "train" and found.train:
        return (
            f"{found.train:,} of the {found.videos:,} videos of {split} of {where} were in the "
            f"checkpoint's train {origin}, {', '.join(found.train_examples)} among them: figures "
            f"on {split} come out too good."
        )
    if split == "test" and found.val:
        return (
            f"{found.val:,} of the {found.videos:,} videos of {split} of {where} were in the "
            f"checkpoint's val {origin}, {', '.join(found.val_examples)} among them: if it was "
            f"chosen by val, figures on {split} come out too good."
        )
    return ""
