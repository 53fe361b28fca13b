"""Where shard numbers go on: after every name that was ever planned or written."""

from __future__ import annotations

from manifests.dataset import Dataset
from manifests.shardnames import split_and_number
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
        split, number = split_and_number(name)
        following[split] = max(following.get(split, 0), number + 1)
    return following
