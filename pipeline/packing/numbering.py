"""Where shard numbers go on: after every name that was ever planned or written."""

from __future__ import annotations

import re

from manifests.dataset import Dataset
from pipeline import plans

REPACK = "pack-repack"  # under this name repack's plans are kept; they are of the stage `pack`


def next_index(dataset: Dataset) -> dict[str, int]:
    """Return split → the number of its next shard."""
    names: set[str] = set(dataset.parts("shards")["shard"].to_pylist())
    for plan in ("pack", REPACK):
        for number in plans.numbers(dataset, plan):
            names.update(plans.read(dataset, plan, number)["shard"].to_pylist())
    following: dict[str, int] = {}
    for name in names:
        split, index = re.fullmatch(r"(.+)-(\d+)\.tar", name).groups()  # type: ignore[union-attr]
        following[split] = max(following.get(split, 0), int(index) + 1)
    return following
