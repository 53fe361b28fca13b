"""Which clips go into which shard: a pure function of clips, splits, seed and sizes.

Each split is shuffled by the seed and cut into shards of equal length near the wished size. What
arrives later becomes a new generation with new names: existing shards never change. 500,000 clips
take under a second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from manifests.rows import SPLITS
from manifests.shardnames import named

SHARD_BYTES = 256_000_000
# Small sets still get shards enough to shuffle and to pack in parallel, but none below this.
AIM_SHARDS = 16
LEAST_BYTES = 4_000_000
UNSPLIT = "unsplit"


def plan_shards(
    todo: Iterable[tuple[str, str, int, int]],
    *,
    sample_bytes: int,
    shard_bytes: int | None,
    seed: int,
    generation: int,
    next_index: dict[str, int],
) -> list[dict[str, Any]]:
    """Return rows of `plans/pack` for clips given as (clip_id, split, attempt, views).

    `shard_bytes` None aims at 256 MB, and at 16 shards a split where that leaves at least 4 MB
    each. `next_index` says where each split's shard numbers go on.
    """
    by_split: dict[str, list[tuple[str, int, int]]] = {}
    for clip, split, attempt, views in todo:
        by_split.setdefault(split, []).append((clip, attempt, views))
    rows = []
    for split in sorted(by_split, key=_split_order):
        clips = sorted(by_split[split])
        views = np.array([views for _, _, views in clips])
        count = shard_count(len(clips), sample_bytes, shard_bytes, int(views.sum()))
        shuffled = _shuffle([clip for clip, *_ in clips], seed, generation)
        for number, places in enumerate(_cut(shuffled, views[shuffled], count)):
            name = named(split, next_index.get(split, 0) + number)
            for place in places:
                clip, attempt, _ = clips[place]
                rows.append(
                    {
                        "shard": name,
                        "split": split,
                        "generation": generation,
                        "clip_id": clip,
                        "attempt": attempt,
                    }
                )
    return rows


def shard_split(splits: Sequence[str]) -> str:
    """Return in whose shards a clip lies: a leaking protocol's val clips stay with test."""
    return max(splits, key=_split_order, default=UNSPLIT)


def shard_count(
    clips: int, sample_bytes: int, shard_bytes: int | None, samples: int | None = None
) -> int:
    """Return how many shards a split of so many clips (with so many samples) gets."""
    total = (clips if samples is None else samples) * sample_bytes
    aim = shard_bytes or min(SHARD_BYTES, max(total // AIM_SHARDS, LEAST_BYTES))
    return max(1, min(clips, -(-total // aim)))


def _cut(places: np.ndarray, views: np.ndarray, count: int) -> list[np.ndarray]:
    """Cut into pieces of equally many samples; a clip's views stay together."""
    if (views == views[0]).all():
        return np.array_split(places, count)
    # views 1 3 1 2 3, ten samples in two: clips whose middle lies before the fifth go to the first
    ends = np.cumsum(views)
    cuts = np.searchsorted(ends - views / 2, ends[-1] * np.arange(1, count) / count, "left")
    return [piece for piece in np.split(places, cuts) if len(piece)]


def _shuffle(clips: list[str], seed: int, generation: int) -> np.ndarray:
    names = hashlib.sha256("\n".join(clips).encode()).digest()
    words = [int.from_bytes(names[:8], "big"), seed, generation]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words))).permutation(
        len(clips)
    )


def _split_order(split: str) -> tuple[int, str]:
    """Train, val, test, then anything else."""
    return (SPLITS.index(split) if split in SPLITS else len(SPLITS), split)
